"""From labels of tokens to spans of text.

A token that begins within a word goes with the word's first one: models learn the label of a word there. Han characters are
words by themselves. Labels are read in every usual scheme: B I, with E or L for the last one and S or U for
one that stands alone, or none at all.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

# The first code point, the one behind the last, the label without its scheme, and the probability of it.
Span = tuple[int, int, str, float]

SCHEME = re.compile(r"([BIELSUM])[-_](.+)", re.DOTALL)
OUTSIDE = "O"
# Some tokenizers join blanks to a word.
AROUND = " \t\r\n\v\f\u00a0\u3000"
# Scripts that set no blanks between words: Thai to Khmer, and Han with kana.
UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
)


class Scheme:
    """The labels of a model, read once. `kinds` are their names without a scheme."""

    def __init__(self, labels: Sequence[str]) -> None:
        self._read: list[tuple[str, str]] = []
        for label in labels:
            found = SCHEME.fullmatch(label)
            self._read.append((found[1], found[2]) if found else ("" if label == OUTSIDE else "I", label))
        self.kinds = tuple(dict.fromkeys(kind for mark, kind in self._read if mark))

    def spans(
        self,
        text: str,
        offsets: Sequence[tuple[int, int]],
        best: NDArray[np.int64],
        sure: NDArray[np.float32],
    ) -> list[Span]:
        """The spans of one text; `offsets` of its tokens are in code points, `best` and `sure` as in `windows.Said`."""
        found: list[Span] = []
        span: _Open | None = None
        last = 0
        for number, (start, end) in enumerate(offsets):
            if end <= start:
                continue
            if last and (start < last or (start == last and _within_a_word(text, start))):
                last = max(last, end)
                if span is not None:
                    span.end = last
                continue
            last = end
            mark, kind = self._read[int(best[number])]
            if span is not None and not (mark in ("I", "E", "L", "M") and kind == span.kind and not span.closed):
                found += span.done(text)
                span = None
            if mark and span is None:
                span = _Open(start, kind)
            if span is not None:
                span.end = end
                span.scores.append(float(sure[number]))
                span.closed = mark in ("E", "L", "S", "U")
        return found + (span.done(text) if span is not None else [])


class _Open:
    """A span that may go on."""

    __slots__ = ("closed", "end", "kind", "scores", "start")

    def __init__(self, start: int, kind: str) -> None:
        self.start = self.end = start
        self.kind = kind
        self.scores: list[float] = []
        self.closed = False

    def done(self, text: str) -> list[Span]:
        """The span without blanks around it, and how sure it is: the mean of its words."""
        start, end = self.start, self.end
        while start < end and text[start] in AROUND:
            start += 1
        while end > start and text[end - 1] in AROUND:
            end -= 1
        return [(start, end, self.kind, sum(self.scores) / len(self.scores))] if end > start else []


def _within_a_word(text: str, place: int) -> bool:
    """Whether a place stands between two letters or digits of a script that writes words apart."""
    before, behind = text[place - 1], text[place]
    return before.isalnum() and behind.isalnum() and not (UNSPACED.match(before) or UNSPACED.match(behind))
