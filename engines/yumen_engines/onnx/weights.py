"""Weights of a model's file: whether they are what they seem to be. Source of the format: onnx.proto."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from yumen import CannotStart
from yumen_engines.onnx.protobuf import Malformed, Value, content, integers

EXPORT = "export the model again"
# Dimensions of a weight, and files beside the model.
DIMENSIONS_MAX, FILES_MAX = 64, 1_000
TEXT_BYTES_MAX = 1024
# Bits of an element, by number of its type; strings have no size.
BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
# Memory of an element whose type has no size, for weights that are written short and unpacked long.
TEXT_BITS = 256
WHOLE = re.compile(r"[0-9]{1,18}")
Fields = Callable[[memoryview], Iterator[tuple[int, Value]]]


class Weights:
    """The weights that have been seen of the model at a path.

    `files` are those beside the model that hold some; `unpacked` is what sparse ones come to, in bytes: ONNX Runtime makes
    of each a whole tensor. `fields` reads a message.
    """

    def __init__(self, path: Path, fields: Fields) -> None:
        self.files: set[Path] = set()
        self.unpacked = 0
        self._path = path
        self._folder = path.parent.resolve()
        self._fields = fields

    def sparse(self, message: memoryview) -> None:
        """Look at a `SparseTensorProto`. Errors: `Malformed`, `CannotStart`."""
        dims: list[int] = []
        seen: Counter[int] = Counter()
        bits = TEXT_BITS
        for number, value in self._fields(message):
            seen[number] += 1
            if number in (1, 2):
                kind = self.tensor(content(value))
                bits = BITS.get(kind, TEXT_BITS) if number == 1 else bits
            elif number == 3:
                dims += integers(value, DIMENSIONS_MAX)
        # The library makes one of two, and of what is then in it nobody has looked at the whole.
        if seen[1] > 1 or seen[2] > 1:
            raise Malformed
        self.unpacked += -(-self._count(dims) * bits // 8)

    def tensor(self, message: memoryview) -> int:
        """Look at a `TensorProto`: it has as many bytes as it says, here or in a file beside the model.

        Returns the number of its type. Errors: `Malformed`, `CannotStart`.
        """
        dims: list[int] = []
        kind = outside = inline = 0
        raw: int | None = None
        said: dict[str, str] = {}
        for number, value in self._fields(message):
            if number == 1:
                dims += integers(value, DIMENSIONS_MAX)
            elif number == 2 and isinstance(value, int):
                kind = value
            elif number == 14 and isinstance(value, int):
                outside = value
            elif number == 9:
                raw = len(content(value))
            elif number == 13:
                self._say(said, content(value))
            elif number in (4, 5, 6, 7, 10, 11):
                inline += _size(value) + (number == 6)
        count = self._count(dims)
        bits = BITS.get(kind)
        wanted = None if bits is None else -(-count * bits // 8)
        # A whole number has one byte at least, and small types share one.
        held = inline * (8 // bits if bits and bits < 8 else 1)
        if outside:
            self._outside(said, wanted)
        elif said or (raw is not None and raw != wanted) or (raw is None and count > held):
            raise self._wrong()
        return kind

    def _count(self, dims: Sequence[int]) -> int:
        if len(dims) > DIMENSIONS_MAX:
            raise self._wrong()
        return math.prod(dims)

    def _say(self, said: dict[str, str], entry: memoryview) -> None:
        pair = {part: text(inner) for part, inner in self._fields(entry)}
        name = pair.get(1, "")
        if name in said:
            raise CannotStart(f"{self._path} says of a weight twice where it lies; {EXPORT}")
        said[name] = pair.get(2, "")

    def _outside(self, said: dict[str, str], wanted: int | None) -> None:
        """Look at weights in a file of their own, which lies in the model's folder and holds as much as is said."""
        name = said.get("location", "")
        try:
            path = (self._folder / name).resolve(strict=True)
            whole = path.stat().st_size if path.is_file() else -1
        except (OSError, ValueError, RuntimeError):
            path, whole = Path(), -1
        # What a link leads to counts: weights elsewhere could be changed, or read, by who may not do so here.
        if whole < 0 or not name or Path(name).is_absolute() or not path.is_relative_to(self._folder):
            raise CannotStart(f"{self._path} names weights in a file that is not in its folder; copy it there")
        offset, length = (_whole(said.get(key, "")) for key in ("offset", "length"))
        length = length if said.get("length") else wanted
        if wanted is None or length != wanted or offset is None or offset + wanted > whole:
            raise CannotStart(f"{self._path} names weights in a file that does not hold them; {EXPORT}")
        self.files.add(path)
        if len(self.files) > FILES_MAX:
            raise CannotStart(f"{self._path} names more than {FILES_MAX} files with weights; {EXPORT}")

    def _wrong(self) -> CannotStart:
        return CannotStart(f"{self._path} holds a weight that is larger or smaller than it says; {EXPORT}")


def text(value: Value) -> str:
    """A short text that a field holds. Error: `Malformed`."""
    held = content(value)
    if len(held) > TEXT_BYTES_MAX:
        raise Malformed
    try:
        return str(held, "utf-8")
    except UnicodeDecodeError:
        raise Malformed from None


def _size(value: Value) -> int:
    if isinstance(value, int):
        return 1
    return len(value) if isinstance(value, memoryview) else value.size


def _whole(written: str) -> int | None:
    """A number as the format has it, 0 where there is none; None for anything else, which others may read otherwise."""
    return int(written or 0) if WHOLE.fullmatch(written or "0") else None
