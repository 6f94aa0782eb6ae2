"""The choices of a streamed OpenAI reply, added up."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from yumen.dialects.openai_events import GROWING
from yumen.errors import Problem

TOOLS_MAX = 1024
# Members of a tool call that are objects in which text grows, with the members that do.
CALLS: dict[str, tuple[str, ...]] = {"function": ("arguments",), "custom": ("input",)}
FUNCTION_CALL = CALLS["function"]
# Objects and numbers (`msgspec.Raw` is a fraction); strings and lists may be pieces of something.
LAST_HOLDS = (dict, int, bool, msgspec.Raw)


class Grown:
    """Text whose pieces are joined once, at the end: adding each to the last would copy a long reply again and again."""

    __slots__ = ("pieces",)

    def __init__(self) -> None:
        self.pieces: list[str] = []


class Choice:
    """One choice, as far as it has come. Error of what adds to it: `Problem` for what does not come to one choice."""

    __slots__ = ("_calls", "_finish_reason", "_logprobs", "_members", "_message", "chat")

    def __init__(self) -> None:
        # Whether it is of a chat.
        self.chat = False
        self._message: dict[str, Any] = {}
        self._calls: dict[int, dict[str, Any]] = {}
        self._logprobs: dict[str, Any] = {}
        self._members: dict[str, Any] = {}
        self._finish_reason: Any = None

    def add(self, part: dict[str, Any]) -> None:
        """Add what one event says of it."""
        said = False
        for name, value in part.items():
            if name == "delta" and type(value) is dict:
                self.chat = True
                said = self._add_delta(value) or said
            elif name == "text" and type(value) is str:
                said = add(self._members, {name: value}, (name,)) or said
            elif name == "logprobs" and type(value) is dict:
                self._members[name] = self._logprobs
                self._add_logprobs(value)
            elif name not in ("index", "finish_reason", "delta"):
                self._add_member(name, value)
        if said and self._finish_reason is not None:
            raise Problem("engine_unavailable")
        reason = part.get("finish_reason")
        if reason:
            if self._finish_reason not in (None, reason):
                raise Problem("engine_unavailable")
            self._finish_reason = reason

    def _add_delta(self, delta: dict[str, Any]) -> bool:
        """Whether anything was said, that must not come after the end."""
        said = False
        for name, value in delta.items():
            if name == "tool_calls" and type(value) is list:
                for call in value:
                    self._add_call(call)
                said = said or bool(value)
                self._message.setdefault(name, [])
            elif name == "function_call" and type(value) is dict:
                said = True
                add(_below(self._message, name), value, FUNCTION_CALL)
            else:
                said = add(self._message, {name: value}, GROWING) or said
        return said

    def _add_call(self, call: Any) -> None:
        index = call.get("index", 0) if type(call) is dict else None
        if type(index) is not int or not 0 <= index < TOOLS_MAX:
            raise Problem("engine_unavailable")
        whole = self._calls.setdefault(index, {})
        for name, value in call.items():
            if name in CALLS and type(value) is dict:
                add(_below(whole, name), value, CALLS[name])
            elif name != "index":
                add(whole, {name: value}, ())

    def _add_logprobs(self, part: dict[str, Any]) -> None:
        """They come token by token, as lists that go on."""
        for name, value in part.items():
            known = self._logprobs.get(name)
            if type(value) is list and type(known) is list:
                known += value
            else:
                add(self._logprobs, {name: list(value) if type(value) is list else value}, ())

    def _add_member(self, name: str, value: Any) -> None:
        """A member beside the delta: of an object or a number, such as what a filter says so far, the last one holds."""
        if name == "message" and value is not None:
            raise Problem("engine_unavailable")
        if type(value) in LAST_HOLDS:
            self._members[name] = value
        elif name != "message":
            add(self._members, {name: value}, ())

    def whole(self, index: int, *, chat: bool) -> dict[str, Any]:
        """The choice of a plain reply."""
        if chat != self.chat or chat == ("text" in self._members):
            raise Problem("engine_unavailable")
        message = {"role": "assistant", "content": None, **self._message}
        message["role"] = message["role"] or "assistant"
        if self._calls:
            message["tool_calls"] = [self._calls[place] for place in sorted(self._calls)]
        said: dict[str, Any] = {"message": message} if chat else {}
        return {"index": index, **said, **self._members, "finish_reason": self._finish_reason}


def whole_of_choices(whole: dict[str, Any], choices: Sequence[Choice], *, chat: bool) -> bytes:
    """The body of a plain reply with these choices. Error: `Problem`."""
    whole["choices"] = [choice.whole(index, chat=chat) for index, choice in enumerate(choices)]
    return encode_whole(whole)


def says_nothing(value: Any) -> bool:
    """Whether a value only keeps a place: some servers send an empty one until they know better, or ever after."""
    return value is None or (type(value) in (str, list, dict) and not value)


def add(whole: dict[str, Any], part: dict[str, Any], growing: Collection[str]) -> bool:
    """Add a part of an object; whether text came with it.

    Error: `Problem` for a member that is said twice and differs: whether it grows or was corrected cannot be known.
    """
    grew = False
    for name, value in part.items():
        known = whole.get(name)
        if name in growing and type(value) is str:
            if type(known) is not Grown:
                if not says_nothing(known):
                    raise Problem("engine_unavailable")
                known = whole[name] = Grown()
            known.pieces.append(value)
            grew = grew or bool(value)
        elif says_nothing(known):
            whole[name] = value if known is None or not says_nothing(value) else known
        elif not says_nothing(value) and value != known:
            raise Problem("engine_unavailable")
    return grew


def _below(whole: dict[str, Any], name: str) -> dict[str, Any]:
    """An object inside another one, made where there is none. Error: `Problem` where something else stands there."""
    if says_nothing(whole.get(name)) and type(whole.get(name)) is not dict:
        whole[name] = {}
    below = whole[name]
    if type(below) is not dict:
        raise Problem("engine_unavailable")
    return below


def _joined(value: Any) -> str:
    assert isinstance(value, Grown), "everything else came from JSON"
    return "".join(value.pieces)


encode_whole = msgspec.json.Encoder(enc_hook=_joined).encode
