"""The stream filters of a plugin in a process of its own do what they do in the gateway's, and fail as closed."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from tests.core.isolation.filtering import Filtering, Onlooker
from tests.core.isolation.flats import another, apart, instance, proxy
from tests.core.streams import VALUE, Tokens
from tests.kit import Ledger, Outcome, exchange, request, saying
from tests.kit import step as here

from yumen import NoConfig
from yumen.isolation import conversation as conversation_module
from yumen.isolation import keeper as keeper_module
from yumen.policy.bundle import Limits, RulePolicy
from yumen.step import Step
from yumen.testing import chunk

pytestmark = pytest.mark.asyncio(loop_scope="module")
REPLY = "the secret 和秘密 and sec, then forbidden 禁止 now"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Step]:
    """The plugin in its process, shared by the tests; those that end it wait for the next one."""
    async with apart(tmp_path_factory.mktemp("guest"), Filtering) as found:
        yield found


@pytest_asyncio.fixture(autouse=True, loop_scope="module")
async def _soon(guest: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a process, which no slow machine makes hang, and the next one begins soon where a test ends it."""
    monkeypatch.setattr(keeper_module, "STEADY_S", 0.0)
    monkeypatch.setattr(conversation_module, "HANG_S", 30.0)
    await another(guest, None)


def both(guest: Step, **knobs: Any) -> tuple[Step, Step]:
    """The plugin in its process, and the same class in this one, under the same policy."""
    policy = instance(Filtering, **knobs)
    return Step(policy, guest.plugin), Step(policy, Filtering(NoConfig()))


async def ask(step: Step, asked: str, pieces: list[Any], **more: Any) -> Outcome:
    """One streamed exchange."""
    return await exchange([step], saying(*pieces), request(asked, stream=True), **more)


def cut(text: str, *places: int) -> list[bytes]:
    """A reply in pieces."""
    ends = [*places, len(text)]
    return [chunk(text[start:end]) for start, end in zip([0, *places], ends, strict=True)] + [chunk(None, "stop")]


def comparable(outcome: Outcome) -> Any:
    """What of an exchange must not depend on where the plugin runs; how often the engine's pieces arrive among that."""
    state = outcome.exchange
    trace = [(one.plugin, one.hook, one.decision, one.reason, one.edits, one.shadow) for one in state.trace]
    return outcome.frames, state.outcome, state.findings, trace, state.reply_bytes


@pytest.mark.parametrize("end", [14, 20, 44, len(REPLY)])
async def test_it_reads_the_same_at_every_cut(guest: Step, end: int) -> None:
    """Every event that leaves, every finding and every block is the same, wherever the engine's pieces end."""
    there, local = both(guest)
    reply = REPLY[:end]
    for place in range(1, end):
        pieces = cut(reply, place)
        assert comparable(await ask(there, "hi", pieces)) == comparable(await ask(local, "hi", pieces))
    single = cut(reply, *range(1, end))
    assert comparable(await ask(there, "hi", single)) == comparable(await ask(local, "hi", single))


@pytest.mark.parametrize("on_error", ["open", "closed"])
@pytest.mark.parametrize(
    "asked",
    ["raise", "unsupported", "nonsense", "edit", "greedy", "no opening", "say nothing", "whole", "nobody", "options"],
)
async def test_it_fails_the_same(guest: Step, asked: str, on_error: Any) -> None:
    """A filter that raises, returns nonsense, edits what has left or holds too much is the same fault; so is `whole`."""
    on_unsupported: Any = "warn" if on_error == "open" else "reject"
    there, local = both(guest, on_error=on_error, on_unsupported=on_unsupported)
    for pieces in (cut("the secret 你好 now 秘密", 4, 10, 14, 18), cut("now 秘密", 2, 3), cut("now")):
        pid = proxy(guest).pid
        assert comparable(await ask(there, asked, pieces)) == comparable(await ask(local, asked, pieces))
        assert proxy(guest).pid == pid


@pytest.mark.parametrize("knobs", [
    {"mode": "shadow"},
    {"rules": {"words.stop": RulePolicy(id="words.stop", mode="shadow"), "words.word": RulePolicy(id="words.word")}},
    {"rules": {"words.stop": RulePolicy(id="words.stop"), "words.word": RulePolicy(id="words.word", mode="off")}},
])  # fmt: skip
async def test_shadow_is_the_same(guest: Step, knobs: Any) -> None:
    """What is in shadow edits and ends no stream, and what it would have done is recorded as it is here."""
    there, local = both(guest, **knobs)
    for places in ([7], [20, 40], [3, 9, 15, 47]):
        pieces = cut(REPLY, *places)
        assert comparable(await ask(there, "hi", pieces)) == comparable(await ask(local, "hi", pieces))


async def test_every_channel_has_a_filter_of_its_own(guest: Step) -> None:
    """Choices, reasoning and tool arguments do not mix, and one without a filter passes."""
    tool = {"index": 0, "id": "c", "type": "function", "function": {"name": "look", "arguments": '{"a": "sec'}}
    more = {"index": 0, "function": {"arguments": 'ret 秘"}'}}
    pieces = [
        chunk("a sec"), chunk("b 秘", choice=1), chunk(reasoning_content="think sec"), chunk("ret!"),
        chunk(reasoning_content="ret"), chunk("密!", choice=1), chunk(tool_calls=[tool]), chunk(tool_calls=[more]),
        chunk(None, "stop", choice=1), chunk(None, "tool_calls"),
    ]  # fmt: skip
    there, local = both(guest)
    for asked in ("hi", "no reasoning"):
        outcome = await ask(there, asked, pieces)
        assert outcome.channel(0) == "a ******!"
        assert outcome.channel(1) == "b 某事!"
        assert comparable(outcome) == comparable(await ask(local, asked, pieces))


async def test_it_arrives_as_it_grows(guest: Step) -> None:
    """What a filter lets go leaves before the engine has gone on, and no event waits for the whole reply."""
    left: list[bytes] = []
    seen: list[int] = []

    async def look() -> None:
        seen.append(sum(b"first" in one for one in left))

    async def note(frame: bytes) -> None:
        left.append(frame)

    await ask(both(guest)[0], "hi", [chunk("first one. "), look, *cut("and another")], on_frame=note)
    assert seen == [1]


async def test_declared_limits_are_the_cores(guest: Step) -> None:
    """A filter holds no more than the gateway allows, whatever it declares in its process."""
    there, local = both(guest)
    limits = Limits(hold_chars=1)
    pieces = cut("secret", 1, 2, 3, 4, 5)
    outcome = await ask(there, "hi", pieces, limits=limits)
    assert outcome.code == "plugin_fault"
    assert comparable(outcome) == comparable(await ask(local, "hi", pieces, limits=limits))


async def test_an_onlooker_lets_nothing_else_go(tmp_path: Path) -> None:
    """The filter of a plugin that may not edit is held to that in the gateway, where its process says otherwise."""
    async with apart(tmp_path, Onlooker) as there:
        assert (await ask(there, "hi", cut("hello sec", 8))).channel() == "hello sec"
        assert (await ask(there, "hi", cut("hello secret", 8))).code == "plugin_fault"


async def test_masking_filters_feed_both_forms(tmp_path: Path) -> None:
    """A masking plugin restores streams from its process; what may see the masked form alone still sees nothing else."""
    pieces = [chunk("it is <S"), chunk("_1> 吗"), chunk(None, "stop")]
    records: list[Any] = []
    async with apart(tmp_path, Tokens) as there:
        for masking in (there, here(Tokens(NoConfig()), name="guest")):
            ledger = Ledger()
            body = request("my " + VALUE, stream=True)
            outcome = await exchange([here(ledger), masking], saying(*pieces), body)
            assert outcome.channel() == f"it is {VALUE} 吗"
            records.append((outcome.frames, ledger.records[0]["reply"]))
    assert records[0] == records[1]
    assert VALUE not in records[0][1][0]


async def test_a_crash_ends_the_streams_that_are_in_it(guest: Step) -> None:
    """A process that ends in mid-stream lets go of nothing that it held, even where `on_error` has the stream go on."""
    pid = proxy(guest).pid
    there, _ = both(guest, on_error="open")
    outcome = await ask(there, "crash", [chunk("well sec"), chunk("now 秘"), *cut(" and on")])
    assert outcome.channel() == "well  and on"
    assert [one.reason for one in outcome.exchange.trace if one.decision == "fault"] == ["ProcessGone"] * 2
    await another(guest, pid)


async def test_a_filter_that_hangs_is_late(guest: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """A filter that blocks is a fault at `timeout_ms`, while the gateway goes on; its process is replaced."""
    monkeypatch.setattr(conversation_module, "HANG_S", 0.2)
    pid = proxy(guest).pid
    there, _ = both(guest, timeout_ms=500)
    task = asyncio.create_task(ask(there, "busy", cut("now 秘密")))
    turns = 0
    while not task.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 10
    outcome = await task
    assert outcome.code == "plugin_fault"
    assert next(one.reason for one in outcome.exchange.trace if one.decision == "fault") == "TimeoutError"
    await another(guest, pid)


async def test_a_client_that_leaves_leaves_nothing(guest: Step) -> None:
    """A stream that is cancelled while its filter is asked ends at once, and its process forgets it and goes on."""
    pid = proxy(guest).pid
    there, _ = both(guest)
    for turns in range(12):
        task = asyncio.create_task(ask(there, "hi", cut(REPLY, *range(1, 30))))
        for _ in range(turns):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert (await ask(there, "hi", cut("the secret"))).channel() == "the ******"
    gc.collect()
    conversation = proxy(guest)._conversation()
    assert not conversation._pending
    # What was cancelled has been answered by now, and nothing waits to end the process.
    assert not conversation._cancelled
    assert len(conversation.ended_seats) <= 12
    assert proxy(guest).pid == pid


async def test_many_streams_at_once(guest: Step) -> None:
    """Streams of one process do not mix, and one that the engine keeps waiting holds up no other."""
    there, _ = both(guest)
    held = asyncio.Event()
    waiting = asyncio.create_task(ask(there, "hi", [chunk("slow sec"), held.wait, *cut("ret")]))
    texts = [f"{number} secret 秘密 {number}" for number in range(40)]
    outcomes = await asyncio.gather(*(ask(there, "hi", cut(text, *range(1, len(text)))) for text in texts))
    assert [one.channel() for one in outcomes] == [f"{number} ****** 某事 {number}" for number in range(40)]
    assert not waiting.done()
    held.set()
    assert (await waiting).channel() == "slow ******"
