"""Small models of tensors, made here: what they answer can be reckoned."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

Size = int | str | None
value = helper.make_tensor_value_info
node = helper.make_node


def made(
    nodes: Sequence[Any], inputs: Sequence[Any], outputs: Sequence[Any], weights: Sequence[Any] = (), *,
    opset: int = 17, domains: Sequence[str] = (),
) -> Any:  # fmt: skip
    """A model, not checked."""
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    graph = helper.make_graph(list(nodes), "small", list(inputs), list(outputs), list(weights))
    return helper.make_model(graph, opset_imports=imports, ir_version=9)


def saved(path: Path, model: Any) -> Path:
    """Write a model."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path


def adder(first: Size = "batch", width: int = 4) -> Any:
    """`sum` of `a` and `b`, and `double`, twice `a`; with -1 or a name of its first size."""
    shape = [first, width]
    return made(
        [node("Add", ["a", "b"], ["sum"]), node("Add", ["a", "a"], ["double"])],
        [value("a", TensorProto.FLOAT, shape), value("b", TensorProto.FLOAT, shape)],
        [value("sum", TensorProto.FLOAT, shape), value("double", TensorProto.FLOAT, shape)],
    )


def encoder(rows: Size = "batch") -> Any:
    """`x` of 3 numbers by the matrix of `matrix()`."""
    return made(
        [node("MatMul", ["x", "w"], ["y"])],
        [value("x", TensorProto.FLOAT, [rows, 3])],
        [value("y", TensorProto.FLOAT, [rows, 5])],
        [numpy_helper.from_array(matrix(), "w")],
    )


def matrix() -> Any:
    """Numbers from 0 to 14."""
    return np.arange(15, dtype=np.float32).reshape(3, 5)


def echo() -> Any:
    """Texts as they are."""
    return made(
        [node("Identity", ["text"], ["same"])],
        [value("text", TensorProto.STRING, ["batch"])],
        [value("same", TensorProto.STRING, ["batch"])],
    )


def doubled(kind: int) -> Any:
    """Twice `x`, in a type of half the size, computed in full."""
    return made(
        [node("Cast", ["x"], ["wide"], to=TensorProto.FLOAT), node("Add", ["wide", "wide"], ["twice"]),
         node("Cast", ["twice"], ["y"], to=kind)],
        [value("x", kind, ["batch", 2])],
        [value("y", kind, ["batch", 2])],
    )  # fmt: skip


def compared() -> Any:
    """Each row less the mean of all: what a row comes to depends on the others."""
    return made(
        [node("ReduceMean", ["x"], ["mean"], axes=[0]), node("Sub", ["x", "mean"], ["y"])],
        [value("x", TensorProto.FLOAT, ["batch", 2])],
        [value("y", TensorProto.FLOAT, ["batch", 2])],
    )


def picked() -> Any:
    """Rows of a table of 4, by their numbers."""
    table = numpy_helper.from_array(np.arange(8, dtype=np.float32).reshape(4, 2), "table")
    return made(
        [node("Gather", ["table", "number"], ["row"])],
        [value("number", TensorProto.INT64, ["batch"])],
        [value("row", TensorProto.FLOAT, ["batch", 2])],
        [table],
    )


def looped() -> Any:
    """Adds 1 to `x` as often as `times` says: a run that takes as long as one likes."""
    body = helper.make_graph(
        [node("Identity", ["go_in"], ["go_out"]), node("Add", ["kept_in", "one"], ["kept_out"])],
        "body",
        [value("turn", TensorProto.INT64, []), value("go_in", TensorProto.BOOL, []),
         value("kept_in", TensorProto.FLOAT, [None, 1])],
        [value("go_out", TensorProto.BOOL, []), value("kept_out", TensorProto.FLOAT, [None, 1])],
    )  # fmt: skip
    return made(
        [node("Loop", ["times", "", "x"], ["y"], body=body)],
        [value("times", TensorProto.INT64, [1]), value("x", TensorProto.FLOAT, [1, 1])],
        [value("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(np.ones((1, 1), np.float32), "one")],
    )


def weighty(folder: Path, *, name: str = "model.onnx") -> Path:
    """The encoder with its matrix in a file of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(
        encoder(), folder / name, save_as_external_data=True, location="weights.bin", size_threshold=0
    )  # fmt: skip
    return folder / name


def bfloat16(numbers: Any) -> Any:
    """The bits of some numbers as bfloat16, cut off."""
    return (np.asarray(numbers, np.float32).view(np.uint32) >> 16).astype(np.uint16)
