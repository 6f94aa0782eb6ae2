"""Looks into a model's file before ONNX Runtime does: whether it is one, and whether it stays what it seems to be.

A model is nearly a program. It may name other files, operators that only a library of somebody's brings, a compiled engine
of another runtime, or memory without end. What is refused here never reaches the runtime. Source of the format: onnx.proto.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from yumen import CannotStart
from yumen_engines.onnx.protobuf import Malformed, fields, integers

# Parts of a graph, graphs within graphs, and files beside the model that are looked at.
PARTS_MAX, DEPTH_MAX, FILES_MAX = 2_000_000, 16, 1_000
TEXT_BYTES_MAX = 1024
DOMAINS = frozenset(("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training"))
# Nodes of these hold an engine that another runtime has compiled, or call back into Python.
REFUSED = frozenset(("EPContext", "PythonOp", "PythonOpGrad", "ATen"))
# Bits of an element, by number of its type; strings have no size.
BITS = {
    1: 32, 2: 8, 3: 8, 4: 16, 5: 16, 6: 32, 7: 64, 9: 8, 10: 16, 11: 64, 12: 32, 13: 64, 14: 64, 15: 128, 16: 16,
    17: 8, 18: 8, 19: 8, 20: 8, 21: 4, 22: 4, 23: 4, 24: 8, 25: 2, 26: 2,
}  # fmt: skip
PLAIN = re.compile(r"[A-Za-z0-9_.]{1,64}")
EXPORT = "export the model again"


class Inspected(NamedTuple):
    """A model's file: its bytes, the SHA-256 of it and of what belongs to it, and the files beside it that hold weights."""

    content: bytes
    digest: str
    external: tuple[Path, ...]
    size: int


def inspect(path: Path, bytes_max: int) -> Inspected:
    """Read a model, of which only so many bytes are read. Error: `CannotStart` with what is wrong, and what to do."""
    try:
        with path.open("rb") as file:
            whole = os.fstat(file.fileno()).st_size
            content = b"" if whole > bytes_max else file.read(whole)
    except OSError as error:
        raise CannotStart(f"cannot read {path}; {EXPORT}") from error
    if whole > bytes_max:
        raise CannotStart(f"{path} has more than {bytes_max} bytes; raise `model_bytes_max` if it is what it should be")
    looked = _Looked(path)
    try:
        looked.model(memoryview(content))
    except Malformed:
        raise CannotStart(f"cannot load {path}: it is no whole ONNX model; {EXPORT}") from None
    digest = hashlib.sha256(content)
    size = len(content)
    files = tuple(sorted(looked.files))
    size += sum(one.stat().st_size for one in files)
    if size > bytes_max:
        raise CannotStart(f"{path} and its weights have more than {bytes_max} bytes; raise `model_bytes_max`")
    for one in files:
        with one.open("rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return Inspected(content, digest.hexdigest(), files, size)


class _Looked:
    """What has been seen of a model so far."""

    def __init__(self, path: Path) -> None:
        self.files: set[Path] = set()
        self._path = path
        self._folder = path.parent.resolve()
        self._parts = 0
        self._own: set[str] = set()

    def model(self, message: memoryview) -> None:
        """Look at a `ModelProto`. Errors: `Malformed`, `CannotStart`."""
        parts = list(fields(message))
        graphs = [_message(value) for number, value in parts if number == 7]
        functions = [_message(value) for number, value in parts if number == 25]
        if len(graphs) != 1:
            raise Malformed
        for function in functions:
            self._own |= {_text(value) for number, value in fields(function) if number == 10}
        for function in functions:
            self._each(function, {7: self._node, 11: self._attribute}, 1)
        self._graph(graphs[0], 1)

    def _each(self, message: memoryview, known: Mapping[int, Callable[[memoryview, int], None]], depth: int) -> None:
        if depth > DEPTH_MAX:
            raise CannotStart(f"{self._path} has more than {DEPTH_MAX} graphs within one another; {EXPORT}")
        for number, value in fields(message):
            look = known.get(number)
            if look is not None:
                self._parts += 1
                if self._parts > PARTS_MAX:
                    raise CannotStart(f"{self._path} has more than {PARTS_MAX} nodes and weights; {EXPORT}")
                look(_message(value), depth)

    def _graph(self, message: memoryview, depth: int) -> None:
        self._each(message, {1: self._node, 5: self._tensor, 15: self._sparse}, depth)

    def _attribute(self, message: memoryview, depth: int) -> None:
        inner = {5: self._tensor, 10: self._tensor, 6: self._graph, 11: self._graph, 22: self._sparse, 23: self._sparse}
        self._each(message, inner, depth + 1)

    def _sparse(self, message: memoryview, depth: int) -> None:
        self._each(message, {1: self._tensor, 2: self._tensor}, depth)

    def _node(self, message: memoryview, depth: int) -> None:
        kind = domain = ""
        for number, value in fields(message):
            if number == 4:
                kind = _text(value)
            elif number == 7:
                domain = _text(value)
        if domain not in DOMAINS and domain not in self._own:
            raise CannotStart(f"{self._path} needs the operator {_named(kind, domain)}, which is not ONNX's; {EXPORT}")
        if kind in REFUSED and domain:
            raise CannotStart(
                f"{self._path} holds a node {_named(kind, domain)}: something compiled, or code; {EXPORT}"
            )
        self._each(message, {5: self._attribute}, depth)

    def _tensor(self, message: memoryview, depth: int) -> None:
        """Look at a `TensorProto`: it has as many bytes as it says, here or in a file beside the model."""
        dims: list[int] = []
        kind = outside = inline = 0
        raw: int | None = None
        said: dict[str, str] = {}
        for number, value in fields(message):
            if number == 1:
                dims += integers(value)
            elif number == 2 and isinstance(value, int):
                kind = value
            elif number == 14 and isinstance(value, int):
                outside = value
            elif number == 9:
                raw = len(_message(value))
            elif number == 13:
                pair = {part: _text(inner) for part, inner in fields(_message(value))}
                said[pair.get(1, "")] = pair.get(2, "")
            elif number in (4, 5, 6, 7, 10, 11):
                inline += 1 if isinstance(value, int) else len(value) + (number == 6)
        count = math.prod(dims)
        bits = BITS.get(kind)
        wanted = None if bits is None else -(-count * bits // 8)
        # A whole number has one byte at least, and small types share one.
        held = inline * (8 // bits if bits and bits < 8 else 1)
        if outside:
            self._outside(said, wanted)
        elif (raw is not None and raw != wanted) or (raw is None and count > held):
            raise CannotStart(f"{self._path} holds a weight that is larger or smaller than it says; {EXPORT}")

    def _outside(self, said: dict[str, str], wanted: int | None) -> None:
        """Look at weights in a file of their own, which lies in the model's folder and holds as much as is said."""
        name = said.get("location", "")
        try:
            path = (self._folder / name).resolve(strict=True)
            offset = int(said.get("offset") or 0)
            length = int(said["length"]) if said.get("length") else wanted
            whole = path.stat().st_size if path.is_file() else -1
        except (OSError, ValueError, RuntimeError):
            path, offset, length, whole = Path(), 0, 0, -1
        # What a link leads to counts: weights elsewhere could be changed, or read, by who may not do so here.
        if whole < 0 or not name or Path(name).is_absolute() or not path.is_relative_to(self._folder):
            raise CannotStart(f"{self._path} names weights in a file that is not in its folder; copy it there")
        if wanted is None or length != wanted or offset < 0 or offset + wanted > whole:
            raise CannotStart(f"{self._path} names weights in a file that does not hold them; {EXPORT}")
        self.files.add(path)
        if len(self.files) > FILES_MAX:
            raise CannotStart(f"{self._path} names more than {FILES_MAX} files with weights; {EXPORT}")


def _message(value: int | memoryview) -> memoryview:
    if isinstance(value, int):
        raise Malformed
    return value


def _text(value: int | memoryview) -> str:
    held = _message(value)
    if len(held) > TEXT_BYTES_MAX:
        raise Malformed
    try:
        return str(held, "utf-8")
    except UnicodeDecodeError:
        raise Malformed from None


def _named(kind: str, domain: str) -> str:
    """How an operator is called, if that is a plain name: what else a file holds does not get into a log."""
    name = f"{domain}.{kind}"
    return f"`{name}`" if PLAIN.fullmatch(name) else "with an unusual name"
