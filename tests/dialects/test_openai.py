"""The OpenAI dialect: every string leaf is a text or one of the declared words."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yumen.dialects import Payload
from yumen.dialects.openai import OpenAI
from yumen.dialects.openai_events import ChatEvent
from yumen.engine import Delta
from yumen.errors import Problem
from yumen.exchange import Answer, Usage

CHAT = "/v1/chat/completions"
MARK = "标记MARK-7f3a"


def decode(body: Any, path: str = CHAT) -> Payload:
    source = body if isinstance(body, bytes) else json.dumps(body, ensure_ascii=False).encode()
    return OpenAI().decode(path, source, depth_max=64, texts_max=10_000)


def dump(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def chat(**more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": [{"role": "user", "content": "hi"}], **more}


FIELDS: list[dict[str, Any]] = [
    chat(messages=[{"role": role, "content": MARK}]) for role in ("system", "developer", "user", "assistant", "tool")
] + [
    chat(messages=[{"role": MARK, "content": "x"}]),
    chat(messages=[{"role": "user", "content": [{"type": "text", "text": MARK}]}]),
    chat(messages=[{"role": "user", "content": [{"type": MARK, "text": "x"}]}]),
    chat(messages=[{"role": "user", "content": [MARK]}]),
    chat(messages=[{"role": "user", "content": {"deep": {"deeper": [MARK]}}}]),
    chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": MARK}}]}]),
    chat(messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"detail": MARK}}]}]),
    chat(messages=[{"role": "user", "content": [{"type": "file", "file": {"filename": MARK}}]}]),
    chat(messages=[{"role": "user", "content": "x", "name": MARK}]),
    chat(messages=[{"role": "tool", "content": "x", "tool_call_id": MARK}]),
    chat(messages=[{"role": "assistant", "reasoning_content": MARK}]),
    chat(messages=[{"role": "assistant", "tool_calls": [{"id": MARK}]}]),
    chat(messages=[{"role": "assistant", "tool_calls": [{"function": {"name": MARK}}]}]),
    chat(messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": dump({"a": MARK})}}]}]),
    chat(messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": dump({MARK: 1})}}]}]),
    chat(messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": "not json " + MARK}}]}]),
    chat(messages=[{"role": "assistant", "tool_calls": [{"function": {"arguments": {"dict": MARK}}}]}]),
    chat(messages=[{"role": "assistant", "function_call": {"name": "f", "arguments": dump([MARK])}}]),
    chat(user=MARK),
    chat(metadata={"k": MARK}),
    chat(metadata={MARK: "v"}),
    chat(stop=[MARK]),
    chat(stop=MARK),
    chat(stream_options={MARK: 1}),
    chat(tools=[{"type": "function", "function": {"description": MARK}}]),
    chat(tools=[{"type": "function", "function": {"parameters": {"properties": {MARK: {"type": "string"}}}}}]),
    chat(tool_choice=MARK),
    chat(tool_choice={"function": {"name": MARK}}),
    chat(response_format={"type": "json_schema", "json_schema": {"schema": {"enum": [MARK]}}}),
    chat(prediction={"type": "content", "content": MARK}),
    chat(service_tier=MARK),
    chat(reasoning_effort=MARK),
    chat(seed=MARK),
    chat(temperature=MARK),
    chat(logit_bias={MARK: 1}),
    chat(instructions=MARK),
    chat(field_of_tomorrow={"nested": [[{"x": MARK}]]}),
    chat(**{MARK: 1}),
]


@pytest.mark.parametrize(
    "body", FIELDS, ids=lambda body: next((k for k in body if k not in ("model", "messages")), "messages")
)
def test_every_field_is_seen_and_can_be_edited(body: dict[str, Any]) -> None:
    """Wherever a string stands, some text holds it, and after an edit the engine's bytes do not."""
    payload = decode(body)
    holding = [text for text in payload.texts if MARK in text.raw]
    assert len(holding) == 1
    assert MARK not in holding[0].path
    holding[0].write(holding[0].raw.replace(MARK, "<P>"))
    rendered = payload.document.render()
    assert MARK not in rendered.decode()
    assert json.dumps(MARK)[1:-1].encode() not in rendered
    assert json.loads(rendered) == json.loads(dump(body).replace(MARK, "<P>"))


@pytest.mark.parametrize("prompt", [[1, 2, 3], [[1, 2], [3]]])
def test_tokenised_text_is_media(prompt: list[Any]) -> None:
    """Text that the caller has turned into token numbers cannot be read, so plugins must be told."""
    assert any(text.kind == "media" for text in decode({"model": "m", "prompt": prompt}, "/v1/completions").texts)
    assert any(text.kind == "media" for text in decode({"model": "m", "input": prompt}, "/v1/embeddings").texts)


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}},
        {"type": "input_audio", "input_audio": {"data": "UklGRg==", "format": "wav"}},
        {"type": "file", "file": {"file_data": "JVBERi0=", "filename": "a.pdf"}},
    ],
)
def test_media_is_declared_as_such(part: dict[str, Any]) -> None:
    """Images, sound and files are texts of kind media, so that nobody takes them for inspected."""
    texts = decode(chat(messages=[{"role": "user", "content": [part]}])).texts
    assert [text.kind for text in texts if text.kind == "media"] == ["media"]


@pytest.mark.parametrize(
    "body",
    [
        [],
        "x",
        {},
        {"model": "m"},
        {"messages": [{"role": "user", "content": "x"}]},
        chat(messages=[]),
        chat(messages="x"),
        chat(messages={"role": "user"}),
        chat(messages=["x"]),
        chat(model=""),
        chat(model=7),
        chat(model="a b"),
        chat(model="x" * 201),
        chat(model="m\nx"),
        chat(stream="yes"),
        chat(stream=1),
        chat(n=0),
        chat(n=17),
        chat(n="2"),
        chat(n=1.5),
        chat(n=True),
    ],
)
def test_malformed_requests_are_bad_requests(body: Any) -> None:
    """A body that is not what the path takes is refused with a stable code."""
    with pytest.raises(Problem) as caught:
        decode(body)
    assert caught.value.code == "bad_request"


def test_messages_for_engines_join_parts_and_use_the_masked_form() -> None:
    """A neutral engine gets roles and texts, in the masked form where there is one."""
    payload = decode(
        chat(
            messages=[
                {"role": "system", "content": "s"},
                {"role": "user", "content": [{"type": "text", "text": "a"}, "b"]},
            ]
        )
    )
    for text in payload.texts:
        text.masked = text.raw.upper()
    assert [(message.role, message.text) for message in payload.messages(masked=True)] == [
        ("system", "S"),
        ("user", "A\nB"),
    ]
    assert [message.text for message in payload.messages(masked=False)] == ["s", "a\nb"]


@pytest.mark.parametrize(("prompt", "said"), [("退货 how", ["退货 how"]), (["一", "two"], ["一", "two"]), ([1, 2], [])])
def test_a_prompt_is_what_a_user_says(prompt: Any, said: list[str]) -> None:
    """An engine without a dialect reads prompts as it reads chats, but for those that are numbers of tokens."""
    body = json.dumps({"model": "m", "prompt": prompt, "suffix": "x", "user": "u"}).encode()
    payload = OpenAI().decode("/v1/completions", body, depth_max=9, texts_max=99)
    assert [(one.role, one.text) for one in payload.messages(masked=False)] == [("user", text) for text in said]


def test_a_neutral_answer_becomes_a_completion_with_every_choice() -> None:
    """An engine without a wire format still gives clients a full OpenAI reply."""
    request = decode(chat(n=2))
    body = json.loads(OpenAI().encode_answer(Answer(["你好"], usage=Usage(3, 2)), request, "id", 5))
    assert [choice["message"]["content"] for choice in body["choices"]] == ["你好", "你好"]
    assert body["usage"] == {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def test_every_choice_of_an_answer_has_its_own_reason() -> None:
    """A choice that was cut does not pass for a whole one, nor a whole one for cut."""
    answer = Answer(["a", "b"], "stop", Usage(3, 2), ["stop", "length"])
    body = json.loads(OpenAI().encode_answer(answer, decode(chat(n=3)), "id", 5))
    assert [choice["finish_reason"] for choice in body["choices"]] == ["stop", "length", "stop"]
    cut = json.loads(OpenAI().encode_answer(Answer(["a"], "length"), decode(chat(n=2)), "id", 5))
    assert [choice["finish_reason"] for choice in cut["choices"]] == ["length", "length"]


def test_usage_events_come_only_when_asked_for() -> None:
    """`stream_options.include_usage` decides whether a stream ends with the usage."""
    delta = Delta(finish_reason="stop", usage=Usage(1, 1))
    assert len(OpenAI().encode_delta(delta, decode(chat(stream=True)), "id", 5)) == 1
    asked = decode(chat(stream=True, stream_options={"include_usage": True}))
    assert json.loads(OpenAI().encode_delta(delta, asked, "id", 5)[-1])["usage"]["total_tokens"] == 2


NAMES = ["choices", "delta", "index", "content", "tool_calls", "function", "arguments", "finish_reason", "usage", "id"]
values = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
events = st.recursive(
    values,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*NAMES, "error", "x"]), inner, max_size=5)
    ),
    max_leaves=20,
)


@given(events)
@example({"choices": [{"finish_reason": [None]}]})
def test_any_reply_is_read_or_refused(tree: Any) -> None:
    """An upstream's reply of any shape becomes texts or a problem, never a crash."""
    try:
        payload = OpenAI().decode_reply(json.dumps(tree).encode(), depth_max=8, texts_max=100)
    except Problem as problem:
        assert problem.code in ("engine_unavailable", "bad_request", "payload_too_large")
        return
    for text in payload.texts:
        if text.kind not in ("media", "number"):
            text.write("<P>" + text.raw)
    json.loads(payload.document.render())


@given(events)
@example({"choices": [{"finish_reason": [None]}]})
def test_any_event_is_read_or_refused(tree: Any) -> None:
    """An upstream's event of any shape is an event or a problem, never a crash."""
    try:
        event = ChatEvent(json.dumps(tree).encode())
    except Problem as problem:
        assert problem.code == "engine_unavailable"
        return
    for piece in [*event.pieces, *event.loose]:
        piece.put("<P>" + piece.text)
    event.render()


def test_an_event_finds_every_growing_text() -> None:
    """Content, reasoning, refusal and tool arguments are pieces of their channels; what nobody declared stands alone."""
    event = ChatEvent(
        json.dumps(
            {
                "id": "i",
                "choices": [
                    {
                        "index": 1,
                        "delta": {"content": "a", "reasoning_content": "b", "refusal": "c", "odd": {"x": "d"}},
                    },
                    {"index": 0, "delta": {"tool_calls": [{"index": 2, "id": "t", "function": {"arguments": "e"}}]}},
                ],
                "provider": "p",
            }
        ).encode()
    )
    assert [(piece.channel.choice, piece.channel.name, piece.channel.tool, piece.text) for piece in event.pieces] == [
        (1, "content", 0, "a"),
        (1, "reasoning", 0, "b"),
        (1, "refusal", 0, "c"),
        (0, "tool_arguments", 2, "e"),
    ]
    assert sorted(piece.text for piece in event.loose) == ["d", "i", "p", "t"]
