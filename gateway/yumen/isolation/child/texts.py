"""Texts and replies as a plugin sees them in its process; what it does to them is noted, and done in the gateway."""

from __future__ import annotations

from collections.abc import Sequence
from operator import index
from typing import TYPE_CHECKING

from yumen.exchange import Usage
from yumen.forms import Edits
from yumen.isolation.wire import Edit, Passage, SeenReply
from yumen.said import check_text
from yumen.text import Kind, Text, ToolCall

if TYPE_CHECKING:
    from yumen.isolation.child.exchange import IsolatedExchange


class IsolatedText:
    """See `yumen.exchange.Text`."""

    __slots__ = ("_exchange", "_late", "_masks", "_passage", "_replaces", "number", "reply", "value")

    def __init__(self, exchange: IsolatedExchange, passage: Passage, number: int, *, reply: bool, late: bool) -> None:
        self._exchange = exchange
        self._passage = passage
        self._late = late
        self._replaces: Edits | None = None
        self._masks: Edits | None = None
        self.number = number
        self.reply = reply
        self.value = passage.value

    @property
    def path(self) -> str:
        return self._passage.path

    @property
    def role(self) -> str:
        return self._passage.role

    @property
    def kind(self) -> Kind:
        return self._passage.kind

    @property
    def raw_chars(self) -> int:
        return self._passage.raw_chars

    def replace(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        self._allow(self._exchange.manifest.mutates, "mutates")
        mode = self._exchange.modes.get(rule)
        if mode is not None:
            if mode == "shadow":
                # It is counted only.
                self._note(False, 0, 0, "", rule)
            return
        check_text(new)
        if self._replaces is None:
            self._replaces = Edits()
        self._replaces.add(len(self.value), start, end, new)
        self._note(False, start, end, new, rule)

    def mask(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        self._allow(self._exchange.manifest.masks, "masks")
        if self._exchange.modes.get(rule) == "off":
            return
        check_text(new)
        if self._masks is None:
            self._masks = Edits()
        self._masks.add(len(self.value), start, end, new)
        self._note(True, start, end, new, rule)

    def _note(self, mask: bool, start: int, end: int, new: str, rule: str) -> None:
        self._exchange.acts.append(Edit(mask, self.reply, self.number, index(start), index(end), new, rule))

    def _allow(self, allowed: bool, what: str) -> None:
        if self._late:
            raise PermissionError("it is too late: this text has been sent, or is about to be")
        if not allowed:
            raise PermissionError(f"the manifest of {self._exchange.manifest.name} does not say `{what}`")


class IsolatedReply:
    """See `yumen.exchange.Reply`."""

    __slots__ = ("_seen", "texts")

    def __init__(self, exchange: IsolatedExchange, seen: SeenReply) -> None:
        self._seen = seen
        self.texts: Sequence[Text] = [
            IsolatedText(exchange, passage, number, reply=True, late=seen.sent)
            for number, passage in enumerate(seen.texts)
        ]

    @property
    def status(self) -> int:
        return self._seen.status

    @property
    def code(self) -> str:
        return self._seen.code

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        return self._seen.tool_calls

    @property
    def usage(self) -> Usage | None:
        return self._seen.usage

    @property
    def finish_reason(self) -> str:
        return self._seen.finish_reason
