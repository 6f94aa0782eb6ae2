"""Models that make embeddings: the small one that `tests/embedder` trains, and graphs whose numbers one can reckon."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from tests.engines.onnx.asking import loaded

from yumen_engines.onnx import Onnx

EMBEDDER = Path(__file__).parents[2] / "embedder"
SIZE = 4


async def embedded(engine: Onnx, *texts: str) -> NDArray[np.float32]:
    """The vectors of some texts."""
    vectors: NDArray[np.float32] = (await engine.infer({"texts": list(texts)}))["embeddings"]
    return vectors


def embedder(**config: Any) -> Any:
    """The engine with the small model; see `asking.loaded`."""
    return loaded(EMBEDDER, task="embeddings", **config)


def counted(
    folder: Path, *, pooled: bool = False, name: str = "", kind: int = TensorProto.FLOAT, rows: int = 4096
) -> Path:
    """An export that says of each token (number, 1, its place, 7), or of each text the same summed up without its mask."""
    folder.mkdir()
    shutil.copy(EMBEDDER / "tokenizer.json", folder)
    (folder / "config.json").write_text(json.dumps({"pad_token_id": 0, "max_position_embeddings": rows}))
    nodes = [
        helper.make_node("Cast", ["input_ids"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("Unsqueeze", ["numbers", "last"], ["column"]),
        helper.make_node("Mul", ["column", "zero"], ["nothing"]),
        helper.make_node("Add", ["nothing", "one"], ["ones"]),
        helper.make_node("CumSum", ["ones", "axis"], ["places"]),
        helper.make_node("Mul", ["ones", "seven"], ["sevens"]),
        helper.make_node("Concat", ["column", "ones", "places", "sevens"], ["tokens"], axis=2),
        helper.make_node("ReduceSum", ["tokens", "first"], ["summed"], keepdims=0),
        helper.make_node("Cast", ["summed" if pooled else "tokens"], ["given"], to=kind),
        helper.make_node("Identity", ["given"], [name or ("sentence_embedding" if pooled else "last_hidden_state")]),
    ]
    constants = {
        "last": np.array([2]), "axis": np.array(1), "first": np.array([1]), "zero": np.array(0, np.float32),
        "one": np.array(1, np.float32), "seven": np.array(7, np.float32),
    }  # fmt: skip
    shape: list[Any] = ["batch", SIZE] if pooled else ["batch", "sequence", SIZE]
    graph = helper.make_graph(
        nodes,
        "counted",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])],
        [helper.make_tensor_value_info(nodes[-1].output[0], kind, shape)],
        [numpy_helper.from_array(value, key) for key, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    onnx.save(made, folder / "model.onnx")
    return folder
