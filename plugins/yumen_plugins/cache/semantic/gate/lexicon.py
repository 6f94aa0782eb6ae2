"""The words that the gate knows, read from the files in `lexicon/`.

Each file is about one kind of mark. A line is `name: phrase, phrase, …`; all of them are one mark of that name, in both
languages. In a name, ` + ` joins marks, `not ` puts a negation before one: `not available: unavailable`. A line of
`ignored.txt` and `plain.txt` has no name: what stands in the first is passed over, in the second each word is its own mark.
A name without phrases may be used in other names. `#` begins a comment.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import NamedTuple

from yumen_plugins.cache.semantic.gate.spelling import Piece, pieces, plain

FOLDER = Path(__file__).with_name("lexicon")
IGNORED, PLAIN, SAME, NEGATION = "ignored", "plain", "same", "negation"


class Mark(NamedTuple):
    """Something that a question says; two questions that share an answer have the same."""

    kind: str
    value: str


@dataclass(slots=True)
class _Node:
    """What may come next after a piece, and what the phrase that ends here means."""

    next: dict[str, _Node] = field(default_factory=dict)
    marks: tuple[Mark, ...] | None = None


class Lexicon:
    """Finds the longest known phrase at a place. Of two that are spelt alike the first counts, whole words before stems."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._root = _Node()
        self._kinds: dict[str, str] = {}
        lines = [(file.stem if file.parent == folder else SAME, line) for file, line in _lines(folder)]
        named = [(kind, *_split(kind, line)) for kind, line in lines]
        for kind, name, _ in named:
            if name and " + " not in name and not name.startswith("not "):
                known = self._kinds.setdefault(name, kind)
                if known != kind:
                    raise ValueError(f"{name!r} is a {known} and a {kind}")
        # All exact words before all stems: `seconds` is a unit although it has the stem of `second`.
        known_phrases = [
            (pieces(plain(phrase)), self._marks(kind, name, phrase))
            for kind, name, phrases in named
            for phrase in phrases
        ]
        for phrase, marks in known_phrases:
            self._add([piece.text for piece in phrase], marks)
        for phrase, marks in known_phrases:
            self._add([piece.stem for piece in phrase], marks)

    def find(self, found: Sequence[Piece], at: int) -> tuple[tuple[Mark, ...], int]:
        """The marks of the longest phrase from a piece on, and how many pieces it takes; 0 where there is none.

        The length of a walk is that of the longest phrase at most, so reading a text takes time in proportion to it.
        """
        best: tuple[tuple[Mark, ...], int] = ((), 0)
        node: _Node | None = self._root
        for end in range(at, len(found)):
            piece = found[end]
            assert node is not None
            node = node.next.get(piece.text) or node.next.get(piece.stem)
            if node is None:
                break
            if node.marks is not None:
                best = (node.marks, end + 1 - at)
        return best

    def _marks(self, kind: str, name: str, phrase: str) -> tuple[Mark, ...]:
        if kind == IGNORED:
            return ()
        if kind == PLAIN:
            return (Mark(SAME, phrase),)
        marks: list[Mark] = []
        for part in name.split(" + "):
            if part.startswith("not ") and part not in self._kinds:
                marks.append(Mark(NEGATION, "not"))
                part = part.removeprefix("not ")
            marks.append(Mark(self._kinds.get(part, SAME), part))
        return tuple(marks)

    def _add(self, words: Sequence[str], marks: tuple[Mark, ...]) -> None:
        node = self._root
        for word in words:
            node = node.next.setdefault(word, _Node())
        if node is not self._root and node.marks is None:
            node.marks = marks


@cache
def lexicon() -> Lexicon:
    """The one that comes with this package; read when it is first asked for."""
    return Lexicon()


def _lines(folder: Path) -> Iterator[tuple[Path, str]]:
    # What only keeps words whole comes last, so that it takes nothing from the others.
    for file in sorted(folder.rglob("*.txt"), key=lambda file: (file.stem == PLAIN, file)):
        for line in file.read_text("utf-8").splitlines():
            if line.strip() and not line.startswith("#"):
                yield file, line.strip()


def _split(kind: str, line: str) -> tuple[str, list[str]]:
    name, colon, rest = ("", ":", line) if kind in (IGNORED, PLAIN) else line.partition(":")
    if not colon:
        raise ValueError(f"no name in {line!r}")
    return name.strip(), [phrase.strip() for phrase in rest.split(",") if phrase.strip()]
