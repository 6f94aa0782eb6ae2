"""The batcher with the `onnx` engine's model beside a bare loop over ONNX Runtime, in one run: what it costs, and gains.

`python -m tests.bench_parts.batcher` takes about a minute and a half. Ratios travel, rows per second do not.
"""

from __future__ import annotations

import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, numpy_helper
from rich.console import Console
from rich.table import Table
from tests.engines.onnx.graphs import made, node, saved, value

from yumen.batching import BatchConfig, Batcher
from yumen.tensors.types import Rows, Signature, TensorSpec
from yumen_engines.onnx import OnnxConfig
from yumen_engines.onnx.runtime import open_session
from yumen_engines.onnx.tensors import OnnxModel

# Weights of 16 MB a layer do not stay in the caches: a row alone reads them all, as do 32 together.
LAYERS, WIDTH = 3, 2048
SIZES = (1, 2, 4, 8, 16, 32)
CALLERS, ROUNDS, SECONDS, BAR = 64, 5, 1.5, 30
# Before counting begins, every caller has been answered some times.
SETTLE_S = 0.3
SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, WIDTH)),), (TensorSpec("y", "FP32", (-1, WIDTH)),), SIZES[-1])
# One caller: so many calls in turn of each kind, so many times.
CALLS, TURNS = 40, 24


class Counted:
    """Metrics that nobody reads."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, seconds: float, **labels: str) -> None: ...


def written(folder: Path) -> Path:
    """A model of a few dense layers with a bend between, as a file."""
    random = np.random.default_rng(8)
    nodes, weights = [], []
    for layer in range(LAYERS):
        given = f"h{layer}" if layer else "x"
        last = layer == LAYERS - 1
        weights.append(numpy_helper.from_array(random.standard_normal((WIDTH, WIDTH), np.float32) / 64, f"w{layer}"))
        nodes += [node("MatMul", [given, f"w{layer}"], [f"m{layer}"])]
        nodes += [node("Relu", [f"m{layer}"], ["y" if last else f"h{layer + 1}"])]
    shapes = [value(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", "y")]
    path = folder / "model.onnx"
    saved(path, made(nodes, shapes[:1], shapes[1:], weights))
    return path


def session(path: Path) -> Any:
    """The bare model, on one thread as the engine's."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def of(size: int) -> Rows:
    """So many rows."""
    return Rows({"x": np.ones((size, WIDTH), np.float32)})


def bare(session: Any, size: int) -> tuple[float, float]:
    """Rows per second and the median of a call in seconds, of a loop that does nothing else."""
    given = dict(of(size).inputs)
    session.run(None, given)
    took: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) < began + SECONDS:
        session.run(None, given)
        took.append(time.perf_counter() - start)
    return len(took) * size / (time.perf_counter() - began), statistics.median(took)


@asynccontextmanager
async def batching(path: Path, config: BatchConfig) -> AsyncIterator[Batcher]:
    """A batcher in front of the engine's own model."""
    opened = open_session(path, OnnxConfig(model=str(path), task="tensors", threads=1))
    model = OnnxModel(opened, SIGNATURE, config.runs_max, "m", "1")
    batcher = Batcher(model.run, SIGNATURE, config, metrics=Counted(), model="m", ahead=True)
    yield batcher
    await batcher.close()
    await model.close()


async def through(batcher: Batcher, callers: int, tenants: int) -> tuple[float, float]:
    """The same as `bare` with callers of one row each, each of whom asks again as soon as there is an answer."""
    rows = of(1)
    took: list[float] = []
    began = time.perf_counter() + SETTLE_S

    async def calls(number: int) -> None:
        while (start := time.perf_counter()) < began + SECONDS:
            await batcher.submit(rows, tenant=f"t{number % tenants}", deadline=math.inf)
            if began <= (now := time.perf_counter()) < began + SECONDS:
                took.append(now - start)

    await asyncio.gather(*map(calls, range(callers)))
    return len(took) / SECONDS, statistics.median(took)


async def alone(path: Path, bare: Any) -> dict[str, float]:
    """The median of a call in ms, of a caller who is alone: of the model itself, in a thread, and through the batcher."""
    rows = of(1)
    given = dict(rows.inputs)
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(1) as threads:
        async with batching(path, BatchConfig()) as batcher:

            async def itself() -> None:
                bare.run(None, given)

            kinds: dict[str, Callable[[], Awaitable[object]]] = {
                "bare": itself,
                "in a thread": lambda: loop.run_in_executor(threads, bare.run, None, given),
                "batcher": lambda: batcher.submit(rows, deadline=math.inf),
            }
            took: dict[str, list[float]] = {name: [] for name in kinds}
            # In short turns: the machine may be faster in one second than in the next.
            for _ in range(TURNS):
                for name, call in kinds.items():
                    for _ in range(CALLS):
                        start = time.perf_counter()
                        await call()
                        took[name].append(time.perf_counter() - start)
    return {name: 1000 * statistics.median(each) for name, each in took.items()}


LOADS = {
    "1 caller": (BatchConfig(), 1, 1),
    "8 callers": (BatchConfig(), 8, 1),
    "24 callers": (BatchConfig(), 24, 1),
    "24 callers, padded": (BatchConfig(pad_to_bucket=True), 24, 1),
    "64 callers": (BatchConfig(), CALLERS, 1),
    "64 callers, padded": (BatchConfig(pad_to_bucket=True), CALLERS, 1),
    "64 callers, 8 tenants": (BatchConfig(), CALLERS, 8),
}


async def loaded(path: Path, name: str) -> tuple[float, float]:
    """One of the loads, with a model and a batcher of its own."""
    config, callers, tenants = LOADS[name]
    async with batching(path, config) as batcher:
        return await through(batcher, callers, tenants)


def main() -> None:
    """Measure and print."""
    console = Console()
    found: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as folder:
        path = written(Path(folder))
        one = session(path)
        for _ in range(ROUNDS):
            for size in SIZES:
                found.setdefault(f"bare loop, {size} rows a call", []).append(bare(one, size))
            for name in LOADS:
                found.setdefault(f"batcher, {name}", []).append(asyncio.run(loaded(path, name)))
        waits = asyncio.run(alone(path, one))
    middle = {name: tuple(map(statistics.median, zip(*rounds, strict=True))) for name, rounds in found.items()}
    best = max(rate for name, (rate, _) in middle.items() if name.startswith("bare"))
    table = Table("", "rows/s", "p50 ms", "ratio", "beside the best bare loop", min_width=100)
    for name, (rate, p50) in middle.items():
        table.add_row(name, f"{rate:,.0f}", f"{1000 * p50:.2f}", f"{rate / best:.2f}", "█" * round(BAR * rate / best))
    console.print(table)
    console.print(f"64 callers: {middle['batcher, 64 callers'][0] / best:.2f} of the best bare loop (aim: 0.9)")
    added = {name: waits[name] - waits["bare"] for name in ("in a thread", "batcher")}
    console.print(
        f"one caller: {waits['bare']:.2f} ms bare, {added['in a thread']:+.2f} from a thread, {added['batcher']:+.2f}"
        " through the batcher (aim: at most +0.5)"
    )


if __name__ == "__main__":
    main()
