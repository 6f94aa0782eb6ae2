"""Reads the names and arguments of the real bindings into `signatures.json`, which the fakes are compared with.

    python tests/engines/tensorrt/signatures.py > tests/engines/tensorrt/signatures.json

The bindings need the libraries of TensorRT only to link. Where these cannot be had, empty ones do, as nothing is called:
`signatures.py stubs FOLDER` makes them, and `LD_LIBRARY_PATH` is to name the folder.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

# What the engine uses: members of each class, `__init__` being the class itself.
USED = {
    "Builder": (
        "__init__", "create_network", "create_builder_config", "create_optimization_profile", "build_serialized_network",
    ),
    "OnnxParser": ("__init__", "parse", "num_errors", "get_error"),
    "ParserError": ("node", "node_operator", "desc"),
    "INetworkDefinition": ("num_inputs", "get_input"),
    "ITensor": ("name", "shape", "is_shape_tensor"),
    "IBuilderConfig": (
        "set_memory_pool_limit", "clear_flag", "add_optimization_profile", "create_timing_cache", "set_timing_cache",
        "get_timing_cache", "builder_optimization_level", "progress_monitor",
    ),
    "IOptimizationProfile": ("set_shape",),
    "ITimingCache": ("serialize",),
    "IProgressMonitor": ("phase_start", "step_complete", "phase_finish"),
    "ILogger": ("log",),
    "Runtime": ("__init__", "deserialize_cuda_engine"),
    "ICudaEngine": (
        "num_io_tensors", "num_optimization_profiles", "device_memory_size_v2", "get_tensor_name", "get_tensor_mode",
        "get_tensor_dtype", "get_tensor_shape", "get_tensor_location", "is_shape_inference_io", "get_tensor_profile_shape",
        "create_execution_context",
    ),
    "IExecutionContext": (
        "set_optimization_profile_async", "set_device_memory", "set_input_shape", "infer_shapes", "get_tensor_shape",
        "set_output_allocator", "set_tensor_address", "execute_async_v3",
    ),
}  # fmt: skip
ENUMS = {
    "TensorIOMode": ("NONE", "INPUT", "OUTPUT"),
    "TensorLocation": ("DEVICE", "HOST"),
    "MemoryPoolType": ("WORKSPACE",),
    "BuilderFlag": ("TF32",),
    "ExecutionContextAllocationStrategy": ("STATIC", "ON_PROFILE_CHANGE", "USER_MANAGED"),
    "DataType": ("FLOAT", "HALF", "BF16", "INT8", "INT32", "INT64", "BOOL", "UINT8"),
}
CUDA = (
    "cudaDriverGetVersion", "cudaGetDeviceCount", "cudaGetDeviceProperties", "cudaGetErrorName", "cudaGetLastError",
    "cudaSetDevice", "cudaMalloc", "cudaFree", "cudaHostAlloc", "cudaFreeHost", "cudaStreamCreateWithFlags",
    "cudaStreamDestroy", "cudaStreamSynchronize", "cudaMemcpyAsync", "cudaStreamBeginCapture", "cudaStreamEndCapture",
    "cudaGraphInstantiate", "cudaGraphDestroy", "cudaGraphExecDestroy", "cudaGraphLaunch",
)  # fmt: skip
CUDA_VALUES = (
    "cudaMemcpyKind.cudaMemcpyHostToDevice", "cudaMemcpyKind.cudaMemcpyDeviceToHost",
    "cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal", "cudaStreamNonBlocking",
    "cudaError_t.cudaErrorInsufficientDriver", "cudaError_t.cudaErrorNoDevice", "cudaError_t.cudaErrorMemoryAllocation",
    "cudaError_t.cudaErrorIllegalAddress", "cudaError_t.cudaErrorInvalidValue",
    "cudaError_t.cudaErrorStreamCaptureUnsupported", "cudaError_t.cudaErrorStreamCaptureInvalidated",
    "cudaError_t.cudaErrorStreamCaptureImplicit", "cudaError_t.cudaErrorStreamCaptureUnmatched",
)  # fmt: skip
# What a class of an application overrides is named in the text of the class only.
OVERRIDDEN = {"IOutputAllocator": ("reallocate_output_async", "notify_shape")}
LIBRARIES = ("libnvinfer", "libnvinfer_plugin", "libnvonnxparser")
FUNCTIONS = (
    "createInferBuilder_INTERNAL", "createInferRefitter_INTERNAL", "createInferRuntime_INTERNAL", "initLibNvInferPlugins",
    "createNvOnnxParserRefitter_INTERNAL", "createNvOnnxParser_INTERNAL", "getBuilderPluginRegistry", "getPluginRegistry",
    "getNvOnnxParserVersion",
)  # fmt: skip


def stubs(folder: Path) -> None:
    """Libraries in which every function gives nothing, in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in FUNCTIONS))
    for name in LIBRARIES:
        made = folder / f"{name}.so.11"
        subprocess.run(
            ["cc", "-shared", "-fPIC", f"-Wl,-soname,{made.name}", "-o", str(made), str(source)], check=True, timeout=60
        )


def bindings() -> Any:
    """TensorRT's bindings, by the name of the package that holds them. Error: ImportError."""
    try:
        return importlib.import_module("tensorrt")
    except ImportError:
        return importlib.import_module("tensorrt_bindings")


def tensorrt(trt: Any) -> dict[str, Any]:
    """Of each member: the names of its arguments for each way to call it, or `property`."""
    found: dict[str, Any] = {"version": trt.__version__}
    for name, members in USED.items():
        for member in members:
            found[f"{name}.{member}"] = _member(getattr(getattr(trt, name), member), member)
    for name, members in OVERRIDDEN.items():
        for member in members:
            found[f"{name}.{member}"] = _arguments(getattr(trt, name).__doc__, f"def {member}")
    for name, members in ENUMS.items():
        found[name] = sorted(set(members) & set(getattr(trt, name).__members__))
    return found


def cuda(runtime: Any) -> dict[str, Any]:
    """The names of arguments of each function, and the values of constants."""
    found: dict[str, Any] = {name: [list(inspect.signature(getattr(runtime, name)).parameters)] for name in CUDA}
    for path in CUDA_VALUES:
        value = runtime
        for part in path.split("."):
            value = getattr(value, part)
        found[path] = int(value)
    return found


def _member(member: Any, name: str) -> Any:
    return "property" if isinstance(member, property) else _arguments(member.__doc__, name)


def _arguments(text: str, name: str) -> list[list[str]]:
    lines = re.findall(rf"^\s*(?:\d+\. )?{re.escape(name)}\((self.*?)\)(?: ->.*|:)$", text, re.MULTILINE)
    return [[part.split(":")[0].split("=")[0].strip() for part in _split(line)][1:] for line in lines]


def _split(arguments: str) -> list[str]:
    """At the commas that are in no brackets."""
    parts, depth = [""], 0
    for sign in arguments:
        depth += (sign in "[(<") - (sign in "])>")
        if sign == "," and not depth:
            parts.append("")
        else:
            parts[-1] += sign
    return parts


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] == "stubs":
        stubs(Path(sys.argv[2]))
    else:
        read = {"tensorrt": tensorrt(bindings()), "cuda": cuda(importlib.import_module("cuda.bindings.runtime"))}
        print(json.dumps(read, indent=1, sort_keys=True))
