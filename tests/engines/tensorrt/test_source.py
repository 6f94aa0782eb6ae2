"""Reading models: whatever a file names or is, nothing outside its folder is read, and nothing crashes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import helper
from tests.engines.tensorrt import tiny
from tests.engines.tensorrt.made import Bench, ran

from yumen import CannotStart
from yumen_engines.tensorrt.build import Draft
from yumen_engines.tensorrt.config import PlanConfig, Sizing
from yumen_engines.tensorrt.profiles import Profile, Range, profiles
from yumen_engines.tensorrt.source import read


async def test_weights_beside_the_model_are_part_of_it(bench: Bench, tmp_path: Path) -> None:
    """A model whose weights are in a file beside it runs with them, and with other weights it is another model."""
    path = tiny.weighed(tmp_path / "m.onnx")
    async with bench.model(path) as model:
        x = tiny.numbers(3)
        assert ((await ran(model, x=x))["y"] == x * 2).all()
    before = read(path, 1 << 20).digest
    (tmp_path / "weights.bin").write_bytes(b"\0\0\0\x40"[::-1])
    assert read(path, 1 << 20).digest != before


def test_weights_that_change_during_a_build_are_refused(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is built is what was hashed: a plan of other weights would go by the wrong name ever after."""
    path = tiny.weighed(tmp_path / "m.onnx")
    build = Draft.build

    def slowly(draft: Draft, *args: Any) -> Any:
        made = build(draft, *args)
        (tmp_path / "weights.bin").write_bytes(b"\0\0\0\0")
        return made

    monkeypatch.setattr(Draft, "build", slowly)
    with pytest.raises(CannotStart, match="changed while it was built"):
        bench.planned(path)
    assert not [*tmp_path.glob("tensorrt-cache/*.plan")]


@pytest.mark.parametrize("name", [
    "../weights.bin", "/etc/passwd", "inner/../../weights.bin", "", ".", "..", "not-there.bin", "nul\0l", "link.bin",
    "权重.bin",
])  # fmt: skip
def test_weights_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    """A model that names weights anywhere but beside it, or a link, is not read: it could show what is in any file."""
    path = tiny.weighed(tmp_path / "inner" / "m.onnx", name)
    (tmp_path / "weights.bin").write_bytes(b"1234")
    (tmp_path / "inner" / "link.bin").symlink_to(tmp_path / "weights.bin")
    with pytest.raises(CannotStart, match="names weights in a file"):
        read(path, 1 << 20)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (lambda path: None, "cannot read"),
        (lambda path: path.mkdir(), "cannot read"),
        (lambda path: path.write_bytes(b"x" * 2000), "more than 1000 bytes"),
        (lambda path: path.write_bytes(b"\xff" * 50), "no whole ONNX model"),
        (lambda path: os.mkfifo(path), "cannot read"),
    ],
)
def test_files_that_are_no_models_are_refused(tmp_path: Path, made: Any, said: str) -> None:
    """What cannot be read is refused with the reason, whatever it is, and nothing waits for it."""
    path = tmp_path / "m.onnx"
    made(path)
    with pytest.raises(CannotStart, match=said):
        read(path, 1000)


def test_weights_count_for_the_size(tmp_path: Path) -> None:
    """The limit is on all that a model takes, not on the file that names it."""
    path = tiny.weighed(tmp_path / "m.onnx")
    (tmp_path / "weights.bin").write_bytes(b"\0" * 5000)
    with pytest.raises(CannotStart, match="and its weights"):
        read(path, 4000)


@pytest.mark.parametrize("content", [b"", b"garbage", b"\x08\x09"])
def test_a_model_that_tensorrt_does_not_read_is_refused(bench: Bench, tmp_path: Path, content: bytes) -> None:
    """What is no model for TensorRT is a refusal that names the file."""
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(CannotStart, match=r"m\.onnx"):
        bench.planned(tmp_path / "m.onnx")


def test_an_operator_that_is_missing_is_named(bench: Bench, tmp_path: Path) -> None:
    """Of a model with an operator that TensorRT does not have, the message names it."""
    graph = helper.make_graph([helper.make_node("Unheard", ["x"], ["y"])], "g",
                              [helper.make_tensor_value_info("x", tiny.FLOAT, [1])],
                              [helper.make_tensor_value_info("y", tiny.FLOAT, [1])])  # fmt: skip
    onnx.save(helper.make_model(graph), tmp_path / "m.onnx")
    with pytest.raises(CannotStart, match=r"node 3 \(Unheard\): no importer"):
        bench.planned(tmp_path / "m.onnx")


def test_a_bucket_has_a_profile_of_its_own() -> None:
    """Each number of rows is built for by itself, with all sizes known; other sizes are as policy says."""
    found = profiles({"x": (-1, 4)}, PlanConfig(buckets=(1, 8)))
    assert found == tuple(Profile(rows, {"x": Range((rows, 4), (rows, 4), (rows, 4))}) for rows in (1, 8))
    assert all(profile.fixed for profile in found)
    (sized,) = profiles(
        {"x": (-1, -1, 3)}, PlanConfig(buckets=(2,), shapes={"x": Sizing(min=(1, 3), opt=(5, 3), max=(9, 3))})
    )
    assert sized.inputs["x"] == Range((2, 1, 3), (2, 5, 3), (2, 9, 3))
    assert not sized.fixed


def test_a_model_without_rows_has_one_profile() -> None:
    """Where an input has no first dimension of any size, rows are no batch, and sizes are those of the whole input."""
    (found,) = profiles({"x": (-1, 4), "y": (2,)}, PlanConfig(shapes={"x": Sizing(min=(1, 4), opt=(2, 4), max=(3, 4))}))
    assert (found.rows, found.inputs["x"], found.inputs["y"].fixed) == (0, Range((1, 4), (2, 4), (3, 4)), True)
    (scalar,) = profiles({"x": ()}, PlanConfig())
    assert scalar == Profile(0, {"x": Range((), (), ())})


@pytest.mark.parametrize(
    ("shapes", "said"),
    [
        ({}, r"`ids: \{min: \[1\], opt: \[128\], max: \[512\]\}`"),
        ({"ids": Sizing(min=(1, 1), opt=(1, 1), max=(1, 1))}, "name 1 sizes"),
        ({"other": Sizing(min=(1,), opt=(1,), max=(1,))}, "names `other`"),
    ],
)
def test_sizes_that_are_missing_are_asked_for(shapes: Any, said: str) -> None:
    """A model whose sizes policy does not say is refused, with the line that is to be written."""
    with pytest.raises(CannotStart, match=said):
        profiles({"ids": (-1, -1)}, PlanConfig(shapes=shapes))


@pytest.mark.parametrize("sizes", [((1,), (1, 2), (1,)), ((2,), (1,), (3,)), ((1,), (4,), (3,))])
def test_sizes_that_do_not_go_together_are_no_policy(sizes: Any) -> None:
    """Least, usual and greatest sizes grow, and there are as many of each."""
    with pytest.raises(ValueError, match="`min`"):
        Sizing(min=sizes[0], opt=sizes[1], max=sizes[2])
    with pytest.raises(ValueError, match="grow"):
        PlanConfig(buckets=(4, 2))
