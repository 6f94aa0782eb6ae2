"""Runs that bind memory instead of handing arrays over.

On the CPU that is slower than ONNX Runtime's plain call (measured with an adder: 49 µs beside 24), so only types that numpy
lacks are bound there. On a device the memory of each batch size is taken once, and every copy there and back is counted.
"""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from yumen import DATATYPES, Signature, Tensor, TensorSpec

# The number of bfloat16 among the types of ONNX, by which ONNX Runtime knows it; numpy has none.
BFLOAT16 = 16
SIZES_MAX = 16


class Copies(msgspec.Struct):
    """Bytes that went to a device and came back, and in how many runs."""

    runs: int = 0
    to_device: int = 0
    from_device: int = 0


def run_bfloat16(
    runtime: Any,
    session: Any,
    feed: Mapping[str, Tensor],
    outputs: Sequence[TensorSpec],
    kinds: Mapping[str, str],
    options: Any,
) -> list[Tensor]:
    """One run of a model with bfloat16 among its tensors, which stand in arrays of uint16 here."""
    bound = session.io_binding()
    held = []
    for name, value in feed.items():
        given = np.ascontiguousarray(value)
        held.append(given)  # what is bound is the array's own memory
        if kinds[name] == "BF16":
            bound.bind_ortvalue_input(name, runtime.OrtValue.ortvalue_from_numpy_with_onnx_type(given, BFLOAT16))
        else:
            bound.bind_cpu_input(name, given)
    for one in outputs:
        bound.bind_output(one.name)
    session.run_with_iobinding(bound, options)
    return [
        _bits(value) if one.datatype == "BF16" else value.numpy()
        for one, value in zip(outputs, bound.get_outputs(), strict=True)
    ]


class DeviceMemory:
    """Memory on a device for the batches of one session, by number of rows; all other sizes of its tensors are known.

    `device` is ONNX Runtime's name for the kind, `cuda`. Several threads may run at once; two of one batch size take turns.
    """

    def __init__(self, runtime: Any, session: Any, signature: Signature, device: str, number: int) -> None:
        self.copies = Copies()
        self._runtime = runtime
        self._session = session
        self._signature = signature
        self._device = (device, number)
        self._sizes: dict[int, _Bound] = {}
        self._lock = threading.Lock()

    @staticmethod
    def fits(signature: Signature) -> bool:
        """Whether all memory of a model can be taken before it runs."""
        every = (*signature.inputs, *signature.outputs)
        return signature.batch_max > 0 and all(
            one.datatype not in ("BF16", "BYTES") and all(size > 0 for size in one.shape[1:]) for one in every
        )

    def take(self, rows: int) -> None:
        """Take memory for batches of so many rows."""
        if rows not in self._sizes and len(self._sizes) < SIZES_MAX:
            self._sizes[rows] = _Bound(self._runtime, self._session, self._signature, rows, self._device)

    def run(self, feed: Mapping[str, Tensor], names: Sequence[str], options: Any) -> list[Tensor] | None:
        """One run with the memory for its number of rows; None where none was taken for that."""
        rows = len(next(iter(feed.values())))
        bound = self._sizes.get(rows)
        if bound is None:
            return None
        with bound.lock:
            for name, value in feed.items():
                bound.inputs[name].update_inplace(np.ascontiguousarray(value))
            self._session.run_with_iobinding(bound.binding, options)
            bound.binding.synchronize_outputs()
            # Copied also where the "device" is the CPU itself: the next run writes into the same memory.
            found = [np.array(bound.outputs[name].numpy()) for name in names]
        with self._lock:
            self.copies.runs += 1
            self.copies.to_device += sum(value.nbytes for value in feed.values())
            self.copies.from_device += sum(value.nbytes for value in found)
        return found


class _Bound:
    """The memory of one batch size, bound once."""

    def __init__(self, runtime: Any, session: Any, signature: Signature, rows: int, device: tuple[str, int]) -> None:
        self.lock = threading.Lock()
        self.binding = session.io_binding()

        def taken(spec: TensorSpec) -> Any:
            shape = [rows, *spec.shape[1:]]
            return runtime.OrtValue.ortvalue_from_shape_and_type(shape, DATATYPES[spec.datatype].type, *device)

        self.inputs = {spec.name: taken(spec) for spec in signature.inputs}
        self.outputs = {spec.name: taken(spec) for spec in signature.outputs}
        for name, value in self.inputs.items():
            self.binding.bind_ortvalue_input(name, value)
        for name, value in self.outputs.items():
            self.binding.bind_ortvalue_output(name, value)


def _bits(value: Any) -> NDArray[np.uint16]:
    """The bits of a tensor of bfloat16, copied out of memory that ends with the run."""
    shape = tuple(value.shape())
    count = int(np.prod(shape, dtype=np.int64))
    if not count:
        return np.zeros(shape, np.uint16)
    memory = (ctypes.c_uint16 * count).from_address(value.data_ptr())
    return np.array(memory, np.uint16).reshape(shape)
