"""A pattern that a policy's author wrote, and how it is looked for.

It runs in RE2, whose time grows with the text and never explodes. It has no lookaround and no back-references, and its `\\b`
and `\\w` know ASCII only, so that a number next to Han characters has an edge. `yumen_plugins.anonymize.regex` says what is
wrong with one.
"""

from __future__ import annotations

from collections.abc import Iterator
from time import perf_counter

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.normalise import normalise
from yumen_plugins.anonymize.prefilter import spell
from yumen_plugins.anonymize.regex import compiled

# A text is read in windows, and a value may stand over the edge of one by so much: the engine cannot be stopped within one.
WINDOW_BYTES, VALUE_BYTES_MAX = 65_536, 16_384
# Some patterns, and some texts made for them, make the engine slow. Longer than this no exchange waits for it.
SECONDS_MAX = 1.0


class Own:
    """A pattern of an author, ready to be looked for; `expression` is its spelling in the one pass, if it has one."""

    def __init__(self, rule: str, pattern: str, context: list[str], description: str, score: float) -> None:
        self._program = compiled(pattern)
        self.expression = spell(pattern)
        self.detector = Detector(
            id=rule,
            patterns=(),
            prefilter="",
            score=score,
            # Two spellings are two values, unless the author says that case does not matter.
            canonical=str.lower if pattern.startswith("(?i)") else str,
            context=tuple(normalise(word)[0].lower() for word in context),
            description=description,
            span_max=0,
            own=True,
        )

    def look(self, plain: str, data: bytes, until: float) -> Iterator[tuple[int, int]]:
        """The spans of the values in a text, in code points; `data` is the text as UTF-8.

        Error: TimeoutError where that is not done at `until`, in seconds of `time.perf_counter`.
        """
        behind = chars = 0
        for start, end in self._places(data, until):
            if len(data) > len(plain):
                first = chars + len(data[behind:start].decode())
                behind, chars = end, first + len(data[start:end].decode())
                start, end = first, chars
            if not self.detector.context or self.detector.named(plain, start, end):
                yield start, end

    def _places(self, data: bytes, until: float) -> Iterator[tuple[int, int]]:
        """The spans in bytes."""
        position = 0
        while position < len(data):
            if perf_counter() > until:
                raise TimeoutError(f"`{self.detector.id}` takes too long")
            border = position + WINDOW_BYTES
            match = self._program.search(data, position, min(border + VALUE_BYTES_MAX, len(data)))
            if match is None or match.start() >= border:
                position = border
            else:
                yield match.span()
                position = match.end()
