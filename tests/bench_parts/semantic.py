"""How often the semantic tier answers rightly and wrongly, by threshold, with and without its gate; and what it costs.

`python -m tests.bench_parts.semantic` prints curves over the labelled pairs of tests/plugins/cache/semantic, with the small
model of tests/embedder, a table by label at one threshold, and microseconds: of the gate, and of a look into the index.
"""

from __future__ import annotations

import argparse
import asyncio
import time
import tracemalloc
from collections.abc import Sequence
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table
from tests.plugins.cache.semantic.labelled import LABELS, Judged, embedder, judged, pairs, rates

from yumen.testing import RunningClock, UnitHost
from yumen_plugins.cache.semantic.gate import agree
from yumen_plugins.cache.semantic.index import Known, Questions

THRESHOLDS = (0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8, 0.82, 0.84, 0.86, 0.88, 0.9, 0.92, 0.94, 0.96, 0.98)
DIMENSION = 256
SIZES = (100, 1_000, 10_000)
LOOKS = 200


def curve(name: str, among: Sequence[Judged]) -> Table:
    """Shares of right and wrong hits by threshold."""
    table = Table(title=f"{name}: {len(among)} pairs; hits among those of one meaning, and among all others")
    for heading in ("threshold", "right, no gate", "wrong, no gate", "right, gate", "wrong, gate"):
        table.add_column(heading, justify="right")
    for threshold in THRESHOLDS:
        shares = (*rates(among, threshold, gate=False), *rates(among, threshold))
        table.add_row(f"{threshold:.2f}", *(f"{share:.1%}" for share in shares))
    return table


def by_label(name: str, among: Sequence[Judged], threshold: float) -> Table:
    """Hits of each label and language at one threshold."""
    table = Table(title=f"{name} at {threshold}: hits without gate / with gate / pairs")
    for heading in ("label", "en", "zh", "both"):
        table.add_column(heading, justify="right")
    for label in LABELS:
        cells = []
        for language in ("en", "zh", "both"):
            some = [one for one in among if (one.pair.label, one.pair.language) == (label, language)]
            hits = [sum(one.hits(threshold, gate=gate) for one in some) for gate in (False, True)]
            cells.append(f"{hits[0]} / {hits[1]} / {len(some)}" if some else "")
        table.add_row(label, *cells)
    return table


def random_rows(count: int) -> Any:
    """Vectors of length 1 that are like nothing."""
    rows = np.random.default_rng(7).standard_normal((count, DIMENSION)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def known(number: int, vector: Any, *, alone: bool) -> Known:
    """A question of its own context, or of one that all have."""
    context = number.to_bytes(24, "big") if alone else b"c" * 24
    text = f"How do I reset the password of device {number}?"
    return Known(number.to_bytes(24, "big"), context, text, vector.astype(np.float16).tobytes(), "t", "", 0.0, 1e12)


def costs() -> Table:
    """Microseconds of a look, and bytes of a question, by the number of questions in a context."""
    table = Table(title=f"an index of {DIMENSION} numbers a vector")
    for heading in (
        "questions",
        "µs to add",
        "µs to look",
        "bytes each",
        "bytes accounted",
        "each its own context: bytes",
    ):
        table.add_column(heading, justify="right")
    for size in SIZES:
        rows = random_rows(size)
        sizes, accounted, add_s, look_s = [], 0.0, 0.0, 0.0
        for alone in (False, True):
            questions = Questions(size, now=lambda: 1.0)
            items = [known(number, row, alone=alone) for number, row in enumerate(rows)]
            tracemalloc.start()
            started = time.process_time()
            for item in items:
                questions.add("tenant:t", item)
            spent = time.process_time() - started
            sizes.append(tracemalloc.get_traced_memory()[0] / size)
            tracemalloc.stop()
            if not alone:
                add_s, accounted = spent / size, questions.stats()["bytes"] / size
                started = time.process_time()
                for row in rows[:LOOKS]:
                    questions.find("tenant:t", b"c" * 24, "How do I reset it?", row, 0.99)
                look_s = (time.process_time() - started) / min(LOOKS, size)
        cells = (f"{add_s * 1e6:.0f}", f"{look_s * 1e6:.0f}", f"{sizes[0]:.0f}", f"{accounted:.0f}", f"{sizes[1]:.0f}")
        table.add_row(f"{size:,}", *cells)
    return table


def gate_us(among: Sequence[Judged]) -> float:
    """Microseconds of CPU to compare two questions."""
    started = time.process_time()
    for one in among:
        agree(one.pair.asked, one.pair.kept)
    return (time.process_time() - started) / len(among) * 1e6


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--threshold", type=float, default=0.86)
    parser.add_argument("--only", choices=("dev", "held_out"))
    given = parser.parse_args()
    console = Console(width=120)
    engine = embedder()
    await engine.load(UnitHost(clock=RunningClock()))
    for name in ("dev", "held_out") if given.only is None else (given.only,):
        among = await judged(pairs(name), engine)
        console.print(curve(name, among), by_label(name, among, given.threshold))
        console.print(f"the gate: {gate_us(among):.0f} µs a pair")
    await engine.close()
    console.print(costs())


if __name__ == "__main__":
    asyncio.run(main())
