"""Processor time of one exchange through the starter bundle's chain, in process and without sockets, by plugin and hook.

`python -m tests.bench_parts.exchange` prints a table; `--json` the same as one object, `--compare FILE` beside what an
earlier `--json` wrote. The data plane, the plugins and the ledger are the real ones; the engine is local and answers with a
canned reply. Every exchange is measured from the bytes of its request to the bytes of its reply, one after the other, so
that the ledger syncs for each; `--at-once` has so many under way, which share syncs as under load.

Every round measures first the whole and then its parts, since asking for the time costs as well. Medians over the rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import os
import statistics
import tempfile
import time
import types
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import uvloop
from rich.console import Console
from rich.progress import track
from rich.table import Table
from tests.bench.load import BODY
from tests.bench.servers import REPLY

from yumen.app import tune_interpreter
from yumen.chain import Chain, Run
from yumen.dataplane import OPENAI, DataPlane
from yumen.exchange import Answer
from yumen.identity import Keys
from yumen.parts import Parts
from yumen.policy.trusted import load_trusted
from yumen.runtime import Runtime
from yumen.settings import Secret, Settings
from yumen.target import Target
from yumen.telemetry import configure_logging
from yumen.testing import ScriptedEngine
from yumen.view import View

PATH = "/v1/chat/completions"
WARM = 300
Spent = dict[str, int]


class Bench:
    """The data plane with one runtime. `bodies` makes the body of each exchange by its number."""

    def __init__(self, plane: DataPlane, key: str, bodies: Callable[[int], bytes]) -> None:
        self._plane = plane
        self._bodies = bodies
        self._headers = [
            (b"host", b"127.0.0.1:8080"),
            (b"content-type", b"application/json"),
            (b"authorization", f"Bearer {key}".encode()),
        ]
        self._number = 0

    async def one(self) -> None:
        """One exchange. Error: SystemExit where it does not end well."""
        body = self._bodies(self._number)
        self._number += 1
        headers = [*self._headers, (b"content-length", str(len(body)).encode())]
        scope = {
            "type": "http", "method": "POST", "raw_path": PATH.encode(), "path": PATH, "headers": headers,
            "client": ("127.0.0.1", 4711),
        }  # fmt: skip
        sent: list[dict[str, Any]] = []
        messages = [{"type": "http.request", "body": body, "more_body": False}]

        async def receive() -> dict[str, Any]:
            # A client that stays says nothing more.
            return messages.pop() if messages else await asyncio.get_running_loop().create_future()

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        await self._plane(scope, receive, send)
        if sent[0]["status"] != 200:
            raise SystemExit(f"an exchange ended badly: {sent}")

    async def some(self, count: int, at_once: int) -> None:
        """So many exchanges."""

        async def several(number: int) -> None:
            for _ in range(number):
                await self.one()

        if at_once == 1:
            await several(count)
        else:
            await asyncio.gather(*(several(count // at_once) for _ in range(at_once)))


class Clock:
    """Adds up the time of the loop's thread that named parts take. What one part calls of another counts for both."""

    def __init__(self) -> None:
        self.spent: Spent = defaultdict(int)

    def hook(self, name: str, function: Callable[[Any], Coroutine[Any, Any, Any]]) -> Callable[[Any], Any]:
        """A hook that is timed as far as it runs; what the loop does while it waits is not its own."""
        spent = self.spent

        @types.coroutine
        def driven(coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Any]:
            sent = None
            while True:
                started = time.thread_time_ns()
                try:
                    waited_for = coroutine.send(sent)
                except StopIteration as finished:
                    return finished.value
                finally:
                    spent[name] += time.thread_time_ns() - started
                sent = yield waited_for

        async def timed(view: Any) -> Any:
            awaitable: Awaitable[Any] = driven(function(view))
            return await awaitable

        return timed

    def call(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that is timed."""
        spent = self.spent

        def timed(*given: Any, **named: Any) -> Any:
            started = time.thread_time_ns()
            try:
                return function(*given, **named)
            finally:
                spent[name] += time.thread_time_ns() - started

        return timed


class Timed:
    """While entered, the hooks of a chain and some of the core's own functions are timed."""

    def __init__(self, chain: Chain, clock: Clock) -> None:
        self._chain = chain
        self._clock = clock
        self._undo: list[Callable[[], None]] = []

    def __enter__(self) -> None:
        clock = self._clock
        for step in self._chain.steps:
            hooks = step.hooks
            step.hooks = {hook: clock.hook(f"{step.name}.{hook}", function) for hook, function in hooks.items()}
            self._undo.append(lambda step=step, hooks=hooks: setattr(step, "hooks", hooks))  # type: ignore[misc]
        for holder, name in ((OPENAI, "decode"), (OPENAI, "decode_reply"), (Keys, "authenticate"), (Run, "body"),
                             (View, "commit")):  # fmt: skip
            self._time(holder, name)

    def _time(self, holder: Any, name: str) -> None:
        try:
            before = getattr(holder, name)
            setattr(holder, name, self._clock.call(f"core.{name}", before))
        except (AttributeError, TypeError):
            return  # compiled classes cannot be changed
        own = not isinstance(holder, type)
        self._undo.append(lambda: delattr(holder, name) if own else setattr(holder, name, before))

    def __exit__(self, *_: object) -> None:
        for undo in self._undo:
            undo()


async def started(options: argparse.Namespace, folder: Path) -> tuple[Bench, Chain, Runtime]:
    """A gateway with the starter bundle and a trusted key."""
    settings = Settings(data_dir=folder, policies=options.policies)
    secret = Secret.open(folder)
    runtime = Runtime(load_trusted(settings.policies, ()).bundle, Parts(settings, secret))
    await runtime.start()
    keys = Keys.open(folder, secret)
    _, key = keys.create(tenant="bench", app="bench", trusted=True)
    (chain,) = runtime.chains.values()
    engine = Canned(dialects=("openai",)).says(REPLY.encode())
    chain.target = Target("llm", engine, "remote" if options.remote else "local")
    chain.dialects = engine.manifest.dialects
    if options.plugins is not None:
        wanted = [name for name in options.plugins.split(",") if name]
        chain.steps = [step for step in chain.steps if step.name in wanted]
    bodies = varied if options.varied else (lambda number: BODY.encode())
    return Bench(DataPlane(runtime, keys, secret), key, bodies), chain, runtime


class Canned(ScriptedEngine):
    """Keeps no requests, of which there are many here."""

    async def generate(self, request: Any) -> Answer | Any:
        self.requests.clear()
        return await super().generate(request)


def varied(number: int) -> bytes:
    """The same system prompt, and a user's message that nobody has written before."""
    phone = 13_000_000_000 + number * 7919 % 1_000_000_000
    text = BODY.replace("13812345678", str(phone)).replace("li.na@", f"li.na{number}@")
    return text.replace("my parcel is late", f"my parcel {number} is late").encode()


async def measure(options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Microseconds of an exchange: the whole of the process, of the loop's thread, and of each part."""
    bench, chain, runtime = await started(options, folder)
    tune_interpreter()
    try:
        await bench.some(WARM, options.at_once)
        found: dict[str, list[float]] = defaultdict(list)
        for _ in track(range(options.rounds), "measuring", console=Console(stderr=True), transient=True):
            gc.collect()
            process, thread, wall = time.process_time_ns(), time.thread_time_ns(), time.perf_counter_ns()
            await bench.some(options.count, options.at_once)
            found["whole process"].append((time.process_time_ns() - process) / options.count)
            found["loop's thread"].append((time.thread_time_ns() - thread) / options.count)
            found["wall clock"].append((time.perf_counter_ns() - wall) / options.count)
            if options.no_parts:
                continue
            clock = Clock()
            with Timed(chain, clock):
                await bench.some(options.count // 4, options.at_once)
            for name, spent in clock.spent.items():
                found[name].append(spent / (options.count // 4))
        return {name: round(statistics.median(rounds) / 1000, 1) for name, rounds in found.items()}
    finally:
        await runtime.stop()


def report(figures: dict[str, float], before: dict[str, float]) -> None:
    """Print the table, the whole first."""
    table = Table("part", *(["before, µs"] if before else []), "µs an exchange")
    plugins: dict[str, float] = defaultdict(float)
    for name, spent in figures.items():
        plugins[name.partition(".")[0]] += spent if "." in name and not name.startswith("core.") else 0
    for name in [*figures, *(name for name in before if name not in figures)]:
        cells = [f"{figures[name]:.1f}" if name in figures else ""]
        if before:
            cells.insert(0, f"{before[name]:.1f}" if name in before else "")
        table.add_row(name, *cells)
    for name, spent in plugins.items():
        if spent:
            table.add_row(f"{name}, all hooks", *([""] if before else []), f"{spent:.1f}")
    Console().print(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench_parts.exchange", description=__doc__)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--count", type=int, default=640, help="exchanges in a round")
    parser.add_argument("--at-once", type=int, default=32, help="exchanges under way together")
    parser.add_argument("--varied", action="store_true", help="every user's message is a new one")
    parser.add_argument("--remote", action="store_true", help="an engine for which an intent is recorded")
    parser.add_argument("--no-sync", action="store_true", help="the ledger writes and does not sync")
    parser.add_argument("--plugins", help="only these of the chain, with commas between them; empty for none")
    parser.add_argument("--no-parts", action="store_true", help="measure the whole alone, for a profiler beside it")
    parser.add_argument("--policies", default="starter")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--compare", type=Path)
    options = parser.parse_args()
    configure_logging("warning")
    if options.no_sync:
        os.fdatasync = os.fsync = lambda descriptor: None  # type: ignore[assignment]
    with tempfile.TemporaryDirectory(prefix="yumen-bench-") as name:
        figures = uvloop.run(measure(options, Path(name)))
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        report(figures, json.loads(options.compare.read_text()) if options.compare else {})


if __name__ == "__main__":
    main()
