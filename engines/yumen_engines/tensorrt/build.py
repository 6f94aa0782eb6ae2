"""Makes a plan of a model in ONNX format.

Networks are strongly typed, as TensorRT 11 knows no others: what precision a layer has stands in the model. There are no
flags for precision and no calibration; a model for FP16, BF16 or INT8 (explicit Q/DQ) is made before it comes here.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from yumen import CannotStart
from yumen_engines.tensorrt.config import PlanConfig
from yumen_engines.tensorrt.profiles import Profile, Shape, profiles
from yumen_engines.tensorrt.source import Source

PROGRESS_S = 10.0
MESSAGES_MAX, MESSAGE_CHARS_MAX = 8, 300
Report = Callable[[str], None]


class Words(NamedTuple):
    """What TensorRT says: `logger` is to be handed to it, `errors` are the last of its complaints."""

    logger: Any
    errors: list[str]


def words(trt: Any) -> Words:
    """A logger that prints nothing. TensorRT keeps it for as long as anything that was made with it."""
    errors: list[str] = []

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)

        def log(self, severity: Any, msg: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                errors.append(msg[:MESSAGE_CHARS_MAX])
                del errors[:-MESSAGES_MAX]

    return Words(Logger(), errors)


class Draft:
    """A model that TensorRT has read: what is needed to know a plan's key, and to build it.

    Its methods block, `build` for minutes: call them from one thread.
    """

    def __init__(self, trt: Any, source: Source, config: PlanConfig) -> None:
        """Error: `CannotStart` for a model that TensorRT does not read, or for whose inputs policy names no sizes."""
        self._trt = trt
        self._config = config
        self._source = source
        self._words = words(trt)
        self._builder = trt.Builder(self._words.logger)
        self._network = self._builder.create_network(0)
        # The network's weights are the parser's.
        self._parser = trt.OnnxParser(self._network, self._words.logger)
        if not self._parser.parse(source.content, str(source.path)):
            raise CannotStart(f"TensorRT cannot read {source.path}: {self._complaint()}")
        inputs = self._inputs()
        if not inputs:
            raise CannotStart(f"the model {source.path} has no inputs; export it again")
        self.profiles = profiles(inputs, config)

    @property
    def flags(self) -> tuple[str, ...]:
        """How it is built, for the plan's key."""
        config = self._config
        return (
            f"workspace={config.workspace_bytes_max}",
            f"tf32={config.tf32}",
            f"level={config.optimization_level}",
        )

    def build(self, timings: bytes, report: Report, stop: threading.Event, deadline: float) -> tuple[bytes, bytes]:
        """A plan, and the timings that were taken for it, beside those that are known.

        `report` is told how it goes; `stop` ends it early, and so does `deadline` (`time.monotonic`).
        Errors: `CannotStart`; TimeoutError where it was ended.
        """
        trt, config = self._trt, self._builder.create_builder_config()
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, self._config.workspace_bytes_max)
        config.builder_optimization_level = self._config.optimization_level
        if not self._config.tf32:
            config.clear_flag(trt.BuilderFlag.TF32)
        for profile in self.profiles:
            self._add(config, profile)
        cache = config.create_timing_cache(timings)
        if cache is None or not config.set_timing_cache(cache, False):
            cache = config.create_timing_cache(b"")
            config.set_timing_cache(cache, False)
        monitor = _monitor(trt, report, stop, deadline)
        config.progress_monitor = monitor
        made = self._builder.build_serialized_network(self._network, config)
        if made is None:
            if stop.is_set() or time.monotonic() >= deadline:
                raise TimeoutError("the build was given up")
            raise CannotStart(f"TensorRT makes no plan of {self._source.path}: {self._complaint()}")
        taken = config.get_timing_cache()
        return bytes(made), bytes(taken.serialize()) if taken is not None else b""

    def _add(self, config: Any, profile: Profile) -> None:
        made = self._builder.create_optimization_profile()
        for name, one in profile.inputs.items():
            made.set_shape(name, one.min, one.opt, one.max)
        if config.add_optimization_profile(made) < 0:
            raise CannotStart(f"TensorRT does not take the shapes {profile.text()}: {self._complaint()}")

    def _inputs(self) -> Mapping[str, Shape]:
        found: dict[str, Shape] = {}
        for number in range(self._network.num_inputs):
            tensor = self._network.get_input(number)
            if tensor.is_shape_tensor:
                raise CannotStart(f"the input `{tensor.name}` holds a shape, which rows of many callers cannot share")
            found[tensor.name] = tuple(tensor.shape)
        return found

    def _complaint(self) -> str:
        """What TensorRT said last: names of layers and operators, of the model and not of any payload."""
        if self._parser.num_errors:
            error = self._parser.get_error(0)
            where = f"node {error.node()} ({error.node_operator()}): " if error.node() >= 0 else ""
            return f"{where}{error.desc()[:MESSAGE_CHARS_MAX]}"
        return self._words.errors[-1] if self._words.errors else "it does not say why"


def _monitor(trt: Any, report: Report, stop: threading.Event, deadline: float) -> Any:
    """Tells how a build goes, every ten seconds, and ends it. TensorRT calls it from threads of its own."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._lock = threading.Lock()
            self._steps: dict[str, int] = {}
            self._told = time.monotonic()

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            with self._lock:
                self._steps[phase_name] = num_steps

        def step_complete(self, phase_name: str, step: int) -> bool:
            with self._lock:
                now = time.monotonic()
                if now - self._told >= PROGRESS_S:
                    self._told = now
                    report(f"{phase_name}: step {step + 1} of {self._steps.get(phase_name, 0)}")
            return not stop.is_set() and now < deadline

        def phase_finish(self, phase_name: str) -> None:
            with self._lock:
                self._steps.pop(phase_name, None)

    return Monitor()
