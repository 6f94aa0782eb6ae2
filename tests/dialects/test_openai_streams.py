"""Streams of OpenAI-compatible servers, and what comes to no whole reply."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from tests.dialects.test_openai_transcript import dump, exactly

from yumen.dialects.openai_transcript import complete, counted, events_of, whole_of
from yumen.errors import Problem


def chunk(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "c-1", "object": "chat.completion.chunk", "created": 9, "model": "m", "choices": [*choices], **more}


def said(index: int = 0, finish: str | None = None, **delta: Any) -> dict[str, Any]:
    return {"index": index, "delta": delta, "finish_reason": finish}


def call(index: int, **more: Any) -> dict[str, Any]:
    return {"tool_calls": [{"index": index, **more}]}


USED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
FILTER = {"hate": {"filtered": False, "severity": "safe"}}
STREAMS: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "openai, with padding": (
        [
            chunk(said(role="assistant", content="", refusal=None), usage=None, obfuscation="xx"),
            chunk(said(content="玉门"), usage=None, obfuscation="x"),
            chunk(said(content="关"), usage=None, obfuscation="xxx"),
            chunk(said(finish="stop"), usage=None),
            chunk(usage=USED),
        ],
        {"role": "assistant", "content": "玉门关", "refusal": None},
    ),
    "azure: filters first, without a name, and after the end": (
        [
            {"id": "", "object": "", "created": 0, "model": "", "choices": [], "prompt_filter_results": [1]},
            chunk({**said(role="assistant", content=""), "content_filter_results": {}}),
            chunk({**said(content="yes"), "content_filter_results": FILTER}),
            chunk({**said(finish="stop"), "content_filter_results": {}}),
            chunk({"index": 0, "finish_reason": None, "content_filter_results": FILTER}, usage=USED),
        ],
        {"role": "assistant", "content": "yes"},
    ),
    "vllm: the role and the usage in every event, a reason of its own": (
        [
            chunk(said(role="assistant", content=""), usage={**USED, "completion_tokens": 0}),
            chunk(said(role="assistant", content="好"), usage={**USED, "completion_tokens": 1}),
            chunk({**said(content="的", finish="stop"), "stop_reason": 7}, usage=USED),
        ],
        {"role": "assistant", "content": "好的"},
    ),
    "deepseek: reasoning, then content, the usage at the end": (
        [
            chunk(said(role="assistant", content=None, reasoning_content="")),
            chunk(said(content=None, reasoning_content="因为")),
            chunk(said(content=None, reasoning_content="所以")),
            chunk(said(content="是", reasoning_content=None)),
            chunk(said(content="", reasoning_content=None, finish="stop"), usage=USED),
        ],
        {"role": "assistant", "content": "是", "reasoning_content": "因为所以"},
    ),
    "a function call of the older kind": (
        [
            chunk(said(role="assistant", content=None, function_call={"name": "find", "arguments": ""})),
            chunk(said(function_call={"arguments": '{"城":'})),
            chunk(said(function_call={"arguments": '"敦煌"}'})),
            chunk(said(finish="function_call")),
            chunk(usage=USED),
        ],
        {"role": "assistant", "content": None, "function_call": {"name": "find", "arguments": '{"城":"敦煌"}'}},
    ),
    "two tool calls at once, their ids empty afterwards": (
        [
            chunk(said(role="assistant", content=None, tool_calls=None)),
            chunk(said(**call(0, id="a", type="function", function={"name": "f", "arguments": ""}))),
            chunk(said(**call(1, id="b", type="function", function={"name": "g", "arguments": "{"}))),
            chunk(said(**call(0, id="", function={"name": None, "arguments": "{}"}))),
            chunk(said(**call(1, id="b", type="function", function={"name": "", "arguments": "}"}))),
            chunk(said(finish="tool_calls")),
            chunk(usage=USED),
        ],
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [
                {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}},
                {"id": "b", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
    ),
    "a tool of the caller's own kind, its number not the first": (
        [
            chunk(said(role="assistant", **call(3, id="a", type="custom", custom={"name": "sql", "input": "sel"}))),
            chunk(said(**call(3, custom={"input": "ect"}), finish="tool_calls")),
            chunk(usage=USED),
        ],
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "a", "type": "custom", "custom": {"name": "sql", "input": "select"}}],
        },
    ),
    "a server that leaves out what is not needed": (
        [{"choices": [{"delta": {"content": "a"}}]}, {"choices": [{"finish_reason": "stop"}]}, {"usage": USED}],
        {"role": "assistant", "content": "a"},
    ),
}


@pytest.mark.parametrize("name", STREAMS)
def test_streams_of_providers(name: str) -> None:
    """Whatever server a stream is of, it comes to the plain reply that this server would have given."""
    events, message = STREAMS[name]
    whole = json.loads(whole_of([dump(event) for event in events]))
    assert [choice["message"] for choice in whole["choices"]] == [message]
    assert whole["usage"] == USED
    assert whole.get("id", "c-1") == "c-1"
    assert "obfuscation" not in whole
    assert complete(dump(whole))


def test_what_stands_beside_the_delta() -> None:
    """Verdicts of a filter and reasons of a server are kept as they were last said, at the choice and at the reply."""
    whole = json.loads(
        whole_of([dump(one) for one in STREAMS["azure: filters first, without a name, and after the end"][0]])
    )
    assert whole["prompt_filter_results"] == [1]
    assert whole["choices"][0]["content_filter_results"] == FILTER
    vllm = STREAMS["vllm: the role and the usage in every event, a reason of its own"][0]
    assert json.loads(whole_of([dump(one) for one in vllm]))["choices"][0]["stop_reason"] == 7


def test_probabilities_come_token_by_token() -> None:
    """Lists of tokens go on from event to event, and a number keeps its digits."""
    parts = [
        b'{"content":[{"token":"a","logprob":-0.10}],"refusal":null}',
        b'{"content":[{"token":"b","logprob":-1e-9}]}',
    ]
    events = [
        b'{"choices":[{"index":0,"delta":{"content":"x"},"logprobs":%s,"finish_reason":"stop"}]}' % parts[0],
        b'{"choices":[{"index":0,"delta":{},"logprobs":%s}]}' % parts[1],
        b'{"choices":[{"index":0,"delta":{},"logprobs":null}]}',
    ]
    (choice,) = exactly(whole_of(events))["choices"]
    tokens = [{"token": "a", "logprob": "-0.10"}, {"token": "b", "logprob": "-1e-9"}]
    assert choice["logprobs"] == {"content": tokens, "refusal": None}


def test_completions_stream_text() -> None:
    """The older completions come to a plain reply of their own kind."""
    base = {"id": "cmpl-1", "object": "text_completion", "created": 1, "model": "m"}
    parts = [(0, "玉", None), (1, "b", None), (0, "门", "stop"), (1, "", "stop")]
    events = [{**base, "choices": [{"index": n, "text": text, "finish_reason": end}]} for n, text, end in parts]
    whole = json.loads(whole_of([dump(event) for event in events]))
    assert whole["object"] == "text_completion"
    assert [(one["text"], one["finish_reason"]) for one in whole["choices"]] == [("玉门", "stop"), ("b", "stop")]
    assert complete(dump(whole))
    assert not counted(dump(whole))


END = chunk(said(finish="stop"))


@pytest.mark.parametrize(
    "events",
    [
        [],
        [chunk(usage=USED)],
        [{"error": {"message": "overloaded"}}],
        [chunk(said(content="a")), {"error": {"message": "overloaded"}}],
        [[]],
        [chunk(said(content="a")), "[DONE]"],
        [{"choices": {"0": {}}}],
        [{"choices": ["a"]}],
        [END, chunk(said(content="late"))],
        [END, chunk(said(**call(0, id="late")))],
        [END, chunk(said(function_call={"arguments": "late"}))],
        [chunk(said(finish="length")), END],
        [chunk(said(1, content="no first one", finish="stop"))],
        [chunk(said(-1, content="a", finish="stop"))],
        [chunk(said(1024, content="a", finish="stop"))],
        [chunk({**said(content="a"), "index": "0"})],
        [chunk(said(content="a", tool_calls=["a"]))],
        [chunk(said(**call(1024, id="a")))],
        [chunk(said(**call(0, id="a"))), chunk(said(**call(0, id="b")))],
        [chunk(said(**call(0, function={"name": "f"}))), chunk(said(**call(0, function={"name": "g"})))],
        [chunk(said(**call(0, function="f"))), chunk(said(**call(0, function={"arguments": "{}"})))],
        [chunk(said(content="a")), chunk(said(content=["b"]))],
        [chunk(said(content=["a"])), chunk(said(content="b"))],
        [chunk(said(audio={"data": "AAAA"})), chunk(said(audio={"data": "BBBB"}), finish="stop")],
        [chunk(said(reasoning_details=["a"])), chunk(said(reasoning_details=["b"]))],
        [chunk({**said(), "token_ids": [1]}), chunk({**said(), "token_ids": [2]})],
        [chunk({**said(content="a"), "message": {"content": "a"}})],
        [chunk({"index": 0, "text": "a"}), chunk(said(content="a"))],
        [chunk({"index": 0, "text": "a"}, said(1, content="a"))],
        [chunk({"index": 0, "finish_reason": "stop"})],
    ],
)
def test_what_is_no_whole_reply(events: list[Any]) -> None:
    """A stream that broke, that goes on after its end, or of which nobody can know what it comes to, comes to nothing."""
    with pytest.raises(Problem) as caught:
        whole_of([dump(event) for event in events])
    assert caught.value.code == "engine_unavailable"


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"[]", b"\xff", b"[" * 100_000, b'{"id":' + b"9" * 5000 + b"}"])
@pytest.mark.parametrize("reads", [complete, counted, events_of, lambda data: whole_of([data])])
def test_what_is_no_reply(reads: Callable[[bytes], Any], data: bytes) -> None:
    """What is no JSON object, or cannot be read, is a problem of the engine and nothing worse."""
    with pytest.raises(Problem):
        reads(data)


def whole_reply(*choices: Any, **more: Any) -> bytes:
    return dump({"object": "chat.completion", "choices": list(choices), **more})


def choice(reason: Any = "stop", **more: Any) -> dict[str, Any]:
    return {"index": 0, "message": {"role": "assistant", "content": "好"}, "finish_reason": reason, **more}


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [
        (whole_reply(choice()), True),
        (whole_reply(choice("tool_calls"), choice("function_call")), True),
        (whole_reply(choice(), error=None), True),
        (whole_reply({"index": 0, "text": "", "finish_reason": "stop"}), True),
        (whole_reply(choice(), choice("length")), False),
        *(
            (whole_reply(choice(reason)), False)
            for reason in ("length", "content_filter", "", None, "other", ["stop"], 1)
        ),
        (whole_reply({"index": 0, "finish_reason": "stop"}), False),
        (whole_reply("stop"), False),
        (whole_reply(), False),
        (whole_reply(choice(), error={"message": "no"}), False),
        (dump({"object": "chat.completion", "choices": "stop"}), False),
        (dump({"object": "list", "data": [{"embedding": [0.5]}]}), True),
        (dump({"object": "list", "data": []}), False),
        (dump({"object": "list", "data": [{}], "error": {"message": "no"}}), False),
        (dump({}), False),
    ],
)
def test_a_reply_is_whole_where_every_choice_ended_of_itself(body: bytes, *, is_whole: bool) -> None:
    """Cut short, filtered, failed, empty or ended for a reason that nobody knows, a reply is not all there was to say."""
    assert complete(body) is is_whole


def test_embeddings_have_no_stream() -> None:
    """Embeddings are whole, and come to no events."""
    assert events_of(dump({"object": "list", "data": [{"index": 0, "embedding": [0.1]}]})) == []


@pytest.mark.parametrize(
    "body",
    [
        dump({}),
        whole_reply(),
        whole_reply("a"),
        whole_reply(choice(), choice()),
        whole_reply({**choice(), "index": 1}),
        whole_reply({**choice(), "index": None}),
        whole_reply(choice(), {"index": 1, "text": "a"}),
        whole_reply({"index": 0, "text": ["a"]}),
        whole_reply(choice(), error={"message": "no"}),
        whole_reply({"index": 0, "message": {"tool_calls": ["a"]}}),
        whole_reply({"index": 0, "message": {"tool_calls": [{}] * 1025}}),
        whole_reply(*({**choice(), "index": index} for index in range(1025))),
    ],
)
def test_what_has_no_stream(body: bytes) -> None:
    """A reply whose choices or calls cannot be told apart, or are more than an event may name, comes to no stream."""
    with pytest.raises(Problem):
        events_of(body)


def test_choices_in_any_order_and_calls_with_numbers() -> None:
    """Choices are known by their numbers, calls by their places, and no text is said twice."""
    message = {"role": "assistant", "content": None, "tool_calls": [{"index": 9, "id": "a"}, {"index": 9, "id": "b"}]}
    body = whole_reply(
        {"index": 1, "message": {"content": "second"}, "finish_reason": "stop"},
        {"index": 0, "message": message, "text": "twice", "delta": {"content": "twice"}, "finish_reason": "tool_calls"},
    )
    events = events_of(body)
    assert b"twice" not in b"".join(events)
    first, second = json.loads(whole_of(events))["choices"]
    assert first["message"]["tool_calls"] == [{"id": "a"}, {"id": "b"}]
    assert second["message"] == {"role": "assistant", "content": "second"}
