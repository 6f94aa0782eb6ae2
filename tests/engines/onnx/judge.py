"""An export that says of a text whether it is short or long: its scores can be reckoned from the number of tokens."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from tests.engines.onnx import graphs
from tests.engines.onnx.graphs import node, value
from tests.engines.onnx.vectors import EMBEDDER

LABELS = ("短 short", "长 long")
# So many tokens, with the two that frame a row, are neither short nor long.
MIDDLE = 6.0


def judge(folder: Path, *, rows: int = 4096, labels: int = 2, **described: Any) -> Path:
    """Write the export; `rows` is how many positions it has."""
    folder.mkdir(parents=True)
    shutil.copy(EMBEDDER / "tokenizer.json", folder)
    names = {str(number): label for number, label in enumerate(LABELS[:labels])}
    said = {"id2label": names, "pad_token_id": 0, "max_position_embeddings": rows, **described}
    (folder / "config.json").write_text(json.dumps(said))
    signs = np.array([[-1.0, 1.0][:labels]], np.float32)
    weights = {"last": np.array([1]), "signs": signs, "middle": -MIDDLE * signs}
    nodes = [
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("ReduceSum", ["mask", "last"], ["tokens"]),
        node("Mul", ["tokens", "signs"], ["either"]),
        node("Add", ["either", "middle"], ["logits"]),
    ]
    inputs = [value(name, TensorProto.INT64, ["batch", "sequence"]) for name in ("input_ids", "attention_mask")]
    outputs = [value("logits", TensorProto.FLOAT, ["batch", labels])]
    model = graphs.made(nodes, inputs, outputs, [numpy_helper.from_array(one, name) for name, one in weights.items()])
    graphs.saved(folder / "model.onnx", model)
    return folder
