"""What the engine writes, on its way to the caller: its own personal data as policy has it, pseudonyms as values again."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from yumen import MaskingFilter
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.finder import Readings
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.masking import Actions
from yumen_plugins.anonymize.pseudonym import Pseudonyms
from yumen_plugins.anonymize.restore import Restoring
from yumen_plugins.anonymize.screen import LONG_CHARS, Reach, Screen

# Of what the engine writes, as much is kept for the masked form; what lies beyond is not recorded, and said to be so.
KEPT_CHARS_MAX = 1 << 20
CUT = "[not kept]"


class Replies:
    """The rules that change what the engine writes. Those in `whole` can only do it where the reply is there to its end."""

    def __init__(self, every: Sequence[Detector], actions: Actions) -> None:
        acting = [one for one in every if actions.replies.get(one.id, "keep") not in ("keep", "block")]
        self.acts = bool(acting)
        streamed = [one for one in acting if 0 < one.span_max <= LONG_CHARS or one.opener]
        self.whole = frozenset(one.id for one in acting) - {one.id for one in streamed}
        self._reach = Reach(streamed)

    def screen(self, readings: Readings, edit: Callable[[Hit, str], str | None]) -> Screen | None:
        """The masking of one channel, or None where nothing is masked."""
        return Screen(self._reach, readings, edit) if self.acts else None


class ReplyFilter(MaskingFilter):
    """The filter of one channel.

    `mask` makes the masked form of the whole channel, which is known only at its end: personal data that the engine itself
    wrote is found then, whatever the pieces were.
    """

    def __init__(
        self, pseudonyms: Pseudonyms, mask: Callable[[str], str], screen: Screen | None, *, source: bool
    ) -> None:
        self._restoring = Restoring(pseudonyms, source=source)
        self._screen = screen
        self._mask = mask
        self.hold_max = self._restoring.hold_max + (screen.hold_max if screen is not None else 0)
        self._parts: list[str] = []
        self._kept = 0
        self._ready = ""

    def feed(self, text: str) -> str:
        self._kept += len(text)
        if self._kept <= KEPT_CHARS_MAX:
            self._parts.append(text)
        return self._restoring.feed(text if self._screen is None else self._screen.feed(text))

    def finish(self) -> str:
        self._ready = self._mask("".join(self._parts)) + (CUT if self._kept > KEPT_CHARS_MAX else "")
        self._parts.clear()
        rest = "" if self._screen is None else self._screen.finish()
        return self._restoring.feed(rest) + self._restoring.finish()

    def masked(self) -> str:
        ready, self._ready = self._ready, ""
        return ready
