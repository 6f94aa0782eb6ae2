"""What is refused of a model's file before ONNX Runtime reads it, and that nothing else is."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.engines.onnx import graphs
from tests.engines.onnx.graphs import node, value

from yumen import CannotStart
from yumen_engines.onnx import inspection
from yumen_engines.onnx.inspection import inspect
from yumen_engines.onnx.protobuf import Malformed, fields

BYTES_MAX = 1 << 24


def looked(folder: Path, model: Any) -> inspection.Inspected:
    """What is found out about a model."""
    return inspect(graphs.saved(folder / "model.onnx", model), BYTES_MAX)


@pytest.mark.parametrize(
    "model", [graphs.adder(), graphs.encoder(), graphs.echo(), graphs.looped(), graphs.doubled(16)]
)
def test_usual_models_are_taken(tmp_path: Path, model: Any) -> None:
    """Weights, graphs within graphs and every type of number pass, and the bytes are those of the file."""
    found = looked(tmp_path, model)
    assert (found.content, found.external) == ((tmp_path / "model.onnx").read_bytes(), ())


@pytest.mark.parametrize("kind", [one for one in range(1, 24) if one not in (14, 15)])
def test_every_type_of_weight_is_measured(tmp_path: Path, kind: int) -> None:
    """Whole types, halves, small ones that share a byte, and strings: as the library writes them, so they pass."""
    values: Any = [b"", "玉门".encode(), b"x"] if kind == TensorProto.STRING else [1, 0, 1]
    model = graphs.encoder()
    model.graph.initializer.append(helper.make_tensor("unused", kind, [3], values))
    looked(tmp_path, model)


def claimed(**change: Any) -> Any:
    """The encoder, its matrix changed."""
    model = graphs.encoder()
    weight = model.graph.initializer[0]
    for name, changed in change.items():
        field = getattr(weight, name)
        if isinstance(changed, list):
            del field[:]
            field.extend(changed)
        else:
            setattr(weight, name, changed)
    return model


def nested(depth: int) -> Any:
    """A model with graphs in each other."""
    inner = helper.make_graph([node("Identity", ["x"], ["y"])], "g", [], [])
    for _ in range(depth):
        inner = helper.make_graph([node("If", ["c"], ["y"], then_branch=inner)], "g", [], [])
    return graphs.made([node("If", ["c"], ["y"], then_branch=inner)], [], [])


def operator(name: str, domain: str) -> Any:
    """A model with one node of somebody's."""
    tensors = [value("x", TensorProto.FLOAT, ["n"]), value("y", TensorProto.FLOAT, ["n"])]
    return graphs.made([node(name, ["x"], ["y"], domain=domain)], tensors[:1], tensors[1:], domains=[domain])


def hidden() -> Any:
    """The same, within a graph within a node."""
    inner = helper.make_graph([node("Mine", ["x"], ["y"], domain="evil")], "g", [], [])
    return graphs.made([node("If", ["c"], ["y"], then_branch=inner)], [], [])


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (claimed(dims=[1 << 40]), "larger or smaller than it says"),
        (claimed(dims=[1 << 62, 1 << 62]), "larger or smaller than it says"),
        (claimed(dims=[-1, 15]), "larger or smaller than it says"),
        (claimed(raw_data=b""), "larger or smaller than it says"),
        (claimed(raw_data=b"\x00" * 61), "larger or smaller than it says"),
        (claimed(data_type=99), "larger or smaller than it says"),
        (nested(20), "within one another"),
        (operator("Mine", "evil"), "`evil.Mine`"),
        (hidden(), "`evil.Mine`"),
        (operator("张伟\n", "evil"), "with an unusual name"),
        (operator("EPContext", "com.microsoft"), "`com.microsoft.EPContext`"),
    ],
)
def test_what_is_not_what_it_seems_is_refused(tmp_path: Path, model: Any, said: str) -> None:
    """Weights that claim memory they do not bring, operators of a library of somebody's, compiled engines: none gets on."""
    with pytest.raises(CannotStart, match=said) as caught:
        looked(tmp_path, model)
    assert "张" not in str(caught.value)


def test_functions_of_the_model_s_own_are_no_library(tmp_path: Path) -> None:
    """A domain that the file itself defines is taken, and looked into."""
    tensors = [value("x", TensorProto.FLOAT, ["n"]), value("y", TensorProto.FLOAT, ["n"])]
    call = node("Twice", ["x"], ["y"], domain="own")
    model = graphs.made([call], tensors[:1], tensors[1:], domains=["own"])
    body = [node("Add", ["a", "a"], ["b"])]
    model.functions.append(helper.make_function("own", "Twice", ["a"], ["b"], body, [helper.make_opsetid("", 17)]))
    looked(tmp_path, model)
    model.functions[0].node[0].domain = "evil"
    with pytest.raises(CannotStart, match="evil"):
        looked(tmp_path, model)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    """The limit counts the file and the weights beside it, and comes before memory is taken."""
    path = graphs.weighty(tmp_path)
    size = path.stat().st_size
    with pytest.raises(CannotStart, match="raise `model_bytes_max`"):
        inspect(path, size - 1)
    with pytest.raises(CannotStart, match="and its weights"):
        inspect(path, size + 59)
    assert inspect(path, size + 60).size == size + 60


def test_weights_beside_the_model_belong_to_it(tmp_path: Path) -> None:
    """They are found, and the digest changes with them."""
    path = graphs.weighty(tmp_path)
    found = inspect(path, BYTES_MAX)
    assert found.external == ((tmp_path / "weights.bin").resolve(),)
    (tmp_path / "weights.bin").write_bytes(b"\x00" * 60)
    assert inspect(path, BYTES_MAX).digest != found.digest


def moved(location: str) -> Callable[[Path], None]:
    """Have the weights lie elsewhere."""

    def change(path: Path) -> None:
        model = onnx.load(path, load_external_data=False)
        for pair in model.graph.initializer[0].external_data:
            if pair.key == "location":
                pair.value = location
        path.write_bytes(model.SerializeToString())

    return change


def linked(path: Path) -> None:
    """Put a link in the place of the weights."""
    outside = path.parent.parent / "outside.bin"
    outside.write_bytes(b"\x00" * 60)
    (path.parent / "weights.bin").unlink()
    (path.parent / "weights.bin").symlink_to(outside)


@pytest.mark.parametrize(
    "change",
    [
        moved("../outside.bin"),
        moved("/etc/passwd"),
        moved("*/_ORT_MEM_ADDR_/*"),
        moved("."),
        moved(""),
        moved("no\x00name"),
        linked,
        lambda path: (path.parent / "weights.bin").unlink(),
        lambda path: os.truncate(path.parent / "weights.bin", 59),
    ],
    ids=["above", "absolute", "memory", "folder", "empty", "nul", "link", "gone", "short"],
)
def test_weights_elsewhere_are_refused(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """A model reads no file outside of its folder, no address in memory, and nothing behind a file's end."""
    (tmp_path / "outside.bin").write_bytes(b"\x00" * 60)
    path = graphs.weighty(tmp_path / "model")
    change(path)
    with pytest.raises(CannotStart, match="names weights in a file"):
        inspect(path, BYTES_MAX)


@given(st.binary(max_size=200))
def test_any_bytes_are_fields_or_malformed(content: bytes) -> None:
    """Whatever a file holds, it is read in bounded steps or refused: no other error, and nothing read twice."""
    seen = 0
    try:
        for _, held in fields(memoryview(content)):
            seen += len(held) if isinstance(held, memoryview) else 1
    except Malformed:
        return
    assert seen <= len(content)


@given(st.integers(0, 1 << 30), st.integers(0, 255))
def test_a_spoilt_model_is_refused_or_whole(tmp_path_factory: pytest.TempPathFactory, place: int, byte: int) -> None:
    """One wrong byte makes no other error than a refusal."""
    content = bytearray(graphs.encoder().SerializeToString())
    content[place % len(content)] = byte
    path = tmp_path_factory.getbasetemp() / "spoilt.onnx"
    path.write_bytes(content)
    try:
        inspect(path, BYTES_MAX)
    except CannotStart as refused:
        assert "spoilt.onnx" in str(refused)


@pytest.mark.parametrize("end", [0, 1, 10, 60])
def test_a_cut_file_is_no_model(tmp_path: Path, end: int) -> None:
    """What was half copied says so."""
    path = graphs.saved(tmp_path / "model.onnx", graphs.encoder())
    os.truncate(path, end)
    with pytest.raises(CannotStart, match="no whole ONNX model"):
        inspect(path, BYTES_MAX)
