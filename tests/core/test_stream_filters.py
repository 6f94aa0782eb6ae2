"""Filters of streams that fail, block, wait, or do what they did not declare: nothing that was held is released."""

from __future__ import annotations

import re
from typing import Any, ClassVar

import pytest
from tests.core.streams import VALUE, Tokens, contents, sent, stream_request
from tests.kit import Ledger, exchange, request, saying, step

from yumen import Block, Channel, Manifest, NoConfig, Plugin, StreamFilter
from yumen.testing import chunk


class Broken(Plugin[NoConfig]):
    """A plugin whose filter does what the test says with the piece that holds a word."""

    manifest: ClassVar[Manifest] = Manifest(name="broken", version="1", sees="raw", mutates=True)

    def __init__(self, action: Any, word: str = "bad") -> None:
        super().__init__(NoConfig())
        self.action = action
        self.word = word

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        action, word = self.action, self.word

        class Filter(StreamFilter):
            hold_max = 10

            def feed(self, text: str) -> Any:
                return action(text) if word in text else text

        return Filter()

    async def on_request(self, exchange: Any) -> None: ...


def explode(_: str) -> str:
    raise RuntimeError(VALUE)


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (explode, "plugin_fault"),
        (lambda _: 7, "plugin_fault"),
        (lambda _: Block(reason="r"), "policy_blocked"),
    ],
)
async def test_nothing_held_is_released_on_a_fault(action: Any, code: str) -> None:
    """A fault or block in mid-stream ends it with an error event; what other filters held stays held."""
    ledger = Ledger()
    asked = saying(*contents(["good <S_", "1", "bad", "more"]))
    steps = [step(ledger), step(Broken(action)), step(Tokens())]
    outcome = await exchange(steps, asked, stream_request())
    assert outcome.code == code
    assert "[DONE]" not in sent(outcome)
    assert VALUE not in sent(outcome)
    assert outcome.channel() == "good "
    assert ledger.records[0]["outcome"] == code
    assert asked.streams_ended == 1


async def test_a_filter_that_holds_more_than_it_declared_is_a_fault() -> None:
    """`hold_max` is checked, not believed."""
    outcome = await exchange([step(Broken(lambda _: "", word="x"))], saying(*contents(["xxxx"] * 8)), stream_request())
    assert outcome.code == "plugin_fault"


class Trickle(StreamFilter):
    """Lets one code point of each piece go, and `instead` for the first one."""

    hold_max = 4

    def __init__(self, instead: str) -> None:
        self.held = ""
        self.instead = instead

    def feed(self, text: str) -> str:
        self.held += text
        out, self.held = self.instead or self.held[:1], self.held[1:]
        self.instead = ""
        return out

    def finish(self) -> str:
        return self.held


class Trickling(Plugin[NoConfig]):
    """It may edit; `Dripping` may not."""

    manifest: ClassVar[Manifest] = Manifest(name="trickling", version="1", sees="raw", mutates=True)

    def __init__(self, instead: str = "") -> None:
        super().__init__(NoConfig())
        self.instead = instead

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        return Trickle(self.instead)

    async def on_response(self, exchange: Any) -> None: ...


class Dripping(Trickling):
    manifest: ClassVar[Manifest] = Manifest(name="dripping", version="1", sees="raw")


@pytest.mark.parametrize(
    ("plugin", "piece", "let_go"),
    [
        # It declares 4, and may not edit.
        (Dripping(), "二二", "二二二二"),
        (Dripping(), "二二二二二二", ""),
        # It may, and so 32 that came may be 4.
        (Trickling(), "二" * 20, "二二"),
        (Trickling("!"), "二" * 20, "!二二二"),
    ],
)
async def test_what_a_filter_lets_go_does_not_hide_what_it_holds(plugin: Any, piece: str, let_go: str) -> None:
    """One code point of each piece does not make up for the rest of it."""
    outcome = await exchange([step(plugin)], saying(*contents([piece] * 12)), stream_request())
    assert outcome.code == "plugin_fault"
    assert outcome.exchange.trace[-1].reason == "OverflowError"
    assert outcome.channel() == let_go


class Redacting(Broken):
    """Takes numbers away, and writes two words for each."""

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        class Filter(StreamFilter):
            hold_max = 11
            held = ""

            def feed(self, text: str) -> str:
                text = re.sub("[0-9]{11}", "号码", self.held + text)
                keep = len(text) - len(text.rstrip("0123456789"))
                self.held = text[len(text) - keep :]
                return text[: len(text) - keep]

            def finish(self) -> str:
                return self.held

        return Filter()


@pytest.mark.parametrize("chars", [1, 3, 11, 12, 500])
async def test_what_edits_take_away_is_not_held(chars: int) -> None:
    """A filter that shortens all the while holds nothing of what it took away, however the stream is cut."""
    reply = "13812345678 " * 200
    pieces = [reply[at : at + chars] for at in range(0, len(reply), chars)]
    outcome = await exchange([step(Redacting(None))], saying(*contents(pieces)), stream_request())
    assert outcome.channel() == "号码 " * 200
    assert "[DONE]" in sent(outcome)


async def test_edits_in_what_is_held_shorten_it() -> None:
    """A filter that always holds the same number of code points lets none go while an edit has shortened them."""

    class Tail(Redacting):
        def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
            class Filter(StreamFilter):
                hold_max = 10
                held = ""

                def feed(self, text: str) -> str:
                    text = (self.held + text).replace("13812345678", "")
                    settled = max(0, len(text) - self.hold_max)
                    self.held = text[settled:]
                    return text[:settled]

                def finish(self) -> str:
                    return self.held

            return Filter()

    reply = "我的电话号码是很长的一串数字：13812345678，还有13812345678。"
    outcome = await exchange([step(Tail(None))], saying(*contents(list(reply))), stream_request())
    assert (outcome.channel(), "[DONE]" in sent(outcome)) == (reply.replace("13812345678", ""), True)


async def test_a_filter_that_may_not_edit_may_not_swallow_either() -> None:
    """What is held is let go in the end, or text is missing in a reply of which no record says so."""

    class Swallowing(Holder):
        def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
            held = super().stream(exchange, channel)
            held.finish = lambda: ""  # type: ignore[method-assign]
            return held

    asked = saying(*contents(["a 禁", "词a"]))
    outcome = await exchange([step(Swallowing(NoConfig()))], asked, stream_request())
    assert (outcome.channel(), outcome.code) == ("a ", "plugin_fault")


async def test_a_filter_in_shadow_changes_nothing() -> None:
    """A filter in shadow sees the stream, and the client gets it as if the filter were not there."""
    steps = [step(Broken(lambda text: text.upper()), mode="shadow")]
    outcome = await exchange(steps, saying(*contents(["bad"])), stream_request())
    assert outcome.channel() == "bad"
    blocked = await exchange(
        [step(Broken(lambda _: Block(reason="r")), mode="shadow")],
        saying(*contents(["bad", "!"])),
        stream_request(),
    )
    assert blocked.channel() == "bad!"
    assert [trace.decision for trace in blocked.exchange.trace if trace.hook == "stream"] == ["block"]


class Holder(Plugin[NoConfig]):
    """Blocks at a word, and holds back what could become one; it may not edit."""

    manifest: ClassVar[Manifest] = Manifest(name="holder", version="1", sees="raw")
    filter_out: ClassVar[str | None] = None

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        out = self.filter_out

        class Filter(StreamFilter):
            hold_max = 8
            held = ""

            def feed(self, text: str) -> str | Block:
                text = self.held + text
                if "禁词abc" in text:
                    return Block("holder.word")
                keep = max((size for size in range(1, 5) if text.endswith("禁词abc"[:size])), default=0)
                self.held = text[len(text) - keep :]
                return (out or "") + text[: len(text) - keep]

            def finish(self) -> str:
                return self.held

        return Filter()


class MaskedHolder(Holder):
    """The same of the masked form."""

    manifest: ClassVar[Manifest] = Manifest(name="masked_holder", version="1", sees="masked")


@pytest.mark.parametrize(("plugin", "masking"), [(Holder, False), (Holder, True), (MaskedHolder, True)])
async def test_a_filter_that_may_not_edit_may_wait(plugin: type[Holder], masking: bool) -> None:
    """At every split a blocked word stays behind from its first character on, whichever form the filter sees."""
    reply = "好的 禁词abc"
    for cut in range(1, len(reply)):
        events = [chunk(reply[:cut]), chunk(reply[cut:]), chunk("!"), chunk(finish="stop")]
        steps = [step(plugin(NoConfig())), *([step(Tokens())] if masking else [])]
        outcome = await exchange(steps, saying(*events), request(stream=True))
        assert outcome.code == "policy_blocked", cut
        assert "好的 ".startswith(outcome.channel())
    whole = [chunk("好 禁词a"), chunk("bd 禁"), chunk(finish="stop")]
    outcome = await exchange(steps, saying(*whole), request(stream=True))
    assert outcome.channel() == "好 禁词abd 禁"


async def test_a_filter_that_edits_without_saying_so() -> None:
    """Text that the engine did not write is a fault of a filter whose manifest does not say `mutates`."""

    class Editor(Holder):
        filter_out: ClassVar[str | None] = "x"

    outcome = await exchange([step(Editor(NoConfig()))], saying(chunk("hello")), request(stream=True))
    assert (outcome.channel(), outcome.code) == ("", "plugin_fault")


async def test_held_text_is_lost_when_its_filter_fails() -> None:
    """A filter that only holds, above the masking plugin or below, releases nothing of what it held once it has failed."""

    class Failing(MaskedHolder):
        def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
            class Filter(StreamFilter):
                hold_max = 100

                def feed(self, text: str) -> str:
                    if "bad" in text:
                        raise ValueError(text)
                    return ""

            return Filter()

    events = [chunk("held secret "), chunk("bad "), chunk("tail"), chunk(finish="stop")]
    steps = [step(Failing(NoConfig()), on_error="open"), step(Tokens())]
    outcome = await exchange(steps, saying(*events), request(stream=True))
    assert "secret" not in outcome.channel()
