"""What plugin developers see of an exchange: every hook call, by places and numbers, and never a text."""

from __future__ import annotations

from typing import Any, ClassVar

import msgspec
import pytest

from yumen import Block, Channel, Decision, Exchange, Manifest, MaskingFilter, NoConfig, Plugin, StreamFilter
from yumen.admin.trace import show_trace
from yumen.awaited import AwaitedFilter
from yumen.cli.serve import refuse_open_development
from yumen.dialects import Payload
from yumen.errors import CannotStart, Problem
from yumen.exchange import Principal, Trace
from yumen.forms import ExchangeState
from yumen.settings import Settings
from yumen.testing import Harness, Outcome, Pause, Used, chat
from yumen.tracing import tracer
from yumen.tracing.notes import PATH_CHARS_MAX, PLACES_MAX, Notes
from yumen.tracing.timing import _part
from yumen.tracing.tracer import Tracer, trace_of

SECRET = "13812345678"


class Hides(Plugin[NoConfig]):
    """Masks the digits of requests, and puts a word before replies."""

    manifest: ClassVar[Manifest] = Manifest(name="hides", version="1", sees="raw", mutates=True, masks=True)

    async def on_request(self, exchange: Exchange) -> Decision | None:
        for text in exchange.texts:
            at = text.value.find(SECRET)
            if at >= 0:
                exchange.find("phone", category="personal", text=text, start=at, end=at + len(SECRET))
                text.mask(at, at + len(SECRET), "[P1]")
        return None

    async def on_response(self, exchange: Exchange) -> Decision | None:
        assert exchange.reply is not None
        for text in exchange.reply.texts:
            if text.kind == "message":
                text.replace(0, 0, "答：")
        return None

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return HoldsFour()


class HoldsFour(MaskingFilter):
    """Lets text go on in fours, and masks it as it is."""

    hold_max = 4

    def __init__(self) -> None:
        self.held = ""
        self.out = ""

    def feed(self, text: str) -> str:
        self.held += text
        cut = len(self.held) - len(self.held) % 4
        ready, self.held = self.held[:cut], self.held[cut:]
        self.out += ready
        return ready

    def finish(self) -> str:
        rest, self.held = self.held, ""
        self.out += rest
        return rest

    def masked(self) -> str:
        out, self.out = self.out, ""
        return out


class Judges(Plugin[NoConfig]):
    """Blocks, fails or does nothing, as the request says."""

    manifest: ClassVar[Manifest] = Manifest(name="judges", version="1", sees="raw", mutates=True)

    async def on_request(self, exchange: Exchange) -> Decision | None:
        text = exchange.texts[-1]
        text.replace(0, 1, "好好")
        if "block" in text.value:
            return Block("judges.word")
        if "fail" in text.value:
            raise ValueError(text.value)
        return None


def traced(harness: Harness, **settings: Any) -> Harness:
    """The same harness, in a gateway with these settings."""
    harness._settings = Settings(**{"trace": "plugins", **settings})
    return harness


def event(harness: Harness, outcome: Outcome) -> dict[str, Any]:
    """What was logged of an exchange."""
    assert outcome.exchange is not None
    (one,) = (one for one in harness.log if one["event"] == "trace" and one["exchange"] == outcome.exchange.id)
    return dict(one)


def hook_of(event: dict[str, Any], plugin: str, hook: str) -> dict[str, Any]:
    """One hook call of an event."""
    (one,) = (one for one in event["hooks"] if (one["plugin"], one["hook"]) == (plugin, hook))
    return dict(one)


async def test_every_hook_call_is_there_by_place() -> None:
    """Instance, hook, decision, findings, and each edit with its path, offsets and length; the text is nowhere."""
    async with traced(Harness.of(Hides)) as harness:
        outcome = await harness.ask(chat(f"电话 {SECRET}"))
        outcome.assert_answered("答：电话 [P1]")
        told = event(harness, outcome)
        hook = hook_of(told, "hides", "on_request")
        place = {"path": "messages[0].content", "start": 3, "end": 14, "chars": 4, "did": "mask"}
        assert hook["places"] == (place,)
        assert (hook["decision"], hook["edits"], hook["findings"]) == ("allow", 1, 1)
        (place,) = hook_of(told, "hides", "on_response")["places"]
        assert (place["start"], place["end"], place["chars"], place["did"]) == (0, 0, 2, "replace")
        assert (told["outcome"], told["status"], told["engine"]) == ("ok", 200, "engine")
        assert told["ms"] > 0
        assert not [word for word in (SECRET, "电话", "[P1]", "答") if word in str(told)]
        harness.assert_no_trace_of(SECRET)


async def test_blocks_and_faults_say_by_which_rule() -> None:
    """A fault names the type of the error only, and shows no edit, for none was made; nor was one that a block left."""
    async with traced(Harness.of(Judges)) as harness:
        blocked, failed = await harness.ask_all(chat("block 一"), chat("fail 一"))
        hook = hook_of(event(harness, blocked), "judges", "on_request")
        assert (hook["decision"], hook["rule"]) == ("block", "judges.word")
        hook = hook_of(event(harness, failed), "judges", "on_request")
        assert (hook["decision"], hook["rule"], "places" in hook) == ("fault", "ValueError", False)
        harness.assert_no_trace_of("block 一", "fail 一", "好好")


async def test_shadow_is_said() -> None:
    """What would have been edited is seen by place, and told from what was."""
    async with traced(Harness.of(Judges, mode="shadow")) as harness:
        outcome = await harness.ask(chat("一二三"))
        outcome.assert_answered("一二三")
        hook = hook_of(event(harness, outcome), "judges", "on_request")
        assert (hook["shadow"], hook["edits"], len(hook["places"])) == (True, 1, 1)


async def test_streams_are_counted_and_unchanged() -> None:
    """Pieces and what was held back, of all filters of an instance; the client gets what it gets without a trace."""
    async with Harness.of(Hides) as plain:
        plain.engine.says("一二三", "四五", "six")
        expected = await plain.ask(chat("hello", stream=True))
        assert expected.exchange is not None
        assert expected.exchange.traced is None
    async with traced(Harness.of(Hides)) as harness:
        harness.engine.says("一二三", "四五", "six")
        outcome = await harness.ask(chat("hello", stream=True))
        hook = hook_of(event(harness, outcome), "hides", "stream")
    assert outcome.body == expected.body
    assert outcome.text == "一二三四五six"
    assert (hook["feeds"] >= 3, hook["held_max"]) == (True, 3)
    assert outcome.record is not None
    assert outcome.record.reply == expected.record.reply  # type: ignore[union-attr]  # it was asked


async def test_what_is_held_beside_what_goes_on_is_counted() -> None:
    """A filter that lets a part of each piece go holds the other part."""
    async with traced(Harness.of(Hides)) as harness:
        harness.engine.says("一二三四五六", "seven")
        outcome = await harness.ask(chat("hello", stream=True))
        # Two of the first piece wait while four go on, and three of the second.
        assert hook_of(event(harness, outcome), "hides", "stream")["held_max"] == 3


class Elsewhere(AwaitedFilter):
    """A filter that must be asked: it keeps two code points of each piece until the end."""

    def __init__(self) -> None:
        super().__init__()
        self.hold_max, self.opened = 4, True
        self.held = ""

    async def ask(self, text: str, *, last: bool) -> tuple[str, str]:
        whole = self.held + text
        go = len(whole) if last else max(0, len(whole) - 2)
        self.held = whole[go:]
        return whole[:go], whole[:go]


class HidesElsewhere(Hides):
    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Elsewhere()


async def test_a_filter_elsewhere_is_asked_and_counted() -> None:
    """What is traced of a plugin in a process of its own is what it does without a trace."""
    async with traced(Harness.of(HidesElsewhere)) as harness:
        harness.engine.says("一二三", "四五", "six")
        outcome = await harness.ask(chat("hello", stream=True))
        hook = hook_of(event(harness, outcome), "hides", "stream")
    assert (outcome.text, outcome.code) == ("一二三四五six", "")
    assert (hook["feeds"], hook["held_max"]) == (5, 2)


async def test_nobody_pays_who_does_not_ask() -> None:
    """Without the setting the plugin's own hooks are called, with nothing around them, and nothing is kept."""
    async with Harness.of(Hides) as harness:
        (_, step) = harness.chain("chat").steps
        assert step.hooks["on_request"] == step.plugin.on_request
        assert step.stream == step.plugin.stream
        outcome = await harness.ask(chat("一"))
        assert harness._plane.tracer is None
        assert "server-timing" not in outcome.headers
        assert [one for one in harness.log if one["event"] == "trace"] == []


async def test_a_client_that_leaves_is_traced() -> None:
    """An exchange that nobody waited for is no secret, and leaves no notes behind."""
    async with traced(Harness.of(Hides)) as harness:
        harness.engine.says("一二三四", Pause())
        outcome = await harness.ask(chat("hello", stream=True).leaving(1))
        assert event(harness, outcome)["outcome"] == "client_disconnect"


def exchange(number: int = 0) -> ExchangeState:
    """An exchange without a chain."""
    payload = Payload.__new__(Payload)
    for name, value in {"texts": [], "model": "m", "streamed": False, "dialect": "openai", "size": 0}.items():
        setattr(payload, name, value)
    return ExchangeState(f"{number:032x}", 0.0, Principal("t", "a", "k"), payload)


def test_what_is_kept_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many exchanges and so many bytes; the oldest go first."""
    keeper = Tracer()
    for number in range(tracer.TRACES_MAX + 10):
        keeper.end(exchange(number))
    assert len(keeper._kept) == tracer.TRACES_MAX
    assert keeper.find(f"{9:032x}") is None
    assert keeper.find(f"{10:032x}") is not None
    assert keeper._bytes == sum(map(len, keeper._kept.values()))
    monkeypatch.setattr(tracer, "BYTES_MAX", 1000)
    keeper.end(exchange(5000))
    assert keeper._bytes <= 1000
    assert keeper.find(f"{5000:032x}") is not None


def test_thousands_of_hooks_are_bounded() -> None:
    """Neither many calls, nor a rule that is a novel, nor one that is no text, makes a trace grow or an exchange fail."""
    long = exchange()
    long.trace = [Trace("甲", "stream", 1.0, "block", "长" * 10_000) for _ in range(5000)]
    told = trace_of(long)
    assert (len(told.hooks), told.hooks_left_out) == (tracer.HOOKS_MAX, 5000 - tracer.HOOKS_MAX)
    assert len(msgspec.json.encode(told)) < 200_000
    broken = exchange(1)
    broken.trace = [Trace("甲", "stream", 1.0, "block", "\ud800")]
    keeper = Tracer()
    keeper.end(broken)
    assert keeper.find(broken.id) is None


async def test_places_are_bounded() -> None:
    """An edit of every character is counted, and the first hundred are shown."""

    class Stars(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="stars", version="1", sees="raw", mutates=True)

        async def on_request(self, exchange: Exchange) -> Decision | None:
            for text in exchange.texts:
                for at in range(len(text.value)):
                    text.replace(at, at + 1, "*")
            return None

    members: dict[str, Any] = {"x" * 5000: "y"}
    async with traced(Harness.of_chain(Used(Stars), Used(Judges))) as harness:
        told = event(harness, await harness.ask(chat("一" * 500, **members)))
    hook = hook_of(told, "stars", "on_request")
    assert hook["edits"] >= 500
    assert len(hook["places"]) == PLACES_MAX
    assert all(len(place["path"]) <= PATH_CHARS_MAX for place in hook["places"])
    assert "places" not in hook_of(told, "judges", "on_request")


async def test_server_timing_in_development() -> None:
    """Replies say what took how long, streams as far as it is known when their head leaves."""
    async with traced(Harness.of(Hides), trace="", development=True) as harness:
        plain, streamed = await harness.ask_all(chat("一"), chat("one", stream=True))
    for outcome in (plain, streamed):
        names = [part.split(";dur=")[0] for part in outcome.headers["server-timing"].split(", ")]
        assert names[-3:] == ["hides", "engine", "total"]
        assert all(float(part.split(";dur=")[1]) >= 0 for part in outcome.headers["server-timing"].split(", "))


@pytest.mark.parametrize("name", ["a\r\nset-cookie: x", "甲", "a, b;dur=1", "x" * 10_000, ""])
def test_no_name_gets_out_of_its_header(name: str) -> None:
    """Whatever an instance is called, it is one entry of one header."""
    part = _part(name, 1.0)
    assert part.isascii()
    assert len(part) < 120
    assert not set(part) & set("\r\n, :")
    assert part.count(";") == 1


@pytest.mark.parametrize(
    ("name", "value"), [("YUMEN_TRACE", "all"), ("YUMEN_TRACE", "1"), ("YUMEN_DEVELOPMENT", "yes")]
)
def test_settings_are_strict(name: str, value: str) -> None:
    """A word that nobody knows is said, instead of tracing nothing."""
    with pytest.raises(CannotStart, match=name):
        Settings.from_env({name: value})


def test_development_stays_on_this_machine() -> None:
    """Others are not told which plugins there are: such a gateway does not start where they could reach it."""
    settings = Settings.from_env({"YUMEN_DEVELOPMENT": "1", "YUMEN_TRACE": "plugins"})
    assert (settings.development, settings.trace) == (True, "plugins")
    assert Settings.from_env({}).development is False
    refuse_open_development(settings)
    with pytest.raises(CannotStart, match="this machine only"):
        refuse_open_development(msgspec.structs.replace(settings, host="0.0.0.0"))


async def test_operators_find_a_trace() -> None:
    """By the id of the reply; what is no id, or is gone, is answered with what to do."""
    show: Any = show_trace.fn
    async with traced(Harness.of(Hides), workers=2) as harness:
        outcome = await harness.ask(chat("一"))
        state = type("State", (), {"plane": harness._plane})
        assert show(outcome.headers["x-request-id"], state).route == "chat"
        for wrong, says in [("../etc", "x-request-id"), ("A" * 32, "x-request-id"), ("0" * 32, "process"), ("", "id")]:
            with pytest.raises(Problem, match=says) as error:
                show(wrong, state)
            assert error.value.code == "not_found"
        harness._plane.tracer = None
        with pytest.raises(Problem, match="YUMEN_TRACE=plugins"):
            show("0" * 32, state)


def test_notes_are_empty_at_first() -> None:
    """An exchange that never reached a hook has an empty trace, and no error."""
    one = exchange()
    one.traced = Notes()
    assert trace_of(one).hooks == ()
