"""The half of the fake TensorRT that runs plans: engines and execution contexts. See `fake_trt`."""

from __future__ import annotations

import enum
import json
import math
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import onnxruntime
from tests.engines.tensorrt.fake_cuda import FakeCuda

HEAD = b"fake plan "
KINDS = {1: "FLOAT", 10: "HALF", 7: "INT64", 6: "INT32", 9: "BOOL", 3: "INT8", 2: "UINT8", 11: "DOUBLE"}
NUMPY: dict[str, Any] = {
    "FLOAT": np.float32, "HALF": np.float16, "INT64": np.int64, "INT32": np.int32, "BOOL": np.bool_, "DOUBLE": np.float64,
}  # fmt: skip
DataType = enum.Enum("DataType", "FLOAT HALF BF16 INT8 INT32 INT64 BOOL UINT8 FP8 DOUBLE")


class TensorIOMode(enum.Enum):
    """Which way a tensor goes."""

    NONE, INPUT, OUTPUT = range(3)


class TensorLocation(enum.Enum):
    """Where it lies."""

    DEVICE, HOST = range(2)


class ExecutionContextAllocationStrategy(enum.Enum):
    """Who gives a context its memory."""

    STATIC, ON_PROFILE_CHANGE, USER_MANAGED = range(3)


class Faults:
    """What goes wrong: `error` is by how much numbers are off, as a share; `fail` what runs answer, one after the other;
    `no_graphs` refuses to be recorded; `spoil` is the number of rows with which all is wrong. `seen` are the inputs
    of the last run, as the device had them.
    """

    def __init__(self, cuda: FakeCuda) -> None:
        self.cuda = cuda
        self.error = 0.0
        self.fail: list[bool] = []
        self.no_graphs = False
        self.spoil = 0
        self.seen: dict[str, Any] = {}


def tensor(one: Any) -> SimpleNamespace:
    """An input or output of an ONNX model, as TensorRT tells of it."""
    kind = one.type.tensor_type
    shape = tuple(size.dim_value if size.HasField("dim_value") else -1 for size in kind.shape.dim)
    return SimpleNamespace(name=one.name, shape=shape, dtype=DataType[KINDS[kind.elem_type]], is_shape_tensor=False)


class IExecutionContext:
    """Runs a plan; knows in which order it was told what."""

    def __init__(self, engine: ICudaEngine) -> None:
        self._engine = engine
        self._cuda = engine.fake.cuda
        self._profile: int | None = None
        self._memory = False
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._found: dict[str, tuple[int, ...]] = {}
        self._addresses: dict[str, int] = {}
        self._since: set[str] = set()
        self._allocators: dict[str, Any] = {}
        self._warm: dict[str, tuple[int, ...]] = {}
        self._done: list[Any] = []

    def set_optimization_profile_async(self, profile_index: int, stream_handle: int) -> bool:
        self._changed("set_optimization_profile_async")
        if stream_handle not in self._cuda.streams or profile_index >= self._engine.num_optimization_profiles:
            return self._wrong("a profile or a stream that is not there")
        self._profile, self._shapes, self._found, self._memory = profile_index, {}, {}, False
        return True

    def set_device_memory(self, memory: int, size: int) -> None:
        if memory not in self._cuda.device or size < self._engine.device_memory_size_v2:
            self._wrong("memory of the device that is not there, or too small")
        self._memory = True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        self._changed("set_input_shape")
        if self._profile is None or name not in self._engine.ins:
            return self._wrong("set_input_shape before a profile, or of no input")
        low, _, high = self._engine.get_tensor_profile_shape(name, self._profile)
        if len(shape) != len(low) or not all(a <= size <= b for a, size, b in zip(low, shape, high, strict=True)):
            return self._wrong("a shape that is not in the profile")
        self._shapes[name] = tuple(shape)
        self._found, self._since = {}, set()
        return True

    def infer_shapes(self) -> list[str]:
        missing = [name for name in self._engine.ins if name not in self._shapes]
        if not missing:
            self._found = {**self._shapes, **self._engine.shapes_of(self._shapes)}
        return missing

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        return self._found.get(name, (-1,))

    def set_output_allocator(self, name: str, output_allocator: Any) -> bool:
        if not getattr(output_allocator, "made", False):
            return self._wrong("an allocator that was not initialized")
        self._allocators[name] = output_allocator
        self._since.add(name)
        return True

    def set_tensor_address(self, name: str, memory: int) -> bool:
        self._changed("set_tensor_address")
        if memory not in self._cuda.device:
            return self._wrong("an address that is not on the device")
        self._addresses[name] = memory
        self._since.add(name)
        return True

    def execute_async_v3(self, stream_handle: int) -> bool:
        if self._engine.fake.fail:
            return self._engine.fake.fail.pop(0)
        wrong = self._not_ready(stream_handle)
        if wrong:
            return self._wrong(wrong)
        capturing = self._cuda.streams[stream_handle].recorded is not None
        if capturing and self._engine.fake.no_graphs:
            return False
        if capturing and self._warm != self._shapes:
            return self._wrong("recorded before it had run with these shapes")
        self._warm = dict(self._shapes)
        shapes, addresses = dict(self._found), dict(self._addresses)

        def op() -> None:
            self._engine.compute(shapes, addresses, self._allocators)

        self._done = [op]
        self._cuda.put(stream_handle, op)
        return True

    def _not_ready(self, stream: int) -> str:
        names = [*self._engine.ins, *self._engine.outs]
        return next(
            (
                said
                for said, wrong in (
                    ("a stream that is not there", stream not in self._cuda.streams),
                    ("a thread that has no device", not self._cuda.here()),
                    ("no profile", self._profile is None),
                    ("no memory of the device", not self._memory),
                    ("no shapes since an input changed", not self._found),
                    ("a tensor without address", any(name not in self._since for name in names)),
                )
                if wrong
            ),
            "",
        )

    def _changed(self, what: str) -> None:
        if any(op in graph for op in self._done for graph in self._cuda.graphs.values()):
            self._wrong(f"{what} of a context that a graph holds on to")

    def _wrong(self, what: str) -> bool:
        self._cuda.mistakes.append(what)
        return False


class ICudaEngine:
    """A plan that was loaded."""

    device_memory_size_v2 = 1024

    def __init__(self, fake: Faults, plan: bytes) -> None:
        self.fake = fake
        length = int.from_bytes(plan[len(HEAD) : len(HEAD) + 4], "big")
        start = len(HEAD) + 4 + length
        self._profiles = json.loads(plan[len(HEAD) + 4 : start])
        model = onnx.load_from_string(plan[start:])
        self.grows = any(node.op_type == "NonZero" for node in model.graph.node)
        self.ins = {one.name: tensor(one) for one in model.graph.input}
        self.outs = {one.name: tensor(one) for one in model.graph.output}
        self._session = onnxruntime.InferenceSession(plan[start:], providers=["CPUExecutionProvider"])

    @property
    def num_io_tensors(self) -> int:
        return len(self.ins) + len(self.outs)

    @property
    def num_optimization_profiles(self) -> int:
        return len(self._profiles)

    def get_tensor_name(self, index: int) -> str:
        name: str = [*self.ins, *self.outs][index]
        return name

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.ins else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        found: DataType = {**self.ins, **self.outs}[name].dtype
        return found

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        found: tuple[int, ...] = {**self.ins, **self.outs}[name].shape
        return found

    def get_tensor_location(self, name: str) -> TensorLocation:
        return TensorLocation.DEVICE

    def is_shape_inference_io(self, name: str) -> bool:
        return False

    def get_tensor_profile_shape(self, name: str, profile_index: int) -> list[tuple[int, ...]]:
        return [tuple(shape) for shape in self._profiles[profile_index][name]]

    def create_execution_context(self, strategy: ExecutionContextAllocationStrategy) -> IExecutionContext:
        assert strategy is ExecutionContextAllocationStrategy.USER_MANAGED
        return IExecutionContext(self)

    def shapes_of(self, inputs: dict[str, tuple[int, ...]]) -> dict[str, tuple[int, ...]]:
        """Of the outputs, with -1 for what depends on the numbers."""
        zeros: Any = {name: np.zeros(shape, NUMPY[self.ins[name].dtype.name]) for name, shape in inputs.items()}
        given = self._session.run([*self.outs], zeros)
        found = {name: array.shape for name, array in zip(self.outs, given, strict=True)}
        return {name: (*shape[:-1], -1) if self.grows else shape for name, shape in found.items()}

    def compute(self, shapes: dict[str, Any], addresses: dict[str, int], allocators: dict[str, Any]) -> None:
        """Read the inputs from the device, compute, and write the outputs there. Error: KeyError for memory that is gone."""
        fed = {}
        for name, tensor in self.ins.items():
            dtype = np.dtype(NUMPY[tensor.dtype.name])
            count = math.prod(shapes[name])
            memory = self.fake.cuda.device[addresses[name]]
            fed[name] = np.frombuffer(bytes(memory), dtype, count).reshape(shapes[name])
        self.fake.seen = fed
        for name, array in zip(self.outs, self._session.run([*self.outs], fed), strict=True):
            if array.dtype.kind == "f":
                off = 1.0 if len(array) == self.fake.spoil else self.fake.error
                array = (array * (1 + off)).astype(array.dtype)
            address = addresses.get(name, 0)
            if name in allocators:
                given = allocators[name].reallocate_output_async(name, 0, array.nbytes, 256, 0)
                address = given or 0
                allocators[name].notify_shape(name, array.shape)
            self.fake.cuda.device[address][: array.nbytes] = array.tobytes()
