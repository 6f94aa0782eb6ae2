"""What plugins say that is nonsense is a fault of theirs, and reaches neither the ledger, the engine nor the wire."""

from __future__ import annotations

import asyncio
import time
from typing import Any, ClassVar

import pytest
from tests.core.probes import Probe
from tests.kit import Ledger, exchange, request, saying, step

from yumen import Answer, Block, Channel, Exchange, Manifest, NoConfig, Plugin, Respond, StreamFilter
from yumen.exchange import Usage
from yumen.said import HEADERS_MAX
from yumen.testing import chunk, completion

HALF = "\ud800"
SECRET = "张伟 13812345678"
NONSENSE: list[Any] = [
    Block("a.b", code="nope"),  # type: ignore[arg-type]  # nonsense
    Block("a.b", retry_after_s=float("nan")),
    Block("a.b", retry_after_s=-1.0),
    Block("a.b", retry_after_s="soon"),  # type: ignore[arg-type]  # nonsense
    Block(""),
    Block("x" * 10_000),
    Block("line\nbreak"),
    Block(7),  # type: ignore[arg-type]  # nonsense
    Respond("text"),  # type: ignore[arg-type]  # nonsense
    Respond(Answer([])),
    Respond(Answer([42])),  # type: ignore[list-item]  # nonsense
    Respond(Answer([HALF])),
    Respond(Answer(None)),  # type: ignore[arg-type]  # nonsense
    Respond(Answer(["x"], usage="much")),  # type: ignore[arg-type]  # nonsense
    "allow",
    True,
]
FINDINGS: list[dict[str, Any]] = [
    {"rule": object()},
    {"rule": HALF},
    {"rule": ""},
    {"rule": "x" * 1_000_000},
    {"category": None},
    {"category": "a\u202eb"},
    {"score": float("nan")},
    {"score": 2},
    {"score": "1"},
    {"start": -5},
    {"end": 10**20},
    {"start": 3, "end": 2},
    {"start": 0.5, "end": 1},
]


async def outcome_of(request_hook: Any, *, on_error: str = "closed") -> tuple[Any, Ledger]:
    ledger = Ledger()
    plugin = Probe("odd", [], request=request_hook)
    engine = saying(completion("ok"))
    return await exchange([step(ledger), step(plugin, name="odd", on_error=on_error)], engine, request(SECRET)), ledger


@pytest.mark.parametrize("decision", NONSENSE, ids=[str(place) for place in range(len(NONSENSE))])
async def test_a_decision_that_is_none_is_a_fault(decision: Any) -> None:
    """The plugin is named, `on_error` is followed, and the exchange is on record."""
    for on_error, status in (("closed", "plugin_fault"), ("open", "ok")):
        outcome, ledger = await outcome_of(lambda _: decision, on_error=on_error)
        assert ledger.records[0]["outcome"] == status
        assert ("odd", "fault") in [(one.plugin, one.decision) for one in outcome.exchange.trace]


async def test_decisions_that_hold_are_taken() -> None:
    """What is no nonsense passes: a wait of no time, an answer with emoji and its usage."""
    outcome, _ = await outcome_of(lambda _: Block("a.b", "rate_limited", 0))
    assert outcome.code == "rate_limited"
    outcome, _ = await outcome_of(lambda _: Respond(Answer(["好的 👩‍👩‍👧‍👦"], usage=Usage(1, 2))))
    assert outcome.content == "好的 👩‍👩‍👧‍👦"


@pytest.mark.parametrize("said", FINDINGS, ids=[str(place) for place in range(len(FINDINGS))])
async def test_a_finding_that_is_none_is_a_fault(said: dict[str, Any]) -> None:
    """No record holds what could not be written, or what is no place, and the ledger's plugin is not blamed."""
    outcome, ledger = await outcome_of(lambda view: view.find(**{"rule": "a.b", "category": "c", **said}))
    assert ledger.records[0]["findings"] == []
    assert [one.plugin for one in outcome.exchange.trace if one.decision == "fault"] == ["odd"]


@pytest.mark.parametrize(
    "name", ["content-length", "transfer-encoding", "x-request-id", "x-policy-hash", "server-timing"]
)
async def test_no_plugin_frames_the_reply(name: str) -> None:
    """What frames a reply, and what the gateway says of it, no plugin can set."""
    outcome, _ = await outcome_of(lambda view: view.set_header(name, "5"))
    assert outcome.code == "plugin_fault"
    assert outcome.exchange.headers == {}


async def test_headers_are_bounded() -> None:
    """A plugin that sets headers without end fails at the limit, and one may be set again."""
    outcome, _ = await outcome_of(lambda view: [view.set_header(f"x-{place}", "1") for place in range(HEADERS_MAX + 1)])
    assert outcome.code == "plugin_fault"
    assert len(outcome.exchange.headers) == HEADERS_MAX
    outcome, _ = await outcome_of(lambda view: [view.set_header("x-a", str(place)) for place in range(1000)] and None)
    assert outcome.exchange.headers == {"x-a": "999"}


class Late(Plugin[NoConfig]):
    """Is late, in a way that no timer sees: it swallows its cancellation, or blocks the loop behind its last wait."""

    manifest: ClassVar[Manifest] = Manifest(name="late", version="1")

    def __init__(self, swallows: bool) -> None:
        super().__init__(NoConfig())
        self._swallows = swallows

    async def on_request(self, exchange: Exchange) -> None:
        if self._swallows:
            try:
                await asyncio.sleep(30)
            except asyncio.CancelledError:
                return
        await asyncio.sleep(0)
        time.sleep(0.1)  # noqa: ASYNC251  # that is what it is about


@pytest.mark.parametrize("swallows", [True, False])
async def test_a_late_hook_is_a_fault_however_it_ends(swallows: bool) -> None:
    """A guard that had no time to look lets nothing pass, also where it says that all is well."""
    engine = saying(completion("ok"))
    outcome = await exchange([step(Late(swallows), timeout_ms=50)], engine)
    assert outcome.code == "plugin_fault"
    assert engine.requests == []


class Says(StreamFilter):
    """Lets go what it is told to."""

    def __init__(self, out: Any) -> None:
        self.out = out

    def feed(self, text: str) -> Any:
        return self.out


class Streams(Plugin[NoConfig]):
    """Has a filter that says something."""

    manifest: ClassVar[Manifest] = Manifest(name="streams", version="1", sees="raw", mutates=True)

    def __init__(self, out: Any) -> None:
        super().__init__(NoConfig())
        self._out = out

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Says(self._out)

    async def on_response(self, exchange: Exchange) -> None:
        return None


@pytest.mark.parametrize("out", [HALF, 7, None, *NONSENSE[:8]], ids=str)
async def test_a_filter_that_says_nonsense_is_a_fault(out: Any) -> None:
    """The engine is not blamed, and the stream ends with an error event."""
    engine = saying(chunk("你好"), chunk("!", finish="stop"))
    outcome = await exchange([step(Streams(out))], engine, request(SECRET, stream=True))
    assert outcome.code == "plugin_fault"
    assert outcome.channel() == ""
