"""A reply as one plugin instance is shown it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from yumen.dialects import Dialect
from yumen.exchange import Usage
from yumen.forms import CallState, ExchangeState, ReplyState, TextState, digest
from yumen.text import Text, ToolCall

if TYPE_CHECKING:
    from yumen.view import View


class ReplyView:
    """The reply as one plugin may see it."""

    __slots__ = ("_reply", "_view")

    def __init__(self, view: View, reply: ReplyState) -> None:
        self._view = view
        self._reply = reply

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def code(self) -> str:
        return self._reply.code

    @property
    def texts(self) -> Sequence[Text]:
        return self._view.reply_texts()

    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        return self._view.tool_calls(self._reply)

    @property
    def usage(self) -> Usage | None:
        return self._reply.usage

    @property
    def finish_reason(self) -> str:
        return self._reply.finish_reason


def calls_shown(
    exchange: ExchangeState, reply: ReplyState, dialect: Dialect, form: Callable[[TextState], str], masked: bool
) -> list[ToolCall]:
    """The tool calls of a reply; `form` gives a text's form, `masked` says that it is the masked one."""
    calls = reply.calls
    if not calls and reply.payload is not None:
        calls = dialect.calls_of(reply.payload)
    shown: list[ToolCall] = []
    for call in calls:
        if masked and not _is_masked(exchange, call):
            arguments = digest(exchange.digest_mac, call.source)
        else:
            arguments = call.arguments([form(text) for text in call.texts])
        shown.append(ToolCall(call.choice, call.path, "".join([form(name) for name in call.names]), arguments))
    return shown


def _is_masked(exchange: ExchangeState, call: CallState) -> bool:
    """Whether a masking plugin has looked at the arguments: short numbers and truths in them are no texts of their own."""
    return bool(exchange.masked_by and call.texts) and all(text.masked is not None for text in call.texts)
