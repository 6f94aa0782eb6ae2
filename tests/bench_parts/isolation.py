"""What a process of its own costs a plugin, per hook, beside the same plugin in the gateway's process.

`python -m tests.bench_parts.isolation` prints a table; `--json` the same as one object. Measured is one whole call of a
request hook by the core, with an edit and a finding: the exchange shown, the hook, and what it did applied. One at a time
for the latency, 32 at a time for how many there are in a second. Aims: at most 250 µs at the median, at least 5,000 hooks a
second. Where others use the machine too, the last columns tell more: processor time of one hook, in the gateway and in the
process.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any, ClassVar

import uvloop
from rich.console import Console
from rich.table import Table
from tests.kit import request

from yumen import Exchange, Hmac, Manifest, NoConfig, Plugin, Principal
from yumen.app import tune_interpreter
from yumen.dialects.openai import OpenAI
from yumen.forms import ExchangeState
from yumen.parts import Parts
from yumen.policy.bundle import Instance
from yumen.settings import Secret, Settings
from yumen.step import Step
from yumen.view import View

WARM, ROUNDS, ALONE, AT_ONCE, TOGETHER = 500, 5, 1000, 32, 6400
WORD = "苍鹭"
SENTENCE = "Where is my order? 我的订单在哪里? "


class Words(Plugin[NoConfig]):
    """Replaces one word."""

    manifest: ClassVar[Manifest] = Manifest(name="words", version="1", sees="raw", mutates=True)

    async def on_request(self, exchange: Exchange) -> None:
        for text in exchange.texts:
            start = text.value.find(WORD)
            if start >= 0:
                text.replace(start, start + len(WORD), "某鸟", rule="word")
                exchange.find("word", category="words", text=text, start=start, end=start + len(WORD))


def state(chars: int) -> ExchangeState:
    """A request of so many characters, as it arrives at its first plugin."""
    text = (SENTENCE * (chars // len(SENTENCE) + 1))[: chars - len(WORD)] + WORD
    dialect = OpenAI()
    payload = dialect.decode("/v1/chat/completions", request(text), depth_max=64, texts_max=1000)
    exchange = ExchangeState("0" * 32, time.time(), Principal("tenant", "app", "key"), payload)
    exchange.route, exchange.engine, exchange.digest_mac, exchange.spoken = "chat", "llm", Hmac(b"key"), dialect
    return exchange


async def call(step: Step, exchange: ExchangeState) -> float:
    """Seconds of one hook."""
    view = View(exchange, step.name, step.manifest)
    started = time.perf_counter()
    await step.call("on_request", exchange, view)
    seconds = time.perf_counter() - started
    assert len(exchange.findings) == 1, "the hook has failed"
    return seconds


async def alone(step: Step, chars: int) -> list[float]:
    """One at a time: seconds of each."""
    return [await call(step, state(chars)) for _ in range(ALONE)]


def process_s(step: Step) -> float:
    """Seconds of processor time that the plugin's own process has used, where it has one. Format: proc_pid_stat(5)."""
    pid = getattr(step.plugin, "pid", None)
    if pid is None:
        return 0.0
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def together(step: Step, chars: int) -> tuple[float, float, float]:
    """So many at a time: hooks a second, and of each the seconds of processor time here and in its process."""
    states = [state(chars) for _ in range(TOGETHER)]

    async def caller() -> None:
        while states:
            await call(step, states.pop())

    started, here, there = time.perf_counter(), time.process_time(), process_s(step)
    await asyncio.gather(*(caller() for _ in range(AT_ONCE)))
    rate = TOGETHER / (time.perf_counter() - started)
    return rate, (time.process_time() - here) / TOGETHER, (process_s(step) - there) / TOGETHER


async def measure(folder: Path) -> list[dict[str, Any]]:
    """Both sizes, here and in a process; the best of the rounds, since others may use the machine."""
    parts = Parts(Settings(data_dir=folder), Secret(b"s" * 32))
    rows = []
    for chars in (200, 20_000):
        for isolation in ("none", "process"):
            instance = Instance(
                name="words", plugin_class=Words, config=NoConfig(), timeout_ms=60_000, isolation=isolation
            )
            part = await parts.plugin(instance)
            step = Step(instance, part.made)
            for _ in range(WARM):
                await call(step, state(chars))
            times = [sorted(await alone(step, chars)) for _ in range(ROUNDS)]
            row: dict[str, Any] = {"chars": chars, "isolation": isolation}
            row["p50_us"] = round(min(statistics.median(one) for one in times) * 1e6, 1)
            row["p99_us"] = round(min(one[len(one) * 99 // 100] for one in times) * 1e6, 1)
            runs = [await together(step, chars) for _ in range(ROUNDS)]
            row["hooks_per_s"] = round(max(rate for rate, _, _ in runs))
            row["gateway_cpu_us"] = round(min(here for _, here, _ in runs) * 1e6, 1)
            row["process_cpu_us"] = round(min(there for _, _, there in runs) * 1e6, 1)
            rows.append(row)
            await parts.give_back(part)
    return rows


def main() -> None:
    """See the module's docstring."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tune_interpreter()
    with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        rows = runner.run(measure(Path(folder)))
    if options.json:
        print(json.dumps(rows))
        return
    table = Table("text", "isolation", "p50 µs", "p99 µs", f"hooks/s, {AT_ONCE} at a time", "CPU µs here", "and there")
    for row in rows:
        times = (str(row["p50_us"]), str(row["p99_us"]), f"{row['hooks_per_s']:,}")
        spent = (str(row["gateway_cpu_us"]), str(row["process_cpu_us"]))
        table.add_row(f"{row['chars']:,}", row["isolation"], *times, *spent)
    Console().print(table)


if __name__ == "__main__":
    # Another process imports the plugin, which a class of `__main__` could not be.
    from tests.bench_parts import isolation

    isolation.main()
