"""The OpenAI dialect: chat completions, completions and embeddings, plain and streamed."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from yumen.dialects import Event, Payload
from yumen.dialects.document import Document, encode_json
from yumen.dialects.openai_calls import calls_of
from yumen.dialects.openai_events import ChatEvent, finish_reason_of, usage_of
from yumen.dialects.openai_shapes import CHAT, COMPLETIONS, EMBEDDINGS, REPLY
from yumen.dialects.openai_transcript import complete, counted, events_of, whole_of
from yumen.dialects.shape import Shape, Walk
from yumen.engine import Delta
from yumen.errors import Problem
from yumen.exchange import Answer, Usage
from yumen.forms import CallState

REQUESTS: dict[str, tuple[Shape, str]] = {
    "/v1/chat/completions": (CHAT, "messages"),
    "/v1/completions": (COMPLETIONS, "prompt"),
    "/v1/embeddings": (EMBEDDINGS, "input"),
}
# A model's name goes into routing; this is what published names look like, and what a header or path cannot break on.
MODEL = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:/@+-]{0,199}")
CHOICES_MAX = 16
ERROR_TYPES = {401: "authentication_error", 403: "permission_error", 404: "not_found_error", 429: "rate_limit_error"}


OPTIONS = frozenset(
    {
        "best_of", "dimensions", "echo", "frequency_penalty", "functions", "logit_bias", "logprobs",
        "max_completion_tokens", "max_tokens", "modalities", "n", "presence_penalty", "seed", "store", "temperature",
        "tools", "top_logprobs", "top_p", "web_search_options",
    }
)  # fmt: skip


class OpenAI:
    """See `yumen.dialects.Dialect`."""

    name = "openai"
    version = "1"
    options = OPTIONS
    transport: Mapping[str, frozenset[str]] = MappingProxyType(
        {"stream": frozenset(), "stream_options": frozenset({"include_usage", "include_obfuscation"})}
    )

    def decode(self, path: str, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        shape, required = REQUESTS[path]
        document = Document.parse(body)
        tree = document.tree
        if type(tree) is not dict:
            raise Problem("bad_request", "The body is not a JSON object.")
        if not tree.get(required):
            raise Problem("bad_request", f"`{required}` is missing or empty.", param=required)
        if required == "messages" and not all(type(item) is dict for item in _array(tree, required)):
            raise Problem("bad_request", "`messages` is not an array of objects.", param=required)
        payload = Payload(self.name, document, Walk(document, shape, depth_max=depth_max, texts_max=texts_max).texts)
        payload.path = path.removeprefix("/v1/")
        payload.model = _model(tree)
        payload.model_text = next((text for text in payload.texts if text.path == "model"), None)
        payload.streamed = _boolean(tree, "stream")
        payload.choices = _choices(tree)
        options = tree.get("stream_options")
        payload.include_usage = type(options) is dict and options.get("include_usage") is True
        return payload

    def decode_reply(self, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        document = Document.parse(body, "reply")
        tree = document.tree
        if type(tree) is not dict:
            raise Problem("engine_unavailable")
        payload = Payload(self.name, document, Walk(document, REPLY, depth_max=depth_max, texts_max=texts_max).texts)
        for text in payload.texts:
            text.role = "assistant"
        payload.usage = usage_of(tree)
        choices = tree.get("choices")
        if type(choices) is list and choices and type(choices[0]) is dict:
            payload.finish_reason = finish_reason_of(choices[0])
        return payload

    def decode_event(self, data: bytes) -> Event:
        return ChatEvent(data)

    def encode_answer(self, answer: Answer, request: Payload, exchange_id: str, created: int) -> bytes:
        texts = [answer.texts[index % len(answer.texts)] for index in range(request.choices)]
        chat = request.path == "chat/completions"
        if not chat and request.path != "completions":
            raise Problem("unsupported_payload", "The engine of this route does not make embeddings.")
        return encode_json(
            {
                **_envelope(request, exchange_id, created, "chat.completion" if chat else "text_completion"),
                "choices": [
                    {
                        "index": index,
                        **({"message": {"role": "assistant", "content": text}} if chat else {"text": text}),
                        "logprobs": None,
                        "finish_reason": answer.reason(index),
                    }
                    for index, text in enumerate(texts)
                ],
                "usage": _usage(answer.usage),
            }
        )

    def encode_delta(self, delta: Delta, request: Payload, exchange_id: str, created: int) -> list[bytes]:
        chat = request.path == "chat/completions"
        envelope = _envelope(request, exchange_id, created, "chat.completion.chunk" if chat else "text_completion")
        events: list[dict[str, Any]] = []
        field = {"reasoning": "reasoning_content"}.get(delta.channel, delta.channel)
        for choice in range(request.choices) if delta.choice < 0 else (delta.choice,):
            body: dict[str, Any] = {"index": choice}
            body.update({"delta": {field: delta.text} if delta.text else {}} if chat else {"text": delta.text})
            body["finish_reason"] = delta.finish_reason or None
            events.append({**envelope, "choices": [body]})
        if delta.usage is not None and request.include_usage:
            events.append({**envelope, "choices": [], "usage": _usage(delta.usage)})
        return [encode_json(event) for event in events]

    def complete(self, body: bytes) -> bool:
        return complete(body)

    def counted(self, body: bytes) -> bool:
        return counted(body)

    def calls_of(self, reply: Payload) -> list[CallState]:
        return calls_of(reply)

    def events_of(self, body: bytes) -> list[bytes]:
        return events_of(body)

    def whole_of(self, events: Sequence[bytes]) -> bytes:
        return whole_of(events)

    def error(self, problem: Problem) -> bytes:
        default = "api_error" if problem.status >= 500 else "invalid_request_error"
        return encode_json(
            {
                "error": {
                    "message": problem.message,
                    "type": ERROR_TYPES.get(problem.status, default),
                    "code": problem.code,
                    "param": problem.param,
                }
            }
        )


def _usage(usage: Usage) -> dict[str, int]:
    total = usage.input_tokens + usage.output_tokens
    return {"prompt_tokens": usage.input_tokens, "completion_tokens": usage.output_tokens, "total_tokens": total}


def _envelope(request: Payload, exchange_id: str, created: int, kind: str) -> dict[str, Any]:
    return {"id": f"chatcmpl-{exchange_id}", "object": kind, "created": created, "model": request.model_for_reply}


def _array(tree: dict[str, Any], name: str) -> list[Any]:
    value = tree[name]
    if type(value) is not list:
        raise Problem("bad_request", f"`{name}` is not an array.", param=name)
    return value


def _model(tree: dict[str, Any]) -> str:
    model = tree.get("model")
    if type(model) is not str or not MODEL.fullmatch(model):
        raise Problem("bad_request", "`model` is missing or not a model's name.", param="model")
    return model


def _boolean(tree: dict[str, Any], name: str) -> bool:
    value = tree.get(name)
    if value is not None and type(value) is not bool:
        raise Problem("bad_request", f"`{name}` is neither true nor false.", param=name)
    return bool(value)


def _choices(tree: dict[str, Any]) -> int:
    count = tree.get("n")
    if count is None:
        return 1
    if type(count) is not int or not 1 <= count <= CHOICES_MAX:
        raise Problem("bad_request", f"`n` is not a whole number from 1 to {CHOICES_MAX}.", param="n")
    return count
