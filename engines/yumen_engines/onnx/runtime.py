"""The one place that makes sessions of ONNX Runtime: on which device, with how many threads, and from what."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from yumen import CannotStart, Placement
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.inspection import Inspected, inspect
from yumen_engines.onnx.kept import BYTES_MAX, Kept, key_of
from yumen_engines.onnx.providers import CPU, TENSORRT, Wanted, library, missing, unavailable, wanted
from yumen_engines.onnx.weights import EXPORT

REVISION_DIGITS = 12
LEVELS = {
    "none": "ORT_DISABLE_ALL", "basic": "ORT_ENABLE_BASIC", "extended": "ORT_ENABLE_EXTENDED", "all": "ORT_ENABLE_ALL",
}  # fmt: skip
# In what ONNX Runtime says of an operator that it does not know, and of a version of ONNX that is newer than itself.
UNKNOWN, NEWER = ("registered function/op", "No Op registered", "NOT_IMPLEMENTED"), ("opset", "IR version")
# In what it says of memory beyond a limit.
NO_MEMORY = "is smaller than requested bytes"
# A session keeps the memory that is registered when it is made, and each registering takes the place of the one before.
_registering = threading.Lock()


class Opened(NamedTuple):
    """A session, the library it is of, and what it really is.

    `nodes` are how many of them each provider computes, where that is known; `fell_back` is why not the device that was
    asked for, or empty; `kept` is whether its graph had been rewritten at an earlier start.
    """

    runtime: Any
    session: Any
    asked: Wanted
    active: tuple[str, ...]
    nodes: Mapping[str, int]
    fell_back: str
    kept: bool
    digest: str

    @property
    def revision(self) -> str:
        """What tells this version of a model from others."""
        return self.digest[:REVISION_DIGITS]

    @property
    def device(self) -> str:
        """Where it computes."""
        return "cpu" if self.fell_back or self.asked.name == CPU else self.asked.label

    def placement(self, model: str, version: str = "", **detail: str) -> Placement:
        """The same in the words of `yumen engines list`."""
        said = {f"nodes.{name}": str(count) for name, count in self.nodes.items()}
        if self.fell_back:
            said["instead_of"] = f"{self.asked.label}: {self.fell_back}"
        return Placement(
            model=model, version=version, device=self.device, providers=self.active,
            runtime=f"onnxruntime {self.runtime.__version__}", detail={**said, **detail},
        )  # fmt: skip


def open_session(path: Path, config: OnnxConfig, kept: Kept | None = None) -> Opened:
    """Load a model's file. Blocks for as long as that takes.

    Error: `CannotStart` where the file is no model, or not one that is taken; where ONNX Runtime is missing; and with
    `strict_provider` where the device is not used.
    """
    runtime = library(config.device)
    asked = wanted(config.device, config.provider_options, config.arena_bytes_max)
    fell_back = unavailable(asked, runtime.get_available_providers())
    if fell_back and config.strict_provider:
        raise CannotStart(f"device {config.device}: {fell_back}, or set `strict_provider: false`")
    inspected = inspect(path, config.model_bytes_max)
    used = wanted("cpu", {}, 0) if fell_back else asked
    try:
        session, was_kept = _made(runtime, path, inspected, config, used, kept)
    except Exception as error:  # ONNX Runtime has no common base class for a file that is broken
        if used.name == CPU or config.strict_provider:
            raise _refusal(path, error) from None
        # The device may have failed, or the model may be broken, which the CPU tells.
        fell_back, used = f"{asked.name} failed with {type(error).__name__}", wanted("cpu", {}, 0)
        try:
            session, was_kept = _made(runtime, path, inspected, config, used, kept)
        except Exception as again:
            raise _refusal(path, again) from None
    active, nodes = tuple(session.get_providers()), _nodes(session)
    fell_back = fell_back or missing(asked, active, nodes)
    if fell_back and config.strict_provider:
        raise CannotStart(f"device {config.device}: {fell_back}; repair it, or set `strict_provider: false`")
    return Opened(runtime, session, asked, active, nodes, fell_back, was_kept, inspected.digest)


def _made(
    runtime: Any, path: Path, inspected: Inspected, config: OnnxConfig, used: Wanted, kept: Kept | None
) -> tuple[Any, bool]:
    """A session, and whether its graph was kept. A graph that cannot be used or kept is made anew."""
    if not config.keep_optimized or config.optimization == "none":
        kept = None
    # A graph cannot hold what TensorRT compiles, and would name weights that lie beside the model from another place.
    if used.name == TENSORRT or inspected.external or inspected.size > BYTES_MAX:
        kept = None
    # Where weights lie beside the model, ONNX Runtime has to know where it lies itself.
    source: Any = str(path) if inspected.external else inspected.content
    most = config.arena_bytes_max
    if kept is None:
        return _session(runtime, source, _options(runtime, config, config.optimization), used, most), False
    key = key_of(inspected.digest, runtime.__version__, config.optimization, json.dumps(used.providers, sort_keys=True))
    graph = kept.read(key)
    if graph is not None:
        try:
            return _session(runtime, graph, _options(runtime, config, "none"), used, most), True
        except Exception:  # ours, and yet of no use: made anew below
            graph = None
    options = _options(runtime, config, config.optimization)
    room = kept.room()
    if room is not None:
        options.optimized_model_filepath = str(room)
        try:
            session = _session(runtime, source, options, used, most)
        except Exception:  # the disk may be full, or the graph not one that can be written
            with suppress(OSError):
                room.unlink(missing_ok=True)
            options = _options(runtime, config, config.optimization)
        else:
            kept.keep(key, room)
            return session, False
    return _session(runtime, source, options, used, most), False


def _session(runtime: Any, source: Any, options: Any, used: Wanted, bytes_max: int) -> Any:
    providers = [(name, {key: _plain(value) for key, value in own.items()}) for name, own in used.providers]
    with _memory(runtime, options, bytes_max if used.name == CPU else 0):
        session = runtime.InferenceSession(source, options, providers=providers, enable_fallback=0)
    # The session would keep the file's bytes for as long as it lives, in order to be made again, which nobody does.
    session._model_bytes = None
    return session


@contextmanager
def _memory(runtime: Any, options: Any, bytes_max: int) -> Iterator[None]:
    """The session that is made meanwhile has memory of its own on the CPU, and so much of it; as much as it likes for 0.

    Error: `CannotStart`.
    """
    if not bytes_max:
        yield
        return
    kind = runtime.OrtAllocatorType.ORT_ARENA_ALLOCATOR
    place = runtime.OrtMemoryInfo("Cpu", kind, 0, runtime.OrtMemType.DEFAULT)
    # It grows by what is asked for, as on a device; everything else is ONNX Runtime's own choice.
    own = {"arena_extend_strategy": 1, "initial_chunk_size_bytes": -1, "max_dead_bytes_per_chunk": -1}
    options.add_session_config_entry("session.use_env_allocators", "1")
    with _registering:
        try:
            runtime.create_and_register_allocator(place, runtime.OrtArenaCfg({"max_mem": bytes_max, **own}))
        except Exception as error:  # ONNX Runtime has no common base class
            raise CannotStart("this ONNX Runtime limits no memory; update it, or set `arena_bytes_max: 0`") from error
        yield


def _options(runtime: Any, config: OnnxConfig, optimization: str) -> Any:
    options = runtime.SessionOptions()
    options.intra_op_num_threads = config.threads
    options.inter_op_num_threads = config.threads_inter
    if config.threads_inter > 1:
        options.execution_mode = runtime.ExecutionMode.ORT_PARALLEL
    options.enable_cpu_mem_arena = config.arena
    options.graph_optimization_level = getattr(runtime.GraphOptimizationLevel, LEVELS[optimization])
    # Its messages may hold names and values of a model.
    options.log_severity_level = 4
    # Threads that spin between calls would take the processor from the rest of the gateway.
    spinning = "1" if config.spinning else "0"
    options.add_session_config_entry("session.intra_op.allow_spinning", spinning)
    options.add_session_config_entry("session.inter_op.allow_spinning", spinning)
    options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    return options


def _nodes(session: Any) -> dict[str, int]:
    """How many nodes each provider computes; empty where this version of ONNX Runtime does not say."""
    count: Counter[str] = Counter()
    try:
        for part in session.get_provider_graph_assignment_info():
            count[part.ep_name] += len(part.get_nodes())
    except Exception:  # an older version has no such method, or has not recorded it
        return {}
    return dict(count)


def _refusal(path: Path, error: Exception) -> CannotStart:
    """What ONNX Runtime says may hold anything that stands in the file, so only the kind of it is told."""
    said = str(error)
    if isinstance(error, CannotStart):
        return error
    if any(one in said for one in UNKNOWN) or type(error).__name__ == "NotImplemented":
        return CannotStart(f"{path} needs an operator that this ONNX Runtime does not have; update it, or {EXPORT}")
    if any(one in said for one in NEWER):
        return CannotStart(f"{path} was made for a newer ONNX than this ONNX Runtime knows; update it, or {EXPORT}")
    return CannotStart(f"cannot load {path} ({type(error).__name__}); {EXPORT}")


def _plain(value: str | int | bool) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
