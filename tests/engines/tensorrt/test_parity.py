"""The gate: a plan that does not compute what ONNX Runtime computes on the CPU never serves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.onnx import graphs, hostile
from tests.engines.tensorrt import tiny
from tests.engines.tensorrt.made import Bench

from yumen import CannotStart, TensorSpec
from yumen_engines.tensorrt import parity
from yumen_engines.tensorrt.config import ParityConfig
from yumen_engines.tensorrt.parity import Parity, Reference


async def compared(bench: Bench, path: Path, reference: Path | None = None, config: Any = None, **plan: Any) -> Parity:
    """A plan of a model, held against a model."""
    async with bench.model(path, **plan) as model:
        return await model.compare(Reference(reference or path, 1), config or ParityConfig())


@pytest.mark.parametrize("kind", [tiny.FLOAT, tiny.FLOAT16])
async def test_a_plan_that_computes_the_same_serves(bench: Bench, tmp_path: Path, kind: int) -> None:
    """Every bucket is compared, and what differs by less than the tolerance passes."""
    bench.trt.error = 1e-5
    found = await compared(bench, tiny.scaled(tmp_path / "m.onnx", kind))
    assert found.runs == 6
    assert found.excess < 1


async def test_a_plan_that_computes_something_else_is_refused(bench: Bench, tmp_path: Path) -> None:
    """The message names the output that is farthest off, and what to do; more may be allowed by policy."""
    bench.trt.error = 0.01
    path = tiny.scaled(tmp_path / "m.onnx")
    with pytest.raises(CannotStart, match=r"output `(y|total)` is .* times the tolerance .* in `parity`"):
        await compared(bench, path)
    assert (await compared(bench, path, config=ParityConfig(rtol=0.1))).excess < 1


async def test_one_bucket_that_is_wrong_is_enough(bench: Bench, tmp_path: Path) -> None:
    """A plan whose largest bucket alone is wrong is refused, and that bucket is named."""
    bench.trt.spoil = 32
    with pytest.raises(CannotStart, match=r"\(32 rows\)"):
        await compared(bench, tiny.scaled(tmp_path / "m.onnx"))


async def test_rows_that_have_to_do_with_each_other_are_refused(bench: Bench, tmp_path: Path) -> None:
    """A model in which one row changes the answer to another never serves: two callers would share a run."""
    with pytest.raises(CannotStart, match="`y`"):
        await compared(bench, tiny.entangled(tmp_path / "m.onnx"))


async def test_the_reference_may_be_another_model(bench: Bench, tmp_path: Path) -> None:
    """A model of lower precision is compared with the one that it was made of, whose types may be others."""
    low = tiny.scaled(tmp_path / "low.onnx", tiny.FLOAT16)
    assert (await compared(bench, low, tiny.scaled(tmp_path / "m.onnx"))).excess < 1
    with pytest.raises(CannotStart, match="`y`"):
        await compared(bench, low, tiny.scaled(tmp_path / "other.onnx", factor=3))
    with pytest.raises(CannotStart, match="other names"):
        await compared(bench, low, tiny.summed(tmp_path / "sum.onnx"))


async def test_numbers_of_a_vocabulary_are_said_by_policy(bench: Bench, tmp_path: Path) -> None:
    """Whole numbers are drawn below what policy says: more numbers see more of a table."""
    path = tiny.looked_up(tmp_path / "m.onnx")
    bench.trt.error = 0.01
    config = ParityConfig(integers={"ids": 1000})
    with pytest.raises(CannotStart, match="`y`"):
        await compared(bench, path, config=config)
    bench.trt.error = 0
    assert (await compared(bench, path, config=config)).excess == 0


async def test_sizes_are_compared_from_least_to_greatest(bench: Bench, tmp_path: Path) -> None:
    """Of a model with sizes of its own, the usual ones of every bucket are compared, and the least and greatest."""
    found = await compared(bench, tiny.summed(tmp_path / "m.onnx"), buckets=(1, 4), shapes=tiny.SHAPES)
    assert (found.runs, found.excess) == (4, 0)


async def test_models_without_rows_are_compared_whole(bench: Bench, tmp_path: Path) -> None:
    """Where rows are no batch, outputs are compared as they are, also those that grow."""
    assert (await compared(bench, tiny.fixed(tmp_path / "a.onnx"))).runs == 1
    assert (
        await compared(bench, tiny.places(tmp_path / "b.onnx"), buckets=(4,), config=ParityConfig(rows=1))
    ).runs == 1


def test_what_onnxruntime_does_not_load_is_no_reference(tmp_path: Path) -> None:
    """Without a reference there is no comparison, and without a comparison nothing serves."""
    (tmp_path / "m.onnx").write_bytes(b"garbage")
    with pytest.raises(CannotStart, match="name another model"):
        Reference(tmp_path / "m.onnx", 1)


F32 = TensorSpec("y", "FP32", (-1,))
INF, NAN = float("inf"), float("nan")


@pytest.mark.parametrize(
    ("found", "wanted", "passes"),
    [
        ([1.0], [1.0005], True), ([1.0], [1.01], False), ([0.0], [0.00005], True), ([1000.0], [1000.5], True),
        ([NAN], [NAN], True), ([NAN], [1.0], False), ([1.0], [NAN], False), ([INF], [INF], True), ([INF], [-INF], False),
        ([INF], [1.0], False), ([1.0], [INF], False), ([1.0, 1.0], [1.0], False), ([], [], True),
    ],
)  # fmt: skip
def test_tolerance(found: Any, wanted: Any, passes: bool) -> None:
    """Numbers may differ by the tolerance; what is no number must be none in both, and shapes must be the same."""
    excess = parity._excess(F32, np.array(found, np.float32), np.array(wanted, np.float32), ParityConfig())
    assert (excess <= 1) == passes


@pytest.mark.parametrize("datatype", ["INT64", "BOOL", "UINT8"])
def test_what_is_no_float_is_the_same(datatype: Any) -> None:
    """Whole numbers and truths are equal or wrong, whatever tolerance policy has for floats."""
    config, spec = ParityConfig(rtol=1, atol=1000), TensorSpec("y", datatype, (-1,))
    assert parity._excess(spec, np.array([1, 0]), np.array([1, 0]), config) == 0
    assert parity._excess(spec, np.array([1, 0]), np.array([1, 1]), config) == INF


def test_no_tolerance_means_equal() -> None:
    """A tolerance of nothing is kept to, and divides by nothing."""
    config = ParityConfig(rtol=0, atol=0)
    one, other = np.array([0.0, 1.0], np.float32), np.array([0.0, 1.0 + 2**-20], np.float32)
    assert parity._excess(F32, one, one, config) == 0
    assert parity._excess(F32, one, other, config) == INF


@given(st.floats(width=32, allow_subnormal=False, min_value=-(2.0**100), max_value=2.0**100))
def test_bfloat16_is_rounded_to_the_nearest(number: float) -> None:
    """Bits made of a float stand for the nearest bfloat16, within half of its last place."""
    array = np.array([number], np.float32)
    near = parity._plain(parity._bits(array, "BF16"))
    assert abs(near[0] - array[0]) <= abs(array[0]) * 2**-8 + 1e-38
    assert (parity._bits(near, "BF16") == parity._bits(array, "BF16")).all()


def test_drawn_numbers_are_those_of_the_seed() -> None:
    """The same seed draws the same inputs, so that a refusal can be looked into."""
    specs = [TensorSpec("a", "FP16", (-1, 3)), TensorSpec("b", "INT32", (-1, 3)), TensorSpec("c", "BOOL", (-1, 3))]
    for spec in specs:
        one, two = (
            parity._drawn(spec, (5, 3), np.random.default_rng([7, 0]), ParityConfig(integers={"b": 50}))
            for _ in range(2)
        )
        np.testing.assert_array_equal(one, two)
        assert one.min() >= 0 or spec.name == "a"
    assert np.unique(parity._drawn(specs[1], (50, 3), np.random.default_rng(1), ParityConfig())).tolist() == [0, 1]


def test_a_reference_that_never_ends_is_no_reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ONNX Runtime is not waited for without end, whatever the model was made for."""
    monkeypatch.setattr(parity, "RUN_S", 0.2)
    path = graphs.saved(tmp_path / "m.onnx", hostile.endless_rows())
    with pytest.raises(CannotStart, match="does not run the model to compare with"):
        parity.Reference(path, 1).run({"x": np.ones((1, 3), np.float32)})
