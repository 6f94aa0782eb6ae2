"""Whole OpenAI replies and streams of them: each comes to the other without loss, or to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types import Completion
from openai.types.chat import ChatCompletion, ChatCompletionChunk

from yumen.dialects.openai import OpenAI
from yumen.dialects.openai_transcript import complete, counted, events_of, whole_of

DIALECT = OpenAI()
Draw = Callable[[st.SearchStrategy[Any]], Any]
WORDS = st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(
    ["玉门关", "春风不度", "fine", "😀", '"\\']
)
SOME = WORDS.filter(bool)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda below: st.lists(below, max_size=3) | st.dictionaries(WORDS, below, max_size=3),
    max_leaves=5,
)
# Members that nobody declared, under names that no provider has.
MORE = st.dictionaries(SOME.map("x_".__add__), JSON, max_size=2)
USAGE = st.fixed_dictionaries(
    dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), st.integers(0, 9999))
)
TOKEN = st.fixed_dictionaries(
    {
        "token": WORDS,
        "logprob": st.floats(-9, 0),
        "bytes": st.none() | st.lists(st.integers(0, 255), max_size=3),
        "top_logprobs": st.just([]),
    }
)
LOGPROBS = st.fixed_dictionaries(dict.fromkeys(("content", "refusal"), st.none() | st.lists(TOKEN, max_size=3)))
CALL = st.fixed_dictionaries(
    {
        "id": SOME,
        "type": st.just("function"),
        "function": st.fixed_dictionaries({"name": SOME, "arguments": WORDS}),
    }
)
TOLD = st.none() | WORDS
MESSAGE = st.builds(
    lambda more, message: {**more, **message},
    MORE,
    st.fixed_dictionaries(
        {"role": st.just("assistant"), "content": TOLD},
        optional={
            "refusal": TOLD,
            "reasoning_content": TOLD,
            "tool_calls": st.lists(CALL, max_size=3),
            "function_call": st.fixed_dictionaries({"name": SOME, "arguments": WORDS}),
            "annotations": st.just([]),
        },
    ),
)
REASON = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "function_call"])


def numbered(choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"index": index, **choice} for index, choice in enumerate(choices)]


def replies(choice: st.SearchStrategy[dict[str, Any]], kind: str) -> st.SearchStrategy[dict[str, Any]]:
    """Whole replies, with members that nobody declared at every level."""
    envelope = st.fixed_dictionaries(
        {
            "id": SOME,
            "object": st.just(kind),
            "created": st.integers(0, 1 << 70),
            "model": SOME,
            "choices": st.lists(choice, min_size=1, max_size=3).map(numbered),
        },
        optional={"usage": USAGE, "system_fingerprint": TOLD, "service_tier": st.sampled_from([None, "default"])},
    )
    return st.builds(lambda more, reply: {**more, **reply}, MORE, envelope)


CHAT = replies(
    st.builds(
        lambda more, choice: {**more, **choice},
        MORE,
        st.fixed_dictionaries(
            {"message": MESSAGE, "finish_reason": REASON}, optional={"logprobs": st.none() | LOGPROBS}
        ),
    ),
    "chat.completion",
)
TEXTS = replies(
    st.fixed_dictionaries(
        {"text": WORDS, "finish_reason": st.sampled_from(["stop", "length", "content_filter"]), "logprobs": st.none()}
    ),
    "text_completion",
)


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def exactly(data: bytes) -> Any:
    """JSON with its numbers as they are written."""
    return json.loads(data, parse_float=str, parse_int=str)


@given(CHAT | TEXTS)
def test_a_stream_of_a_reply_comes_to_that_reply(reply: dict[str, Any]) -> None:
    """No member is lost on the way to a stream and back, declared or not, and no number loses a digit."""
    body = dump(reply)
    assert exactly(whole_of(events_of(body))) == exactly(body)


@given(CHAT)
def test_official_clients_take_the_events(reply: dict[str, Any]) -> None:
    """Each event is one by the official client's own model, the first names the role, and the usage comes alone and last."""
    chunks = [ChatCompletionChunk.model_validate_json(event) for event in events_of(dump(reply))]
    first = {chunk.choices[0].index: chunk.choices[0] for chunk in reversed(chunks) if chunk.choices}
    assert all(choice.delta.role == "assistant" for choice in first.values())
    assert sorted(first) == list(range(len(reply["choices"])))
    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + ["usage" in reply]
    assert (chunks[-1].choices == []) == ("usage" in reply)
    assert {(chunk.id, chunk.model) for chunk in chunks} == {(reply["id"], reply["model"])}


@given(TEXTS)
def test_official_clients_take_the_events_of_completions(reply: dict[str, Any]) -> None:
    """The same for the older completions, where each event that has choices says why they ended."""
    whole = [Completion.model_validate_json(event) for event in events_of(dump(reply))]
    said = [choice.text for one in whole for choice in one.choices]
    assert said == [choice["text"] for choice in reply["choices"]]


@given(CHAT | TEXTS)
def test_the_chain_reads_the_same_texts_in_both(reply: dict[str, Any]) -> None:
    """Filters of a replayed stream see, channel by channel, what plugins of the plain reply see."""
    seen: dict[tuple[int, str, int], str] = {}
    finished: list[int] = []
    for event in map(DIALECT.decode_event, events_of(dump(reply))):
        assert not any(piece.text and piece.channel.choice in finished for piece in event.pieces)
        for piece in event.pieces:
            place = (piece.channel.choice, piece.channel.name, piece.channel.tool)
            seen[place] = seen.get(place, "") + piece.text
        finished += event.finished
    assert {place: text for place, text in seen.items() if text} == channels(reply)
    assert finished == list(range(len(reply["choices"])))


def channels(reply: dict[str, Any]) -> dict[tuple[int, str, int], str]:
    """The texts of a reply that grow in a stream, by choice, channel and tool call."""
    found: dict[tuple[int, str, int], str] = {}
    for index, choice in enumerate(reply["choices"]):
        message = choice.get("message", {})
        found[index, "content", 0] = message.get("content") or choice.get("text") or ""
        found[index, "reasoning", 0] = message.get("reasoning_content") or ""
        found[index, "refusal", 0] = message.get("refusal") or ""
        # The older form of a call shares its channel with the first of the newer form, in the order of the message.
        for name in message:
            calls = message[name] if name == "tool_calls" else []
            calls = [{"function": message[name]}] if name == "function_call" else calls
            for tool, call in enumerate(calls):
                place = (index, "tool_arguments", tool)
                found[place] = found.get(place, "") + call["function"]["arguments"]
    return {place: text for place, text in found.items() if text}


def cut(draw: Draw, text: str) -> list[str]:
    """A text in pieces, some of them empty."""
    places = sorted(draw(st.lists(st.integers(0, len(text)), max_size=4)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]


def deltas_of(draw: Draw, message: dict[str, Any]) -> list[dict[str, Any]]:
    """What a server that cuts text as it likes says of a message, its tool calls and contents in any mixture."""
    strands: list[list[dict[str, Any]]] = [
        [{name: piece} for piece in cut(draw, message[name])]
        for name in ("content", "refusal", "reasoning_content")
        if message.get(name)
    ]
    for index, call in enumerate(message.get("tool_calls", ())):
        begun = {**call, "function": {"name": call["function"]["name"], "arguments": ""}}
        pieces = [{"function": {"arguments": piece}} for piece in cut(draw, call["function"]["arguments"])]
        strands.append([{"tool_calls": [{"index": index, **part}]} for part in (begun, *pieces)])
    first = {name: value for name, value in message.items() if name == "role" or not value}
    return [first, *mixed(draw, strands)]


def mixed(draw: Draw, strands: list[list[Any]]) -> list[Any]:
    """The items of several lists in one, each list's own in their order."""
    left = [list(strand) for strand in strands if strand]
    out = []
    while left:
        strand = left[draw(st.integers(0, len(left) - 1))]
        out.append(strand.pop(0))
        left = [one for one in left if one]
    return out


PLAIN_MESSAGE = st.fixed_dictionaries(
    {"role": st.just("assistant"), "content": TOLD},
    optional={"refusal": TOLD, "reasoning_content": SOME, "tool_calls": st.lists(CALL, min_size=1, max_size=3)},
)
ENVELOPE = {"id": "chatcmpl-7", "created": 17, "model": "m-1", "system_fingerprint": "fp"}


@st.composite
def streams(draw: Draw) -> tuple[dict[str, Any], list[bytes]]:
    """A reply, and a stream of it: cut anywhere, its choices in any mixture, with the usage at its end or in every event."""
    messages = draw(st.lists(PLAIN_MESSAGE, min_size=1, max_size=3))
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    strands = []
    for index, message in enumerate(messages):
        said = [{"index": index, "delta": delta, "finish_reason": None} for delta in deltas_of(draw, message)]
        strands.append([*said, {"index": index, "delta": {}, "finish_reason": "stop"}])
    often: dict[str, Any] = draw(st.sampled_from([{}, {"usage": None}, {"usage": {**usage, "total_tokens": 1}}]))
    base = {**ENVELOPE, "object": "chat.completion.chunk"}
    events = [{**base, "choices": [one], **often} for one in mixed(draw, strands)]
    events.append({**base, "choices": [], "usage": usage})
    choices = [{"index": n, "message": one, "finish_reason": "stop"} for n, one in enumerate(messages)]
    whole = {**ENVELOPE, "object": "chat.completion", "choices": choices, "usage": usage}
    return whole, [dump(event) for event in events]


@given(streams())
def test_a_stream_comes_to_one_reply_wherever_it_is_cut(stream: tuple[dict[str, Any], list[bytes]]) -> None:
    """Pieces, choices and tool calls in any mixture come to the same reply, and the usage is the last one that was said."""
    whole, events = stream
    assert json.loads(whole_of(events)) == whole
    assert complete(whole_of(events))
    assert counted(whole_of(events))


@given(streams())
def test_the_official_client_adds_up_alike(stream: tuple[dict[str, Any], list[bytes]]) -> None:
    """What the official client makes of a stream is what it reads in the plain reply that was made of it."""
    state: Any = ChatCompletionStreamState()
    # It takes choices and calls only in the order of their numbers.
    for event in sorted(stream[1], key=_order):
        state.handle_chunk(ChatCompletionChunk.model_validate_json(event))
    theirs: dict[str, Any] = state.current_completion_snapshot.to_dict()
    ours: dict[str, Any] = ChatCompletion.model_validate_json(whole_of(stream[1])).to_dict()
    for choice in (*theirs["choices"], *ours["choices"]):
        message = choice["message"]
        for call in message.get("tool_calls") or ():
            call.pop("index", None)
            call["function"].pop("parsed_arguments", None)
        choice["message"] = {name: value for name, value in message.items() if value and name != "parsed"}
        choice.pop("logprobs", None)
    assert theirs["choices"] == ours["choices"]
    assert theirs["usage"] == ours["usage"]


def _order(event: bytes) -> tuple[int, int]:
    choices = json.loads(event)["choices"]
    if not choices or choices[0]["finish_reason"]:
        return (99, 0)
    return (choices[0]["index"], choices[0]["delta"].get("tool_calls", [{"index": 0}])[0]["index"])
