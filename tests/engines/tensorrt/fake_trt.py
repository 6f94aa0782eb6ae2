"""TensorRT without a GPU: reads real ONNX models and computes them with ONNX Runtime, on the memory of `FakeCuda`.

It asks for the order of calls that TensorRT asks for. What it does not like it answers as TensorRT would (False, None), and
writes into `mistakes` of the `FakeCuda`, so that a test fails even where the answer is not looked at. Names and arguments
are those of the real bindings: `test_signatures` compares them.
"""

from __future__ import annotations

import enum
import json
import threading
import time
from typing import Any

import onnx
from tests.engines.tensorrt.fake_cuda import FakeCuda
from tests.engines.tensorrt.fake_run import (
    HEAD,
    ExecutionContextAllocationStrategy,
    Faults,
    ICudaEngine,
    TensorIOMode,
    TensorLocation,
    tensor,
)

Severity = enum.Enum("Severity", "INTERNAL_ERROR ERROR WARNING INFO VERBOSE")


class MemoryPoolType(enum.Enum):
    """Kinds of memory."""

    WORKSPACE = 0


class BuilderFlag(enum.Enum):
    """Flags of a build."""

    TF32 = 0


class _Base:
    """Classes of TensorRT that are derived from must have their own `__init__` called."""

    def __init__(self) -> None:
        self.made = True


class ILogger(_Base):
    """Takes what TensorRT says."""

    Severity = Severity


class IProgressMonitor(_Base):
    """Is told how a build goes."""


class IOutputAllocator(_Base):
    """Gives memory for outputs."""


class IHostMemory(bytes):
    """Bytes."""


class ITimingCache:
    """How long kernels took."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    def serialize(self) -> IHostMemory:
        return IHostMemory(self.content)


class IOptimizationProfile:
    """Shapes that a plan is built for."""

    def __init__(self) -> None:
        self.ranges: dict[str, Any] = {}

    def set_shape(self, input: str, min: Any, opt: Any, max: Any) -> None:
        if not len(min) == len(opt) == len(max):
            raise ValueError("shapes of several ranks")
        self.ranges[input] = [list(min), list(opt), list(max)]


class IBuilderConfig:
    """How to build."""

    def __init__(self) -> None:
        self.flags_set = {BuilderFlag.TF32}
        self.profiles: list[IOptimizationProfile] = []
        self.cache: ITimingCache | None = None
        self.pools: dict[MemoryPoolType, int] = {}
        self.builder_optimization_level = 3
        self.progress_monitor: Any = None

    def set_memory_pool_limit(self, pool: MemoryPoolType, pool_size: int) -> None:
        self.pools[pool] = pool_size

    def clear_flag(self, flag: BuilderFlag) -> None:
        self.flags_set.discard(flag)

    def add_optimization_profile(self, profile: IOptimizationProfile) -> int:
        self.profiles.append(profile)
        return len(self.profiles) - 1

    def create_timing_cache(self, serialized_timing_cache: bytes) -> ITimingCache | None:
        return None if serialized_timing_cache == b"broken" else ITimingCache(serialized_timing_cache)

    def set_timing_cache(self, cache: ITimingCache, ignore_mismatch: bool) -> bool:
        self.cache = cache
        return not ignore_mismatch

    def get_timing_cache(self) -> ITimingCache | None:
        return self.cache


class ParserError:
    """Why a model is not read."""

    def node(self) -> int:
        return 3

    def node_operator(self) -> str:
        return "Unheard"

    def desc(self) -> str:
        return "no importer for this operator"


class INetworkDefinition:
    """A network, of a model that was read."""

    def __init__(self) -> None:
        self.content = b""
        self.inputs: list[Any] = []

    @property
    def num_inputs(self) -> int:
        return len(self.inputs)

    def get_input(self, index: int) -> Any:
        return self.inputs[index]


class FakeTensorRT(Faults):
    """Stands for the module. `loaded` counts the plans that were loaded, `built` those that were made; `slow`
    builds until it is stopped (`stopped`), and `building` tells when.
    """

    __version__ = "11.4.0.106"
    ILogger, IProgressMonitor, IOutputAllocator = ILogger, IProgressMonitor, IOutputAllocator
    TensorIOMode, TensorLocation, MemoryPoolType, BuilderFlag = (
        TensorIOMode,
        TensorLocation,
        MemoryPoolType,
        BuilderFlag,
    )
    ExecutionContextAllocationStrategy = ExecutionContextAllocationStrategy

    def __init__(self, cuda: FakeCuda) -> None:
        super().__init__(cuda)
        self.built = self.loaded = 0
        self.slow = self.stopped = False
        self.building = threading.Event()
        self.config: IBuilderConfig | None = None

    def Builder(self, logger: Any) -> Builder:
        return Builder(logger, self)

    def OnnxParser(self, network: INetworkDefinition, logger: Any) -> OnnxParser:
        return OnnxParser(network, logger)

    def Runtime(self, logger: Any) -> Runtime:
        return Runtime(logger, self)


class Builder:
    """Builds."""

    def __init__(self, logger: ILogger, fake: FakeTensorRT) -> None:
        assert logger.made
        if not fake.cuda.here():
            fake.cuda.mistakes.append("a builder in a thread that has no device")
        self._fake, self._logger = fake, logger

    def create_network(self, flags: int = 0) -> INetworkDefinition:
        return INetworkDefinition()

    def create_builder_config(self) -> IBuilderConfig:
        self._fake.config = IBuilderConfig()
        return self._fake.config

    def create_optimization_profile(self) -> IOptimizationProfile:
        return IOptimizationProfile()

    def build_serialized_network(self, network: INetworkDefinition, config: IBuilderConfig) -> IHostMemory | None:
        monitor = config.progress_monitor
        monitor.phase_start("Building", None, 3)
        self._fake.building.set()
        while self._fake.slow:
            if not monitor.step_complete("Building", 0):
                self._fake.stopped = True
                return None
            time.sleep(0.005)
        if not all(monitor.step_complete("Building", step) for step in range(3)):
            return None
        monitor.phase_finish("Building")
        dynamic = {one.name for one in network.inputs if -1 in one.shape}
        if not config.profiles or any(dynamic - profile.ranges.keys() for profile in config.profiles):
            log: Any = self._logger
            log.log(
                Severity.ERROR, "Network has dynamic or shape inputs, but no optimization profile has been defined."
            )
            return None
        self._fake.built += 1
        if config.cache is not None:
            config.cache.content += b"timed"
        head = json.dumps([profile.ranges for profile in config.profiles]).encode()
        return IHostMemory(HEAD + len(head).to_bytes(4, "big") + head + network.content)


class OnnxParser:
    """Reads models: what the real one reads, and no operator that is named `Unheard`."""

    def __init__(self, network: INetworkDefinition, logger: ILogger) -> None:
        assert logger.made
        self._network = network
        self.num_errors = 0

    def parse(self, model: bytes, path: str | None = None) -> bool:
        try:
            read = onnx.load_from_string(model)
            if path is not None:
                onnx.load_external_data_for_model(read, path.rpartition("/")[0])
            known = all(node.op_type != "Unheard" for node in read.graph.node)
        except Exception:  # the real one says False as well, whatever is wrong
            return False
        self.num_errors = 0 if known else 1
        self._network.content = read.SerializeToString()
        self._network.inputs = [tensor(one) for one in read.graph.input]
        return known

    def get_error(self, index: int) -> ParserError:
        return ParserError()


class Runtime:
    """Loads plans."""

    def __init__(self, logger: ILogger, fake: FakeTensorRT) -> None:
        assert logger.made
        self._fake = fake

    def deserialize_cuda_engine(self, serialized_engine: bytes) -> ICudaEngine | None:
        self._fake.loaded += 1
        return ICudaEngine(self._fake, bytes(serialized_engine)) if serialized_engine.startswith(HEAD) else None
