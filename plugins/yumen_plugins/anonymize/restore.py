"""The way back: pseudonyms in a reply become values again, in whole texts and in streams cut anywhere."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

from yumen import MaskingFilter
from yumen_plugins.anonymize.pseudonym import ALPHABET, LABEL_MAX, LENGTH, TOKEN, TOKEN_MAX, Pseudonyms

# In JSON source, as tool arguments are, a model may escape the angle brackets.
OPEN, CLOSE = r"(?:<|\\u003[cC])", r"(?:>|\\u003[eE])"
SOURCE_TOKEN = re.compile(rf"{OPEN}([A-Za-z][A-Za-z0-9_]{{0,{LABEL_MAX - 1}}})_([{ALPHABET}]{{{LENGTH}}}){CLOSE}")
SOURCE_TOKEN_MAX = TOKEN_MAX + 10
# The beginning of a token at the very end of a text.
TAIL = re.compile(r"<(?:[A-Za-z][A-Za-z0-9_]*)?\Z")
SOURCE_TAIL = re.compile(
    r"(?:\\(?:u(?:0(?:0(?:3[cC]?)?)?)?)?|(?:<|\\u003[cC])(?:[A-Za-z][A-Za-z0-9_]*)?(?:\\(?:u(?:0(?:0(?:3)?)?)?)?)?)\Z"
)
# Of what the engine writes, as much is kept for the masked form; what lies beyond is not recorded, and said to be so.
KEPT_CHARS_MAX = 1 << 20
CUT = "[not kept]"


def escaped(value: str) -> str:
    """A value as it stands inside a JSON string."""
    return json.dumps(value, ensure_ascii=False)[1:-1]


class Restorer(MaskingFilter):
    """The filter of one channel.

    `mask` makes the masked form of the whole channel, which is known only at its end: personal data that the engine itself
    wrote is found then, whatever the pieces were.
    """

    def __init__(self, pseudonyms: Pseudonyms, mask: Callable[[str], str], *, source: bool) -> None:
        self.hold_max = SOURCE_TOKEN_MAX if source else TOKEN_MAX
        self._pseudonyms = pseudonyms
        self._mask = mask
        self._source = source
        self._token, self._tail = (SOURCE_TOKEN, SOURCE_TAIL) if source else (TOKEN, TAIL)
        self._held = ""
        self._parts: list[str] = []
        self._kept = 0
        self._ready = ""

    def feed(self, text: str) -> str:
        self._keep(text)
        text = self._held + text
        tail = self._tail.search(text, max(0, len(text) - self.hold_max))
        end = tail.start() if tail else len(text)
        self._held = text[end:]
        return self._restore(text[:end])

    def finish(self) -> str:
        held, self._held = self._held, ""
        self._ready = self._mask("".join(self._parts)) + (CUT if self._kept > KEPT_CHARS_MAX else "")
        self._parts.clear()
        return self._restore(held)

    def masked(self) -> str:
        ready, self._ready = self._ready, ""
        return ready

    def _keep(self, text: str) -> None:
        self._kept += len(text)
        if self._kept <= KEPT_CHARS_MAX:
            self._parts.append(text)

    def _restore(self, text: str) -> str:
        if "<" not in text and "\\" not in text:
            return text
        return self._token.sub(self._value, text)

    def _value(self, match: re.Match[str]) -> str:
        value = self._pseudonyms.value(match)
        if value is None:
            return match[0]
        return escaped(value) if self._source else value
