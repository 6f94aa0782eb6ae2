"""One stream, and everything that runs on it: for each profile an execution context, and where possible a captured graph.

A graph holds on to the state of the context that it was captured of, so no context runs with two shapes once it has one.
The contexts share memory, as one stream runs them one after the other. Order, in TensorRT's own words:
`set_optimization_profile_async`, `set_input_shape`, `infer_shapes` without a name in its answer, `set_tensor_address` for
every tensor, `execute_async_v3` and its answer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from yumen import DATATYPES, CannotStart, EngineError, RequestRefused, Tensor, Tensors, TensorSpec
from yumen_engines.tensorrt.allocator import allocator
from yumen_engines.tensorrt.cuda import Cuda, CudaError, Memory, Pinned
from yumen_engines.tensorrt.loaded import Loaded
from yumen_engines.tensorrt.profiles import Profile, Range, Shape


class TensorRTError(Exception):
    """TensorRT said no where it says nothing else; `what` is the name of the function."""

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(what)


class _Slot:
    """A profile with its context. `shapes` are those of all its tensors when it ran last; `graph` may replay that."""

    def __init__(self, profile: Profile, context: Any) -> None:
        self.profile = profile
        self.context = context
        self.shapes: dict[str, Shape] = {}
        self.graph: Any = None


class Lane:
    """See the module's docstring. Its methods block, and are called by one thread at a time, which has called `Cuda.use`.

    `copied` counts the bytes that went to the device and came back; `graphs` the profiles that run as one; `keeps_rows` says
    that every output has as many rows as the inputs, so that rows of many callers can share a run.
    """

    def __init__(self, loaded: Loaded, cuda: Cuda, *, bytes_max: int, graphs: bool) -> None:
        """Errors: `CannotStart` where buffers would be larger than `bytes_max`; `CudaError`; `TensorRTError`."""
        self._loaded = loaded
        self._cuda = cuda
        self._specs: dict[str, TensorSpec] = {spec.name: spec for spec in (*loaded.inputs, *loaded.outputs)}
        self._bytes_max = bytes_max
        self._device: dict[str, Memory] = {}
        self._host: dict[str, Pinned] = {}
        self._allocators: dict[str, Any] = {}
        self._scratch: Memory | None = None
        self._slots: list[_Slot] = []
        self.copied = {"to_device": 0, "to_host": 0}
        self.keeps_rows = False
        self._stream: Any = cuda.stream()
        try:
            self._open()
            for slot in self._slots:
                self._warm_up(slot, graphs and slot.profile.fixed and not self._allocators)
            self.keeps_rows = loaded.batched and all(
                slot.shapes[spec.name][:1] == (slot.profile.rows,) for slot in self._slots for spec in loaded.outputs
            )
        except BaseException:
            self.close()
            raise

    @property
    def graphs(self) -> int:
        return sum(slot.graph is not None for slot in self._slots)

    def run(self, inputs: Tensors, wanted: frozenset[str] = frozenset()) -> dict[str, Tensor]:
        """Run once: all outputs, or those that are wanted, with as many rows as the inputs have.

        Errors: `RequestRefused` for sizes that the plan was not built for; `CudaError`; `TensorRTError`.
        """
        slot, rows = self._slot(inputs)
        shapes = {name: self._filled(slot, array.shape) for name, array in inputs.items()}
        for name, array in inputs.items():
            self._stage(name, array, shapes[name])
        try:
            if slot.graph is not None:
                self._cuda.launch(slot.graph, self._stream)
            else:
                self._enqueue(slot, shapes)
        finally:
            # Whatever was put on the stream reads and writes the buffers: never leave before it has ended.
            self._cuda.wait(self._stream)
        self._count(slot)
        return {
            spec.name: self._taken(slot, spec, rows)
            for spec in self._loaded.outputs
            if not wanted or spec.name in wanted
        }

    def close(self) -> None:
        """Let go of everything, whatever fails; the first failure is raised at the end. Error: `CudaError`."""
        failures: list[CudaError] = []
        for free in self._freeing():
            try:
                free()
            except CudaError as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def _freeing(self) -> list[Callable[[], object]]:
        """In the order in which one thing needs the next."""
        stream, self._stream = self._stream, None
        graphs = [slot.graph for slot in self._slots if slot.graph is not None]
        contexts, self._slots = self._slots, []
        kept = (*self._allocators.values(), *self._device.values(), *self._host.values(), self._scratch)
        steps: list[Callable[[], object]] = []
        if stream is not None:
            steps.append(lambda: self._cuda.wait(stream))
        steps += [lambda graph=graph: self._cuda.call("cudaGraphExecDestroy", graph) for graph in graphs]  # type: ignore[misc]
        steps.append(contexts.clear)
        steps += [one.free for one in kept if one is not None]
        if stream is not None:
            steps.append(lambda: self._cuda.call("cudaStreamDestroy", stream))
        return steps

    def _open(self) -> None:
        """Contexts of all profiles, and buffers for the greatest shapes of any of them."""
        trt, engine = self._loaded.trt, self._loaded.engine
        sizes = dict.fromkeys(self._specs, 0)
        self._scratch = Memory(self._cuda, engine.device_memory_size_v2)
        for number, profile in enumerate(self._loaded.profiles):
            context = engine.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
            if context is None:
                raise TensorRTError("create_execution_context")
            self._slots.append(_Slot(profile, context))
            _check(context.set_optimization_profile_async(number, int(self._stream)), "set_optimization_profile_async")
            self._cuda.wait(self._stream)
            context.set_device_memory(self._scratch.address, self._scratch.size)
            for name, shape in self._shapes(context, {key: one.max for key, one in profile.inputs.items()}).items():
                if min(shape, default=0) < 0:
                    self._allocators.setdefault(name, None)
                else:
                    sizes[name] = max(sizes[name], self._bytes(name, shape))
        if sum(sizes.values()) > self._bytes_max:
            raise CannotStart(
                f"the buffers of one stream have {sum(sizes.values())} bytes, more than `buffer_bytes_max`, "
                f"{self._bytes_max}: raise it, or build for fewer rows or smaller `shapes`"
            )
        for name in self._allocators:
            self._allocators[name] = allocator(trt, self._cuda, self._bytes_max)
        for name, size in sizes.items():
            if name not in self._allocators:
                self._device[name] = Memory(self._cuda, size)
                self._host[name] = Pinned(self._cuda, size)

    def _warm_up(self, slot: _Slot, graph: bool) -> None:
        """Run a profile once, and record it: what TensorRT does at the first run only is no part of a graph."""
        shapes = {name: one.opt for name, one in slot.profile.inputs.items()}
        for name, shape in shapes.items():
            self._stage(name, np.zeros(shape, DATATYPES[self._specs[name].datatype]), shape)
        self._enqueue(slot, shapes)
        self._cuda.wait(self._stream)
        if not graph:
            return
        try:
            self._cuda.begin_capture(self._stream)
            self._enqueue(slot, shapes)
            slot.graph = self._cuda.end_capture(self._stream)
        except (CudaError, TensorRTError):
            # Some models cannot be captured: they run without.
            self._cuda.abandon_capture(self._stream)

    def _slot(self, inputs: Tensors) -> tuple[_Slot, int]:
        """The smallest profile that the inputs fit in, and their rows (0 where there are none). Error: `RequestRefused`."""
        names = {spec.name for spec in self._loaded.inputs}
        for name in sorted(names - inputs.keys()):
            raise RequestRefused(f"The input `{name}` is missing.", param=name)
        if inputs.keys() != names:
            raise RequestRefused(f"The model has the inputs {', '.join(sorted(names))}, and no others.")
        rows = next(iter(inputs.values())).shape[0] if self._loaded.batched else 0
        if self._loaded.batched and not rows:
            raise RequestRefused("The inputs have no rows.")
        slot = next((one for one in self._slots if one.profile.rows >= rows), None)
        if slot is None:
            raise RequestRefused(f"The model takes {self._slots[-1].profile.rows} rows at once.")
        for name, one in slot.profile.inputs.items():
            array = inputs[name]
            if (rows and len(array) != rows) or not _within(self._filled(slot, array.shape), one):
                raise RequestRefused(f"The shape of the input `{name}` is not one that the model takes.", param=name)
        return slot, rows

    def _filled(self, slot: _Slot, shape: Shape) -> Shape:
        return (slot.profile.rows, *shape[1:]) if self._loaded.batched else shape

    def _stage(self, name: str, array: Tensor, shape: Shape) -> None:
        """Into the buffer that the device reads. Rows that are missing are copies of the last one, which is a real row."""
        if array.dtype != DATATYPES[self._specs[name].datatype]:
            raise RequestRefused(f"The input `{name}` has another datatype than the model takes.", param=name)
        target = self._view(name, shape)
        if not self._loaded.batched:
            target[...] = array
            return
        rows = len(array)
        target[:rows] = array
        target[rows:] = array[-1:]

    def _enqueue(self, slot: _Slot, shapes: Mapping[str, Shape]) -> None:
        """Copy in, compute, copy out. Nothing waits here: all of it can be captured."""
        for name, shape in shapes.items():
            self._cuda.to_device(self._device[name], self._host[name], self._bytes(name, shape), self._stream)
        context = slot.context
        slot.shapes = self._shapes(context, shapes)
        for name in self._specs:
            given = self._allocators.get(name)
            if given is not None:
                _check(context.set_output_allocator(name, given), "set_output_allocator")
            else:
                _check(context.set_tensor_address(name, self._device[name].address), "set_tensor_address")
        _check(context.execute_async_v3(int(self._stream)), "execute_async_v3")
        for spec in self._loaded.outputs:
            if spec.name not in self._allocators:
                size = self._bytes(spec.name, slot.shapes[spec.name])
                self._cuda.to_host(self._host[spec.name], self._device[spec.name].address, size, self._stream)

    def _shapes(self, context: Any, inputs: Mapping[str, Shape]) -> dict[str, Shape]:
        """Set the shapes of the inputs; those of all tensors, with -1 for what only running will tell."""
        for name, shape in inputs.items():
            _check(context.set_input_shape(name, shape), "set_input_shape")
        if context.infer_shapes():
            raise TensorRTError("infer_shapes")
        return {name: tuple(context.get_tensor_shape(name)) for name in self._specs}

    def _taken(self, slot: _Slot, spec: TensorSpec, rows: int) -> Tensor:
        """An output, in memory of its own: the buffer is the next run's."""
        shape = slot.shapes[spec.name]
        if spec.name in self._allocators:
            shape = self._fetched(spec.name)
        whole = self._view(spec.name, shape)
        return np.array(whole[:rows] if rows and self.keeps_rows else whole)

    def _fetched(self, name: str) -> Shape:
        """Bring over an output whose size is known now."""
        given = self._allocators[name]
        if given.shape is None:
            raise TensorRTError("notify_shape")
        size = self._bytes(name, given.shape)
        held = self._host.get(name)
        if held is None or held.size < size:
            if held is not None:
                held.free()
            self._host[name] = held = Pinned(self._cuda, size)
        if size:
            self._cuda.to_host(held, given.address, size, self._stream)
            self._cuda.wait(self._stream)
            self.copied["to_host"] += size
        shape: Shape = given.shape
        return shape

    def _view(self, name: str, shape: Shape) -> NDArray[Any]:
        dtype = DATATYPES[self._specs[name].datatype]
        view: NDArray[Any] = self._host[name].bytes[: self._bytes(name, shape)].view(dtype).reshape(shape)
        return view

    def _bytes(self, name: str, shape: Shape) -> int:
        return math.prod(shape) * DATATYPES[self._specs[name].datatype].itemsize

    def _count(self, slot: _Slot) -> None:
        for spec in self._loaded.inputs:
            self.copied["to_device"] += self._bytes(spec.name, slot.shapes[spec.name])
        for spec in self._loaded.outputs:
            if spec.name not in self._allocators:
                self.copied["to_host"] += self._bytes(spec.name, slot.shapes[spec.name])


def _within(shape: Shape, allowed: Range) -> bool:
    return len(shape) == len(allowed.min) and all(
        low <= size <= high for low, size, high in zip(allowed.min, shape, allowed.max, strict=True)
    )


def _check(answer: bool, what: str) -> None:
    if not answer:
        raise TensorRTError(what)


def failed(error: Exception) -> EngineError:
    """What a failure of a run is to the gateway: names of errors and functions, nothing else."""
    if isinstance(error, EngineError):
        return error
    if isinstance(error, CudaError):
        return EngineError(f"CUDA failed with {error.name}")
    if isinstance(error, TensorRTError):
        return EngineError(f"TensorRT failed in {error.what}")
    return EngineError(f"the model failed with {type(error).__name__}")
