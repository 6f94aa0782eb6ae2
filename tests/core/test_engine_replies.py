"""The chain: what becomes of an engine's errors, refusals and answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs
from tests.core.probes import Masker
from tests.kit import Ledger, Panic, exchange, request, saying, step

from yumen import Answer, Delta, Engine, EngineError, EngineManifest, Native, NoConfig
from yumen.target import Target
from yumen.testing import ScriptedEngine, chunk, completion


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (EngineError("refused"), "engine_unavailable", 502),
        (EngineError("late", timeout=True), "engine_timeout", 504),
        (RuntimeError("SECRET"), "engine_unavailable", 502),
    ],
)
async def test_engine_errors_have_stable_codes(error: Exception, code: str, status: int) -> None:
    """A failing engine is a 502 or 504 with a code, never a bare 500 and never its own words."""
    outcome = await exchange([], saying(error))
    assert (outcome.code, outcome.status) == (code, status)
    assert b"SECRET" not in outcome.body


async def test_an_engine_that_takes_too_long_is_cancelled() -> None:
    """The route's time holds for any engine."""
    outcome = await exchange([], saying(lambda: asyncio.sleep(30), completion("x")), timeout_ms=50)
    assert (outcome.code, outcome.status) == ("engine_timeout", 504)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"[" * 100_000, b'{"a":1,"a":2}', b"\xff"])
async def test_a_reply_that_cannot_be_read_is_not_passed_on(body: bytes) -> None:
    """What cannot be inspected does not reach the client."""
    with capture_logs() as logs:
        outcome = await exchange([], saying(body))
    assert outcome.code == "engine_unavailable"
    told = [one["detail"] for one in logs if one["event"] == "engine_failed"]
    assert told == ["its reply cannot be read"]


class Giving(Engine[NoConfig]):
    """An engine that gives whatever it was told to."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="giving", version="1", dialects=("openai",))

    def __init__(self, given: Any) -> None:
        super().__init__(NoConfig())
        self.given = given

    async def generate(self, request: Any) -> Any:
        return self.given


@pytest.mark.parametrize(
    "given",
    [
        None,
        5,
        b"{}",
        Answer([]),
        Answer(["\ud800"]),
        Answer([5]),  # type: ignore[list-item]
        Answer(["x"], usage=5),  # type: ignore[arg-type]
        Native(999, completion("x")),
        Native(101, completion("x")),
        Native("200", completion("x")),  # type: ignore[arg-type]
        Native(200, "{}"),  # type: ignore[arg-type]
        Native(200, completion("x"), json_bytes=1 << 20),
        Native(200, completion("x"), headers=5),  # type: ignore[arg-type]
    ],
    ids=repr,
)
async def test_what_is_no_reply_is_the_engines_fault(given: Any) -> None:
    """It is told by the engine's name and a sentence, no plugin hears of it, and the route's other engine is asked."""
    seen = Masker("m", [])
    with capture_logs() as logs:
        outcome = await exchange([step(seen)], Giving(given))
        spare = Target("spare", saying(completion("instead")), "local")
        instead = await exchange([step(Masker("m", []))], Giving(given), fallback=spare)
    assert outcome.code == "engine_unavailable"
    failed = [one for one in logs if one["event"] == "engine_failed"]
    assert len(failed) == 2
    assert all(one["engine"] == "llm" and one["detail"].startswith("it gave ") for one in failed)
    assert "plugin_fault" not in {one["event"] for one in logs}
    assert (instead.status, instead.content) == (200, "instead")


async def test_a_piece_of_a_stream_that_is_no_text() -> None:
    """It ends the stream with an error, as any failure of the engine does."""

    async def pieces() -> AsyncIterator[Any]:
        yield Delta("fi")
        yield Delta(5)  # type: ignore[arg-type]

    outcome = await exchange([], Giving(pieces()), request(stream=True))
    assert outcome.code == "engine_unavailable"
    assert "5" not in outcome.channel()


async def test_an_upstreams_refusal_passes_with_its_status() -> None:
    """A 4xx of the engine reaches the client as it is, with its Retry-After, and its outcome is told apart."""
    body = b'{"error":{"message":"slow down","type":"rate_limit_error","code":"x","param":null}}'
    outcome = await exchange([], saying(Native(429, body, {"retry-after": "7"})))
    assert (outcome.status, outcome.exchange.outcome, outcome.exchange.reply.retry_after) == (
        429,
        "engine_rejected",
        "7",
    )
    assert outcome.body == body


async def test_a_neutral_engine_gets_messages_and_its_answer_gets_a_form() -> None:
    """An engine that knows no wire format answers OpenAI clients all the same."""

    class Neutral(Engine[NoConfig]):
        manifest: ClassVar[EngineManifest] = EngineManifest(name="neutral", version="1")

        async def generate(self, request: Any) -> Answer:
            return Answer([f"{request.messages[0].role}: {request.messages[0].text}"])

    outcome = await exchange([step(Masker("m", []))], Neutral(NoConfig()), request("my SECRET"))
    assert outcome.content == "user: my SECRET"


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit("SECRET"), Panic("SECRET")])
@pytest.mark.parametrize("at", ["once", "later", "first", "mid-stream"])
async def test_what_engines_raise(error: BaseException, at: str) -> None:
    """An engine that raises it, at once or in mid-stream, is one that could not be reached."""
    ledger = Ledger()

    class Raising(ScriptedEngine):
        async def generate(self, request: Any) -> Any:
            if at == "later":
                await asyncio.sleep(0)
            if at in ("once", "later"):
                raise error
            return self._breaking()

        async def _breaking(self) -> AsyncIterator[Any]:
            if at == "mid-stream":
                yield chunk("fi")
            await asyncio.sleep(0)
            raise error

    stream = at in ("first", "mid-stream")
    with capture_logs() as logs:
        outcome = await exchange([step(ledger)], Raising(dialects=("openai",)), request(stream=stream))
    assert outcome.code == "engine_unavailable"
    assert [one["outcome"] for one in ledger.records] == ["engine_unavailable"]
    (failed,) = (one for one in logs if one["event"] == "engine_failed")
    # An engine's author finds the line; what stands in for a `GeneratorExit` is raised by the core.
    where = "foreign.py" if isinstance(error, GeneratorExit) else Path(__file__).name
    assert f"{where}:" in failed["detail"]
    assert "SECRET" not in str(logs)


async def test_an_engine_that_raises_while_its_stream_is_closed() -> None:
    """A caller who leaves is on record, whatever the engine makes of it."""
    ledger = Ledger()

    class Raising(ScriptedEngine):
        async def generate(self, request: Any) -> Any:
            return self._breaking()

        async def _breaking(self) -> AsyncIterator[Any]:
            try:
                yield chunk("fi")
                await asyncio.sleep(60)
            finally:
                raise GeneratorExit("SECRET")

    begun = asyncio.Event()

    async def on_frame(frame: bytes) -> None:
        begun.set()

    asked = exchange([step(ledger)], Raising(dialects=("openai",)), request(stream=True), on_frame=on_frame)
    going = asyncio.ensure_future(asked)
    await begun.wait()
    going.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await going
    assert [one["outcome"] for one in ledger.records] == ["engine_unavailable"]
