"""Writes the test embedder as an ONNX model, of the shape that exports of sentence encoders have.

Inputs `input_ids` and `attention_mask` (batch, sequence); output `last_hidden_state` (batch, sequence, DIM), of which the
mean over the mask, scaled to length 1, is the sentence. Tables are stored as int8 with a scale for each row.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.embedder.learning import DIM, FACTOR, PAIRS, SPECIAL, Floats, Weights

OPSET, IR_VERSION = 17, 9


def eighths(table: Floats) -> tuple[Any, Any]:
    """A table in int8, and the scale of each row."""
    scale = np.maximum(np.abs(table).max(1, keepdims=True), 1e-9) / 127
    return np.rint(table / scale).astype(np.int8), scale.astype(np.float32)


def rounded(weights: Weights) -> Weights:
    """The weights as the model holds them."""
    tables = (numbers.astype(np.float32) * scale for numbers, scale in map(eighths, weights))
    return Weights(*tables)


def to_onnx(weights: Weights) -> bytes:
    """The model file; nothing in it depends on the day on which it was written."""
    inputs = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["batch", "sequence"])
        for name in ("input_ids", "attention_mask")
    ]
    output = helper.make_tensor_value_info("last_hidden_state", TensorProto.FLOAT, ["batch", "sequence", DIM])
    made = helper.make_model(
        helper.make_graph(_nodes(), "embedder", inputs, [output], _constants(weights)),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="tests.embedder",
    )
    onnx.checker.check_model(made, full_check=True)
    content: bytes = made.SerializeToString(deterministic=True)
    return content


def _constants(weights: Weights) -> list[Any]:
    words, word_scales = eighths(weights.words)
    pairs, pair_scales = eighths(weights.pairs)
    arrays: dict[str, Any] = {
        "words": words, "word_scales": word_scales, "pairs": pairs, "pair_scales": pair_scales,
        "factor": np.array(FACTOR, np.int64), "rows": np.array(PAIRS, np.int64), "special": np.array(SPECIAL - 1, np.int64),
        "one": np.array([1], np.int64), "end": np.array([2**31 - 1], np.int64),
        "axis": np.array([1], np.int64), "last": np.array([2], np.int64),
        "behind": np.array([0, 0, 0, 1], np.int64),
    }  # fmt: skip
    return [numpy_helper.from_array(array, name) for name, array in arrays.items()]


def _looked_up(table: str, scales: str, rows: str, to: str) -> list[Any]:
    return [
        helper.make_node("Gather", [table, rows], [f"{to}_numbers"]),
        helper.make_node("Cast", [f"{to}_numbers"], [f"{to}_floats"], to=TensorProto.FLOAT),
        helper.make_node("Gather", [scales, rows], [f"{to}_scales"]),
        helper.make_node("Mul", [f"{to}_floats", f"{to}_scales"], [to]),
    ]


def _nodes() -> list[Any]:
    """Each token's vector, plus that of the pair of it and the next token. A token counts where the mask has it."""
    return [
        helper.make_node("Mul", ["input_ids", "attention_mask"], ["tokens"]),
        *_looked_up("words", "word_scales", "tokens", "single"),
        # The token behind each one: 0, a special token, behind the last.
        helper.make_node("Pad", ["tokens", "behind"], ["longer"]),
        helper.make_node("Slice", ["longer", "one", "end", "axis"], ["next"]),
        helper.make_node("Mul", ["tokens", "factor"], ["multiplied"]),
        helper.make_node("Add", ["multiplied", "next"], ["mixed"]),
        helper.make_node("Mod", ["mixed", "rows"], ["pair"]),
        *_looked_up("pairs", "pair_scales", "pair", "double"),
        helper.make_node("Greater", ["tokens", "special"], ["is_left"]),
        helper.make_node("Greater", ["next", "special"], ["is_right"]),
        helper.make_node("And", ["is_left", "is_right"], ["is_pair"]),
        helper.make_node("Cast", ["is_pair"], ["weight"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["weight", "last"], ["column"]),
        helper.make_node("Mul", ["double", "column"], ["counted"]),
        helper.make_node("Add", ["single", "counted"], ["last_hidden_state"]),
    ]
