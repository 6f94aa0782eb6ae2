"""Looks into a model's file before ONNX Runtime does: whether it is one, and whether it stays what it seems to be.

A model is nearly a program. It may name other files, operators that only a library of somebody's brings, a compiled engine
of another runtime, or memory without end. What is refused here never reaches the runtime. Source of the format: onnx.proto.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from yumen import CannotStart, plain_content, plain_file
from yumen_engines.onnx.calls import Calls, Name, inlined, name
from yumen_engines.onnx.protobuf import Malformed, Value, content, fields
from yumen_engines.onnx.weights import EXPORT, Weights, text

# Parts of a graph, graphs within graphs, nodes that functions come to, and fields of any kind.
PARTS_MAX, DEPTH_MAX, INLINED_MAX, FIELDS_MAX = 2_000_000, 16, 10_000, 20_000_000
DOMAINS = frozenset(("", "ai.onnx", "ai.onnx.ml", "com.microsoft", "ai.onnx.preview.training"))
# Nodes of these hold an engine that another runtime has compiled, or call back into Python.
REFUSED = frozenset(("EPContext", "PythonOp", "PythonOpGrad", "ATen"))
PLAIN = re.compile(r"[A-Za-z0-9_.]{1,64}")


class Inspected(NamedTuple):
    """A model's file: its bytes, the SHA-256 of it and of what belongs to it, and the files beside it that hold weights."""

    content: bytes
    digest: str
    external: tuple[Path, ...]
    size: int


def inspect(path: Path, bytes_max: int) -> Inspected:
    """Read a model, of which only so many bytes are read. Error: `CannotStart` with what is wrong, and what to do."""
    try:
        whole = plain_content(path, bytes_max)
    except OSError as error:
        if error.errno == errno.EFBIG:
            what = f"{path} has more than {bytes_max} bytes; raise `model_bytes_max` if it is what it should be"
            raise CannotStart(what) from None
        raise CannotStart(f"cannot read {path}; {EXPORT}") from error
    looked = _Looked(path)
    try:
        looked.model(memoryview(whole))
    except Malformed:
        raise CannotStart(f"cannot load {path}: it is no whole ONNX model; {EXPORT}") from None
    return _measured(path, whole, looked.weights, bytes_max)


def _measured(path: Path, whole: bytes, weights: Weights, bytes_max: int) -> Inspected:
    """The model with what belongs to it."""
    digest = hashlib.sha256(whole)
    beside = tuple(sorted(weights.files))
    size = len(whole)
    try:
        size += sum(one.stat().st_size for one in beside)
        if size + weights.unpacked > bytes_max:
            raise CannotStart(f"{path} and its weights have more than {bytes_max} bytes; raise `model_bytes_max`")
        for one in beside:
            with plain_file(one, links=False) as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    except (OSError, ValueError) as error:
        raise CannotStart(f"cannot read the weights of {path}; {EXPORT}") from error
    return Inspected(whole, digest.hexdigest(), beside, size)


class _Looked:
    """What has been seen of a model so far."""

    def __init__(self, path: Path) -> None:
        self.weights = Weights(path, self._fields)
        self._path = path
        self._parts = self._read = 0
        self._functions: dict[Name, Calls] = {}
        self._own: set[str] = set()
        # Operators of the graph or function that is being looked at.
        self._calls: Calls = Counter()

    def model(self, message: memoryview) -> None:
        """Look at a `ModelProto`. Errors: `Malformed`, `CannotStart`."""
        graphs: list[memoryview] = []
        functions: list[tuple[Name, memoryview]] = []
        for number, value in self._fields(message):
            if number == 7:
                graphs.append(content(value))
            elif number == 25:
                functions.append((self._function(content(value)), content(value)))
        if len(graphs) != 1:
            raise Malformed
        self._own = {one.domain for one, _ in functions}
        for one, function in functions:
            self._calls = self._functions.setdefault(one, Counter())
            self._each(function, {7: self._node, 11: self._attribute}, 1)
        self._calls = Counter()
        self._graph(graphs[0], 1)
        self._inlined()

    def _inlined(self) -> None:
        count = inlined(self._calls, self._functions, INLINED_MAX)
        if count is None:
            raise CannotStart(f"{self._path} holds functions that call themselves; {EXPORT}")
        if count > INLINED_MAX:
            raise CannotStart(f"{self._path} holds functions that come to more than {INLINED_MAX} nodes; {EXPORT}")

    def _fields(self, message: memoryview) -> Iterator[tuple[int, Value]]:
        for one in fields(message):
            self._read += 1
            if self._read > FIELDS_MAX:
                raise CannotStart(f"{self._path} has more than {FIELDS_MAX} fields; {EXPORT}")
            yield one

    def _each(self, message: memoryview, known: Mapping[int, Callable[[memoryview, int], None]], depth: int) -> None:
        if depth > DEPTH_MAX:
            raise CannotStart(f"{self._path} has more than {DEPTH_MAX} graphs within one another; {EXPORT}")
        for number, value in self._fields(message):
            look = known.get(number)
            if look is not None:
                self._parts += 1
                if self._parts > PARTS_MAX:
                    raise CannotStart(f"{self._path} has more than {PARTS_MAX} nodes and weights; {EXPORT}")
                look(content(value), depth)

    def _graph(self, message: memoryview, depth: int) -> None:
        self._each(message, {1: self._node, 5: self._tensor, 15: self._sparse}, depth)

    def _attribute(self, message: memoryview, depth: int) -> None:
        seen = Counter(number for number, _ in self._fields(message))
        # Of two where there may be one the library makes one, of which nobody has looked at the whole.
        if max(seen[5], seen[6], seen[22]) > 1:
            raise Malformed
        inner = {5: self._tensor, 10: self._tensor, 6: self._graph, 11: self._graph, 22: self._sparse, 23: self._sparse}
        self._each(message, inner, depth + 1)

    def _function(self, message: memoryview) -> Name:
        """What a `FunctionProto` is called."""
        said = {number: text(value) for number, value in self._fields(message) if number in (1, 10, 13)}
        return name(said.get(10, ""), said.get(1, ""), said.get(13, ""))

    def _sparse(self, message: memoryview, depth: int) -> None:
        self.weights.sparse(message)

    def _node(self, message: memoryview, depth: int) -> None:
        said = {number: text(value) for number, value in self._fields(message) if number in (4, 7, 8)}
        kind, domain = said.get(4, ""), said.get(7, "")
        if domain not in DOMAINS and domain not in self._own:
            raise CannotStart(f"{self._path} needs the operator {_named(kind, domain)}, which is not ONNX's; {EXPORT}")
        if kind in REFUSED and domain:
            raise CannotStart(
                f"{self._path} holds a node {_named(kind, domain)}: something compiled, or code; {EXPORT}"
            )
        self._calls[name(domain, kind, said.get(8, ""))] += 1
        self._each(message, {5: self._attribute}, depth)

    def _tensor(self, message: memoryview, depth: int) -> None:
        self.weights.tensor(message)


def _named(kind: str, domain: str) -> str:
    """How an operator is called, if that is a plain name: what else a file holds does not get into a log."""
    named = f"{domain}.{kind}"
    return f"`{named}`" if PLAIN.fullmatch(named) else "with an unusual name"
