"""Which of ONNX Runtime's execution providers are asked for, and whether this installation has them.

ONNX Runtime falls back to the CPU in silence where a provider fails (microsoft/onnxruntime#21264). So what is asked for is
decided here, and what really computes is read from the session afterwards.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any, NamedTuple

from yumen import CannotStart

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
NAMES = {"cpu": CPU, "cuda": CUDA, "tensorrt": TENSORRT}
INSTALL = {"cpu": "run: pip install 'yumen[cpu]'", "gpu": "run: pip install 'yumen[gpu]'"}
Option = str | int | bool


class Wanted(NamedTuple):
    """What computes: the provider, which device of its kind, and all providers with their options, the first one first."""

    name: str
    device: int
    providers: tuple[tuple[str, dict[str, Option]], ...]

    @property
    def label(self) -> str:
        """The device as placements name it."""
        return "cpu" if self.name == CPU else f"cuda:{self.device}"


def library(device: str) -> Any:
    """ONNX Runtime, made ready for a device. Error: `CannotStart` where it is missing, or installed twice."""
    kind = "cpu" if device == "cpu" else "gpu"
    try:
        import onnxruntime  # heavy, and an extra: only who uses the engine pays for it
    except ImportError as error:
        raise CannotStart(f"the onnx engine needs ONNX Runtime; {INSTALL[kind]}") from error
    if kind == "gpu":
        if installed_twice():
            raise CannotStart(
                "onnxruntime and onnxruntime-gpu are both installed, and one hides the other; "
                f"run: pip uninstall onnxruntime onnxruntime-gpu, and then {INSTALL['gpu'].removeprefix('run: ')}"
            )
        preload = getattr(onnxruntime, "preload_dlls", None)
        if preload is not None and CUDA in onnxruntime.get_available_providers():
            preload()  # finds the CUDA libraries that pip has installed, and prints what it does not find
    return onnxruntime


def installed_twice() -> bool:
    """Whether both distributions are there, which install the same import package."""
    return all(_installed(name) for name in ("onnxruntime", "onnxruntime-gpu"))


def wanted(device: str, options: Mapping[str, Option], memory_bytes_max: int) -> Wanted:
    """The providers for a device of the configuration: its own, and behind it what computes the rest."""
    kind, _, number = device.partition(":")
    place = int(number or 0)
    cpu: tuple[str, dict[str, Option]] = (CPU, {})
    if kind == "cpu":
        return Wanted(CPU, 0, ((CPU, dict(options)),))
    cuda: dict[str, Option] = {"device_id": place, "arena_extend_strategy": "kSameAsRequested"}
    if memory_bytes_max:
        cuda["gpu_mem_limit"] = memory_bytes_max
    if kind == "cuda":
        return Wanted(CUDA, place, ((CUDA, {**cuda, **options}), cpu))
    tensorrt: dict[str, Option] = {"device_id": place, **options}
    return Wanted(TENSORRT, place, ((TENSORRT, tensorrt), (CUDA, cuda), cpu))


def missing(asked: Wanted, active: Sequence[str], nodes: Mapping[str, int]) -> str:
    """Why the device is not used, or empty: of a session its active providers, and how many nodes each of them computes,
    as far as that is known.
    """
    if asked.name not in active:
        return f"{asked.name} could not be started on this machine: are its driver and libraries there?"
    if nodes and not nodes.get(asked.name):
        return f"{asked.name} computes nothing of this model, all of it runs on {', '.join(sorted(nodes))}"
    return ""


def unavailable(asked: Wanted, available: Sequence[str]) -> str:
    """Why this build of ONNX Runtime has nothing for the device, or empty."""
    if asked.name in available:
        return ""
    return f"this ONNX Runtime is built without {asked.name}; {INSTALL['gpu']} in place of yumen[cpu]"


def _installed(name: str) -> bool:
    try:
        metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return False
    return True
