"""Writes the trained classifier as an ONNX model.

Inputs, both `(batch, features)` with free dimensions: `columns` (int64, the hashed features that a question has) and
`counts` (float32, how often; 0 pads a shorter question). Output: `probabilities` (batch, labels). The graph looks up the
idf and the table's rows, so answering costs as much as the question is long, not as the table is large. The table is
stored as float16, which halves the file. Nothing in the file depends on the day on which it was written.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

from yumen_engines.faq.features import COLUMNS, VERSION
from yumen_engines.faq.learning import Weights

# Both are read by ONNX Runtime 1.20, the oldest that the package allows.
OPSET = 17
IR_VERSION = 9


def to_onnx(weights: Weights, labels: list[str], corpus_digest: str, confidence_min: float) -> bytes:
    """The model file: graph, weights, and what belongs to them as metadata."""
    proto = helper.make_model(
        _graph(weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="yumen_engines.faq",
    )
    metadata = {
        "labels": msgspec.json.encode(labels).decode(),
        "corpus_digest": corpus_digest,
        "confidence_min": str(confidence_min),
        "features_version": str(VERSION),
        "columns": str(COLUMNS),
    }
    helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    content: bytes = proto.SerializeToString(deterministic=True)
    return content


def _graph(weights: Weights) -> Any:
    nodes = [
        helper.make_node("Gather", ["idf", "columns"], ["column_idf"]),
        helper.make_node("Add", ["counts", "one"], ["counts_and_one"]),
        helper.make_node("Log", ["counts_and_one"], ["frequency"]),
        helper.make_node("Mul", ["frequency", "column_idf"], ["weighted"]),
        helper.make_node("ReduceL2", ["weighted"], ["length"], axes=[1], keepdims=1),
        helper.make_node("Max", ["length", "tiny"], ["length_safe"]),
        helper.make_node("Div", ["weighted", "length_safe"], ["scaled"]),
        helper.make_node("Unsqueeze", ["scaled", "axis"], ["scaled_row"]),
        helper.make_node("Gather", ["table", "columns"], ["rows_half"]),
        helper.make_node("Cast", ["rows_half"], ["rows"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["scaled_row", "rows"], ["logits_row"]),
        helper.make_node("Squeeze", ["logits_row", "axis"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    constants: dict[str, npt.NDArray[Any]] = {
        "idf": weights.idf,
        "table": weights.table.astype(np.float16),
        "one": np.array(1, dtype=np.float32),
        "tiny": np.array(1e-6, dtype=np.float32),
        "axis": np.array([1], dtype=np.int64),
    }
    return helper.make_graph(
        nodes,
        "faq",
        inputs=[
            helper.make_tensor_value_info("columns", TensorProto.INT64, ["batch", "features"]),
            helper.make_tensor_value_info("counts", TensorProto.FLOAT, ["batch", "features"]),
        ],
        outputs=[helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", weights.table.shape[1]])],
        initializer=[numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
