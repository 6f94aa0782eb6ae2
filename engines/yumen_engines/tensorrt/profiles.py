"""Which shapes a plan is built for: one optimization profile a bucket of rows, whose every shape is known beforehand.

A profile with one number of rows only gets kernels that were chosen for it, and its CUDA graph fits whatever runs in it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from yumen import CannotStart
from yumen_engines.tensorrt.config import PlanConfig, Sizing

Shape = tuple[int, ...]
ANY = -1


class Range(msgspec.Struct, frozen=True):
    """The least, the usual and the greatest shape of an input."""

    min: Shape
    opt: Shape
    max: Shape

    @property
    def fixed(self) -> bool:
        return self.min == self.max


class Profile(msgspec.Struct, frozen=True):
    """`rows` is its bucket, 0 where the first dimension is no batch; `inputs` has a range for every input."""

    rows: int
    inputs: Mapping[str, Range]

    @property
    def fixed(self) -> bool:
        return all(one.fixed for one in self.inputs.values())

    def text(self) -> str:
        """In one line that tells it from any other: part of a plan's key."""
        said = (f"{name}={one.min}/{one.opt}/{one.max}" for name, one in sorted(self.inputs.items()))
        return f"{self.rows}: " + " ".join(said)


def profiles(inputs: Mapping[str, Shape], config: PlanConfig) -> tuple[Profile, ...]:
    """Of a network's inputs, with -1 for dimensions of any size. Error: `CannotStart` where policy must say a size.

    Rows are a batch where the first dimension of every input is of any size.
    """
    unknown = sorted(config.shapes.keys() - inputs.keys())
    if unknown:
        raise CannotStart(f"`shapes` names `{unknown[0]}`, and the model has the inputs {', '.join(sorted(inputs))}")
    batched = bool(inputs) and all(shape and shape[0] == ANY for shape in inputs.values())
    return tuple(
        Profile(rows, {name: _range(name, shape, rows, config.shapes.get(name)) for name, shape in inputs.items()})
        for rows in (config.buckets if batched else (0,))
    )


def _range(name: str, shape: Shape, rows: int, sizing: Sizing | None) -> Range:
    inner = shape[1:] if rows else shape
    front = (rows,) if rows else ()
    if sizing is None:
        if ANY in inner:
            raise CannotStart(
                f"the input `{name}` has dimensions of any size, {_text(shape)}: say in `shapes` which are built for, as "
                f"`{name}: {{min: {_example(inner, 1)}, opt: {_example(inner, 128)}, max: {_example(inner, 512)}}}`"
            )
        return Range(front + inner, front + inner, front + inner)
    for sizes in (sizing.min, sizing.opt, sizing.max):
        if len(sizes) != len(inner) or any(known not in (ANY, size) for known, size in zip(inner, sizes, strict=True)):
            raise CannotStart(f"`shapes` of `{name}` does not fit {_text(shape)}: name {len(inner)} sizes")
    low, usual, high = (front + sizes for sizes in (sizing.min, sizing.opt, sizing.max))
    return Range(low, usual, high)


def _text(shape: Sequence[int]) -> str:
    return "[" + ", ".join("?" if size == ANY else str(size) for size in shape) + "]"


def _example(shape: Sequence[int], size: int) -> list[int]:
    return [size if known == ANY else known for known in shape]
