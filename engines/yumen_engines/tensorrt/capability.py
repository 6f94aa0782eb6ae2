"""What of TensorRT there is on this machine, and what is missing: a report, never a crash.

Source of the errors: `cuda-bindings` imports without a GPU and then answers error 35, `cudaErrorInsufficientDriver`; the
bindings of TensorRT link against its libraries, and raise ImportError with the name of the file that is not there.
"""

from __future__ import annotations

import importlib
import re
from typing import Any, NamedTuple

import msgspec

INSTALL = "pip install 'yumen[tensorrt]'"
INSTALL_PARITY = "pip install 'yumen[cpu]'"
MAJOR_MIN = 11
DRIVER = "install NVIDIA's driver for CUDA 13 (580 or newer), and give the container its GPU"
LIBRARY = re.compile(r"lib[a-z_0-9]{1,40}\.so[.0-9]{0,12}")
# cuda-bindings and the bindings of TensorRT call these so.
INSUFFICIENT_DRIVER, NO_DEVICE = 35, 100


class Missing(msgspec.Struct, frozen=True):
    """A part that is not there: `why`, and what to do."""

    part: str
    why: str
    fix: str


class Gpu(msgspec.Struct, frozen=True):
    """A device that CUDA sees. `compute` is its compute capability, as `9.0`."""

    index: int
    name: str
    compute: str
    memory_bytes: int


class Capability(msgspec.Struct, frozen=True, kw_only=True):
    """What is there. Versions are empty where a part is not; `driver` is the newest CUDA that the driver knows."""

    tensorrt: str = ""
    driver: str = ""
    onnxruntime: str = ""
    gpus: tuple[Gpu, ...] = ()
    missing: tuple[Missing, ...] = ()

    @property
    def ready(self) -> bool:
        return not self.missing

    def text(self) -> str:
        """What is missing, in one sentence a part; empty where nothing is."""
        return "; ".join(f"{one.part}: {one.why} ({one.fix})" for one in self.missing)


class Libraries(NamedTuple):
    """The modules, imported: they have no types that could be relied on."""

    tensorrt: Any
    cudart: Any


def inspect(device: int = 0) -> Capability:
    """Look at what is installed and at the device. Takes a second the first time: call it from a thread."""
    missing: list[Missing] = []
    driver, gpus = _devices(device, missing)
    tensorrt = _tensorrt(missing)
    return Capability(
        tensorrt=tensorrt, driver=driver, onnxruntime=_onnxruntime(missing), gpus=gpus, missing=tuple(missing)
    )


def libraries() -> Libraries:
    """The modules that `inspect` has found to be there. Error: ImportError."""
    return Libraries(importlib.import_module("tensorrt"), importlib.import_module("cuda.bindings.runtime"))


def _devices(device: int, missing: list[Missing]) -> tuple[str, tuple[Gpu, ...]]:
    try:
        cudart: Any = importlib.import_module("cuda.bindings.runtime")
        failed, number = cudart.cudaDriverGetVersion()
        driver = f"{number // 1000}.{number % 1000 // 10}" if not int(failed) and number else ""
        failed, count = cudart.cudaGetDeviceCount()
        if int(failed):
            missing.append(_no_device(int(failed), _name(cudart, failed), driver))
            return driver, ()
        gpus = tuple(_gpu(cudart, index) for index in range(count))
    except ImportError as error:
        missing.append(Missing("cuda-bindings", _said(error, "is not installed"), INSTALL))
        return "", ()
    except Exception as error:  # a library that is half there says so in many ways
        missing.append(Missing("CUDA", f"cannot be asked ({type(error).__name__})", DRIVER))
        return "", ()
    if device >= len(gpus):
        missing.append(
            Missing("device", f"cuda:{device} is not among {len(gpus)} that CUDA sees", "name another `device`")
        )
    return driver, gpus


def _no_device(error: int, name: str, driver: str) -> Missing:
    if error == INSUFFICIENT_DRIVER:
        why = f"the driver knows CUDA {driver} only" if driver else "there is none"
        return Missing("NVIDIA driver", f"{why}: CUDA error {error}, {name}", DRIVER)
    if error == NO_DEVICE:
        return Missing("device", f"CUDA sees no GPU: error {error}, {name}", DRIVER)
    return Missing("CUDA", f"error {error}, {name}", DRIVER)


def _gpu(cudart: Any, index: int) -> Gpu:
    failed, found = cudart.cudaGetDeviceProperties(index)
    if int(failed):
        raise RuntimeError(_name(cudart, failed))
    name = found.name.decode("utf-8", "replace") if isinstance(found.name, bytes) else str(found.name)
    return Gpu(index, name.rstrip("\0"), f"{found.major}.{found.minor}", int(found.totalGlobalMem))


def _name(cudart: Any, error: Any) -> str:
    failed, name = cudart.cudaGetErrorName(error)
    return "unknown" if int(failed) else name.decode("ascii", "replace") if isinstance(name, bytes) else str(name)


def _tensorrt(missing: list[Missing]) -> str:
    try:
        module: Any = importlib.import_module("tensorrt")
        version = str(module.__version__)
    except ModuleNotFoundError as error:
        missing.append(Missing("tensorrt", f"the module {error.name} is not installed", INSTALL))
        return ""
    except ImportError as error:
        found = LIBRARY.search(str(error))
        part = found.group() if found else "libnvinfer"
        missing.append(Missing(part, "the bindings are installed, and this library of TensorRT is not", INSTALL))
        return ""
    except Exception as error:  # its own `__init__` loads libraries, and lets pass whatever they raise
        missing.append(Missing("tensorrt", f"cannot be imported ({type(error).__name__})", INSTALL))
        return ""
    if not version.split(".")[0].isdigit() or int(version.split(".")[0]) < MAJOR_MIN:
        missing.append(Missing("tensorrt", f"version {version} is older than {MAJOR_MIN}", INSTALL))
    return version


def _onnxruntime(missing: list[Missing]) -> str:
    try:
        return str(importlib.import_module("onnxruntime").__version__)
    except Exception as error:  # see above
        missing.append(Missing("onnxruntime", _said(error, "is not there to compare with"), INSTALL_PARITY))
        return ""


def _said(error: Exception, plain: str) -> str:
    """Of an error: the library that it names, or its kind."""
    found = LIBRARY.search(str(error))
    return f"{found.group()} cannot be loaded" if found else f"{plain} ({type(error).__name__})"
