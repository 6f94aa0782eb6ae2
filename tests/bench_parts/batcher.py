"""The batcher beside a bare loop over ONNX Runtime with the same model, in one run: what batching together costs and gains.

`python -m tests.bench_parts.batcher` takes about a minute. Ratios travel, rows per second do not.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from onnx import TensorProto, numpy_helper
from rich.console import Console
from rich.table import Table
from tests.engines.onnx.graphs import made, node, saved, value

from yumen.batching import BatchConfig, Batcher
from yumen.tensors.types import Rows, Signature, Tensors, TensorSpec

# Weights of 16 MB a layer do not stay in the caches: a row alone reads them all, as do 32 together.
LAYERS, WIDTH = 3, 2048
SIZES = (1, 2, 4, 8, 16, 32)
CALLERS, ROUNDS, SECONDS, BAR = 64, 3, 1.5, 40
SIGNATURE = Signature((TensorSpec("x", "FP32", (-1, WIDTH)),), (TensorSpec("y", "FP32", (-1, WIDTH)),), SIZES[-1])


class Counted:
    """Metrics that nobody reads."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, seconds: float, **labels: str) -> None: ...


def session(folder: Path) -> Any:
    """A few dense layers with a bend between, on one thread."""
    random = np.random.default_rng(8)
    nodes, weights = [], []
    for layer in range(LAYERS):
        given = f"h{layer}" if layer else "x"
        last = layer == LAYERS - 1
        weights.append(numpy_helper.from_array(random.standard_normal((WIDTH, WIDTH), np.float32) / 64, f"w{layer}"))
        nodes += [node("MatMul", [given, f"w{layer}"], [f"m{layer}"])]
        nodes += [node("Relu", [f"m{layer}"], ["y" if last else f"h{layer + 1}"])]
    shapes = [value(name, TensorProto.FLOAT, ["batch", WIDTH]) for name in ("x", "y")]
    path = saved(folder / "model.onnx", made(nodes, shapes[:1], shapes[1:], weights))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def bare(session: Any, size: int) -> tuple[float, float]:
    """Rows per second and the median of a call in seconds, of a loop that does nothing else."""
    given = np.ones((size, WIDTH), np.float32)
    session.run(None, {"x": given})
    took: list[float] = []
    began = time.perf_counter()
    while (start := time.perf_counter()) < began + SECONDS:
        session.run(None, {"x": given})
        took.append(time.perf_counter() - start)
    return len(took) * size / (time.perf_counter() - began), statistics.median(took)


async def through(session: Any, config: BatchConfig, callers: int, tenants: int = 1) -> tuple[float, float]:
    """The same with callers of one row each, through the batcher and a thread."""
    threads = ThreadPoolExecutor(1)
    loop = asyncio.get_running_loop()

    async def run(rows: Rows) -> Tensors:
        [found] = await loop.run_in_executor(threads, session.run, None, dict(rows.inputs))
        return {"y": found}

    batcher = Batcher(run, SIGNATURE, config, metrics=Counted(), model="m")
    rows = Rows({"x": np.ones((1, WIDTH), np.float32)})

    def call(number: int) -> Callable[[], Awaitable[Tensors]]:
        return lambda: batcher.submit(rows, tenant=f"t{number % tenants}", deadline=math.inf)

    took: list[float] = []
    began = time.perf_counter()

    async def calls(one: Callable[[], Awaitable[Tensors]]) -> None:
        await one()
        while (start := time.perf_counter()) < began + SECONDS:
            await one()
            took.append(time.perf_counter() - start)

    await asyncio.gather(*(calls(call(number)) for number in range(callers)))
    whole = time.perf_counter() - began
    await batcher.close()
    threads.shutdown()
    return len(took) / whole, statistics.median(took)


def main() -> None:
    """Measure and print."""
    console = Console()
    plain, padded = BatchConfig(), BatchConfig(pad_to_bucket=True)
    loads: dict[str, tuple[BatchConfig, int, int]] = {
        "1 caller": (plain, 1, 1),
        "64 callers": (plain, CALLERS, 1),
        "64 callers, padded": (padded, CALLERS, 1),
        "64 callers, 8 tenants": (plain, CALLERS, 8),
        "24 callers": (plain, 24, 1),
        "24 callers, padded": (padded, 24, 1),
    }
    curve: dict[int, list[tuple[float, float]]] = {size: [] for size in SIZES}
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in loads}
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as folder:
        one = session(Path(folder))
        # Rounds alternate: the machine may be faster in one minute than in the next.
        for _ in range(ROUNDS):
            for size in SIZES:
                curve[size].append(bare(one, size))
            for name, (config, callers, tenants) in loads.items():
                found[name].append(asyncio.run(through(one, config, callers, tenants)))
    middle = {key: tuple(map(statistics.median, zip(*rounds, strict=True)))
              for key, rounds in itertools.chain(curve.items(), found.items())}  # fmt: skip
    best = max(middle[size][0] for size in SIZES)
    table = Table("", "rows/s", "p50 ms", "beside the best bare loop", "")
    for key, (rate, p50) in middle.items():
        name = f"bare loop, {key} rows a call" if isinstance(key, int) else f"batcher, {key}"
        table.add_row(name, f"{rate:,.0f}", f"{1000 * p50:.2f}", f"{rate / best:.2f}", "█" * round(BAR * rate / best))
    console.print(table)
    added = 1000 * (middle["1 caller"][1] - middle[1][1])
    console.print(f"one caller waits {added:+.2f} ms longer than a bare call (aim: at most 0.5)")
    console.print(f"64 callers: {middle['64 callers'][0] / best:.2f} of the best bare loop (aim: 0.9)")


if __name__ == "__main__":
    main()
