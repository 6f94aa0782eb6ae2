"""Tensors made up from what a model takes: the same ones every time, so that two runs can be compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import click
import numpy as np

from yumen.errors import CannotStart
from yumen.tensors.types import DATATYPES, Signature, Tensor, TensorSpec

SEED = 8
# What a size stands for that the model leaves open and nobody names.
OPEN_SIZE = 16
ELEMENTS_MAX = 1 << 26
TEXTS = ("Where is my parcel?", "怎么退货？", "How do I return my order?", "我的快递到哪了")

Shapes = Mapping[str, tuple[int, ...]]


# In click a type of parameters is generic for type checkers only.
if TYPE_CHECKING:
    ShapeType = click.ParamType[tuple[str, tuple[int, ...]]]
else:
    ShapeType = click.ParamType


class ShapeOption(ShapeType):
    """`input=1,128`: the shape of one input, its number of rows included."""

    name = "INPUT=SIZES"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, tuple[int, ...]]:
        name, equals, sizes = str(value).rpartition("=")
        numbers = sizes.split(",")
        if not equals or not name or not all(one.isascii() and one.isdigit() for one in numbers):
            self.fail("write the name of an input and its sizes, as in `input=1,128`", param, ctx)
        return name, tuple(map(int, numbers))


def made_up(signature: Signature, rows: int, shapes: Shapes) -> dict[str, Tensor]:
    """Inputs of so many rows. Row i is the same whatever their number. Whole numbers are 0 or 1, which are tokens, masks and
    flags alike; others are drawn from a normal distribution. Error: `CannotStart` for shapes that do not fit.
    """
    known = {spec.name for spec in signature.inputs}
    for name in shapes:
        if name not in known:
            raise CannotStart(f"the model has no input `{name}`; it has: {', '.join(sorted(known))}")
    return {
        spec.name: _tensor(spec, _shape(spec, shapes.get(spec.name), rows if signature.batch_max else 0), number)
        for number, spec in enumerate(signature.inputs)
    }


def _shape(spec: TensorSpec, named: tuple[int, ...] | None, rows: int) -> tuple[int, ...]:
    shape = tuple(OPEN_SIZE if size < 0 else size for size in spec.shape) if named is None else named
    fits = len(shape) == len(spec.shape) and all(
        wanted in (-1, size) for wanted, size in list(zip(spec.shape, shape, strict=False))[1 if rows else 0 :]
    )
    if not fits:
        raise CannotStart(f"the input `{spec.name}` has the shape {list(spec.shape)}; name sizes that fit it")
    if rows:
        shape = (rows, *shape[1:])
    if math.prod(shape) > ELEMENTS_MAX:
        raise CannotStart(f"the input `{spec.name}` would have more than {ELEMENTS_MAX} elements; name a smaller shape")
    return shape


def _tensor(spec: TensorSpec, shape: tuple[int, ...], number: int) -> Tensor:
    # Rows are drawn one after the other, so a longer tensor begins as a shorter one does.
    random = np.random.default_rng([SEED, number])
    count = math.prod(shape)
    if spec.datatype == "BYTES":
        flat = np.empty(count, object)
        flat[:] = [TEXTS[one] for one in random.integers(0, len(TEXTS), count)]
        return flat.reshape(shape)
    if spec.datatype == "BF16":
        return (random.standard_normal(count, np.float32).view(np.uint32) >> 16).astype(np.uint16).reshape(shape)
    kind = DATATYPES[spec.datatype]
    if spec.datatype in ("FP16", "FP32", "FP64"):
        return random.standard_normal(count, np.float32).astype(kind).reshape(shape)
    return random.integers(0, 2, count, np.uint8).astype(kind).reshape(shape)
