"""Small models in ONNX format, whose answers one can reckon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from yumen_engines.tensorrt.config import Sizing

FLOAT, FLOAT16, INT64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
# For `summed`: rows of one to 16 tokens.
SHAPES = {name: Sizing(min=(1,), opt=(4,), max=(16,)) for name in ("ids", "mask")}
Value = tuple[str, int, Sequence[Any]]


def numbers(rows: int, seed: int = 1) -> NDArray[np.float32]:
    """Rows of four."""
    return np.random.default_rng(seed).standard_normal((rows, 4)).astype(np.float32)


def saved(
    path: Path, nodes: Sequence[Any], inputs: Sequence[Value], outputs: Sequence[Value], **constants: Any
) -> Path:
    """A model of these nodes, checked and written down."""
    graph = helper.make_graph(
        list(nodes),
        "tiny",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(made, path)
    return path


def scaled(path: Path, kind: int = FLOAT, factor: float = 2) -> Path:
    """`y` is `x` by two, and `total` the sum of a row; rows of four numbers."""
    number = np.float16 if kind == FLOAT16 else np.float32
    return saved(
        path,
        [
            helper.make_node("Mul", ["x", "factor"], ["y"]),
            helper.make_node("ReduceSum", ["x", "axis"], ["total"], keepdims=1),
        ],
        [("x", kind, ["rows", 4])],
        [("y", kind, ["rows", 4]), ("total", kind, ["rows", 1])],
        factor=np.array(factor, number),
        axis=np.array([1]),
    )


def summed(path: Path) -> Path:
    """`sums` of tokens where `mask` has them: rows of any length."""
    return saved(
        path,
        [
            helper.make_node("Mul", ["ids", "mask"], ["there"]),
            helper.make_node("Cast", ["there"], ["numbers"], to=FLOAT),
            helper.make_node("ReduceSum", ["numbers", "axis"], ["sums"], keepdims=1),
        ],
        [("ids", INT64, ["rows", "length"]), ("mask", INT64, ["rows", "length"])],
        [("sums", FLOAT, ["rows", 1])],
        axis=np.array([1]),
    )


def looked_up(path: Path) -> Path:
    """`y` is a row of a table of 1,000: which numbers its input may have, only policy can say."""
    return saved(
        path,
        [helper.make_node("Gather", ["table", "ids"], ["y"])],
        [("ids", INT64, ["rows", 3])],
        [("y", FLOAT, ["rows", 3])],
        table=np.arange(1000, dtype=np.float32),
    )


def entangled(path: Path) -> Path:
    """`y` depends on all rows of a run: what one caller gets has to do with what another sent."""
    return saved(
        path,
        [helper.make_node("Softmax", ["x"], ["y"], axis=0)],
        [("x", FLOAT, ["rows", 4])],
        [("y", FLOAT, ["rows", 4])],
    )


def places(path: Path) -> Path:
    """`where` are the places of what is not zero: how many there are, only the numbers say."""
    return saved(
        path,
        [helper.make_node("NonZero", ["x"], ["where"])],
        [("x", FLOAT, ["rows", 4])],
        [("where", INT64, [2, "found"])],
    )


def fixed(path: Path) -> Path:
    """`y` is `x` and one, of one shape only."""
    return saved(
        path,
        [helper.make_node("Add", ["x", "one"], ["y"])],
        [("x", FLOAT, [2, 3])],
        [("y", FLOAT, [2, 3])],
        one=np.array(1, np.float32),
    )


def weighed(path: Path, name: str = "weights.bin") -> Path:
    """As `scaled`, with its factors in another file, whatever name that has in the model."""
    scaled(path)
    model = onnx.load(path)
    (factor,) = (one for one in model.graph.initializer if one.name == "factor")
    (path.parent / "weights.bin").write_bytes(factor.raw_data)
    size = len(factor.raw_data)
    factor.ClearField("raw_data")
    factor.data_location = TensorProto.EXTERNAL
    for key, value in (("location", name), ("offset", "0"), ("length", str(size))):
        factor.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())
    return path
