"""A plan that has been loaded: the tensors it takes and gives, and its profiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from yumen import CannotStart, Datatype, TensorSpec
from yumen_engines.tensorrt.profiles import Profile, Range

# TensorRT's types, by name; it has others (FP8, INT4, FP4), which no tensor of the protocol can be.
DATATYPES: Mapping[str, Datatype] = {
    "FLOAT": "FP32",
    "HALF": "FP16",
    "BF16": "BF16",
    "INT8": "INT8",
    "INT32": "INT32",
    "INT64": "INT64",
    "BOOL": "BOOL",
    "UINT8": "UINT8",
}


class Loaded(NamedTuple):
    """`engine` is TensorRT's, and `runtime` must live as long as it; `profiles` are in the engine's own order."""

    trt: Any
    runtime: Any
    engine: Any
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    profiles: tuple[Profile, ...]

    @property
    def batched(self) -> bool:
        return self.profiles[0].rows > 0


def load(trt: Any, logger: Any, plan: bytes) -> Loaded:
    """Load a plan whose signature was checked: what is in it runs. Error: `CannotStart` where TensorRT does not take it."""
    runtime = trt.Runtime(logger)
    engine = runtime.deserialize_cuda_engine(plan)
    if engine is None:
        raise CannotStart("TensorRT does not take the plan; remove it from `tensorrt-cache` and start again")
    names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
    specs = {name: _spec(trt, engine, name) for name in names}
    inputs = tuple(specs[name] for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT)
    outputs = tuple(specs[name] for name in names if engine.get_tensor_mode(name) == trt.TensorIOMode.OUTPUT)
    return Loaded(trt, runtime, engine, inputs, outputs, _profiles(engine, inputs))


def _spec(trt: Any, engine: Any, name: str) -> TensorSpec:
    kind = engine.get_tensor_dtype(name).name
    if kind not in DATATYPES:
        raise CannotStart(
            f"the tensor `{name}` is of TensorRT's type {kind}, which no caller can send; cast it to FP16"
        )
    if engine.is_shape_inference_io(name) or engine.get_tensor_location(name) != trt.TensorLocation.DEVICE:
        raise CannotStart(f"the tensor `{name}` holds a shape, which rows of many callers cannot share")
    return TensorSpec(name, DATATYPES[kind], tuple(engine.get_tensor_shape(name)))


def _profiles(engine: Any, inputs: Sequence[TensorSpec]) -> tuple[Profile, ...]:
    batched = bool(inputs) and all(spec.shape and spec.shape[0] == -1 for spec in inputs)
    found: list[Profile] = []
    for number in range(engine.num_optimization_profiles):
        ranges = {spec.name: Range(*map(tuple, engine.get_tensor_profile_shape(spec.name, number))) for spec in inputs}
        rows = max(one.max[0] for one in ranges.values()) if batched else 0
        found.append(Profile(rows, ranges))
    return tuple(found)
