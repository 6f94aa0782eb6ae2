"""CUDA beside the CPU, and the onnx engine's bound memory beside a bare CUDA loop, at each size of batch, in one run.

`python -m tests.bench_parts.engines_gpu` needs an NVIDIA GPU and onnxruntime-gpu; without them it says so.
It was written without a GPU and has not run on one.
"""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table
from tests.bench_parts.batcher import SIGNATURE, SIZES, WIDTH, session

from yumen import Rows
from yumen_engines.onnx import OnnxConfig
from yumen_engines.onnx.runtime import open_session
from yumen_engines.onnx.tensors import OnnxModel

SECONDS, ROUNDS = 1.0, 3


class Quiet:
    """A host that only logs, to nowhere."""

    class log:
        """Drops warnings."""

        @staticmethod
        def warning(event: str, **members: Any) -> None: ...


def rate(call: Any, size: int) -> float:
    """Rows per second of calls one after the other."""
    call()
    count, began = 0, time.perf_counter()
    while time.perf_counter() < began + SECONDS:
        call()
        count += 1
    return count * size / (time.perf_counter() - began)


def bare(one: Any, size: int) -> Any:
    """A bare call; with CUDA ONNX Runtime copies there and back."""
    given = np.ones((size, WIDTH), np.float32)
    return lambda: one.run(None, {"x": given})


async def measure(folder: Path, console: Console) -> None:
    """Measure and print."""
    session(folder)
    path = folder / "model.onnx"
    cuda = onnxruntime.InferenceSession(path, providers=["CUDAExecutionProvider"])
    cpu = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    config = OnnxConfig(model=str(path), task="tensors", device="cuda", strict_provider=True)
    threads = ThreadPoolExecutor(1)
    model = OnnxModel(open_session(path, config), SIGNATURE, threads, "m", "1")
    host: Any = Quiet()
    model.prepare(SIZES[-1], host)
    table = Table("rows", "CPU rows/s", "bare CUDA rows/s", "engine rows/s", "CUDA beside CPU", "engine beside bare")
    for size in SIZES:
        rows = Rows({"x": np.ones((size, WIDTH), np.float32)})

        async def engine(size: int = size, rows: Rows = rows) -> float:
            await model.run(rows)
            count, began = 0, time.perf_counter()
            while time.perf_counter() < began + SECONDS:
                await model.run(rows)
                count += 1
            return count * size / (time.perf_counter() - began)

        found = [(rate(bare(cpu, size), size), rate(bare(cuda, size), size), await engine()) for _ in range(ROUNDS)]
        of_cpu, of_cuda, of_engine = (statistics.median(part) for part in zip(*found, strict=True))
        cells = (f"{of_cpu:,.0f}", f"{of_cuda:,.0f}", f"{of_engine:,.0f}")
        table.add_row(str(size), *cells, f"{of_cuda / of_cpu:.1f}", f"{of_engine / of_cuda:.2f}")
    console.print(table)
    detail = model.placement.detail
    console.print({name: detail.get(name, "0") for name in ("bound_runs", "bytes_to_device", "bytes_from_device")})
    console.print("aim: the engine at least 0.9 of the bare loop")
    await model.close()
    threads.shutdown()


def main() -> None:
    """Measure where there is a GPU."""
    console = Console()
    if "CUDAExecutionProvider" not in onnxruntime.get_available_providers():
        console.print("no CUDA here: install onnxruntime-gpu on a machine with an NVIDIA GPU; nothing was measured")
        return
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as folder:
        asyncio.run(measure(Path(folder), console))


if __name__ == "__main__":
    main()
