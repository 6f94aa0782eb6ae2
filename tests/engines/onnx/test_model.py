"""Which exports the onnx engine takes, and what it says of those that it does not."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import onnx
import pytest
from onnx import TensorProto
from tests.engines.onnx.asking import found, loaded
from tests.engines.onnx.tiny import model

from yumen import CannotStart
from yumen_engines.onnx import OnnxConfig

Change = Callable[[Path], None]


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """A copy of the small export, to be spoilt."""
    return Path(shutil.copytree(model(), tmp_path / "export"))


def described(**changes: Any) -> Change:
    """Say something else in `config.json`."""

    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))

    return change


def regraphed(change: Callable[[Any], None]) -> Change:
    """Change the graph of the model."""

    def changed(folder: Path) -> None:
        made = onnx.load(folder / "model.onnx")
        change(made.graph)
        onnx.save(made, folder / "model.onnx")

    return changed


def as_types(graph: Any) -> None:
    """Give the model a third input, and narrower integers."""
    for one in graph.input:
        one.type.tensor_type.elem_type = TensorProto.INT32
    types = onnx.helper.make_tensor_value_info("token_type_ids", TensorProto.INT32, ["batch", "sequence"])
    graph.input.append(types)


def renamed(graph: Any) -> None:
    """Name an input as models that look at pictures do."""
    graph.input[0].name = "pixel_values"
    graph.node[0].input[1] = "pixel_values"


def fixed(graph: Any) -> None:
    """Take rows of one length."""
    for one in graph.input:
        one.type.tensor_type.shape.dim[1].dim_value = 128


@pytest.mark.parametrize(
    "change",
    [
        regraphed(as_types),
        described(max_position_embeddings=20),
        described(max_position_embeddings=20, model_type="xlm-roberta", pad_token_id=1),
        lambda folder: shutil.move(folder / "model.onnx", (folder / "onnx").mkdir() or folder / "onnx" / "model.onnx"),
    ],
    ids=["types", "positions", "roberta", "folder"],
)
async def test_usual_exports_are_taken(export: Path, change: Change) -> None:
    """Inputs are those that the model names, rows are no longer than it takes, and the file may lie in `onnx/`."""
    change(export)
    async with loaded(export) as engine:
        names = await found(engine, "今天天气不错，" * 10 + "李雷昨天见了韩梅梅")
        assert names == [[("李雷", "PER"), ("韩梅梅", "PER")]]


@pytest.mark.parametrize(
    ("change", "tokens"),
    [(described(), 254), (described(max_position_embeddings=20), 18),
     (described(max_position_embeddings=20, model_type="roberta", pad_token_id=1), 16)],
)  # fmt: skip
async def test_rows_are_as_long_as_the_model_takes(export: Path, change: Change, tokens: int) -> None:
    """What frames a row counts, and so do the positions that RoBERTa leaves out."""
    change(export)
    async with loaded(export) as engine:
        assert engine._model is not None
        assert engine._model.tokens_max == tokens


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "model.onnx").unlink(), "there is no model.onnx"),
        (lambda folder: (folder / "model.onnx").write_bytes(b"no model"), "cannot load"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "cannot read .*tokenizer.json"),
        (lambda folder: (folder / "tokenizer.json").write_text("{}"), "cannot read .*tokenizer.json"),
        (lambda folder: (folder / "config.json").unlink(), "cannot read .*config.json"),
        (lambda folder: (folder / "config.json").write_text('{"id2label": 7}'), "cannot read .*config.json"),
        (described(id2label={}), "does not number"),
        (described(id2label={"0": "O", "2": "PER"}), "does not number"),
        (described(id2label={"0": "O", "1": "PER"}), "2 labels"),
        (described(max_position_embeddings=2), "no row that holds a token"),
        (regraphed(renamed), "`pixel_values`"),
        (regraphed(fixed), "dynamic axes"),
    ],
)
async def test_what_does_not_fit_says_so(export: Path, change: Change, said: str) -> None:
    """An export that is incomplete, broken or of another kind refuses to start, with what is wrong."""
    change(export)
    with pytest.raises(CannotStart, match=said):
        async with loaded(export):
            pass


@pytest.mark.parametrize("library", ["onnxruntime", "tokenizers"])
async def test_a_missing_library_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch, library: str) -> None:
    """Without the extra the engine says which line installs it."""
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(CannotStart, match=r"pip install 'yumen\[cpu\]'"):
        async with loaded():
            pass


@pytest.mark.parametrize(
    "data", [{"model": "models/ner"}, {"model": "/m", "file": "../model.onnx"}, {"model": "/m", "task": "chat"}, {}]
)
def test_configurations_are_checked(data: dict[str, Any]) -> None:
    """A path that depends on where the gateway was started, a file outside of the folder, another task: all refused."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(data, OnnxConfig)
