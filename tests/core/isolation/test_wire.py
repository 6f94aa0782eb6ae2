"""What the two processes say to each other, whoever says it: cut anywhere, too long, or nonsense."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.core.isolation.guests import Guest

from yumen import Answer, Block, Exchange, Manifest, NoConfig, Plugin
from yumen.exchange import Finding, Trace
from yumen.isolation.link import Link
from yumen.isolation.wire import (
    ACTS_MAX,
    HEAD,
    Act,
    Call,
    Done,
    Edit,
    Find,
    Logged,
    Measured,
    Raised,
    Report,
    Told,
    encode,
    raised,
    read_report,
    why_not,
)

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(-1, 1 << 53)
ids = st.integers(0, 1 << 53)
acts = st.one_of(
    st.builds(Find, words, words, st.booleans(), numbers, numbers, numbers, st.floats(0, 1)),
    st.builds(Edit, st.booleans(), st.booleans(), numbers, numbers, numbers, words, words),
    st.builds(Act, st.sampled_from(["block", "set_header"]), words, words),
)
reports = st.one_of(
    st.builds(Done, ids, st.lists(acts, max_size=5), st.none() | st.builds(Block, words), st.none()),
    st.builds(Done, ids, st.just([]), st.none(), st.builds(Answer, st.lists(words, max_size=3))),
    st.builds(Told, ids, numbers, words, st.binary(max_size=20)),
    st.builds(Raised, ids, words, words, st.booleans(), st.booleans(), words),
    st.builds(Call, ids, numbers, words, st.binary(max_size=20)),
    st.builds(Logged, st.just("info"), words, st.dictionaries(words, st.none() | words | st.booleans(), max_size=4)),
    st.builds(Measured, st.just("count"), words, st.floats(0, 9), st.dictionaries(words, words, max_size=4)),
)


def linked(bytes_max: int = 1 << 20) -> tuple[Link, list[bytes], list[str]]:
    """A link without a socket: what it takes, and how it ends."""
    taken: list[bytes] = []
    ended: list[str] = []
    return Link(taken.append, ended.append, bytes_max), taken, ended


@given(st.lists(reports, max_size=8), st.lists(st.integers(1, 30), min_size=1, max_size=20))
def test_messages_arrive_whole(sent: list[Report], cuts: list[int]) -> None:
    """Wherever the bytes are cut, every message comes out once, whole and in order, and means what it meant."""
    link, taken, ended = linked()
    data = b"".join(HEAD.pack(len(body)) + body for body in map(encode, sent))
    at = turn = 0
    while at < len(data):
        size = cuts[turn % len(cuts)]
        link.data_received(data[at : at + size])
        at, turn = at + size, turn + 1
    assert [read_report(body) for body in taken] == sent
    assert ended == []


@given(st.binary(max_size=60))
@example(b"\x91\xa1\x80")
def test_nonsense_ends_a_link_and_nothing_else(body: bytes) -> None:
    """Whatever bytes come, reading them gives a message, or an error that ends the link and is told by its name."""
    taken: list[Report] = []
    ended: list[str] = []
    link = Link(lambda one: taken.append(read_report(one)), ended.append, bytes_max=100)
    link.data_received(HEAD.pack(len(body)) + body)
    assert all(isinstance(one, Report) for one in taken)
    assert ended in ([], ["DecodeError"], ["ValidationError"], ["UnicodeDecodeError"], ["RecursionError"])
    assert len(taken) + len(ended) == 1


def test_a_message_too_long_is_not_kept() -> None:
    """A length beyond the limit ends the link before anything of the message is kept; what comes later is not read."""
    link, taken, ended = linked(bytes_max=10)
    link.data_received(HEAD.pack(11))
    link.data_received(HEAD.pack(1) + b"x")
    assert (taken, ended) == ([], ["ValueError"])


def test_lists_are_bounded_before_they_are_made() -> None:
    """A short message cannot promise a long list, and a long one cannot hold more than the limit."""
    many = encode(Done(1, [Act("block", "r")] * (ACTS_MAX + 1)))
    for body in (many, b"\x95\xa4done\x01\xdd\xff\xff\xff\xff\xc0\xc0"):
        with pytest.raises(msgspec.DecodeError):
            read_report(body)


@pytest.mark.parametrize("name", ["ValueError", "13812345678", "a b", "电话", ""])
def test_errors_have_names_only(name: str) -> None:
    """What stands for a plugin's error has its name where that is one, and never a text."""
    assert raised(name).__name__ == (name if name == "ValueError" else "Error")


async def test_what_is_sent_in_one_round_leaves_in_order() -> None:
    """The first message leaves at once and the others behind it, none is lost, and the end is told once."""
    ours, theirs = socket.socketpair()
    got: list[bytes] = []
    ended: list[str] = []
    gone = asyncio.Event()

    def end(why: str) -> None:
        ended.append(why)
        gone.set()

    one, other = Link(lambda _: None, lambda _: None, 100), Link(got.append, end, 100)
    await one.open(ours)
    await other.open(theirs)
    for number in range(50):
        one.send(b"%d" % number)
    one.finish()
    async with asyncio.timeout(30):
        await gone.wait()
    one.send(b"too late")
    assert [int(body) for body in got] == list(range(50))
    assert ended == [""]


class Asks(Guest):
    async def on_ask(self, exchange: Exchange, ask: Any) -> Any:
        return await ask()


def test_what_cannot_be_apart() -> None:
    """A plugin that needs what a process of its own cannot give is refused with a reason, and every other is not."""

    class Local(Plugin[NoConfig]):
        manifest = Manifest(name="local", version="1")

    assert why_not(Guest) == ""
    assert "on_ask" in why_not(Asks)
    assert "import" in why_not(Local)


def test_findings_and_traces_pass_as_they_are() -> None:
    """What others found and did is the same on the other side."""
    for one in (
        Finding("r", "c", "p", 1, 2, 0.5, "reply", "x", True),
        Trace("p", "on_request", 1.5, "block", "r", 2, True),
    ):
        assert msgspec.msgpack.decode(encode(one), type=type(one)) == one
