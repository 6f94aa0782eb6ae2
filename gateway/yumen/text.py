"""Texts and replies as a plugin sees them; `yumen.exchange` says in which of their two forms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from yumen.exchange import Usage

# `media` is data that no text plugin can read (an image, a sound); `key` is the name of an undeclared JSON member and
# `number` an undeclared number of seven digits or more, or three as a member's value: both can carry what a string could.
Kind = Literal[
    "message", "reasoning", "tool_arguments", "tool_result", "identifier", "metadata", "media", "key", "number", "extra",
]  # fmt: skip


class Text(Protocol):
    """One piece of human-readable text inside a payload."""

    @property
    def path(self) -> str:
        """Where it stands, e.g. `messages[1].content` or `messages[2].tool_calls[0].function.arguments#{0}`.

        A member that the dialect does not declare shows as its position, `{0}`: its name is the caller's own words.
        """
        ...

    @property
    def role(self) -> str:
        """`system`, `developer`, `user`, `assistant`, `tool`, or empty where the payload has no such notion."""
        ...

    @property
    def kind(self) -> Kind: ...

    @property
    def value(self) -> str:
        """The form that the manifest names, as it was when the hook began."""
        ...

    @property
    def raw_chars(self) -> int:
        """How many code points the raw form has, whichever form this plugin sees."""
        ...

    def replace(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        """Edit what flows on. Offsets are code points in `value`; `rule` is the rule of this plugin that asks for it.

        Under a rule that policy has in shadow or off nothing flows on otherwise.

        Errors: ValueError where the span is out of range or overlaps an earlier edit of the same hook; PermissionError
        where the manifest does not say `mutates`, or where it is too late: from `on_send` on, or once a reply was sent.
        """
        ...

    def mask(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        """Edit the masked form: what the engine and every store get. Same offsets and errors; needs `masks`.

        Under a rule that policy has in shadow only stores get the edit, and the engine the text without it.
        """
        ...


class ToolCall(msgspec.Struct, frozen=True):
    """One call of a tool that a reply asks its client for, whole, in the form that the manifest names.

    `arguments` is what the model wrote: JSON, if it kept to it. Where no masking plugin has run, their masked form is one
    keyed digest. Edits go through the reply's texts, whose paths begin with `path`.
    """

    choice: int
    path: str
    name: str
    arguments: str


class Reply(Protocol):
    """The reply on its way up. For an error reply `texts` is empty and `code` is set."""

    @property
    def status(self) -> int: ...
    @property
    def code(self) -> str:
        """The error code, or empty."""
        ...

    @property
    def texts(self) -> Sequence[Text]: ...
    @property
    def tool_calls(self) -> Sequence[ToolCall]:
        """Of a plain reply, or of a streamed one that is held back whole; empty for any other."""
        ...

    @property
    def usage(self) -> Usage | None: ...
    @property
    def finish_reason(self) -> str: ...
