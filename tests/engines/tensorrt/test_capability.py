"""What is missing is told, part by part and with what to do about it; nothing crashes, whatever state a machine is in."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from typing import Any

import pytest
from tests.engines.tensorrt.fake_cuda import Error, FakeCuda
from tests.engines.tensorrt.fake_trt import FakeTensorRT

from yumen import CannotStart
from yumen.testing import RunningClock, UnitHost
from yumen_engines.tensorrt import TensorRT, TensorRTConfig
from yumen_engines.tensorrt.capability import Gpu, inspect

INSTALL = "pip install 'yumen[tensorrt]'"


class Machine:
    """What `import` finds: a module, or the error that it raises."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        cuda = FakeCuda(2)
        self.modules: dict[str, Any] = {"cuda.bindings.runtime": cuda, "tensorrt": FakeTensorRT(cuda)}
        real = importlib.import_module

        def found(name: str) -> Any:
            module = self.modules.get(name)
            if isinstance(module, Exception):
                raise module
            return real(name) if module is None else module

        monkeypatch.setattr(importlib, "import_module", found)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine with two GPUs, on which everything is installed."""
    return Machine(monkeypatch)


def test_what_is_there_is_told(machine: Machine) -> None:
    """A machine that has everything misses nothing, and its versions and GPUs are told."""
    found = inspect(1)
    assert (found.ready, found.missing, found.text()) == (True, (), "")
    assert (found.tensorrt, found.driver) == ("11.4.0.106", "13.0")
    assert found.onnxruntime
    assert found.gpus == tuple(Gpu(index, "Fake H200", "9.0", 139 << 30) for index in (0, 1))


@pytest.mark.parametrize(
    ("name", "module", "said"),
    [
        (
            "tensorrt",
            ModuleNotFoundError("No module", name="tensorrt"),
            "tensorrt: the module tensorrt is not installed",
        ),
        (
            "tensorrt",
            ImportError("libnvonnxparser.so.11: cannot open shared object file: No such file or directory"),
            "libnvonnxparser.so.11: the bindings are installed, and this library of TensorRT is not",
        ),
        ("tensorrt", ImportError("whatever"), "libnvinfer: the bindings are installed"),
        ("tensorrt", RuntimeError("/home/someone/secret"), r"tensorrt: cannot be imported \(RuntimeError\)"),
        ("cuda.bindings.runtime", ModuleNotFoundError("No module"), "cuda-bindings: is not installed"),
        (
            "cuda.bindings.runtime",
            ImportError("libcudart.so.13: cannot open shared object file"),
            "cuda-bindings: libcudart.so.13 cannot be loaded",
        ),
        ("cuda.bindings.runtime", RuntimeError("x"), r"CUDA: cannot be asked \(RuntimeError\)"),
        ("cuda.bindings.runtime", FakeCuda(0), "device: CUDA sees no GPU: error 100, cudaErrorNoDevice"),
        ("cuda.bindings.runtime", FakeCuda(1, driver=0), "NVIDIA driver: there is none: CUDA error 35"),
        ("onnxruntime", ModuleNotFoundError("No module"), "onnxruntime: is not there to compare with"),
    ],
)
def test_what_is_missing_is_told(machine: Machine, name: str, module: Any, said: str) -> None:
    """Each part that is not there is named with the reason and the line that installs it; nothing of the error is shown."""
    machine.modules[name] = module
    found = inspect()
    assert not found.ready
    (missing,) = found.missing
    assert re.search(said, found.text())
    assert missing.fix
    if name == "tensorrt":
        assert missing.fix == INSTALL
    assert "secret" not in found.text()


def test_a_driver_that_is_too_old_is_told(machine: Machine) -> None:
    """Error 35 is also that of a driver for an older CUDA, whose version is named."""
    cuda = FakeCuda(1, driver=12040)
    cuda.fail["cudaGetDeviceCount"] = [Error.cudaErrorInsufficientDriver]
    machine.modules["cuda.bindings.runtime"] = cuda
    assert "the driver knows CUDA 12.4 only: CUDA error 35, cudaErrorInsufficientDriver" in inspect().text()


def test_a_device_that_is_not_there_is_told(machine: Machine) -> None:
    """A number beyond the GPUs that there are is no device."""
    assert "cuda:2 is not among 2" in inspect(2).text()


def test_a_tensorrt_that_is_too_old_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Versions before 11 know networks of another kind."""
    monkeypatch.setattr(FakeTensorRT, "__version__", "10.16.1.11")
    assert "version 10.16.1.11 is older than 11" in inspect().text()


async def test_an_engine_says_what_is_missing_here() -> None:
    """On this very machine the report is made of what is really there: it never raises, and `load` refuses by it."""
    engine = TensorRT(TensorRTConfig(model="/nowhere/model.onnx"))
    found = await engine.capability()
    if found.ready:
        pytest.skip("everything is here")
    with pytest.raises(CannotStart, match="the tensorrt engine cannot run here"):
        await engine.load(UnitHost(clock=RunningClock()))
    assert all(one.part and one.why and one.fix for one in found.missing)
    await engine.close()


def test_looking_loads_nothing_heavy_before() -> None:
    """The engine's package itself imports neither TensorRT nor CUDA nor ONNX Runtime."""
    code = "import sys, yumen_engines.tensorrt; print([m for m in ('tensorrt', 'cuda', 'onnxruntime') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.strip() == "[]"
