"""The fakes have the names and arguments of the real TensorRT and CUDA: what passes on them is no invention of ours."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.engines.tensorrt import fake_run, fake_trt, signatures
from tests.engines.tensorrt.fake_cuda import Error, FakeCuda
from tests.engines.tensorrt.fake_trt import FakeTensorRT

import yumen_engines.tensorrt
from yumen_engines.tensorrt import allocator, build

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "signatures.json").read_text())
ENGINE = Path(yumen_engines.tensorrt.__file__).parent


def arguments(function: Any) -> list[str]:
    """The names of what a function takes, `self` and what the fake alone needs left out."""
    return [name for name in inspect.signature(function).parameters if name not in ("self", "fake")]


def members() -> Iterator[tuple[str, type]]:
    """Every member of every class that the engine uses, with the fake's class."""
    for module in (fake_trt, fake_run):
        for name, found in vars(module).items():
            if inspect.isclass(found) and found.__module__ == module.__name__ and name in signatures.USED:
                for member in signatures.USED[name]:
                    yield f"{name}.{member}", found


@pytest.mark.parametrize(("path", "found"), [pytest.param(*one, id=one[0]) for one in members()])
def test_the_fake_tensorrt_takes_what_the_real_one_takes(path: str, found: type) -> None:
    """Each function of the fake has the arguments of one of the real function's forms, by name and in order."""
    member = path.partition(".")[2]
    if RECORDED["tensorrt"][path] == "property":
        return
    if found in (fake_trt.IProgressMonitor, fake_trt.ILogger):
        return  # the engine overrides these; see below
    assert any(arguments(getattr(found, member)) == form[: len(arguments(getattr(found, member)))]
               for form in RECORDED["tensorrt"][path]), path  # fmt: skip


@pytest.mark.parametrize("name", signatures.CUDA)
def test_the_fake_cuda_takes_what_the_real_one_takes(name: str) -> None:
    """Each function of the fake runtime has the real one's arguments."""
    assert [arguments(getattr(FakeCuda, name))] == RECORDED["cuda"][name]


def test_the_fake_cuda_has_the_real_numbers() -> None:
    """Errors and flags have CUDA's own values."""
    recorded = RECORDED["cuda"]
    assert all(recorded.get(f"cudaError_t.{error.name}", error) == error for error in Error)
    assert recorded["cudaStreamNonBlocking"] == FakeCuda.cudaStreamNonBlocking
    for enum in ("cudaMemcpyKind", "cudaStreamCaptureMode"):
        for one in getattr(FakeCuda, enum):
            assert recorded[f"{enum}.{one.name}"] == one


@pytest.mark.parametrize("name", ["IProgressMonitor", "ILogger", "IOutputAllocator"])
def test_what_is_overridden_has_the_real_arguments(name: str) -> None:
    """TensorRT calls the engine's own classes by the arguments that the real base class has."""
    trt = FakeTensorRT(FakeCuda())
    made: dict[str, Any] = {
        "IProgressMonitor": build._monitor(trt, print, None, 0),  # type: ignore[arg-type]
        "ILogger": build.words(trt).logger,
        "IOutputAllocator": allocator.allocator(trt, None, 0),  # type: ignore[arg-type]
    }
    asked = {path: form for path, form in RECORDED["tensorrt"].items() if path.startswith(f"{name}.")}
    assert asked
    for path, forms in asked.items():
        assert [arguments(getattr(made[name], path.partition(".")[2]))] == forms


def test_the_engine_uses_nothing_that_is_not_recorded() -> None:
    """Whatever the engine's code asks of TensorRT's module or CUDA's is on record, so that a name that was made up fails."""
    used = set()
    for path in ENGINE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "trt":
                used.add(node.attr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith("cuda"):
                used |= {node.value} if node.value.isidentifier() and node.value[4:5].isupper() else set()
            if isinstance(node, ast.Attribute) and node.attr.startswith("cuda") and node.attr[4:5].isupper():
                used.add(node.attr)
    recorded = {part for path in (*RECORDED["tensorrt"], *RECORDED["cuda"]) for part in path.split(".")}
    assert {"Builder", "cudaMalloc", "cudaGraphLaunch", "IOutputAllocator"} <= used
    assert used - recorded == set()


def test_the_record_is_that_of_the_real_bindings() -> None:
    """Where the real packages are, the record is compared with them."""
    try:
        trt = signatures.bindings()
        runtime = importlib.import_module("cuda.bindings.runtime")
    except Exception as error:  # their libraries are loaded at import, and that fails in several ways
        pytest.skip(f"the bindings of TensorRT and CUDA are not here ({type(error).__name__})")
    real = signatures.tensorrt(trt)
    assert {**real, "version": ""} == {**RECORDED["tensorrt"], "version": ""}
    assert signatures.cuda(runtime) == RECORDED["cuda"]
