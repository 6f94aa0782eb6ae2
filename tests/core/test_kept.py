"""Replies that can be kept and given again: whole ones only, and each in the form that whoever asks wants."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.streams import contents

from yumen import Answer, Delta, Kept, Native, Usage
from yumen.dialects import Dialect
from yumen.dialects.json import Json
from yumen.dialects.kserve import KServe
from yumen.dialects.openai import OpenAI
from yumen.kept import TURN_EVENTS, deltas, given_again, kept_of
from yumen.testing import chunk, completion

OPENAI = OpenAI()
USED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
COUNT = json.dumps({"id": "chatcmpl-1", "choices": [], "usage": USED}).encode()


def kept(given: Any, dialect: Dialect = OPENAI) -> Kept:
    """What is kept of a reply that may be."""
    found = kept_of(dialect, given)
    assert found is not None
    return found


async def again(one: Kept, *, streamed: bool = False, usage: bool = False) -> Any:
    """A kept reply as it is given: the events of a stream as a list."""
    given = given_again(one, streamed=streamed, usage=usage)
    return given if given is None or isinstance(given, Answer | Native) else [event async for event in given]


async def test_a_plain_reply_byte_for_byte() -> None:
    """What the engine wrote is given again as it was, in both forms, and nothing of its headers."""
    body = completion("玉门关") + b"\n "
    one = kept(Native(200, body, {"retry-after": "1", "content-type": "text/html"}))
    assert await again(one) == Native(200, body, {}, 0)
    events = await again(one, streamed=True)
    assert json.loads(OPENAI.whole_of(events)) == json.loads(body)
    assert await again(one, streamed=True, usage=True) == events


async def test_a_stream_byte_for_byte() -> None:
    """The events of a stream are given again as they were, and as a plain reply where it said how many tokens it took."""
    events = [*contents(["玉", "门"]), COUNT]
    one = kept(events)
    assert await again(one, streamed=True) == events
    plain = await again(one)
    assert (plain.status, plain.headers) == (200, {})
    assert json.loads(plain.body)["choices"][0]["message"]["content"] == "玉门"
    assert json.loads(plain.body)["usage"] == USED


async def test_what_a_stream_did_not_say_is_not_made_up() -> None:
    """A stream without the usage serves whoever wants none: a plain reply has it, and a stream where it was asked for."""
    events = contents(["fine"])
    one = kept(events)
    assert one.body == b""
    assert await again(one, streamed=True) == events
    assert await again(one, streamed=True, usage=True) is None
    assert await again(one) is None


async def test_a_server_that_never_counts_is_taken_as_it_is() -> None:
    """Where the engine's own plain reply has no usage, none is owed to anybody."""
    body = json.dumps({"choices": [{"index": 0, "message": {"content": "好"}, "finish_reason": "stop"}]}).encode()
    one = kept(Native(200, body))
    assert await again(one) == Native(200, body)
    assert len(await again(one, streamed=True, usage=True)) == 3


async def test_without_its_events_it_is_a_plain_reply() -> None:
    """A plugin may keep events apart from the rest; a reply without either has nothing to give."""
    one = Kept(body=b"{}")
    assert await again(one, streamed=True) == Native(200, b"{}")
    assert await again(Kept(), streamed=True) is None
    assert await again(Kept()) is None


LENGTH = completion("cut").replace(b'"stop"', b'"length"')


@pytest.mark.parametrize(
    "given",
    [
        Native(201, completion("a")),
        Native(429, b'{"error":{}}'),
        Native(200, b'{"error":{"message":"overloaded"}}'),
        Native(200, LENGTH),
        Native(200, b""),
        Native(200, b"<html>"),
        Native(200, b'{"choices":[{"index":7,"message":{},"finish_reason":"stop"}]}'),
        Answer(["a"], finish_reason="length"),
        Answer(["a"], finish_reason="content_filter"),
        Answer(["a", "b"], finish_reasons=["stop", "length"]),
        Answer([]),
        [],
        [chunk("a")],
        [*contents(["a"]), chunk("after the end")],
        contents(["a"], end="length"),
        [b"{"],
        [*contents(["a"]), Delta("b")],
        [Delta("a"), *contents(["a"])],
    ],
)
def test_what_may_not_be_given_again(given: Any) -> None:
    """An error, a reply cut short or filtered, one that nobody can read, or of two kinds, is not kept."""
    assert kept_of(OPENAI, given) is None


async def test_tensors_with_their_bytes() -> None:
    """A reply with binary tensors is read up to the end of its JSON, and given again with it; there is no stream of it."""
    head = b'{"outputs":[{"name":"y","datatype":"FP32","shape":[1],"parameters":{"binary_data_size":4}}]}'
    given = Native(200, head + b'\x00"{[', {}, len(head))
    one = kept(given, KServe())
    assert await again(one, streamed=True, usage=True) == given
    for body in (b'{"error":"no"}', b'{"outputs":[]}', b'{"outputs":[1],"error":"no"}', b"[]", b"{"):
        assert kept_of(KServe(), Native(200, body)) is None


async def test_what_an_application_says() -> None:
    """Any JSON that an application answers with is whole; what is no JSON is not."""
    assert await again(kept(Native(200, b"[1]"), Json())) == Native(200, b"[1]")
    assert kept_of(Json(), Native(200, b"")) is None
    assert kept_of(Json(), [b"{}"]) is None


@pytest.mark.parametrize("texts", [["好"], ["one", "二"], ["one", "二", ""]])
async def test_an_answer_without_a_form(texts: list[str]) -> None:
    """A neutral answer comes as deltas to whoever wants a stream, and these come to the same answer."""
    answer = Answer(texts, "stop", Usage(3, 2))
    one = kept(answer)
    assert await again(one) == answer
    pieces = await again(one, streamed=True, usage=True)
    assert sum(piece.usage == answer.usage for piece in pieces) == 1
    other = kept(pieces)
    assert (other.answer, list(other.deltas)) == (answer, pieces)
    assert await again(other) == answer


PIECES = st.lists(st.tuples(st.integers(0, 2), st.text(max_size=3) | st.just("玉门")), max_size=8)


@given(count=st.integers(1, 3), pieces=PIECES, every=st.booleans())
def test_deltas_come_to_their_answer(count: int, pieces: list[tuple[int, str]], *, every: bool) -> None:
    """Pieces of several choices in any mixture come to one text for each, in the order of their numbers."""
    numbers = [-1] if every else list(range(count))
    given = [Delta(text, numbers[place % len(numbers)]) for place, text in pieces]
    expected = ["".join(delta.text for delta in given if delta.choice == number) for number in numbers]
    given += [Delta(choice=number, finish_reason="stop") for number in numbers]
    given.append(Delta(usage=Usage(1, 2)))
    assert kept(given).answer == Answer(expected, "stop", Usage(1, 2))


END = Delta(finish_reason="stop")


@pytest.mark.parametrize(
    "given",
    [
        [Delta("a")],
        [END, Delta("late")],
        [Delta("a", 0), Delta(choice=0, finish_reason="stop"), Delta("late", 0)],
        [Delta("因为", channel="reasoning"), END],
        [Delta("a"), Delta("b", 0), END, Delta(choice=0, finish_reason="stop")],
        [Delta("a", 1), Delta(choice=1, finish_reason="stop")],
        [Delta("a", 0), Delta("b", 1), Delta(choice=0, finish_reason="stop")],
        [
            Delta("a", 0),
            Delta(choice=0, finish_reason="stop"),
            Delta("b", 1),
            Delta(choice=1, finish_reason="tool_calls"),
        ],
        [Delta("a"), Delta(finish_reason="length")],
        [Delta(usage=Usage(1, 1))],
    ],
)
def test_deltas_that_come_to_nothing(given: list[Delta]) -> None:
    """What does not end, goes on after its end, is not all content, or has no plain form, is not kept."""
    assert kept_of(OPENAI, given) is None


def test_deltas_of_an_answer() -> None:
    """One text stands for every choice that was asked for, several for one each; the usage comes once, at the end."""
    usage = Usage(3, 2)
    assert deltas(Answer(["a"], "stop", usage)) == [Delta("a"), Delta(finish_reason="stop", usage=usage)]
    assert deltas(Answer(["a", "b"], "stop", usage)) == [
        Delta("a", 0),
        Delta("b", 1),
        Delta(choice=0, finish_reason="stop"),
        Delta(choice=1, finish_reason="stop", usage=usage),
    ]


async def test_a_long_stream_that_is_given_again_lets_others_have_their_turn() -> None:
    """An engine's stream waits for the network between its events; one from memory must not keep the loop to itself."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    one = kept([*contents(["字"] * 1000), COUNT])
    beside = asyncio.create_task(others())
    assert len(await again(one, streamed=True)) > 1000
    beside.cancel()
    assert turns >= 1000 // TURN_EVENTS
