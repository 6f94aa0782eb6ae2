"""Rows of several callers made into one run's, and one run's outputs cut into theirs: what is merged and split is equal.

Every array's first dimension is the rows. A run of one part is given that part's own arrays, so that a caller who is alone
costs no copy; in a larger one each input is copied once, by `numpy.concatenate`. Outputs are handed out as views of the
run's arrays, without a copy: an engine must not write to an array again that it has answered with.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Hashable, Mapping, Sequence
from sys import getsizeof
from typing import Any, ParamSpec, TypeVar

import numpy as np

from yumen.engine import EngineError, RequestRefused
from yumen.tensors.types import Rows, Tensor, Tensors

# A string holds up to four bytes for a character, beside what CPython needs for one at all.
CHARACTER_BYTES = 4
STRING_BYTES = 80
# From so many bytes on, copying takes long enough that the event loop should not wait for it: about a millisecond.
THREAD_BYTES_MIN = 4 << 20

P = ParamSpec("P")
T = TypeVar("T")


def row_count(rows: Rows) -> int:
    """How many rows there are. Errors: `RequestRefused` for none, or where the inputs differ."""
    number = -1
    for tensor in rows.inputs.values():
        here = len(tensor) if tensor.ndim else -1
        if here < 0 or number not in (-1, here):
            raise RequestRefused("every input needs the same number of rows, its first dimension", param="inputs")
        number = here
    if number < 1:
        raise RequestRefused("a request needs at least one row", param="inputs")
    return number


def size_bytes(rows: Rows) -> int:
    """How many bytes rows hold with their parameters, never less than they do; of strings a bound, as counting them would
    cost more.
    """
    total = _text_bytes([str(word) for pair in rows.parameters.items() for word in pair]) if rows.parameters else 0
    for tensor in rows.inputs.values():
        total += tensor.nbytes
        if tensor.dtype.hasobject:
            total += _text_bytes(tensor.ravel().tolist())
    return total


def _text_bytes(values: Sequence[Any]) -> int:
    try:
        return CHARACTER_BYTES * sum(map(len, values)) + STRING_BYTES * len(values)
    except TypeError:
        return sum(map(getsizeof, values))


def likeness(rows: Rows, tenant: str) -> Hashable:
    """What two requests must have in common to run together; `tenant` is empty where any tenant's may.

    Parameters are compared by type too: to Python, 1 and true are equal, and so are 0.0 and -0.0.
    """
    inputs = sorted([(name, tensor.dtype, tensor.shape[1:]) for name, tensor in rows.inputs.items()], key=_name)
    parameters: Hashable = ()
    if rows.parameters:
        parameters = tuple(sorted((name, type(one).__name__, repr(one)) for name, one in rows.parameters.items()))
    return tenant, tuple(inputs), rows.outputs, parameters


def _name(named: tuple[str, object, object]) -> str:
    return named[0]


def cut(rows: Rows, start: int, stop: int) -> Rows:
    """The rows from `start` up to `stop`, as views."""
    inputs = {name: tensor[start:stop] for name, tensor in rows.inputs.items()}
    return Rows(inputs, rows.outputs, rows.parameters)


def merge(parts: Sequence[Rows], padding: int = 0) -> Rows:
    """The rows of all parts, which are alike, in their order; then `padding` times the last row once more."""
    first = parts[0]
    if len(parts) == 1 and not padding:
        return first
    inputs: dict[str, Tensor] = {}
    for name in first.inputs:
        arrays = [part.inputs[name] for part in parts]
        if padding:
            arrays.append(np.repeat(arrays[-1][-1:], padding, axis=0))
        inputs[name] = np.concatenate(arrays)
    return Rows(inputs, first.outputs, first.parameters)


def checked(outputs: object, wanted: Sequence[str], number: int | None) -> Tensors:
    """What a model has answered, if it has each output that is wanted, all it gave where none is named.

    `number` is how many rows each must have, None where rows are not counted. Errors: `EngineError` for anything else.
    """
    if not isinstance(outputs, Mapping):
        raise EngineError("the model answered with something else than outputs by name")
    found: dict[str, Tensor] = {}
    for name in wanted or outputs:
        tensor = outputs.get(name)
        if not isinstance(tensor, np.ndarray):
            raise EngineError("the model answered without an output, or with one that is no array")
        if number is not None and (not tensor.ndim or len(tensor) != number):
            raise EngineError(f"the model answered with another number of rows than the {number} it was given")
        found[name] = tensor
    return found


def share_of(outputs: Tensors, start: int, stop: int) -> Tensors:
    """The outputs of the rows from `start` up to `stop`, as views."""
    return {name: tensor[start:stop] for name, tensor in outputs.items()}


def join(parts: Sequence[Tensors]) -> Tensors:
    """The outputs of a request that ran in several parts. Errors: `EngineError` where they do not fit together."""
    joined: dict[str, Tensor] = {}
    for name in parts[0]:
        arrays = [part[name] for part in parts if name in part]
        alike = {(array.dtype, array.shape[1:]) for array in arrays}
        if len(arrays) != len(parts) or len(alike) != 1:
            raise EngineError("the model answered the parts of a request with outputs that do not fit together")
        joined[name] = np.concatenate(arrays)
    return joined


async def off_loop(size: int, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Do some copying, in a thread where it is of so many bytes that everybody else would feel it."""
    if size < THREAD_BYTES_MIN:
        return work(*args, **kwargs)
    return await asyncio.to_thread(work, *args, **kwargs)
