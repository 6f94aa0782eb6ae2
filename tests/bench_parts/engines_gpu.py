"""A GPU beside the CPU of its machine, and the `onnx` engine beside a bare loop that binds memory, at each size of batch.

    python -m tests.bench_parts.engines_gpu [--device cuda|cpu]

Needs an NVIDIA GPU and onnxruntime-gpu, and has not run on one. With `--device cpu` the same code runs on the CPU: that
shows that it works, and measures nothing. The bare loop does what the engine has to do, and no more: into memory that was
taken on the device once it copies the rows of each call, runs, and copies what comes of them back.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper
from rich.console import Console
from rich.table import Table
from tests.bench_parts.batcher import CALLERS, SIZES, Counted, written
from tests.engines.onnx.graphs import made, node, saved, value

from yumen import DATATYPES, Rows, TensorSpec
from yumen.batching import BatchConfig, Batcher
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx import OnnxConfig
from yumen_engines.onnx.providers import CPU, CUDA, library
from yumen_engines.onnx.runtime import open_session
from yumen_engines.onnx.signature import signature
from yumen_engines.onnx.tensors import OnnxModel

ROUNDS = 3
# The encoder is about as large as the small ones that make embeddings; for a CPU that measures nothing one layer will do.
LAYERS, WIDTH, HEADS, TOKENS, WORDS = {"cuda": 6, "cpu": 1}, 384, 12, 128, 8_000
# How the axes of queries, keys and values are ordered once they are cut into heads.
HEADS_FIRST = {"q": [0, 2, 1, 3], "k": [0, 2, 3, 1], "v": [0, 2, 1, 3]}
# How far TF32, which the GPU computes with by default, may be from what the CPU says.
NEAR = 3e-2
BATCHED = {"64 callers": BatchConfig(), "64 callers, padded": BatchConfig(pad_to_bucket=True)}
Feed = Mapping[str, NDArray[Any]]


class Loops(NamedTuple):
    """Rows per second of one size of batch."""

    cpu: float
    plain: float
    bound: float
    engine: float


def encoder(folder: Path, layers: int) -> Path:
    """A model that reads 128 tokens a row: attention and a dense part in each layer, and the mean in the end."""
    random = np.random.default_rng(8)
    weights: dict[str, NDArray[Any]] = {
        "words": random.standard_normal((WORDS, WIDTH), np.float32),
        "apart": np.array([0, TOKENS, HEADS, WIDTH // HEADS]),
        "joined": np.array([0, TOKENS, WIDTH]),
        "root": np.array((WIDTH / HEADS) ** -0.5, np.float32),
        "scale": np.ones(WIDTH, np.float32),
    }
    nodes = [node("Gather", ["words", "tokens"], ["h0"])]

    def times(given: str, name: str, rows: int, columns: int) -> str:
        weights[f"w_{name}"] = random.standard_normal((rows, columns), np.float32) / np.float32(rows**0.5)
        nodes.append(node("MatMul", [given, f"w_{name}"], [name]))
        return name

    def heads(given: str, name: str, order: Sequence[int]) -> str:
        nodes.append(node("Reshape", [times(given, name, WIDTH, WIDTH), "apart"], [f"{name}_apart"]))
        nodes.append(node("Transpose", [f"{name}_apart"], [f"{name}_heads"], perm=order))
        return f"{name}_heads"

    def added(one: str, other: str, name: str) -> str:
        nodes.append(node("Add", [one, other], [f"{name}_sum"]))
        nodes.append(node("LayerNormalization", [f"{name}_sum", "scale"], [name]))
        return name

    for at in range(layers):
        h = f"h{at}"
        q, k, v = (heads(h, f"{part}{at}", order) for part, order in HEADS_FIRST.items())
        nodes += [
            node("MatMul", [q, k], [f"near{at}"]), node("Mul", [f"near{at}", "root"], [f"scaled{at}"]),
            node("Softmax", [f"scaled{at}"], [f"seen{at}"]), node("MatMul", [f"seen{at}", v], [f"taken{at}"]),
            node("Transpose", [f"taken{at}"], [f"back{at}"], perm=[0, 2, 1, 3]),
            node("Reshape", [f"back{at}", "joined"], [f"whole{at}"]),
        ]  # fmt: skip
        middle = added(h, times(f"whole{at}", f"o{at}", WIDTH, WIDTH), f"m{at}")
        nodes.append(node("Relu", [times(middle, f"up{at}", WIDTH, 4 * WIDTH)], [f"bent{at}"]))
        added(middle, times(f"bent{at}", f"down{at}", 4 * WIDTH, WIDTH), f"h{at + 1}")
    nodes.append(node("ReduceMean", [f"h{layers}"], ["y"], axes=[1], keepdims=0))
    taken = [value("tokens", TensorProto.INT64, ["batch", TOKENS])]
    given = [value("y", TensorProto.FLOAT, ["batch", WIDTH])]
    kept = [numpy_helper.from_array(one, name) for name, one in weights.items()]
    return saved(folder / "encoder.onnx", made(nodes, taken, given, kept))


def rows_of(model: OnnxModel, size: int) -> dict[str, NDArray[Any]]:
    """So many rows of numbers, or of tokens."""
    random = np.random.default_rng(size)
    return {
        one.name: random.integers(0, WORDS, (size, *one.shape[1:]))
        if one.datatype == "INT64"
        else random.standard_normal((size, *one.shape[1:]), np.float32)
        for one in model.signature.inputs
    }


def bound(runtime: Any, session: Any, model: OnnxModel, feed: Feed, device: str) -> Callable[[], list[Any]]:
    """A call of the bare loop: memory on the device is taken here, once."""
    binding, size = session.io_binding(), len(next(iter(feed.values())))
    inputs = {name: runtime.OrtValue.ortvalue_from_numpy(one, device, 0) for name, one in feed.items()}
    outputs = [
        runtime.OrtValue.ortvalue_from_shape_and_type([size, *one.shape[1:]], np.float32, device, 0)
        for one in model.signature.outputs
    ]
    for name, one in inputs.items():
        binding.bind_ortvalue_input(name, one)
    for spec, one in zip(model.signature.outputs, outputs, strict=True):
        binding.bind_ortvalue_output(spec.name, one)

    def call() -> list[Any]:
        for name, one in inputs.items():
            one.update_inplace(feed[name])
        session.run_with_iobinding(binding)
        binding.synchronize_outputs()
        return [one.numpy() for one in outputs]

    return call


def rate(call: Callable[[], object], size: int, seconds: float) -> float:
    """Rows per second of calls one after the other."""
    call()
    count, began = 0, time.perf_counter()
    while not count or time.perf_counter() < began + seconds:
        call()
        count += 1
    return count * size / (time.perf_counter() - began)


async def awaited_rate(call: Callable[[], Awaitable[object]], size: int, seconds: float) -> float:
    """The same of the engine, which is awaited."""
    await call()
    count, began = 0, time.perf_counter()
    while not count or time.perf_counter() < began + seconds:
        await call()
        count += 1
    return count * size / (time.perf_counter() - began)


async def by_size(runtime: Any, path: Path, model: OnnxModel, options: argparse.Namespace) -> dict[int, Loops]:
    """All loops of one model at each size, round by round, so that the machine's moods fall on all alike."""
    provider = CUDA if options.device == "cuda" else CPU
    # As they come: the CPU with a thread for each of its cores.
    cpu = runtime.InferenceSession(path, providers=[CPU])
    session = runtime.InferenceSession(path, providers=[provider], enable_fallback=0)
    if session.get_providers()[0] != provider:
        raise SystemExit(f"the bare session has {session.get_providers()}: nothing was measured")
    found: dict[int, list[Loops]] = {size: [] for size in SIZES}
    for turn in range(ROUNDS):
        for size in SIZES:
            feed = rows_of(model, size)
            plain, bare = partial(cpu.run, None, feed), partial(session.run, None, feed)
            memory, engine = bound(runtime, session, model, feed, options.device), partial(model.run, Rows(feed))
            if not turn and not _agree(plain(), memory(), [*(await engine()).values()]):
                raise SystemExit(f"{path.name}: they do not come to the same at {size} rows: nothing was measured")
            of_cpu, of_plain, of_bound = (rate(call, size, options.seconds) for call in (plain, bare, memory))
            of_engine = await awaited_rate(engine, size, options.seconds)
            found[size].append(Loops(of_cpu, of_plain, of_bound, of_engine))
    return {size: Loops(*map(statistics.median, zip(*rounds, strict=True))) for size, rounds in found.items()}


def _agree(one: Sequence[Any], *others: Sequence[Any]) -> bool:
    return all(
        np.allclose(mine, theirs, rtol=NEAR, atol=NEAR)
        for other in others
        for mine, theirs in zip(one, other, strict=True)
    )


async def batched(model: OnnxModel, config: BatchConfig, seconds: float) -> float:
    """Rows per second of 64 callers of one row each, through the batcher; each asks again as soon as there is an answer."""
    batcher = Batcher(model.run, model.signature, config, metrics=Counted(), model="m", ahead=True)
    rows = Rows(rows_of(model, 1))
    answered = 0

    async def calls(until: float) -> None:
        nonlocal answered
        while True:
            await batcher.submit(rows, deadline=math.inf)
            answered += 1
            if time.perf_counter() >= until:
                return

    try:
        await asyncio.gather(*(calls(0) for _ in range(CALLERS)))
        answered, began = 0, time.perf_counter()
        await asyncio.gather(*(calls(began + seconds) for _ in range(CALLERS)))
        return answered / (time.perf_counter() - began)
    finally:
        await batcher.close()


async def measure(path: Path, options: argparse.Namespace, console: Console) -> None:
    """Measure one model, and print."""
    runtime = library(options.device)
    config = OnnxConfig(model=str(path), task="tensors", device=options.device, strict_provider=True)
    opened = open_session(path, config)
    model = OnnxModel(opened, signature(opened.session, SIZES[-1]), 1, path.stem, "1")
    try:
        model.prepare(SIZES[-1], UnitHost(clock=RunningClock()))
        if options.device == "cpu":  # on a device the engine does this by itself
            model._bind("cpu", 0, SIZES[-1])
        sizes = await by_size(runtime, path, model, options)
        loads = {
            name: [await batched(model, one, options.seconds) for _ in range(ROUNDS)] for name, one in BATCHED.items()
        }
        report(console, path.stem, options.device, sizes, {name: statistics.median(one) for name, one in loads.items()})
        copies(console, model)
    finally:
        await model.close()


def report(console: Console, name: str, device: str, sizes: Mapping[int, Loops], loads: Mapping[str, float]) -> None:
    """Print the rates of one model."""
    heads = ("CPU", f"{device}, plain", f"{device}, bound", "engine", "beside CPU", "beside bound")
    table = Table("rows", *heads, title=f"{name}, rows/s")
    for size, loops in sizes.items():
        table.add_row(
            str(size), *(f"{one:,.0f}" for one in loops), f"{loops.engine / loops.cpu:.1f}",
            f"{loops.engine / loops.bound:.2f}",
        )  # fmt: skip
    cpu, best = (max(getattr(one, kind) for one in sizes.values()) for kind in ("cpu", "bound"))
    for load, found in loads.items():
        table.add_row(load, "", "", "", f"{found:,.0f}", f"{found / cpu:.1f}", f"{found / best:.2f}")
    console.print(table)
    console.print("aims: 20 times the CPU at 32 rows; 0.9 of the bound loop (with 64 callers of its best)")


def copies(console: Console, model: OnnxModel) -> None:
    """Print what the engine has copied: each row once there, and what comes of it once back."""
    detail = model.placement.detail
    runs, there, back = (int(detail.get(name, 0)) for name in ("bound_runs", "bytes_to_device", "bytes_from_device"))
    if not runs:
        console.print("the engine has bound no memory, and copied nothing to a device")
        return
    taken, given = (sum(map(_row_bytes, side)) for side in (model.signature.inputs, model.signature.outputs))
    console.print(f"copies of the engine: {runs:,} runs, {there / taken:,.1f} rows there and {back / given:,.1f} back")


def _row_bytes(one: TensorSpec) -> int:
    return math.prod(one.shape[1:]) * DATATYPES[one.datatype].itemsize


def main() -> int:
    """Measure where there is a GPU; 1 where there is none."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_parts.engines_gpu")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long each loop runs, at least")
    options = parser.parse_args()
    console = Console()
    if options.device == "cuda" and CUDA not in library("cuda").get_available_providers():
        console.print("no CUDA here: install onnxruntime-gpu on a machine with an NVIDIA GPU; nothing was measured")
        return 1
    if options.device == "cpu":
        console.print("on the CPU: this shows that the code runs, and is no measurement")
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as name:
        folder = Path(name)
        for path in (written(folder).rename(folder / "dense.onnx"), encoder(folder, LAYERS[options.device])):
            asyncio.run(measure(path, options, console))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
