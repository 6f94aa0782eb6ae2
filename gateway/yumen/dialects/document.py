"""A JSON document whose strings and numbers can be replaced in place.

What a plugin inspects and what the engine receives must be the same thing. Re-encoding a decoded tree would change what
nobody edited (1.10 becomes 1.1, big integers lose digits), and forwarding the original bytes beside a decoded tree would
let a duplicate key smuggle text past the chain. So the bytes stay, every string and number literal is known by its
*ordinal* in the source, and an edit is spliced over exactly one literal.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from yumen.errors import Problem

# Possessive quantifiers keep this linear on hostile input. It runs only on bytes that msgspec has accepted as JSON.
LITERAL = re.compile(rb'"(?:[^"\\]++|\\.)*+"|-?\d[\d.eE+\-]*+', re.DOTALL)
QUOTE = ord('"')

decode_json = msgspec.json.Decoder().decode
encode_json = msgspec.json.Encoder().encode


def _literal(number: str) -> msgspec.Raw:
    return msgspec.Raw(number.encode())


# Fractions keep their digits where they are written anew, and so do integers of any length; but -0 becomes 0.
decode_exactly = msgspec.json.Decoder(float_hook=_literal).decode


class Document:
    """Decoded JSON beside its source. `tree` is the decoded value; `edits` maps ordinals to new literals."""

    __slots__ = ("_spans", "edits", "source", "tree")

    def __init__(self, source: bytes, tree: Any) -> None:
        self.source = source
        self.tree = tree
        self.edits: dict[int, bytes] = {}
        self._spans: list[tuple[int, int]] | None = None

    @classmethod
    def parse(cls, source: bytes, what: str = "body") -> Document:
        """Decode `source`. Error: `Problem` bad_request, saying where the JSON breaks but not what stands there."""
        try:
            tree = decode_json(source)
        except RecursionError:
            raise Problem("bad_request", f"The {what} is nested too deeply.") from None
        except (msgspec.MsgspecError, ValueError) as error:
            place = re.search(r"\(byte \d+\)", str(error))
            detail = f" {place[0]}" if place else ""
            raise Problem("bad_request", f"The {what} is not valid JSON in UTF-8{detail}.") from None
        return cls(source, tree)

    @property
    def spans(self) -> list[tuple[int, int]]:
        """Where every literal stands in the source; looked for only once it is asked for, as most replies are not edited."""
        if self._spans is None:
            self._spans = [match.span() for match in LITERAL.finditer(self.source)]
        return self._spans

    def count_strings(self) -> int:
        """How many strings stand in the source, names of members too."""
        if b"\\" not in self.source:
            return self.source.count(b'"') // 2
        return sum(self.source[start] == QUOTE for start, _ in self.spans)

    def literal(self, ordinal: int) -> str:
        """The source of one literal."""
        start, end = self.spans[ordinal]
        return self.source[start:end].decode()

    def replace(self, ordinal: int, value: str) -> None:
        """Put a string in place of one literal, whatever stood there."""
        self.edits[ordinal] = encode_json(value)

    def render(self) -> bytes:
        """The source with the edits spliced in: byte for byte the source where nothing was edited."""
        return self._spliced(self.edits)

    def with_strings(self, values: dict[int, str]) -> bytes:
        """The source with strings in the place of these literals, whatever was edited."""
        return self._spliced({ordinal: encode_json(value) for ordinal, value in values.items()})

    def _spliced(self, edits: dict[int, bytes]) -> bytes:
        if not edits:
            return self.source
        parts: list[bytes] = []
        position = 0
        for ordinal in sorted(edits):
            start, end = self.spans[ordinal]
            parts.append(self.source[position:start])
            parts.append(edits[ordinal])
            position = end
        parts.append(self.source[position:])
        return b"".join(parts)
