"""The examples on the hook pages do what the pages say, in Chinese and English, plain and streamed."""

from __future__ import annotations

import pytest
from tests.docs.hook_examples import Dots, Meter, Numbers, Parrot, Ping, Reroute, Residency, Teams, Visits, Words

from yumen import Erasure, Finding, Operation
from yumen.admin.plugins import Call
from yumen.errors import PolicyError
from yumen.keyfile import Entry
from yumen.testing import Harness, Pause, ToolArguments, Used, chat
from yumen.view import View

REQUEST = {"refuse": ["Falcon", "猎鹰"]}


@pytest.mark.parametrize("text", ["about Falcon", "关于猎鹰的事"])
async def test_words_are_refused(text: str) -> None:
    """A block names its rule, and in shadow it is on record only."""
    async with Harness.of(Words, REQUEST) as harness:
        (await harness.ask(chat(text))).assert_blocked(by="words.refused")
        (await harness.ask(chat("你好 hello"))).assert_answered("你好 hello")
    async with Harness.of(Words, REQUEST, mode="shadow") as harness:
        outcome = await harness.ask(chat(text))
        outcome.assert_answered(text)
        outcome.assert_would_have("words.refused")


async def test_requests_of_no_team_are_refused() -> None:
    """A header that a plugin has named is there for it, whatever it says."""
    async with Harness.of(Teams) as harness:
        (await harness.ask(chat("你好"))).assert_blocked(by="teams.missing")
        (await harness.ask(chat("你好").saying(x_team="ops"))).assert_answered()


def test_an_empty_word_is_refused_with_its_line() -> None:
    """What `lint` finds wrong refuses the bundle."""
    with pytest.raises(PolicyError, match="an empty word stands in every text"):
        Harness.of(Words, {"refuse": ["x", ""]})


async def test_a_replay_judges_by_the_rule() -> None:
    """The decision about a finding on record is that of the rule now."""
    async with Harness.of(Words, REQUEST) as harness:
        outcome = await harness.ask(chat("about Falcon"))
        assert outcome.exchange is not None
        view = View(outcome.exchange, "words", Words.manifest)
        (found,) = outcome.found("words.refused")
        decision = harness.plugin().judge(view, found)
        assert decision is not None
        assert decision.reason == "words.refused"
        assert isinstance(found, Finding)


@pytest.mark.parametrize("word", ["long ", "长"])
async def test_long_requests_go_elsewhere(word: str) -> None:
    """The engine that `engines` names is asked in the place of the route's own."""
    async with Harness.of_chain(Used(Reroute, {"engine": "large"}), engines=["large"]) as harness:
        for text, engine in ((word, "engine"), (word * 1001, "large")):
            outcome = await harness.ask(chat(text))
            assert outcome.exchange is not None
            assert outcome.exchange.engine == engine


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(("egress", "code"), [("remote", "policy_blocked"), ("local", "")])
async def test_raw_text_stays(egress: str, code: str, stream: bool) -> None:
    """Nothing is sent where `on_send` blocks."""
    remote = egress == "remote"
    harness = Harness.of_chain(Used(Residency), egress="remote" if remote else "local", accept_raw="a test" * remote)
    async with harness:
        outcome = await harness.ask(chat("你好 hello", stream=stream))
    assert outcome.code == code
    assert (outcome.given is None) == remote


async def test_masked_text_may_leave() -> None:
    """The hook sees in which form the request leaves."""
    async with Harness.of_chain(Used(Residency), Used(Numbers), egress="remote") as harness:
        outcome = await harness.ask(chat("call 110 打 110"))
    outcome.assert_engine_got("call ### 打 ###")


@pytest.mark.parametrize("stream", [False, True])
async def test_ping(stream: bool) -> None:
    """An answer in the engine's place takes the form that was asked for."""
    async with Harness.of(Ping) as harness:
        outcome = await harness.ask(chat("ping", stream=stream))
        outcome.assert_answered("pong")
        outcome.assert_engine_not_asked()
        (await harness.ask(chat("乒", stream=stream))).assert_answered("乒")


async def test_digits_of_replies() -> None:
    """Plain, streamed at every place and as arguments of a tool, a reply has no digit; in shadow it is as it was."""
    said, read = "call 110, 打120", "call •••, 打•••"
    async with Harness.of(Dots) as harness:
        for outcome in await harness.at_every_split(chat("x", stream=True), said):
            outcome.assert_answered(read)
        (await harness.ask(chat("x"))).assert_answered(read)
        harness.engine.says(ToolArguments(('{"n": "\\u', '0031"}')))
        (await harness.ask(chat("x", stream=True, tools=[{}]))).assert_client_got("•")
    async with Harness.of(Dots, mode="shadow") as harness:
        (await harness.ask(chat(said, stream=True))).assert_answered(said)


@pytest.mark.parametrize("stream", [False, True])
async def test_digits_are_masked(stream: bool) -> None:
    """The engine and the record get no digit, and the client reads what the engine says."""
    async with Harness.of(Numbers) as harness:
        harness.engine.says("打 120 now")
        outcome = await harness.ask(chat("我的号码 13812345678", stream=stream))
        outcome.assert_engine_did_not_get("13812345678")
        outcome.assert_answered("打 120 now")
        assert outcome.record is not None
        assert "打 ### now" in outcome.record.reply
        harness.assert_no_trace_of("13812345678", "120")


async def test_outcomes_are_counted() -> None:
    """Completion is told of every end; start and stop are called once."""
    async with Harness.of(Meter) as harness:
        await harness.ask(chat("你好"))
        harness.engine.says("one", "二", Pause())
        await harness.ask(chat("hello", stream=True).leaving(2))
        assert harness.metrics.total("ended", outcome="ok") == 1
        assert harness.metrics.total("ended", outcome="client_disconnect") == 1
    events = [one["event"] for one in harness.log]
    assert (events.count("meter_started"), events.count("meter_stopped")) == (1, 1)


async def test_visits_are_counted_shown_and_forgotten() -> None:
    """What is kept of a subject goes with it, operators see numbers only, and an action is recorded before it is done."""
    async with Harness.of(Visits) as harness:
        plugin = harness.plugin()
        subject = "0" * 32
        await plugin._store.add(f"test/{subject}", 1, 60)
        await plugin._store.add("other/1", 1, 60)
        await harness.runtime.note(Operation(kind="policy_reloaded", actor="watch", at=harness.clock.now()))
        assert await plugin.inspect({}) == {"subjects": 2, "reloads": 1}
        assert await plugin.ready() == ""
        assert (await harness.runtime.erase(Erasure("test", subject)))["visits"] == 1
        assert await plugin.inspect({}) == {"subjects": 1, "reloads": 1}
        key = Entry(id="k", hash="", tenant="", app="")
        assert await plugin.operate(Call(harness.runtime, "visits", "reset", {}, key)) == {"reloads": 0}
        with pytest.raises(LookupError):
            await plugin.operate(Call(harness.runtime, "visits", "explode", {}, key))
        assert [one["kind"] for one in harness.log if one["event"] == "operation"] == ["policy_reloaded", "reset"]


@pytest.mark.parametrize("stream", [False, True])
async def test_an_engine_repeats(stream: bool) -> None:
    """The example of an engine answers plain and streamed."""
    async with Harness.of_engine(Parrot) as harness:
        (await harness.ask(chat("你好 parrot", stream=stream))).assert_answered("你好 parrot")
        assert harness.engine.streams_begun == harness.engine.streams_ended == int(stream)
