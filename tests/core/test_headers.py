"""The headers of requests: a plugin gets those that it has named, in the form that it may see, and sets none in shadow."""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

import pytest

from yumen import Decision, Exchange, Manifest, NoConfig, Plugin
from yumen.testing import Harness, Used, chat

NAME, TEAM = "x-team", "运维 ops"


class Reads(Plugin[NoConfig]):
    """Notes the headers that it gets, and sets one of the reply."""

    manifest: ClassVar[Manifest] = Manifest(name="reads", version="1", sees="raw")

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.got: list[dict[str, str]] = []

    def headers(self) -> Collection[str]:
        return {NAME}

    async def on_request(self, exchange: Exchange) -> Decision | None:
        self.got.append(dict(exchange.headers))
        exchange.set_header("x-reads", "yes")
        return None


class ReadsMasked(Reads):
    """May see the masked form only."""

    manifest: ClassVar[Manifest] = Manifest(name="reads_masked", version="1")


class ReadsNone(Reads):
    """Names none."""

    manifest: ClassVar[Manifest] = Manifest(name="reads_none", version="1", sees="raw")

    def headers(self) -> Collection[str]:
        return ()


async def test_each_plugin_gets_the_headers_that_it_has_named() -> None:
    """Nobody is shown a header that it has not named, though another plugin of the chain has."""
    chain = Harness.of_chain(Used(Reads), Used(ReadsMasked), Used(ReadsNone))
    async with chain as harness:
        for said in ({}, {"x_team": "ops", "x_other": "secret"}):
            (await harness.ask(chat("你好").saying(**said))).assert_answered()
        assert harness.plugin("reads").got == [{}, {NAME: "ops"}]
        assert harness.plugin("reads_none").got == [{}, {}]
        nothing, masked = harness.plugin("reads_masked").got
        assert nothing == {}
        assert masked.keys() == {NAME}
        assert masked[NAME].startswith("hmac:")


async def test_a_header_that_stands_there_twice_is_one() -> None:
    """What a header says several times is joined as RFC 9110 has it, and no byte in it is an error."""
    async with Harness.of(Reads) as harness:
        twice = [(b"x-team", b"ops"), (b"x-team", TEAM.encode())]
        call = chat("hello")
        await harness.send(call.path, call.body, call.caller, headers=twice)
        assert harness.plugin().got == [{NAME: "ops, " + TEAM.encode().decode("latin-1")}]


@pytest.mark.parametrize(("mode", "sent"), [("enforce", "yes"), ("shadow", None)])
async def test_no_header_is_set_in_shadow(mode: str, sent: str | None) -> None:
    """A plugin in shadow does nothing, and a header is something."""
    async with Harness.of(Reads, mode=mode) as harness:
        for stream in (False, True):
            assert (await harness.ask(chat("hello", stream=stream))).headers.get("x-reads") == sent
