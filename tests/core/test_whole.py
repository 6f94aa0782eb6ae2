"""A plugin with stream filters may ask for a streamed reply as a whole, exchange by exchange."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from tests.kit import exchange, request, saying, step

from yumen import Block, Channel, Manifest, NoConfig, Plugin, StreamFilter
from yumen.policy.bundle import Match
from yumen.testing import chunk

REPLY = [chunk("one "), chunk("二 "), chunk("three"), chunk(finish="stop")]


class Looks(Plugin[NoConfig]):
    """Has a filter and a response hook, and writes down what each of them saw."""

    manifest: ClassVar[Manifest] = Manifest(name="looks", version="1", sees="raw")

    def __init__(self, answer: Any) -> None:
        super().__init__(NoConfig())
        self.answer = answer
        self.saw: list[str] = []

    def whole(self, exchange: Any) -> bool:
        if isinstance(self.answer, Exception):
            raise self.answer
        wanted: bool = self.answer
        return wanted

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        self.saw.append("filter")
        return StreamFilter()

    async def on_response(self, exchange: Any) -> Block | None:
        self.saw += [text.value for text in exchange.reply.texts if text.kind == "message"]
        return Block("no") if "three" in self.saw[-1] else None


@pytest.mark.parametrize("answer", [True, RuntimeError("13812345678")])
async def test_a_plugin_that_asks_decides_before_anything_leaves(answer: Any) -> None:
    """Its response hook sees all of the reply, and its block comes before the first word; so where it fails to say."""
    plugin = Looks(answer)
    outcome = await exchange([step(plugin)], saying(*REPLY), request(stream=True))
    assert plugin.saw == ["one 二 three"]
    assert (outcome.channel(), outcome.code) == ("", "policy_blocked")


async def test_a_plugin_that_does_not_ask_has_its_filter() -> None:
    """The stream flows through the filter, and the response hook is not called."""
    plugin = Looks(False)
    outcome = await exchange([step(plugin)], saying(*REPLY), request(stream=True))
    assert set(plugin.saw) == {"filter"}
    assert outcome.channel() == "one 二 three"
    assert len(outcome.frames) > 3


async def test_nobody_asks_whom_policy_keeps_from_replies() -> None:
    """Where `match.directions` leaves replies out, the plugin holds none back either."""
    plugin = Looks(True)
    asked = step(plugin, match=Match(directions=("request",)))
    outcome = await exchange([asked], saying(*REPLY), request(stream=True))
    assert plugin.saw == []
    assert outcome.channel() == "one 二 three"


class Early(Looks):
    """Looks at the reply when that has only begun."""

    def whole(self, exchange: Any) -> bool:
        self.saw += [text.value for text in exchange.reply.texts]
        return bool(super().whole(exchange))

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        self.saw += [text.value for text in exchange.reply.texts]
        return StreamFilter()

    async def on_complete(self, exchange: Any) -> None:
        self.saw += [text.value for text in exchange.reply.texts if text.kind == "message"]


@pytest.mark.parametrize("answer", [True, False])
async def test_who_looks_early_sees_the_reply_all_the_same(answer: bool) -> None:
    """A plugin that has looked at a reply before it had texts is shown them in its later hooks, and decides by them."""
    plugin = Early(answer)
    outcome = await exchange([step(plugin)], saying(*REPLY), request(stream=True))
    assert plugin.saw == ["one 二 three"]
    assert outcome.exchange.outcome == ("policy_blocked" if answer else "ok")
