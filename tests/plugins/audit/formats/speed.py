"""How many records a second each format makes: `python -m tests.plugins.audit.formats.speed`."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.plugins.audit.formats.samples import EXCHANGE

from yumen_plugins.audit.formats import LINES
from yumen_plugins.audit.formats.parquet import write_parquet

RECORDS, ROUNDS = 20_000, 3


def fastest(work: Callable[[], object]) -> float:
    """Records a second of processor time, in the best round."""
    seconds = []
    for _ in range(ROUNDS):
        before = time.process_time()
        work()
        seconds.append(time.process_time() - before)
    return RECORDS / min(seconds)


def lines(name: str) -> Callable[[], object]:
    """Make that many lines of a format."""
    return lambda: [LINES[name](EXCHANGE) for _ in range(RECORDS)]


def main() -> None:
    print(f"a record is {len(LINES['jsonl'](EXCHANGE))} bytes of JSON")
    for name in LINES:
        print(f"{name} {fastest(lines(name)):,.0f}")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"
        print(f"parquet {fastest(lambda: write_parquet((EXCHANGE for _ in range(RECORDS)), path)):,.0f}")


if __name__ == "__main__":
    main()
