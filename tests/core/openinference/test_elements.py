"""Elements of tensors that are only looked at, as by engines that hand an upstream's reply through."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import msgspec
from hypothesis import example, given
from hypothesis import strategies as st

from yumen import DATATYPES, Datatype, check_binary_elements, check_json_elements
from yumen.openinference.elements import from_bytes, from_json

TYPES: list[Datatype] = list(DATATYPES)  # type: ignore[arg-type]  # a mapping of theirs
ELEMENTS = st.sampled_from(
    (0, 1, -1, 255, 256, 2**63, 2**64 - 1, 2**64, 65519.9, 65520, 3.5e38, 1e300, True, "", "中a")
)
DATA = st.recursive(ELEMENTS, lambda inner: st.lists(inner, max_size=3), max_leaves=6)
PLACES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@given(st.sampled_from(TYPES), PLACES, st.lists(DATA, max_size=4), st.binary(max_size=12))
@example("UINT64", (1,), [2**64], b"")
@example("FP16", (2,), [65520, 1], b"\0\0\0\0")
@example("INT8", (2, 0, 3), [[], []], b"")
@example("INT8", (2, 0), [[]], b"")
@example("BYTES", (2,), ["", "中"], b"\1\0\0\0a\0\0\0\0")
@example("BYTES", (2,), [["a"], ["b"]], b"\1\0\0\0a\0\0\0")
@example("BOOL", (1, 2), [[True, False]], b"\1\2")
def test_what_is_checked_is_what_is_read(
    datatype: Datatype, shape: tuple[int, ...], data: list[Any], raw: bytes
) -> None:
    """Whoever only checks elements refuses exactly those of which no array is made; only texts need not be UTF-8 for it."""
    encoded = msgspec.Raw(json.dumps(data).encode())
    assert fails(check_json_elements, encoded, datatype, shape) == fails(from_json, encoded, datatype, shape)
    if not (datatype == "BYTES" and fails(raw.decode)):
        view = memoryview(raw)
        assert fails(check_binary_elements, view, datatype, shape) == fails(from_bytes, view, datatype, shape)


def test_arrays_of_one_depth_are_looked_at_together() -> None:
    """There may be as many of them as there are elements, and a look at each one would hold everybody up."""
    calls = 0

    def called(_: Any, event: str, __: Any) -> None:
        nonlocal calls
        calls += event == "call"

    data = msgspec.Raw(json.dumps([[[1.5]]] * 1_000).encode())
    sys.setprofile(called)
    try:
        check_json_elements(data, "FP32", (1_000, 1, 1))
    finally:
        sys.setprofile(None)
    assert calls < 100


def fails(work: Callable[..., Any], *given: Any) -> bool:
    try:
        work(*given)
    except ValueError:
        return True
    return False
