"""Detection alone: megabytes of text per second in one process, over the whole catalogue of `anonymize`."""

from __future__ import annotations

import time

from rich.console import Console
from rich.table import Table

from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.scan import Scanner

ENGLISH = "The quick brown fox jumps over the lazy dog, and went home to have dinner at 7:30 with 12 friends. " * 2000
CHINESE = "今天的天气很好，我们一起去公园散步吧！晚上七点半大家在餐厅见面，一共有十二个人，请准时到达。" * 2000
HITS = (ENGLISH[:400] + "Call 13812345678 or write to li.na@example.com. 身份证号110101199003077213。 ") * 400


def rate(scanner: Scanner, text: str, seconds: float) -> float:
    """Megabytes of UTF-8 per second."""
    size, done = len(text.encode()), 0
    started = time.perf_counter()
    while time.perf_counter() - started < seconds:
        scanner.scan([text])
        done += size
    return done / (time.perf_counter() - started) / 1e6


def main(seconds: float = 2.0) -> dict[str, object]:
    """Measure, print a table, and return the figures."""
    scanner = Scanner(CATALOGUE)
    table = Table("detection, whole catalogue", "MB/s")
    figures: dict[str, object] = {}
    for name, text in (
        ("clean English", ENGLISH),
        ("clean Chinese", CHINESE),
        ("three values every 480 characters", HITS),
    ):
        figures[f"detection, {name}: MB/s"] = round(rate(scanner, text, seconds), 1)
        table.add_row(name, str(figures[f"detection, {name}: MB/s"]))
    Console().print(table)
    return figures


if __name__ == "__main__":
    main()
