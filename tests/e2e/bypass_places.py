"""Every place of a request that can hold words: the rows of the no-bypass table's first part."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
INFER, APP = "/v2/models/m/infer", "/apps/crm/notes"
ROLES = ("system", "developer", "user", "assistant", "tool")
PHONE = "13812345678"
KEY = "sk-proj-" + "Ab3dEfGh1jKlMn0pQrSt" * 2 + "T3BlbkFJ" + "Zz9yXwVu7tSrQp5oNmLk" * 2
# In the order in which they stand in `SENTENCE`; in this order the engine repeats what it got for them.
VALUES = (PHONE, "11010519491231002X", "li.na@example.com", "4111111111111111", "张伟", KEY, "Katherine Johnson")
SENTENCE = (
    f"电话{VALUES[0]}，身份证{VALUES[1]}，邮箱 {VALUES[2]}，card {VALUES[3]}，联系人：{VALUES[4]}，key {VALUES[5]}; "
    f"my name is {VALUES[6]}."
)
# An ordinary request to each.
ASKS: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "hi"}]},
    COMPLETIONS: {"prompt": "hi"},
    EMBEDDINGS: {"input": "hi"},
}
# What the engine makes up itself, and what the caller gets of it where policy redacts it.
MADE_UP = ("13987654321", "zhao.liu@example.org", "王芳", "Robert Miller")
MADE_UP_SENTENCE = f"另有 {MADE_UP[0]}，{MADE_UP[1]}，联系人：{MADE_UP[2]}。 my name is {MADE_UP[3]}."
REDACTED_SENTENCE = "另有 [CN_MOBILE]，[EMAIL]，联系人：[CN_NAME]。 my name is [EN_NAME]."
MADE_UP_RULES = {"cn.mobile", "email", "cn.name", "en.name"}


class Wire(NamedTuple):
    """A request as it goes over the wire; `json_bytes` of the body are JSON, 0 for all."""

    path: str
    body: bytes
    json_bytes: int = 0


class Place(NamedTuple):
    """One row: an endpoint, a field, a role where there is one, and how a request looks that has `text` there."""

    endpoint: str
    field: str
    role: str
    make: Callable[[str, bool], Wire]
    text: str = SENTENCE
    values: tuple[str, ...] = VALUES
    streams: bool = True

    @property
    def id(self) -> str:
        return " ".join(filter(None, (self.endpoint, self.field, self.role)))


def dump(value: Any, *, ascii_only: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ascii_only)


def escaped(text: str) -> str:
    """JSON source of a string in which every character is an escape."""
    units = text.encode("utf-16-be")
    return '"' + "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2)) + '"'


def source(name: str, literal: str) -> str:
    """JSON source of an object with one member."""
    return f'{{"{name}": {literal}}}'


def _posted(path: str, stream: bool, **members: Any) -> Wire:
    more = {"stream": True} if stream else {}
    return Wire(path, dump({"model": "m", **members, **more}).encode())


def _chat(field: str, role: str, **members: Callable[[str], Any]) -> Place:
    """A place in a message of a role."""

    def make(text: str, stream: bool) -> Wire:
        message = {"role": role, "content": "x", **{name: value(text) for name, value in members.items()}}
        return _posted(CHAT, stream, messages=[message, {"role": "user", "content": "and now?"}])

    return Place(CHAT, field, role, make)


def calls(function: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": "call_1", "type": "function", "function": {"name": "look_up", "arguments": "{}", **function}}]


def _top(path: str, name: str, value: Callable[[str], Any], *, field: str = "", **more: Any) -> Place:
    """A member of the body itself."""

    def make(text: str, stream: bool) -> Wire:
        return _posted(path, stream, **{**ASKS[path], name: value(text)})

    return Place(path, field or f"`{name}`", "", make, streams=path != EMBEDDINGS, **more)


def _named(path: str, field: str, members: Callable[[str], dict[str, Any]], **more: Any) -> Place:
    def make(text: str, stream: bool) -> Wire:
        return _posted(path, stream, **{**ASKS[path], **members(text)})

    return Place(path, field, "", make, streams=path != EMBEDDINGS, **more)


ONLY_PHONE: dict[str, Any] = {"text": PHONE, "values": (PHONE,)}


def _everywhere(path: str) -> list[Place]:
    """The fields that all endpoints of one API share, and those that nobody declared."""
    return [
        _top(path, "user", str),
        _named(path, "unknown member", lambda text: {"unheard_of": {"deep": [text]}}),
        _named(path, "name of an unknown member", lambda text: {"unheard_of": {text: 1}}),
        _named(path, "long number", lambda text: {"unheard_of": [int(text)]}, **ONLY_PHONE),
        _named(path, "JSON in a string", lambda text: {"unheard_of": dump({"a": [text]})}),
        _named(path, "JSON in a string, escaped", lambda text: {"unheard_of": source("a", escaped(text))}),
        _named(path, "`model`", lambda text: {"model": f"m-{text}"}, **ONLY_PHONE),
    ]


def _chat_places() -> list[Place]:
    places: list[Place] = []
    for role in ROLES:
        places += [
            _chat("`content`, a string", role, content=str),
            _chat("`content`, an array of parts", role, content=lambda text: [{"type": "text", "text": text}]),
            _chat("`content`, an array of strings", role, content=lambda text: [text]),
            _chat(
                "`content`, a part of an unknown kind",
                role,
                content=lambda text: [{"type": "note", "note": {"a": text}}],
            ),
            _chat("`content`, JSON in a string", role, content=lambda text: dump({"notes": [text]})),
            _chat(
                "`content`, JSON in a string, escaped",
                role,
                content=lambda text: source("notes", escaped(text)),
            ),
            _chat("`name`", role, name=str),
            _chat("unknown member of a message", role, unheard_of=lambda text: {"deep": [text]}),
        ]
    places += [
        _chat("`refusal`", "assistant", refusal=str),
        _chat("a refusal part", "assistant", content=lambda text: [{"type": "refusal", "refusal": text}]),
        _chat("`reasoning_content`", "assistant", reasoning_content=str),
        _chat("`reasoning`", "assistant", reasoning=str),
        _chat("`arguments` of a tool call", "assistant", tool_calls=lambda text: calls({"arguments": dump({"q": [text]})})),
        _chat("`arguments`, escaped", "assistant",
              tool_calls=lambda text: calls({"arguments": source("q", escaped(text))})),
        _chat("`arguments`, the name of a member", "assistant",
              tool_calls=lambda text: calls({"arguments": dump({text: 1})})),
        _chat("`arguments` that are no JSON", "assistant", tool_calls=lambda text: calls({"arguments": f'{{"q": "{text}'})),
        _chat("`arguments`, JSON in JSON", "assistant",
              tool_calls=lambda text: calls({"arguments": dump({"q": dump({"a": text})})})),
        _chat("name of a tool call", "assistant", tool_calls=lambda text: calls({"name": text})),
        _chat("id of a tool call", "assistant", tool_calls=lambda text: [{**calls({})[0], "id": text}]),
        _chat("input of a custom tool", "assistant",
              tool_calls=lambda text: [{"id": "1", "type": "custom", "custom": {"name": "run", "input": text}}]),
        _chat("`function_call`", "assistant", function_call=lambda text: {"name": "f", "arguments": dump({"q": text})}),
        _chat("`tool_call_id`", "tool", tool_call_id=str),
        _chat("URL of an image", "user",
              content=lambda text: [{"type": "image_url", "image_url": {"url": f"https://example.org/?q={text}"}}]),
        _chat("name of a file", "user", content=lambda text: [{"type": "file", "file": {"filename": text}}]),
    ]  # fmt: skip
    return places


def _schema(text: str) -> dict[str, Any]:
    return {"type": "object", "properties": {"a": {"description": text}}}


def _chat_tops() -> list[Place]:
    return [
        *_everywhere(CHAT),
        _named(CHAT, "description of a tool", lambda text: {
            "tools": [{"type": "function", "function": {"name": "f", "description": text}}]}),
        _named(CHAT, "schema of a tool", lambda text: {
            "tools": [{"type": "function", "function": {"name": "f", "parameters": _schema(text)}}]}),
        _named(CHAT, "`functions`", lambda text: {"functions": [{"name": "f", "description": text}]}),
        _named(CHAT, "`tool_choice`", lambda text: {"tool_choice": {"type": "function", "function": {"name": text}}}),
        _named(CHAT, "schema of `response_format`", lambda text: {
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": _schema(text)}}}),
        _named(CHAT, "description of `response_format`", lambda text: {
            "response_format": {"type": "json_schema", "json_schema": {"name": "s", "description": text}}}),
        _named(CHAT, "value of `metadata`", lambda text: {"metadata": {"note": text}}),
        _named(CHAT, "name in `metadata`", lambda text: {"metadata": {text: "note"}}),
        _named(CHAT, "name in `logit_bias`", lambda text: {"logit_bias": {text: -1}}),
        _top(CHAT, "stop", str),
        _top(CHAT, "stop", lambda text: ["x", text], field="`stop`, an array"),
        _named(CHAT, "`prediction`", lambda text: {"prediction": {"type": "content", "content": text}}),
        _top(CHAT, "safety_identifier", str),
        _top(CHAT, "prompt_cache_key", str),
        _top(CHAT, "service_tier", str, field="no declared word where one is due"),
    ]  # fmt: skip


def _other_places() -> list[Place]:
    return [
        _top(COMPLETIONS, "prompt", str, field="`prompt`, a string"),
        _top(COMPLETIONS, "prompt", lambda text: ["x", text], field="`prompt`, an array"),
        _top(COMPLETIONS, "suffix", str),
        _top(COMPLETIONS, "stop", str),
        *_everywhere(COMPLETIONS),
        _top(EMBEDDINGS, "input", str, field="`input`, a string"),
        _top(EMBEDDINGS, "input", lambda text: ["x", text], field="`input`, an array"),
        *_everywhere(EMBEDDINGS),
    ]


def elements(*values: str) -> bytes:
    """A binary tensor of texts."""
    encoded = [value.encode() for value in values]
    return b"".join(struct.pack("<I", len(value)) + value for value in encoded)


def tensor(**more: Any) -> dict[str, Any]:
    return {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["x"], **more}


def _infer(
    field: str, body: Callable[[str], dict[str, Any]], path: Callable[[str], str] = lambda _: INFER, **more: Any
) -> Place:
    return Place("/v2/models/…/infer", field, "", lambda text, _: Wire(path(text), dump(body(text)).encode()), streams=False,
                 **more)  # fmt: skip


def _binary(
    field: str, tensors: Callable[[str], list[tuple[dict[str, Any], bytes]]], **members: Callable[[str], Any]
) -> Place:
    def make(text: str, _: bool) -> Wire:
        inputs, tail = [], b""
        for described, data in tensors(text):
            inputs.append(
                {**described, "parameters": {**described.get("parameters", {}), "binary_data_size": len(data)}}
            )
            tail += data
        head = dump({"inputs": inputs, **{name: value(text) for name, value in members.items()}}).encode()
        return Wire(INFER, head + tail, len(head))

    return Place("/v2/models/…/infer, binary", field, "", make, streams=False)


def _infer_places() -> list[Place]:
    floats = ({"name": "f", "shape": [2], "datatype": "FP32"}, struct.pack("<2f", 1.5, 2.5))
    described = {"name": "text", "shape": [1], "datatype": "BYTES"}
    return [
        _infer("`data`", lambda text: {"inputs": [tensor(data=["x", text])]}),
        _infer("`data`, nested", lambda text: {"inputs": [tensor(data=[["x"], [text]])]}),
        _infer("`data` of 64-bit integers", lambda text: {"inputs": [tensor(datatype="INT64", data=[int(text)])]},
               **ONLY_PHONE),
        _infer("name of a tensor", lambda text: {"inputs": [tensor(name=text)]}),
        _infer("`parameters` of a tensor", lambda text: {"inputs": [tensor(parameters={"note": text})]}),
        _infer("name in `parameters`", lambda text: {"inputs": [tensor()], "parameters": {text: 1}}),
        _infer("`id`", lambda text: {"inputs": [tensor()], "id": text}),
        _infer("name of an output", lambda text: {"inputs": [tensor()], "outputs": [{"name": text}]}),
        _infer("unknown member", lambda text: {"inputs": [tensor()], "unheard_of": [{"a": text}]}),
        _infer("model in the path", lambda _: {"inputs": [tensor()]}, lambda text: f"/v2/models/m-{text}/infer",
               **ONLY_PHONE),
        _infer("version in the path", lambda _: {"inputs": [tensor()]}, lambda text: f"/v2/models/m/versions/{text}/infer",
               **ONLY_PHONE),
        _binary("a tensor of texts", lambda text: [(described, elements(text))]),
        _binary("the second element, between numbers", lambda text: [floats, (described, elements("x", text)), floats]),
        _binary("`parameters` beside it", lambda text: [({**described, "parameters": {"n": text}}, elements("x"))]),
        _binary("`id` beside it", lambda _: [(described, elements("x"))], id=str),
    ]  # fmt: skip


def _app(field: str, body: Callable[[str], Any], path: Callable[[str], str] = lambda _: APP, **more: Any) -> Place:
    return Place(
        "/apps/…", field, "", lambda text, _: Wire(path(text), dump(body(text)).encode()), streams=False, **more
    )


def _app_places() -> list[Place]:
    return [
        _app("the body is a string", str),
        _app("a leaf", lambda text: {"a": [{"b": text}]}),
        _app("name of a member", lambda text: {text: None}),
        _app("long number", lambda text: {"a": [int(text)]}, **ONLY_PHONE),
        _app("JSON in a string", lambda text: {"a": dump({"b": text})}),
        _app("JSON in a string, escaped", lambda text: {"a": source("b", escaped(text))}),
        _app("a segment of the path", lambda _: {"a": 1}, lambda text: f"/apps/crm/customers/{quote(text, safe='')}/notes"),
        _app("a segment of the path, unescaped", lambda _: {"a": 1}, lambda text: f"/apps/crm/customers/{text}",
             **ONLY_PHONE),
        _app("a segment of the path, all escaped", lambda _: {"a": 1},
             lambda text: "/apps/crm/" + "".join(f"%{ord(char):02x}" for char in text), **ONLY_PHONE),
    ]  # fmt: skip


PLACES = [*_chat_places(), *_chat_tops(), *_other_places(), *_infer_places(), *_app_places()]
