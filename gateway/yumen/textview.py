"""One text as one plugin instance is shown it."""

from __future__ import annotations

from collections.abc import Mapping

from yumen.exchange import Mode
from yumen.forms import Edits, TextState
from yumen.plugin import Manifest
from yumen.said import check_text
from yumen.text import Kind

# Where every rule enforces.
NO_MODES: Mapping[str, Mode] = {}


class TextView:
    """One text in the form that the plugin may see, with the edits of the running hook.

    `_unheld` are the edits of the masked form without those of rules in shadow; `_quiet` counts what such rules would have
    replaced.
    """

    __slots__ = ("_manifest", "_masks", "_modes", "_quiet", "_replaces", "_sent", "_state", "_unheld", "value")

    def __init__(
        self, state: TextState, value: str, manifest: Manifest, sent: bool, modes: Mapping[str, Mode] = NO_MODES
    ) -> None:
        self._state = state
        self._manifest = manifest
        self._sent = sent
        self._modes = modes
        self._quiet = 0
        self._replaces: Edits | None = None
        self._masks: Edits | None = None
        self._unheld: Edits | None = None
        self.value = value

    @property
    def path(self) -> str:
        return self._state.path

    @property
    def role(self) -> str:
        return self._state.role

    @property
    def kind(self) -> Kind:
        return self._state.kind

    @property
    def raw_chars(self) -> int:
        return len(self._state.raw)

    def replace(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        self._allow(self._manifest.mutates, "mutates")
        mode = self._modes.get(rule) if self._modes else None
        if mode is not None:
            self._quiet += mode == "shadow"
            return
        check_text(new)
        if self._replaces is None:
            self._replaces = Edits()
        self._replaces.add(len(self.value), start, end, new)

    def mask(self, start: int, end: int, new: str, *, rule: str = "") -> None:
        self._allow(self._manifest.masks, "masks")
        mode = self._modes.get(rule) if self._modes else None
        if mode == "off":
            return
        check_text(new)
        if self._masks is None:
            self._masks = Edits()
        self._masks.add(len(self.value), start, end, new)
        if not self._modes:
            return
        if self._unheld is None:
            self._unheld = Edits()
        if mode != "shadow":
            self._unheld.add(len(self.value), start, end, new)

    def _allow(self, allowed: bool, what: str) -> None:
        if self._sent:
            raise PermissionError("it is too late: this text has been sent, or is about to be")
        if not allowed:
            raise PermissionError(f"the manifest of {self._manifest.name} does not say `{what}`")
