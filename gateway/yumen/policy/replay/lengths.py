"""Gives a recorded text the length of the raw one again, so that what is measured and where things stand is right.

In the record a value's replacement stands where the value was, and is longer or shorter than it. Findings say where the
values stood in the raw text. What lies between them is as it was, so the replacements can be found, and are cut or filled to
the length of what they replace.
"""

from __future__ import annotations

from collections.abc import Sequence

from yumen.exchange import Finding

# The end of a replacement is looked for within so many characters.
REPLACEMENT_CHARS_MAX = 64
CLOSED = {"<": ">", "[": "]"}
FILLER = "."


def as_long(text: str, raw_chars: int, findings: Sequence[Finding]) -> str | None:
    """A masked text with the lengths of the raw one; None where the replacements cannot be made out.

    `findings` are those of the plugin that masked this text, with offsets in the raw one.
    """
    spans = _outermost(findings)
    if not spans:
        return text if len(text) == raw_chars else None
    if len(spans) == 1:
        start, end = spans[0]
        lengths = [len(text) - raw_chars + end - start]
    else:
        found = _delimited(text, raw_chars, spans)
        if found is None:
            return None
        lengths = found
    if any(length < 0 for length in lengths) or spans[-1][1] > raw_chars:
        return None
    parts: list[str] = []
    place = raw_place = 0
    for (start, end), length in zip(spans, lengths, strict=True):
        parts.append(text[place : place + start - raw_place])
        place += start - raw_place
        parts.append(text[place : place + min(length, end - start)].ljust(end - start, FILLER))
        place, raw_place = place + length, end
    parts.append(text[place:])
    out = "".join(parts)
    return out if len(out) == raw_chars else None


def _outermost(findings: Sequence[Finding]) -> list[tuple[int, int]]:
    """Spans in order; one that begins within another was masked with it."""
    if len(findings) == 1:
        (one,) = findings
        return [(one.start, one.end)] if 0 <= one.start < one.end else []
    spans: list[tuple[int, int]] = []
    for start, end in sorted({(one.start, one.end) for one in findings}, key=lambda span: (span[0], -span[1])):
        if 0 <= start < end and (not spans or start >= spans[-1][1]):
            spans.append((start, end))
    return spans


def _delimited(text: str, raw_chars: int, spans: list[tuple[int, int]]) -> list[int] | None:
    """The lengths of replacements that are in brackets, or as long as the value; None where they do not add up."""
    lengths: list[int] = []
    place = raw_place = 0
    for start, end in spans:
        place += start - raw_place
        close = CLOSED.get(text[place : place + 1], "")
        closed = text.find(close, place, place + REPLACEMENT_CHARS_MAX) if close else -1
        lengths.append(closed + 1 - place if closed >= 0 else end - start)
        place, raw_place = place + lengths[-1], end
    return lengths if len(text) - place == raw_chars - raw_place else None
