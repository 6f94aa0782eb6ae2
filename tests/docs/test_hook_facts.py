"""What the hook pages say of failures is what the core does."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import pytest
from tests.docs.hook_examples import Numbers, NumbersFilter

from yumen import Answer, Ask, Channel, Decision, Events, Exchange, Manifest, Native, NoConfig, Plugin, StreamFilter
from yumen.testing import Harness, Pause, chat

SAID = ("one ", "二 ", "three")


class Broken(StreamFilter):
    """Takes the first piece and holds the second; the third is too much for it."""

    hold_max = 10

    def __init__(self) -> None:
        self._pieces = 0

    def feed(self, text: str) -> str:
        self._pieces += 1
        if self._pieces == 3:
            raise OSError
        return text if self._pieces == 1 else ""


class Faulty(Plugin[NoConfig]):
    """Raises in one hook, and takes note of the others."""

    manifest: ClassVar[Manifest] = Manifest(name="faulty", version="1", sees="raw", mutates=True)
    place: ClassVar[str] = ""
    ran: ClassVar[list[str]] = []

    def at(self, place: str) -> None:
        self.ran.append(place)
        if place == self.place:
            raise OSError

    async def on_request(self, exchange: Exchange) -> Decision | None:
        self.at("on_request")
        return None

    async def on_send(self, exchange: Exchange) -> Decision | None:
        self.at("on_send")
        return None

    async def on_ask(self, exchange: Exchange, ask: Ask) -> Answer | Native | Events:
        self.at("on_ask")
        return await ask()

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        self.at("stream")
        return Broken() if self.place == "feed" else None

    def whole(self, exchange: Exchange) -> bool:
        self.at("whole")
        return False

    async def on_response(self, exchange: Exchange) -> None:
        self.at("on_response")

    async def on_complete(self, exchange: Exchange) -> None:
        self.at("on_complete")


class Recording(Faulty):
    """Does not stand before the engine: faults of who does come too late to undo what is on record."""

    on_ask = Plugin.on_ask


async def told(monkeypatch: pytest.MonkeyPatch, place: str, *, stream: bool, **knobs: Any) -> tuple[str, str]:
    """The error code and the words that the client gets."""
    monkeypatch.setattr(Faulty, "place", place)
    monkeypatch.setattr(Faulty, "ran", [])
    async with Harness.of(Recording if place == "on_complete" else Faulty, **knobs) as harness:
        harness.engine.says(*SAID)
        outcome = await harness.ask(chat("你好 hello", stream=stream))
        assert harness.engine.streams_begun == harness.engine.streams_ended
    return outcome.code, outcome.text


@pytest.mark.parametrize(
    ("place", "stream"),
    [(hook, stream) for hook in ("on_request", "on_send", "on_ask", "on_response", "on_complete") for stream in (False, True)
     if (hook, stream) != ("on_response", True)] + [("stream", True), ("feed", True)],
)  # fmt: skip
async def test_a_fault_closes_or_is_passed_over(monkeypatch: pytest.MonkeyPatch, place: str, stream: bool) -> None:
    """`closed` ends the exchange, `open` goes on as if the hook were not there, shadow too; completion runs always."""
    code, _ = await told(monkeypatch, place, stream=stream)
    assert code == "plugin_fault"
    assert Faulty.ran[-1] == "on_complete"
    lost = place == "feed"
    assert await told(monkeypatch, place, stream=stream, on_error="open") == ("", "one " if lost else "".join(SAID))
    assert await told(monkeypatch, place, stream=stream, mode="shadow") == ("", "".join(SAID))


async def test_whole_that_fails_holds_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it is not known whether a reply must be seen whole, it is; else a stream with filters has no response hook."""
    assert await told(monkeypatch, "whole", stream=True) == ("", "".join(SAID))
    assert "on_response" in Faulty.ran
    assert await told(monkeypatch, "", stream=True) == ("", "".join(SAID))
    assert "on_response" not in Faulty.ran


async def test_who_leaves_is_told_to_completion_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """After the client has left there is no reply to respond with."""
    monkeypatch.setattr(Faulty, "ran", [])
    async with Harness.of(Faulty) as harness:
        harness.engine.says("一", "two", Pause())
        outcome = await harness.ask(chat("你好", stream=True).leaving(2))
    assert outcome.record is not None
    assert outcome.record.outcome == "client_disconnect"
    assert Faulty.ran[-1] == "on_complete"
    assert "on_response" not in Faulty.ran


@pytest.mark.parametrize(("on_error", "code"), [("closed", "plugin_fault"), ("open", "")])
async def test_a_masked_form_that_fails(monkeypatch: pytest.MonkeyPatch, on_error: Any, code: str) -> None:
    """It is a fault as any other, and whatever policy says of that, no store gets what may be raw."""

    def masked(_: NumbersFilter) -> str:
        raise OSError

    monkeypatch.setattr(NumbersFilter, "masked", masked)
    async with Harness.of(Numbers, on_error=on_error) as harness:
        harness.engine.says("打 1", "10")
        outcome = await harness.ask(chat("打 110", stream=True))
        assert (outcome.code, outcome.text) == (code, "打 110" if on_error == "open" else "")
        harness.assert_no_trace_of("110")


async def test_a_late_hook_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it awaits is cancelled, and it is a fault."""
    ended: list[str] = []

    async def slow(self: Faulty, exchange: Exchange) -> Decision | None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        return None

    monkeypatch.setattr(Faulty, "on_request", slow)
    async with Harness.of(Faulty) as harness:
        for step in harness.chain("chat").steps:
            monkeypatch.setattr(step, "timeout_s", 0.01 if step.name == "faulty" else step.timeout_s)
        (await harness.ask(chat("你好"))).assert_failed("plugin_fault")
    assert ended == ["cancelled"]
