"""Events of a streamed OpenAI reply: where the growing texts are, and how held text is carried by an event of its own."""

from __future__ import annotations

from typing import Any

from yumen.dialects import Piece
from yumen.dialects.document import decode_json, encode_json
from yumen.dialects.openai_shapes import ENVELOPE, ROLES
from yumen.errors import Problem
from yumen.exchange import Usage
from yumen.plugin import Channel

FINISH_REASONS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
# Members of a delta that grow, with the channel each belongs to.
GROWING = {"content": "content", "reasoning_content": "reasoning", "reasoning": "reasoning", "refusal": "refusal"}
# Members that hold one of a few words; any other word is a text.
WORDS: dict[str, frozenset[str]] = {
    "role": frozenset(ROLES),
    "type": frozenset({"function", "custom"}),
    "finish_reason": FINISH_REASONS,
    "object": ENVELOPE["object"].words,
    "service_tier": ENVELOPE["service_tier"].words,
}
# Structure of a choice or delta in which no value can be seen: a number, and texts token by token.
STRUCTURE = frozenset({"index", "logprobs"})
DEPTH_MAX = 64
# What a loose piece says of itself that is the name of a tool.
TOOL_NAME = "tool_name"


class Place:
    """A string inside the decoded event; see `yumen.dialects.Piece`. `field` is the member of the delta that it grows."""

    __slots__ = ("channel", "container", "field", "key", "text")

    def __init__(self, channel: Channel, container: Any, key: Any, field: str = "") -> None:
        self.channel = channel
        self.field = field
        self.container = container
        self.key = key
        self.text: str = container[key]

    def put(self, text: str) -> None:
        self.container[self.key] = text


class ChatEvent:
    """See `yumen.dialects.Event`. Error: `Problem` engine_unavailable for what is not an event of this dialect."""

    __slots__ = ("_tree", "bare", "failed", "finish_reason", "finished", "loose", "pieces", "usage")

    def __init__(self, data: bytes) -> None:
        try:
            tree = decode_json(data)
        except (ValueError, RecursionError):
            raise Problem("engine_unavailable") from None
        if type(tree) is not dict:
            raise Problem("engine_unavailable")
        self._tree: dict[str, Any] = tree
        self.pieces: list[Piece] = []
        self.loose: list[Piece] = []
        self.finished: list[int] = []
        self.finish_reason = ""
        self.usage = usage_of(tree)
        self.failed = tree.get("error") is not None
        self.bare = self.usage is None and not self.failed
        choices = tree.get("choices")
        if type(choices) is list:
            for place, choice in enumerate(choices):
                if type(choice) is dict:
                    self._read_choice(choice)
                else:
                    self._read_loose(choices, place, 0)
        for name, value in tree.items():
            kind = type(value)
            if name in ENVELOPE:
                if kind is str and value not in WORDS.get(name, NO_WORDS):
                    self.loose.append(Place(LOOSE, tree, name))
                elif kind is dict or kind is list:
                    self._read_loose(tree, name, 0)
            elif name != "choices" or kind is not list:
                self.bare = False
                self._read_loose(tree, name, 0)

    def _read_choice(self, choice: dict[str, Any]) -> None:
        index = choice.get("index", 0)
        if type(index) is not int or not 0 <= index < 1024:
            raise Problem("engine_unavailable")
        reason = finish_reason_of(choice)
        if reason:
            self.finished.append(index)
            self.finish_reason = reason
            self.bare = False
        if choice.get("logprobs") is not None:
            self.bare = False
        for name in list(choice):
            if name == "delta" and type(choice[name]) is dict:
                self._read_delta(choice[name], index)
            elif name == "text" and type(choice[name]) is str:
                self.pieces.append(Place(Channel(index, "content"), choice, name))
            elif name not in STRUCTURE and not _is_word(name, choice[name]):
                self.bare = False
                self._read_loose(choice, name, 0)

    def _read_delta(self, delta: dict[str, Any], index: int) -> None:
        for name, value in delta.items():
            if name in GROWING and type(value) is str:
                self.pieces.append(Place(Channel(index, GROWING[name]), delta, name, name))
            elif name == "tool_calls" and type(value) is list:
                for place, call in enumerate(value):
                    if type(call) is dict:
                        self._read_tool_call(call, index)
                    else:
                        self._read_loose(value, place, 0)
            elif name == "function_call" and type(value) is dict:
                self._read_function(value, index, 0, name)
            elif value is not None:
                self.bare = False
                if not _is_word(name, value):
                    self._read_loose(delta, name, 0)

    def _read_tool_call(self, call: dict[str, Any], index: int) -> None:
        tool = call.get("index", 0)
        if type(tool) is not int or not 0 <= tool < 1024:
            raise Problem("engine_unavailable")
        for name in call:
            if name == "function" and type(call[name]) is dict:
                self._read_function(call[name], index, tool, "tool_calls")
            elif name not in STRUCTURE and not _is_word(name, call[name]):
                self.bare = False
                self._read_loose(call, name, 0)

    def _read_function(self, function: dict[str, Any], index: int, tool: int, field: str) -> None:
        for name, value in function.items():
            if name == "arguments" and type(value) is str:
                self.pieces.append(Place(Channel(index, "tool_arguments", tool), function, name, field))
            elif name == "name" and type(value) is str:
                self.bare = False
                self.loose.append(Place(Channel(index, TOOL_NAME, tool), function, name))
            elif value is not None:
                self.bare = False
                self._read_loose(function, name, 0)

    def _read_loose(self, container: Any, key: Any, depth: int) -> None:
        value = container[key]
        if type(value) is str:
            self.loose.append(Place(LOOSE, container, key))
        elif type(value) is dict or type(value) is list:
            if depth >= DEPTH_MAX:
                raise Problem("engine_unavailable")
            for below in list(value) if type(value) is dict else range(len(value)):
                self._read_loose(value, below, depth + 1)

    def render(self) -> bytes:
        # Always from the tree: what was inspected is what is sent, also where the engine named a member twice.
        return encode_json(self._tree)

    def drop_usage(self) -> bool:
        if "usage" not in self._tree:
            return True
        del self._tree["usage"]
        return bool(self._tree.get("choices")) or not self._tree.keys() <= ENVELOPE.keys() | {"choices"}

    def carry(self, channel: Channel, text: str) -> bytes:
        tree = {name: value for name, value in self._tree.items() if name in ENVELOPE and name != "usage"}
        choice: dict[str, Any] = {"index": channel.choice}
        if tree.get("object") == "text_completion":
            choice["text"] = text
        elif channel.name == "tool_arguments":
            function = {"arguments": text}
            legacy = self._field(channel) == "function_call"
            choice["delta"] = (
                {"function_call": function}
                if legacy
                else {"tool_calls": [{"index": channel.tool, "function": function}]}
            )
        else:
            field = "reasoning_content" if channel.name == "reasoning" else channel.name
            choice["delta"] = {self._field(channel) or field: text}
        choice["finish_reason"] = None
        tree["choices"] = [choice]
        return encode_json(tree)

    def _field(self, channel: Channel) -> str:
        """The member of the delta in which the engine lets a channel grow, or empty where it does not stand here."""
        for piece in self.pieces:
            if isinstance(piece, Place) and piece.channel == channel:
                return piece.field
        return ""


def _is_word(name: str, value: Any) -> bool:
    """Whether a member holds nothing, or one of the words that are declared for it."""
    return value is None or (type(value) is str and value in WORDS.get(name, NO_WORDS))


NO_WORDS: frozenset[str] = frozenset()
LOOSE = Channel(-1, "loose")


def finish_reason_of(choice: dict[str, Any]) -> str:
    """Why a choice ended, `other` for what is none of `FINISH_REASONS`; empty while it goes on, as some servers say too."""
    reason = choice.get("finish_reason")
    if not reason:
        return ""
    return reason if type(reason) is str and reason in FINISH_REASONS else "other"


def usage_of(tree: dict[str, Any]) -> Usage | None:
    """The token counts of a reply or event, where they are numbers."""
    usage = tree.get("usage")
    if type(usage) is not dict:
        return None
    counts = (usage.get("prompt_tokens"), usage.get("completion_tokens"))
    return Usage(*(count if type(count) is int and 0 <= count < 1 << 53 else 0 for count in counts))
