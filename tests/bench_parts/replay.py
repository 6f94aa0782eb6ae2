"""A replay alone: recorded exchanges per second on one core, under a bundle of rules (limits and anonymize).

The ledger is a real one: the audit plugin writes it, behind limits and in front of anonymize. `python -m
tests.bench_parts.replay [EXCHANGES]`; the default is 50,000.
"""

from __future__ import annotations

import asyncio
import os
import resource
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from tests.policy.recording import ROOT, Gateway, write_bundle

from yumen import Secret, Settings
from yumen.ledger import open_ledger
from yumen.policy.load import load_bundle
from yumen.policy.replay import Options, replay
from yumen.telemetry import configure_logging

EXCHANGES = 50_000
AT_ONCE = 64
OLD = {
    "limits": "version: 1\nplugin: limits\nconfig: {requests_per_minute: 300, input_tokens: 200000, body_bytes: 1048576}\n",
    "anonymize": "version: 1\nplugin: anonymize\nconfig: {detect: ['*']}\n",
}
NEW = {
    "limits": "version: 1\nplugin: limits\nconfig: {requests_per_minute: 100, input_tokens: 200000, body_bytes: 1048576}\n",
    "anonymize": "version: 1\nplugin: anonymize\nconfig: {detect: ['*'], action: {bank_card: block}}\n",
}
TEXTS = (
    "What are your opening hours on public holidays, and can I come by without an appointment?",
    "我的快递到哪了？我的电话是13812345678，请尽快联系我，谢谢！",
    "Please send the invoice to li.na@example.com and call 13912345678 if anything is unclear.",
    "请问怎么退货？我上周买的鞋子尺码不对，想换一双大一号的，运费由谁承担？",
    "My card 4111 1111 1111 1111 was charged twice for the same order, please look into it.",
)


async def record(bundle: Path, data_dir: Path, count: int) -> None:
    """Write a ledger of so many exchanges, of forty keys, thirty a second."""
    async with Gateway(bundle, data_dir) as gateway:
        for first in range(0, count, AT_ONCE):
            asking = (
                gateway.ask(TEXTS[number % len(TEXTS)], key=f"k{number % 40}", tenant=f"t{number % 8}", wait=1 / 30)
                for number in range(first, min(first + AT_ONCE, count))
            )
            await asyncio.gather(*asking)


def measure(bundle: Path, data_dir: Path) -> tuple[int, float, int]:
    """Exchanges, processor seconds, and exchanges that would be decided otherwise."""
    reader = open_ledger(data_dir / "ledger", Settings(data_dir=data_dir))
    started = time.process_time()
    report = asyncio.run(replay(reader, load_bundle(str(bundle), {}), Secret(ROOT), Options(), lambda size: None))
    seconds = time.process_time() - started
    assert not reader.wrong
    return report.exchanges, seconds, report.changed


def main(count: int = EXCHANGES) -> dict[str, object]:
    """Measure, print a table, and return the figures."""
    table = Table("", "exchanges", "otherwise", "exchanges/s of one core", "MiB resident at most")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundles = {
            "the same bundle": write_bundle(folder / "old", **OLD),
            "another bundle": write_bundle(folder / "new", **NEW),
        }
        pid = os.fork()
        if not pid:  # in a process of its own, so that what writing takes is known, and its memory is not counted
            configure_logging("error")
            asyncio.run(record(bundles["the same bundle"], folder / "data", count))
            os._exit(0)
        used = os.wait4(pid, 0)[2]
        chain = round(count / (used.ru_utime + used.ru_stime))
        table.add_row("the chain itself, as it was recorded", f"{count:,}", "", f"{chain:,}", "")
        figures: dict[str, object] = {"replay, the chain itself: exchanges/s": chain}
        for what, bundle in bundles.items():
            exchanges, seconds, otherwise = measure(bundle, folder / "data")
            resident = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
            figures[f"replay, {what}: exchanges/s"] = round(exchanges / seconds)
            rate = f"{exchanges / seconds:,.0f}"
            table.add_row(f"replay under {what}", f"{exchanges:,}", f"{otherwise:,}", rate, str(resident))
    Console().print(table)
    return figures


if __name__ == "__main__":
    main(*map(int, sys.argv[1:2]))
