"""The chain: what becomes of an engine's errors, refusals and answers."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from tests.core.probes import Masker
from tests.kit import exchange, request, saying, step

from yumen import Answer, Engine, EngineError, EngineManifest, Native, NoConfig
from yumen.testing import completion


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
    outcome = await exchange([], saying(body))
    assert outcome.code == "engine_unavailable"


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
