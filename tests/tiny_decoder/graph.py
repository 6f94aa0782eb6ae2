"""The tiny decoder in ONNX: causal attention with ALiBi over a cache of keys and values, in standard operators.

Inputs and outputs have the names and shapes that onnxruntime-genai feeds a decoder with: `past_key_values.N.key` and
`.value` are `(batch, heads, past, size)`, and `present.N.…` the same with the new tokens behind. ALiBi: Press et al., Train
Short, Test Long (2022). It needs no table of positions, so the model reads on behind the lengths that it was trained on.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

LAYERS, HEADS, SIZE = 2, 4, 24
WIDTH, INNER = HEADS * SIZE, 256
EPSILON = 1e-5
Weights = dict[str, NDArray[np.float32]]


def slopes() -> NDArray[np.float32]:
    """How fast each head forgets: powers of 2 from 1/4 down."""
    return np.array([2.0 ** (-8 * (head + 1) / HEADS) for head in range(HEADS)], np.float32)


class Drawing:
    """Nodes and constants, put down one after the other."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, NDArray[Any]] = {}

    def add(self, kind: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        """A node; returns the name of its output."""
        name = out or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants[name] = np.ascontiguousarray(value)
        return name

    def number(self, *values: int) -> str:
        return self.constant("i" + "_".join(map(str, values)).replace("-", "m"), np.array(values, np.int64))


def graph(weights: Weights) -> Any:
    """The model with these weights, by the names that `training.py` gives them."""
    draw = Drawing()
    for name, value in weights.items():
        draw.constant(name, value)
    bias = _bias(draw)
    state = draw.add("Gather", "embed", "input_ids")
    for layer in range(LAYERS):
        state = _layer(draw, layer, state, bias)
    state = draw.add("LayerNormalization", state, "norm.scale", "norm.shift", epsilon=EPSILON)
    draw.add("MatMul", state, draw.constant("head", weights["embed"].T), out="logits")
    made = helper.make_model(
        helper.make_graph(
            draw.nodes,
            "tiny_decoder",
            _inputs(),
            _outputs(weights["embed"].shape[0]),
            [numpy_helper.from_array(value, name) for name, value in draw.constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    onnx.checker.check_model(made, full_check=True)
    return made


def _bias(draw: Drawing) -> str:
    """What is added to the scores, `(batch, heads, new, all)`: minus the distance by slope, or much for what is hidden."""
    new = draw.add("Shape", "input_ids", start=1, end=2)
    total = draw.add("Shape", "attention_mask", start=1, end=2)
    past = draw.add("Sub", total, new)
    zero, one = draw.constant("zero", np.array(0, np.int64)), draw.constant("one", np.array(1, np.int64))
    axis = draw.number(0)
    keys = draw.add("Range", zero, draw.add("Squeeze", total, axis), one)
    queries = draw.add("Add", draw.add("Range", zero, draw.add("Squeeze", new, axis), one), past)
    distance = draw.add("Sub", draw.add("Unsqueeze", queries, draw.number(1)), draw.add("Unsqueeze", keys, axis))
    seen = draw.add("GreaterOrEqual", distance, zero)
    kept = draw.add("Cast", "attention_mask", to=TensorProto.BOOL)
    seen = draw.add("And", seen, draw.add("Unsqueeze", kept, draw.number(1, 2)))
    slope = draw.constant("slopes", -slopes().reshape(1, HEADS, 1, 1))
    far = draw.add("Mul", slope, draw.add("Cast", distance, to=TensorProto.FLOAT))
    return draw.add("Where", seen, far, draw.constant("hidden", np.array(-1e9, np.float32)))


def _layer(draw: Drawing, layer: int, state: str, bias: str) -> str:
    """Attention and the inner layer, each added to what came in."""
    name = f"layer{layer}."
    normed = draw.add("LayerNormalization", state, name + "one.scale", name + "one.shift", epsilon=EPSILON)
    heads: dict[str, str] = {}
    for part in ("query", "key", "value"):
        flat = draw.add("MatMul", normed, name + part)
        split = draw.add("Reshape", flat, draw.number(0, 0, HEADS, SIZE))
        heads[part] = draw.add("Transpose", split, perm=[0, 2, 1, 3])
    for part in ("key", "value"):
        past, present = f"past_key_values.{layer}.{part}", f"present.{layer}.{part}"
        heads[part] = draw.add("Concat", past, heads[part], out=present, axis=2)
    across = draw.add("Transpose", heads["key"], perm=[0, 1, 3, 2])
    scale = draw.constant("scale", np.array(SIZE**-0.5, np.float32))
    scores = draw.add("Add", draw.add("Mul", draw.add("MatMul", heads["query"], across), scale), bias)
    mixed = draw.add("MatMul", draw.add("Softmax", scores, axis=-1), heads["value"])
    joined = draw.add("Reshape", draw.add("Transpose", mixed, perm=[0, 2, 1, 3]), draw.number(0, 0, WIDTH))
    state = draw.add("Add", state, draw.add("MatMul", joined, name + "out"))
    normed = draw.add("LayerNormalization", state, name + "two.scale", name + "two.shift", epsilon=EPSILON)
    inner = draw.add("Relu", draw.add("MatMul", normed, name + "up"))
    return draw.add("Add", state, draw.add("MatMul", inner, name + "down"))


def _cache(prefix: str, length: str) -> list[Any]:
    shape: list[str | int | None] = ["batch", HEADS, length, SIZE]
    return [
        helper.make_tensor_value_info(f"{prefix}.{layer}.{part}", TensorProto.FLOAT, shape)
        for layer in range(LAYERS)
        for part in ("key", "value")
    ]


def _inputs() -> list[Any]:
    return [
        helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "new"]),
        helper.make_tensor_value_info("attention_mask", TensorProto.INT64, ["batch", "all"]),
        *_cache("past_key_values", "past"),
    ]


def _outputs(words: int) -> list[Any]:
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", "new", words])
    return [logits, *_cache("present", "all")]
