"""Every place of a reply that can hold words: the rows of the no-bypass table's second part."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tests.e2e.bypass_places import (
    APP,
    CHAT,
    COMPLETIONS,
    EMBEDDINGS,
    INFER,
    calls,
    dump,
    elements,
    escaped,
    source,
    tensor,
)


class Channel(NamedTuple):
    """One row of the reply's table: where the engine writes. `read` takes it out of what the caller got."""

    endpoint: str
    field: str
    reply: Callable[[str], bytes]
    read: Callable[[Any], str]
    # The events of a stream in which it comes in pieces, or None where it does not.
    events: Callable[[list[str]], list[dict[str, Any]]] | None = None
    # Takes it out of the events that the caller got.
    gather: Callable[[list[Any]], str] | None = None
    # How a text is written there: as it is, or as JSON source with it under `q`.
    write: Callable[[str], str] = str
    status: int = 200
    json_bytes: Callable[[bytes], int] | None = None

    @property
    def id(self) -> str:
        return f"{self.endpoint} {self.field}"


def _completion(**message: Any) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": "x", **message}, "finish_reason": "stop"}
    return dump({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}).encode()


def _events(pieces: list[dict[str, Any]], *, text: bool = False, index: int = 0) -> list[dict[str, Any]]:
    kind = "text_completion" if text else "chat.completion.chunk"
    envelope = {"id": "c", "object": kind, "created": 1, "model": "m"}
    bodies = [piece if text else {"delta": piece} for piece in pieces]
    choices = [{"index": index, **body, "finish_reason": None} for body in bodies]
    choices.append({"index": index, **({"text": ""} if text else {"delta": {}}), "finish_reason": "stop"})
    return [{**envelope, "choices": [choice]} for choice in choices]


def _deltas(events: list[Any], index: int = 0) -> list[Any]:
    return [
        one.get("delta", one) for event in events for one in event.get("choices", ()) if one.get("index", 0) == index
    ]


def _growing(name: str) -> Channel:
    """A member of a message that grows in a stream."""
    return Channel(
        CHAT, f"`{name}`", lambda text: _completion(**{name: text}), lambda tree: tree["choices"][0]["message"][name],
        lambda pieces: _events([{name: piece} for piece in pieces]),
        lambda events: "".join(delta.get(name) or "" for delta in _deltas(events)),
    )  # fmt: skip


def _source(text: str) -> str:
    return dump({"q": text})


def _escaped_source(text: str) -> str:
    return source("q", escaped(text))


def _arguments(tree: Any) -> str:
    source: str = tree["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]
    return source


def _tool_events(pieces: list[str]) -> list[dict[str, Any]]:
    first = {"tool_calls": [{"index": 0, **calls({"arguments": ""})[0]}]}
    return _events([first, *({"tool_calls": [{"index": 0, "function": {"arguments": piece}}]} for piece in pieces)])


def _tool_gather(events: list[Any]) -> str:
    calls = [call for delta in _deltas(events) for call in delta.get("tool_calls") or ()]
    return "".join(call["function"].get("arguments") or "" for call in calls)


def _outputs(text: str) -> bytes:
    return dump({"model_name": "m", "outputs": [tensor(data=["x", text])]}).encode()


def _binary_outputs(text: str) -> bytes:
    data = elements("x", text)
    described = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    return dump({"model_name": "m", "outputs": [described]}).encode() + data


def _finish(text: str) -> bytes:
    return dump({"object": "chat.completion", "choices": [{"index": 0, "message": {}, "finish_reason": text}]}).encode()


def _second(text: str) -> bytes:
    choices = [
        {"index": index, "message": {"role": "assistant", "content": words}, "finish_reason": "stop"}
        for index, words in enumerate(("x", text))
    ]
    return dump({"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": choices}).encode()


CHANNELS = [
    *map(_growing, ("content", "reasoning_content", "reasoning", "refusal")),
    Channel(CHAT, "the second of two choices", _second, lambda tree: tree["choices"][1]["message"]["content"],
            lambda pieces: [*_events([{"content": "x"}]), *_events([{"content": piece} for piece in pieces], index=1)],
            lambda events: "".join(delta.get("content") or "" for delta in _deltas(events, 1))),
    Channel(CHAT, "`arguments` of a tool call", lambda text: _completion(tool_calls=calls({"arguments": text})),
            _arguments, _tool_events, _tool_gather, _source),
    Channel(CHAT, "`arguments`, escaped", lambda text: _completion(tool_calls=calls({"arguments": text})),
            _arguments, _tool_events, _tool_gather, _escaped_source),
    Channel(CHAT, "`arguments` of `function_call`",
            lambda text: _completion(function_call={"name": "f", "arguments": text}),
            lambda tree: tree["choices"][0]["message"]["function_call"]["arguments"],
            lambda pieces: _events([{"function_call": {"arguments": piece}} for piece in pieces]),
            lambda events: "".join((delta.get("function_call") or {}).get("arguments") or "" for delta in _deltas(events)),
            _source),
    Channel(CHAT, "name of a tool call", lambda text: _completion(tool_calls=calls({"name": text})),
            lambda tree: tree["choices"][0]["message"]["tool_calls"][0]["function"]["name"],
            lambda pieces: _events([{"tool_calls": [{"index": 0, **calls({"name": "".join(pieces)})[0]}]}]),
            lambda events: "".join(call["function"].get("name") or "" for delta in _deltas(events)
                                   for call in delta.get("tool_calls") or ())),
    Channel(CHAT, "`content`, an array of parts", lambda text: _completion(content=[{"type": "text", "text": text}]),
            lambda tree: tree["choices"][0]["message"]["content"][0]["text"],
            lambda pieces: _events([{"content": [{"type": "text", "text": "".join(pieces)}]}]),
            lambda events: "".join(part["text"] for delta in _deltas(events) for part in delta.get("content") or ())),
    Channel(CHAT, "`finish_reason`, another word", _finish, lambda tree: tree["choices"][0]["finish_reason"],
            lambda pieces: [{"id": "c", "choices": [{"index": 0, "delta": {}, "finish_reason": "".join(pieces)}]}],
            lambda events: "".join(choice["finish_reason"] for event in events for choice in event["choices"])),
    Channel(CHAT, "unknown member", lambda text: _completion(unheard_of={"a": text}),
            lambda tree: tree["choices"][0]["message"]["unheard_of"]["a"],
            lambda pieces: _events([{"unheard_of": {"a": "".join(pieces)}}]),
            lambda events: "".join(delta["unheard_of"]["a"] for delta in _deltas(events) if "unheard_of" in delta)),
    Channel(CHAT, "message of an error", lambda text: dump({"error": {"message": text, "type": "t"}}).encode(),
            lambda tree: tree["error"]["message"], status=400),
    Channel(COMPLETIONS, "`text`",
            lambda text: dump({"object": "text_completion", "choices": [{"index": 0, "text": text}]}).encode(),
            lambda tree: tree["choices"][0]["text"],
            lambda pieces: _events([{"text": piece} for piece in pieces], text=True),
            lambda events: "".join(delta.get("text") or "" for delta in _deltas(events))),
    Channel(EMBEDDINGS, "unknown member", lambda text: dump({"object": "list", "data": [], "note": text}).encode(),
            lambda tree: tree["note"]),
    Channel(INFER, "`data`", _outputs, lambda tree: tree["outputs"][0]["data"][1]),
    Channel(INFER, "`data`, binary", _binary_outputs, lambda tree: tree["outputs"][0]["data"][1],
            json_bytes=lambda body: body.rindex(b"}") + 1),
    Channel(INFER, "`error`", lambda text: dump({"error": text}).encode(), lambda tree: tree["error"], status=400),
    Channel(APP, "a leaf", lambda text: dump({"a": [{"b": text}]}).encode(), lambda tree: tree["a"][0]["b"]),
    Channel(APP, "name of a member", lambda text: dump({text: 1}).encode(), lambda tree: next(iter(tree))),
]  # fmt: skip

# A plugin answers with texts alone, which become the first channel of each endpoint.
CACHED = [next(one for one in CHANNELS if one.endpoint == path) for path in (CHAT, COMPLETIONS, INFER, APP)]
