"""Models and tokenizers that somebody made on purpose, and models that run without end."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from tests.engines.onnx import graphs, tiny
from tests.engines.onnx.graphs import node, value

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
FOREVER = 1 << 62


def varint(number: int) -> bytes:
    """A whole number as protocol buffers write it."""
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes((*parts, number))


def field(number: int, content: bytes, kind: int = 2, more: int = 0) -> bytes:
    """A field with content; `more` is added to its key."""
    return varint((number << 3 | kind) + more) + (varint(len(content)) if kind == 2 else b"") + content


def with_graph(model: Any, *more: bytes) -> bytes:
    """A model, with more fields in its graph."""
    graph = b"".join((model.graph.SerializeToString(), *more))
    rest = onnx.ModelProto()
    rest.CopyFrom(model)
    rest.ClearField("graph")
    whole: bytes = rest.SerializeToString()
    return whole + field(7, graph)


def constant(*values: Any) -> bytes:
    """A node `Constant` that says its value several times."""
    attribute = onnx.AttributeProto(name="value", type=onnx.AttributeProto.TENSOR).SerializeToString()
    attribute += b"".join(field(5, one.SerializeToString()) for one in values)
    return field(1, onnx.NodeProto(op_type="Constant", output=["far"]).SerializeToString() + field(5, attribute))


def outside(location: str, *, other: str = "") -> Any:
    """A tensor of four numbers in another file, or in another one yet."""
    tensor = TensorProto(name="far", data_type=FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, said in (("location", location), ("length", "16"), *((("location", other),) if other else ())):
        tensor.external_data.add(key=key, value=said)
    return tensor


def sparse(*dims: int) -> Any:
    """The encoder beside one number of a tensor of that size."""
    model = graphs.encoder()
    one, first = helper.make_tensor("thin", FLOAT, [1], [1.0]), helper.make_tensor("at", INT64, [1], [0])
    model.graph.sparse_initializer.append(onnx.SparseTensorProto(values=one, indices=first, dims=dims))
    return model


def functions(**calls: Sequence[str]) -> Any:
    """A model that calls `First`, and functions that call others."""
    tensors = [value("x", FLOAT, ["n"]), value("y", FLOAT, ["n"])]
    model = graphs.made([node("First", ["x"], ["y"], domain="own")], tensors[:1], tensors[1:], domains=["own"])
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    for name, called in calls.items():
        at = ["a", *(f"t{number}" for number in range(len(called) - 1)), "b"]
        body = [
            node(one, [at[place]], [at[place + 1]], domain="" if one == "Sin" else "own")
            for place, one in enumerate(called)
        ]
        model.functions.append(helper.make_function("own", name, ["a"], ["b"], body, imports))
    return model


def endless(inputs: Sequence[Any], given: str, output: Any) -> Any:
    """A model that adds nothing to what it is `given`, for ever."""
    shape = output.type.tensor_type.shape
    kept = [helper.make_tensor_value_info(name, FLOAT, [None] * len(shape.dim)) for name in ("kept_in", "kept_out")]
    body = helper.make_graph(
        [node("Identity", ["go_in"], ["go_out"]), node("Add", ["kept_in", "none"], ["kept_out"])],
        "body",
        [value("turn", INT64, []), value("go_in", TensorProto.BOOL, []), kept[0]],
        [value("go_out", TensorProto.BOOL, []), kept[1]],
    )
    return graphs.made(
        [node("Cast", [given], ["first"], to=FLOAT), node("Loop", ["times", "", "first"], [output.name], body=body)],
        inputs,
        [output],
        [
            numpy_helper.from_array(np.array([FOREVER]), "times"),
            numpy_helper.from_array(np.zeros(1, np.float32), "none"),
        ],
    )


def endless_rows() -> Any:
    """One of tensors."""
    return endless([value("x", FLOAT, ["batch", 3])], "x", value("y", FLOAT, ["batch", 3]))


def greedy() -> Any:
    """As many zeros as `x` says, and their sum: memory without end."""
    return graphs.made(
        [node("ConstantOfShape", ["x"], ["zeros"]), node("ReduceSum", ["zeros"], ["y"], keepdims=0)],
        [value("x", INT64, [1])],
        [value("y", FLOAT, [])],
    )


def endless_texts(folder: Path, *, labels: int) -> Path:
    """An export that reads text and never says anything of it."""
    shutil.copytree(tiny.model(), folder)
    ids = value("input_ids", INT64, ["batch", "sequence"])
    name = "logits" if labels else "sentence_embedding"
    output = value(name, FLOAT, ["batch", "sequence"])
    graphs.saved(folder / "model.onnx", endless([ids], "input_ids", output))
    config = json.loads((folder / "config.json").read_text())
    config["id2label"] = {str(number): f"L{number}" for number in range(labels)}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def tokenizer(folder: Path, **parts: Any) -> Path:
    """The tiny export with parts of its tokenizer exchanged."""
    shutil.copytree(tiny.model(), folder)
    written = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps({**written, **parts}))
    return folder
