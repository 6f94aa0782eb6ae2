"""Filters of streams that fail, block, wait, or do what they did not declare: nothing that was held is released."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tests.core.streams import VALUE, Tokens, contents, sent, stream_request
from tests.kit import Ledger, ScriptedEngine, chunk, exchange, request, step

from yumen import Block, Channel, Manifest, NoConfig, Plugin, StreamFilter


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
    asked = ScriptedEngine(contents(["good <S_", "1", "bad", "more"]))
    steps = [step(ledger), step(Broken(action)), step(Tokens())]
    outcome = await exchange(steps, asked, stream_request())
    assert outcome.code == code
    assert "[DONE]" not in sent(outcome)
    assert VALUE not in sent(outcome)
    assert outcome.channel() == "good "
    assert ledger.records[0]["outcome"] == code
    assert asked.closed


async def test_a_filter_that_holds_more_than_it_declared_is_a_fault() -> None:
    """`hold_max` is checked, not believed."""
    outcome = await exchange(
        [step(Broken(lambda _: "", word="x"))], ScriptedEngine(contents(["xxxx"] * 8)), stream_request()
    )
    assert outcome.code == "plugin_fault"


async def test_a_filter_in_shadow_changes_nothing() -> None:
    """A filter in shadow sees the stream, and the client gets it as if the filter were not there."""
    steps = [step(Broken(lambda text: text.upper()), mode="shadow")]
    outcome = await exchange(steps, ScriptedEngine(contents(["bad"])), stream_request())
    assert outcome.channel() == "bad"
    blocked = await exchange(
        [step(Broken(lambda _: Block(reason="r")), mode="shadow")],
        ScriptedEngine(contents(["bad", "!"])),
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
        outcome = await exchange(steps, ScriptedEngine(events), request(stream=True))
        assert outcome.code == "policy_blocked", cut
        assert "好的 ".startswith(outcome.channel())
    whole = [chunk("好 禁词a"), chunk("bd 禁"), chunk(finish="stop")]
    outcome = await exchange(steps, ScriptedEngine(whole), request(stream=True))
    assert outcome.channel() == "好 禁词abd 禁"


async def test_a_filter_that_edits_without_saying_so() -> None:
    """Text that the engine did not write is a fault of a filter whose manifest does not say `mutates`."""

    class Editor(Holder):
        filter_out: ClassVar[str | None] = "x"

    outcome = await exchange([step(Editor(NoConfig()))], ScriptedEngine([chunk("hello")]), request(stream=True))
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
    outcome = await exchange(steps, ScriptedEngine(events), request(stream=True))
    assert "secret" not in outcome.channel()
