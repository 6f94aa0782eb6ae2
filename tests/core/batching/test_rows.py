"""Rows made into batches and cut into their own again."""

from __future__ import annotations

from sys import getsizeof
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from yumen.batching.rows import checked, cut, join, likeness, merge, row_count, share_of, size_bytes
from yumen.engine import EngineError, RequestRefused
from yumen.tensors.types import DATATYPES, Rows, Scalar, Tensor

TEXTS = ("", "好的，谢谢", "fine, thanks", "🐫 caravan 商队", "\ud800".encode("utf-8", "replace").decode())


def same(one: Tensor, other: Tensor) -> bool:
    """Equal to the bit, NaN and -0.0 included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return one.tolist() == other.tolist() if one.dtype.hasobject else one.tobytes() == other.tobytes()


@st.composite
def parts_of_requests(draw: st.DrawFn) -> list[Rows]:
    """Requests that are alike: any types and shapes, and as many rows each as hypothesis likes."""
    names = draw(st.lists(st.sampled_from(["x", "mask", "文本"]), min_size=1, unique=True))
    kinds = {name: draw(st.sampled_from(sorted(DATATYPES))) for name in names}
    beyond = {name: draw(arrays.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3)) for name in names}
    parts = []
    for number in draw(st.lists(st.integers(1, 5), min_size=1, max_size=6)):
        inputs: dict[str, Tensor] = {}
        for name in names:
            dtype = DATATYPES[kinds[name]]
            elements: st.SearchStrategy[Any] | None = st.sampled_from(TEXTS) if dtype.hasobject else None
            inputs[name] = draw(arrays.arrays(dtype, (number, *beyond[name]), elements=elements))
        parts.append(Rows(inputs))
    return parts


@given(parts_of_requests(), st.integers(0, 3))
def test_what_is_merged_and_split_is_equal(parts: list[Rows], padding: int) -> None:
    """Whatever rows run together, each caller gets its own back, to the bit."""
    merged = merge(parts, padding)
    number = row_count(merged)
    assert number == sum(map(row_count, parts)) + padding
    outputs = checked(dict(merged.inputs), (), number)
    start = 0
    for part in parts:
        stop = start + row_count(part)
        given_back = share_of(outputs, start, stop)
        assert given_back.keys() == part.inputs.keys()
        assert all(same(given_back[name], part.inputs[name]) for name in part.inputs)
        start = stop


@given(parts_of_requests(), st.integers(1, 4))
def test_what_is_cut_and_joined_is_equal(parts: list[Rows], most: int) -> None:
    """A request too large for one run comes back as if it had run in one."""
    whole = merge(parts)
    number = row_count(whole)
    cuts = [cut(whole, start, start + most).inputs for start in range(0, number, most)]
    joined = join(cuts)
    assert all(same(joined[name], whole.inputs[name]) for name in whole.inputs)


@given(parts_of_requests())
def test_size_is_never_less_than_what_is_held(parts: list[Rows]) -> None:
    """Bounds on bytes hold for texts in any script too."""
    for part in parts:
        held = 0
        for tensor in part.inputs.values():
            held += tensor.nbytes
            if tensor.dtype.hasobject:
                held += sum(getsizeof(one) for one in tensor.ravel())
        assert size_bytes(part) >= held


def test_size_of_what_is_no_text_is_counted_too() -> None:
    """An object that has no length is counted as what it takes."""
    assert size_bytes(Rows({"x": np.array([None, 7], dtype=object)})) > 16


def test_parameters_are_counted_too() -> None:
    """What a caller sends beside its rows waits with them."""
    rows = Rows({"x": np.zeros((1, 1), np.int8)}, parameters={"名" * 200: "值" * 256, "n": 10**300, "flag": True})
    assert size_bytes(rows) > sum(getsizeof(one) for pair in rows.parameters.items() for one in pair)


def test_padding_repeats_the_last_row() -> None:
    """What fills a batch up is rows like the model gets anyway, not zeros that it may choke on."""
    merged = merge([Rows({"x": np.array([[1], [2]])}), Rows({"x": np.array([[3]])})], 2)
    assert merged.inputs["x"].tolist() == [[1], [2], [3], [3], [3]]


def test_one_request_alone_is_not_copied() -> None:
    """Who is alone costs no copy."""
    alone = Rows({"x": np.zeros((3, 2))})
    assert merge([alone]) is alone


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"x": np.zeros((0, 3))},
        {"x": np.zeros(())},
        {"x": np.zeros((2, 1)), "mask": np.zeros((3, 1))},
        {"x": np.zeros((2, 1)), "mask": np.array(1)},
    ],
    ids=["nothing", "no rows", "no dimension", "different numbers", "one without dimension"],
)
def test_rows_must_fit_together(inputs: dict[str, Tensor]) -> None:
    """A request whose inputs have no common number of rows, or none at all, is refused as the caller's mistake."""
    with pytest.raises(RequestRefused) as refused:
        row_count(Rows(inputs))
    assert refused.value.param == "inputs"
    assert refused.value.code == "bad_request"


def likeness_of(
    dtype: str = "<f4", shape: tuple[int, ...] = (1, 2), name: str = "x", outputs: tuple[str, ...] = (), tenant: str = "",
    **parameters: Scalar,
) -> object:  # fmt: skip
    return likeness(Rows({name: np.zeros(shape, dtype)}, outputs, parameters), tenant)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({}, {"dtype": "<f8"}),
        ({}, {"dtype": ">f4"}),
        ({}, {"shape": (1, 3)}),
        ({}, {"shape": (1, 2, 1)}),
        ({}, {"name": "y"}),
        ({}, {"outputs": ("y",)}),
        ({"outputs": ("y", "z")}, {"outputs": ("y",)}),
        ({}, {"top_k": 3}),
        ({"top_k": 1}, {"top_k": True}),
        ({"top_k": 1}, {"top_k": 1.0}),
        ({"top_k": 1}, {"top_k": "1"}),
        ({"bias": 0.0}, {"bias": -0.0}),
        ({"tenant": "海关"}, {"tenant": "customs"}),
    ],
)
def test_what_differs_beyond_rows_is_not_alike(one: dict[str, Any], other: dict[str, Any]) -> None:
    """Types, byte orders, shapes, names, outputs and parameters keep requests apart, even those Python takes for equal."""
    assert likeness_of(**one) != likeness_of(**other)


def test_what_differs_in_rows_only_is_alike() -> None:
    """Neither the number of rows nor the order in which something is named keeps requests apart."""
    one = Rows({"x": np.zeros((1, 2)), "m": np.zeros((1, 3))}, (), {"a": 1, "b": "二"})
    other = Rows({"m": np.ones((4, 3)), "x": np.ones((4, 2))}, (), {"b": "二", "a": 1})
    assert likeness(one, "") == likeness(other, "")
    assert hash(likeness(one, "")) == hash(likeness(other, ""))


@pytest.mark.parametrize(
    "outputs",
    [None, [1], {}, {"y": [[1], [2]]}, {"y": np.zeros((3, 1))}, {"y": np.array(1)}, {"z": np.zeros((2, 1))}],
    ids=["nothing", "no mapping", "empty", "no array", "other number", "no rows", "other name"],
)
def test_what_a_model_answers_is_checked(outputs: object) -> None:
    """A missing output, one that is no array or has another number of rows never reaches a caller as an answer."""
    with pytest.raises(EngineError):
        checked(outputs, ("y",), 2)


def test_only_what_is_wanted_is_handed_out() -> None:
    """A model may answer with more than it was asked for."""
    outputs = {"y": np.zeros((2, 1)), "z": np.zeros((5, 1))}
    assert list(checked(outputs, ("y",), 2)) == ["y"]


@pytest.mark.parametrize("other", [np.zeros((1, 3)), np.zeros((1, 2), np.float32)], ids=["shape", "type"])
def test_parts_that_do_not_fit_are_an_error(other: Tensor) -> None:
    """Parts of one request that came back with other shapes or types are not put together somehow."""
    with pytest.raises(EngineError, match="fit together"):
        join([{"y": np.zeros((1, 2))}, {"y": other}])
