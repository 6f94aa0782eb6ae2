"""The gateway under MLPerf's load generator: the highest rate at which 99 of 100 replies take less than 200 ms.

    python -m tests.bench_parts.loadgen

LoadGen's Server scenario sends requests at random moments (a Poisson process) and waits for nobody, as users do; it decides
itself what is valid. The gateway is a real process with the whole starter chain, and no two requests are the same, so its
cache answers none. Needs mlcommons-loadgen, a dependency of the group `bench`; takes about two minutes and a half.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import itertools
import json
import math
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import numpy as np
from rich.console import Console
from rich.table import Table
from tests.bench_parts.batcher import WIDTH, written
from tests.bench_parts.detection import CHAT
from tests.engines.onnx.judge import judge
from tests.serving import Gateway

import yumen_policies.starter

TARGET_MS, PERCENTILE = 200, 0.99
# Fewer do not prove a 99th percentile: LoadGen asks for 662 at least where some are late.
QUERIES_MIN = 700
# The search doubles the rate until it is too high, and halves it down to this where the first one is.
RATE_MIN = 25.0
# It ends where what is valid and what is not are as near as this, or where there is no time for another run.
NEAR = 1.2
# A reply that takes longer counts as failed; LoadGen waits for every one.
TIMEOUT_S = 20.0
# Requests of which so many seconds' worth are unanswered end a run: the rate is far too high, and its queue only grows.
BEHIND_S = 2.0
SAMPLES = 1024
# Letters, so that no detector takes the number of a request for somebody's.
LETTERS = str.maketrans("0123456789", "ghijklmnop")
CONDITIONS = {
    "Min queries satisfied": "too far behind",
    "Min duration satisfied": "too far behind",
    "Performance constraints satisfied": "p99 too high",
    "Early stopping satisfied": "too few to be sure",
}
GATEWAY = """version: 1
engines:
  assistant: {{adapter: faq, egress: local}}
  numbers: {{adapter: onnx, egress: local, task: tensors, repository: {{path: "{models}"}}}}
  labels: {{adapter: onnx, egress: local, task: classification, model: "{labels}"}}
routes:
  - {{id: chat, match: {{paths: [/v1/chat/completions], models: ["*"]}}, engine: assistant, chain: {chain}}}
  - {{id: numbers, match: {{paths: ["/v2/models/*"], models: [dense]}}, engine: numbers, chain: {chain}}}
  - {{id: labels, match: {{paths: ["/v2/models/*"], models: [labels]}}, engine: labels, chain: {chain}}}
"""
CHAIN = "[audit, limits, anomaly, anonymize, cache]"


class Request(NamedTuple):
    """What is sent to a path, with its own headers."""

    body: bytes
    headers: dict[str, str]


class Route(NamedTuple):
    """A route of the gateway, and what makes its requests: of a sample's number, and of the request's own."""

    name: str
    path: str
    made: Callable[[int, int], Request]


class Run(NamedTuple):
    """What LoadGen says of one rate; latencies in milliseconds."""

    target: float
    achieved: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    valid: bool
    failed: int
    reason: str


def _json(value: Any) -> Request:
    return Request(json.dumps(value, ensure_ascii=False).encode(), {"content-type": "application/json"})


def _words(sample: int, number: int) -> str:
    return f"{CHAT[sample % len(CHAT)]} {str(number).translate(LETTERS)}"


def chat(sample: int, number: int) -> Request:
    """A short message, of which half hold something to be masked."""
    return _json({"model": "assistant", "messages": [{"role": "user", "content": _words(sample, number)}]})


def labels(sample: int, number: int) -> Request:
    """The same messages, as a tensor of texts."""
    text = {"name": "text", "datatype": "BYTES", "shape": [1], "data": [_words(sample, number)]}
    return _json({"inputs": [text]})


def numbers(sample: int, number: int) -> Request:
    """A row of 2,048 numbers as binary data."""
    row = np.full((1, WIDTH), sample / SAMPLES, np.float32)
    row[0, 0] = number
    given = {"name": "x", "datatype": "FP32", "shape": [1, WIDTH], "parameters": {"binary_data_size": row.nbytes}}
    head = json.dumps({"inputs": [given], "parameters": {"binary_data_output": True}}).encode()
    return Request(head + row.tobytes(), {"inference-header-content-length": str(len(head))})


ROUTES = {
    "chat": Route("chat: /v1/chat/completions, the built-in model", "/v1/chat/completions", chat),
    "labels": Route("labels: /v2, one text classified by a tiny model", "/v2/models/labels/infer", labels),
    "numbers": Route("numbers: /v2, one row through three layers of 2048 x 2048", "/v2/models/dense/infer", numbers),
}


def next_rate(tried: dict[float, bool], first: float) -> float | None:
    """The rate to try after those that were valid (True) or not; None where the answer is known well enough."""
    low = max((rate for rate, valid in tried.items() if valid), default=0.0)
    high = min((rate for rate, valid in tried.items() if not valid), default=math.inf)
    if not tried:
        return first
    if high == math.inf:
        return 2 * low
    if not low:
        return high / 2 if high / 2 >= RATE_MIN else None
    return math.sqrt(low * high) if high / low > NEAR else None


class Load:
    """Sends what LoadGen asks for to one route, over connections that are kept."""

    def __init__(self, library: Any, session: aiohttp.ClientSession, url: str, route: Route) -> None:
        self._library = library
        self._session = session
        self._url = url + route.path
        self._route = route
        self._numbers = itertools.count()
        self._tasks: set[asyncio.Task[None]] = set()
        self.failed: dict[str, int] = {}

    async def ask(self, sample: int) -> None:
        """Send one request and read its reply. What is not 200 is counted by its kind."""
        request = self._route.made(sample, next(self._numbers))
        try:
            async with self._session.post(self._url, data=request.body, headers=request.headers) as reply:
                await reply.read()
            how = "" if reply.status == 200 else str(reply.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            how = type(error).__name__
        if how:
            self.failed[how] = self.failed.get(how, 0) + 1

    async def run(self, rate: float, seconds: float, folder: Path) -> Run:
        """Let LoadGen ask at one rate, in requests a second."""
        self.failed = {}
        await asyncio.to_thread(self._test, asyncio.get_running_loop(), rate, seconds, folder)
        await asyncio.gather(*self._tasks)
        return read_summary(rate, (folder / "mlperf_log_summary.txt").read_text(), self.failed)

    def _test(self, loop: asyncio.AbstractEventLoop, rate: float, seconds: float, folder: Path) -> None:
        """One test, in a thread from its beginning to its end: LoadGen keeps what it is given until then."""
        library = self._library

        def issue(asked: Sequence[Any]) -> None:  # in LoadGen's thread, which is late where this takes long
            loop.call_soon_threadsafe(self._begin, [(one.id, one.index) for one in asked])

        sut = library.ConstructSUT(issue, _nothing)
        samples = library.ConstructQSL(SAMPLES, SAMPLES, _nothing, _nothing)
        try:
            library.StartTestWithLogSettings(sut, samples, _settings(library, rate, seconds), _logs(library, folder))
        finally:
            library.DestroyQSL(samples)
            library.DestroySUT(sut)

    def _begin(self, asked: Sequence[tuple[int, int]]) -> None:
        for number, sample in asked:
            task = asyncio.create_task(self._answer(number, sample))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, sample: int) -> None:
        try:
            await self.ask(sample)
        finally:  # LoadGen waits for every one, whatever has become of it
            self._library.QuerySamplesComplete([self._library.QuerySampleResponse(number, 0, 0)])


def _nothing(*given: Any) -> None:
    """Samples need no loading, and nothing is gathered that could be flushed."""


def _settings(library: Any, rate: float, seconds: float) -> Any:
    settings = library.TestSettings()
    settings.scenario = library.TestScenario.Server
    settings.mode = library.TestMode.PerformanceOnly
    settings.server_target_qps = rate
    settings.server_target_latency_ns = TARGET_MS * 1_000_000
    settings.server_target_latency_percentile = PERCENTILE
    settings.server_max_async_queries = max(64, round(BEHIND_S * rate))
    settings.min_query_count = QUERIES_MIN
    settings.min_duration_ms = round(1000 * seconds)
    return settings


def _logs(library: Any, folder: Path) -> Any:
    folder.mkdir(parents=True)
    logs = library.LogSettings()
    logs.log_output.outdir = str(folder)
    logs.log_output.copy_summary_to_stdout = False
    logs.enable_trace = False
    return logs


def read_summary(target: float, text: str, failed: dict[str, int]) -> Run:
    """What LoadGen's summary says of a run; one with a failed request is not valid, whatever LoadGen says."""

    def found(name: str) -> float:
        match = re.search(rf"^{re.escape(name)}\s*: ([\d.]+)", text, re.MULTILINE)
        return float(match[1]) if match else math.nan

    reason = ", ".join(f"{count} x {kind}" for kind, count in sorted(failed.items()))
    if not reason and "Result is : VALID" not in text:
        # The first of LoadGen's own conditions that does not hold.
        refused = (why for name, why in CONDITIONS.items() if re.search(rf"^ *{name} *: *NO", text, re.MULTILINE))
        reason = next(refused, "LoadGen says so")
    p50, p90, p99 = (found(f"{part} percentile latency (ns)") / 1e6 for part in ("50.00", "90.00", "99.00"))
    return Run(target, found("Completed samples per second"), p50, p90, p99, not reason, sum(failed.values()), reason)


def serve(stack: ExitStack, folder: Path) -> Gateway:
    """A gateway with the starter bundle's plugins as they are, and three engines behind them."""
    bundle = folder / "policy"
    shutil.copytree(Path(yumen_policies.starter.__file__).parent, bundle, ignore=shutil.ignore_patterns("__*"))
    models = folder / "models"
    (models / "dense" / "1").mkdir(parents=True)
    written(models / "dense" / "1")
    text = GATEWAY.format(models=models, labels=judge(folder / "labels"), chain=CHAIN)
    (bundle / "gateway.yaml").write_text(text)
    gateway = Gateway(folder, YUMEN_POLICIES=str(bundle), YUMEN_WORKERS="1")
    stack.callback(gateway.stop)
    return gateway.start()


async def measure(library: Any, gateway: Gateway, route: Route, options: argparse.Namespace, folder: Path) -> list[Run]:
    """Runs of one route, by rate. Error: SystemExit where it does not even answer without load."""
    headers = {"authorization": f"Bearer {gateway.trusted_key()}"}
    timeout, connections = aiohttp.ClientTimeout(TIMEOUT_S), aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(headers=headers, timeout=timeout, connector=connections) as session:
        load = Load(library, session, gateway.url, route)
        for first in range(0, 128, 8):
            await asyncio.gather(*map(load.ask, range(first, first + 8)))
        if load.failed:
            raise SystemExit(f"{route.path} fails without load: {load.failed}\n{gateway.log[-2000:]}")
        runs: list[Run] = []
        until = time.monotonic() + options.search
        while (rate := next_rate({one.target: one.valid for one in runs}, options.first)) is not None:
            if runs and time.monotonic() + max(options.seconds, QUERIES_MIN / rate) > until:
                break
            runs.append(await load.run(rate, options.seconds, folder / str(len(runs))))
    return sorted(runs)


def report(console: Console, route: Route, runs: Sequence[Run]) -> None:
    """Print what was found of one route."""
    table = Table("target", "achieved/s", "p50 ms", "p90 ms", "p99 ms", "valid", title=route.name, min_width=80)
    for run in runs:
        cells = (f"{run.achieved:,.0f}", f"{run.p50_ms:.1f}", f"{run.p90_ms:.1f}", f"{run.p99_ms:.1f}")
        table.add_row(f"{run.target:,.0f} requests/s", *cells, "yes" if run.valid else f"no: {run.reason}")
    console.print(table)
    highest = max((run.target for run in runs if run.valid), default=None)
    said = "none was found" if highest is None else f"{highest:,.0f} requests/s"
    console.print(f"highest valid rate: {said} (p99 below {TARGET_MS} ms)")


def main() -> int:
    """Measure and print; 1 where LoadGen is not installed."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_parts.loadgen")
    parser.add_argument("--seconds", type=float, default=5, help="how long each rate is asked for, at least")
    parser.add_argument("--search", type=float, default=40, help="how long to search for each route's rate, in seconds")
    parser.add_argument("--first", type=float, default=100, help="the first rate, in requests a second")
    parser.add_argument("--only", choices=list(ROUTES), action="append", help="measure this route only")
    options = parser.parse_args()
    console = Console()
    try:
        library: Any = importlib.import_module("mlperf_loadgen")
    except ImportError:
        console.print("MLPerf's load generator is not installed: pip install 'mlcommons-loadgen>=6'")
        return 1
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        gateway = serve(stack, folder)
        for key in options.only or ROUTES:
            route = ROUTES[key]
            report(console, route, asyncio.run(measure(library, gateway, route, options, folder / "logs" / key)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
