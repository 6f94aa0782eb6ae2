"""Whole OpenAI replies and streams of them, one made of the other.

A message is the sum of the deltas of its choice: a few members are text that grows, tool calls grow by their index, and all
else is said once. Source: `CreateChatCompletionStreamResponse` of OpenAI's published API description, and how its official
clients add deltas up. Numbers keep their digits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from yumen.dialects.document import decode_exactly, encode_json
from yumen.dialects.openai_sum import TOOLS_MAX, Choice, says_nothing, whole_of_choices
from yumen.errors import Problem
from yumen.kept import ENDS

# Members of a reply that every one of its events names too.
EACH = ("id", "created", "model", "system_fingerprint", "service_tier")
# Members that are made here, and the padding by which a provider hides how long its pieces are.
APART = frozenset({"choices", "usage", "object", "error", "obfuscation"})
# Members of a choice that have a place of their own in its events, or would say its text a second time.
SAID_APART = frozenset({"index", "message", "logprobs", "finish_reason", "delta", "text"})
# As many choices and tool calls as an event may name.
CHOICES_MAX = 1024
CHAT, CHAT_EVENT, TEXT = "chat.completion", "chat.completion.chunk", "text_completion"


def complete(body: bytes) -> bool:
    """Whether every choice of a plain reply ended of itself, or there are embeddings. Error: `Problem` for no reply."""
    tree = _tree(body)
    if tree.get("error") is not None:
        return False
    choices = tree.get("choices")
    if choices is None:
        data = tree.get("data")
        return type(data) is list and bool(data)
    return type(choices) is list and bool(choices) and all(_ended(choice) for choice in choices)


def counted(body: bytes) -> bool:
    """Whether a plain reply says how many tokens it took. Error: `Problem` for no reply."""
    return type(_tree(body).get("usage")) is dict


def events_of(body: bytes) -> list[bytes]:
    """A plain reply as events that official clients take, its usage last; none for embeddings. Error: `Problem`."""
    tree = _tree(body)
    choices = tree.get("choices")
    if tree.get("error") is not None or (choices is None and "data" not in tree):
        raise Problem("engine_unavailable")
    if choices is None:
        return []
    numbered = _numbered(choices)
    chat = type(numbered[0].get("message")) is dict
    envelope = {name: tree[name] for name in EACH if name in tree}
    envelope["object"] = CHAT_EVENT if chat else TEXT
    events: list[dict[str, Any]] = []
    for index, choice in enumerate(numbered):
        parts = _chat_parts(choice) if chat else _text_parts(choice)
        events += [{**envelope, "choices": [{"index": index, **part}]} for part in parts]
    events[0].update((name, value) for name, value in tree.items() if name not in APART and name not in EACH)
    if tree.get("usage") is not None:
        events.append({**envelope, "choices": [], "usage": tree["usage"]})
    return [encode_json(event) for event in events]


def whole_of(events: Sequence[bytes]) -> bytes:
    """All events of a stream as a plain reply. Error: `Problem` where they do not come to one.

    Where the stream does not say why a choice ended, or how many tokens it took, the reply does not either.
    """
    envelope: dict[str, Any] = {}
    choices: dict[int, Choice] = {}
    usage: Any = None
    for data in events:
        tree = _tree(data)
        if tree.get("error") is not None:
            raise Problem("engine_unavailable")
        usage = tree.get("usage") or usage
        for part in _objects(tree.get("choices") or []):
            index = part.get("index", 0)
            if type(index) is not int or not 0 <= index < CHOICES_MAX:
                raise Problem("engine_unavailable")
            choices.setdefault(index, Choice()).add(part)
        for name, value in tree.items():
            if name not in APART and (name not in envelope or not says_nothing(value)):
                envelope[name] = value
    if not choices or sorted(choices) != list(range(len(choices))):
        raise Problem("engine_unavailable")
    chat = choices[0].chat
    whole = {**envelope, "object": CHAT if chat else TEXT}
    if usage is not None:
        whole["usage"] = usage
    return whole_of_choices(whole, [choices[index] for index in range(len(choices))], chat=chat)


def _tree(data: bytes) -> dict[str, Any]:
    """Error: `Problem` for what is no JSON object."""
    try:
        tree = decode_exactly(data)
    except (ValueError, RecursionError):
        raise Problem("engine_unavailable") from None
    if type(tree) is not dict:
        raise Problem("engine_unavailable")
    return tree


def _objects(value: Any) -> list[dict[str, Any]]:
    """Error: `Problem` for what is no array of objects."""
    if type(value) is not list or not all(type(item) is dict for item in value):
        raise Problem("engine_unavailable")
    return value


def _ended(choice: Any) -> bool:
    if type(choice) is not dict:
        return False
    reason = choice.get("finish_reason")
    said = type(choice.get("message")) is dict or type(choice.get("text")) is str
    return said and type(reason) is str and reason in ENDS


def _numbered(value: Any) -> list[dict[str, Any]]:
    """The choices of a plain reply in the order of their numbers. Error: `Problem` where those are none, or leave gaps."""
    choices = _objects(value)
    placed: dict[int, dict[str, Any]] = {}
    for place, choice in enumerate(choices):
        index = choice.get("index", place)
        if type(index) is int:
            placed[index] = choice
    if not 0 < len(choices) <= CHOICES_MAX or sorted(placed) != list(range(len(choices))):
        raise Problem("engine_unavailable")
    return [placed[index] for index in range(len(choices))]


def _chat_parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A choice as what its events say: who speaks, everything that is said, and the end."""
    if type(choice.get("message")) is not dict:
        raise Problem("engine_unavailable")
    message = dict(choice["message"])
    first: dict[str, Any] = {"role": message.pop("role", "assistant")}
    content = message.get("content")
    if content is None or type(content) is str:
        first["content"] = None if content is None else ""
        if not content:
            message.pop("content", None)
    yield {"delta": first, "finish_reason": None}
    if message.get("tool_calls"):
        calls = _objects(message["tool_calls"])
        if len(calls) > TOOLS_MAX:
            raise Problem("engine_unavailable")
        message["tool_calls"] = [{**call, "index": place} for place, call in enumerate(calls)]
    said = {"logprobs": choice["logprobs"]} if "logprobs" in choice else {}
    if message or said:
        yield {"delta": message, **said, "finish_reason": None}
    more = {name: value for name, value in choice.items() if name not in SAID_APART}
    yield {**more, "delta": {}, "finish_reason": choice.get("finish_reason")}


def _text_parts(choice: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A choice of the older completions; clients expect a reason in every event that they check, so all is said at once."""
    if type(choice.get("text")) is not str:
        raise Problem("engine_unavailable")
    yield {name: value for name, value in choice.items() if name not in ("index", "message", "delta")}
