"""Detection alone, in one process, over the whole catalogue: beside presidio-analyzer, by length, and by turn.

    python -m tests.bench_parts.detection

The comparison needs presidio-analyzer, a dependency of the group `bench`; without it the rest is measured.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.table import Table

from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.scan import Scanner

ENGLISH = "The quick brown fox jumps over the lazy dog, and went home to have dinner at 7:30 with 12 friends. "
CHINESE = "今天的天气很好，我们一起去公园散步吧！晚上七点半大家在餐厅见面，一共有十二个人，请准时到达。"
LOGS = '2026-11-23T08:15:42Z INFO worker-3 request 8f14e45f done in 12 ms {"status": 200, "bytes": 5120}\n'
CODE = "def total(items: list[Item]) -> int:\n    return sum(item.price * item.count for item in items if item)\n"
HITS = ENGLISH * 4 + "Call 13812345678 or write to li.na@example.com. 身份证号110101199003077213。 "
# Short messages as people write them, half of them with something in it.
CHAT = [
    "How do I return an order that I placed last week?",
    "My card 4111 1111 1111 1111 was declined, why?",
    "Please call me back on +1 415 555 0132 after 5 pm.",
    "Thanks, that worked!",
    "My name is John Smith and my e-mail is john.smith@example.com",
    "Can you summarise this paragraph for me in two sentences?",
    "The server at 10.12.0.7 does not answer any more.",
    "What is the difference between a list and a tuple in Python?",
    "怎么退货？我上周下的单。",
    "我的电话是13812345678，帮我查一下快递。",
    "请问你们几点关门？",
    "身份证号110101199003077213，姓名张伟，麻烦核对。",
    "谢谢，已经解决了！",
    "帮我写一封辞职信，语气要委婉一些。",
    "发票寄到北京市海淀区中关村大街27号3层，李娜收。",
    "这道题怎么做？已知x+y=12，求x的值。",
]
Work = Callable[[], object]


def rate(work: Work, seconds: float) -> float:
    """How often per second of this process's time something can be done."""
    done, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        work()
        done += 1
    return done / (time.process_time() - started)


def analyzer() -> Any:
    """presidio-analyzer with all its recognizers and a language model that does nothing, or None."""
    try:
        import spacy
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
    except ImportError:
        return None

    class Blank(SpacyNlpEngine):  # type: ignore[misc]  # presidio ships no types
        def __init__(self) -> None:
            super().__init__()
            self.nlp = {"en": spacy.blank("en")}

    return AnalyzerEngine(nlp_engine=Blank(), supported_languages=["en"])


def beside(scanner: Scanner, seconds: float, figures: dict[str, object]) -> Table:
    """Short chat messages, one after the other, by us and by presidio-analyzer in the same run."""
    table = Table("short chat messages", "texts/s", "ratio")
    ours = rate(lambda: [scanner.scan([text]) for text in CHAT], seconds) * len(CHAT)
    engine = analyzer()
    theirs = 0.0
    if engine is not None:
        theirs = rate(lambda: [engine.analyze(text, "en") for text in CHAT], seconds) * len(CHAT)
        table.add_row("presidio-analyzer, blank language model", f"{theirs:,.0f}", "1")
    ratio = f"{ours / theirs:,.0f}" if theirs else "presidio-analyzer is not installed"
    table.add_row("the whole catalogue", f"{ours:,.0f}", ratio)
    figures["detection, short messages: texts/s"] = round(ours)
    figures["detection, times presidio-analyzer"] = round(ours / theirs) if theirs else None
    return table


def by_kind(scanner: Scanner, seconds: float, figures: dict[str, object]) -> Table:
    """Megabytes of UTF-8 a second."""
    table = Table("detection, whole catalogue", "MB/s")
    for name, unit in (
        ("clean English", ENGLISH),
        ("clean Chinese", CHINESE),
        ("a log", LOGS),
        ("code", CODE),
        ("three values every 480 characters", HITS),
    ):
        text = unit * (200_000 // len(unit))
        value = round(rate(reading(scanner, text), seconds) * len(text.encode()) / 1e6, 1)
        figures[f"detection, {name}: MB/s"] = value
        table.add_row(name, str(value))
    return table


def reading(scanner: Scanner, text: str) -> Work:
    """One look at a text."""
    return lambda: scanner.scan([text])


def by_length(scanner: Scanner, seconds: float, figures: dict[str, object]) -> Table:
    """Nanoseconds a character, up to a megabyte: the same all the way where the cost is linear."""
    texts = {
        "chat": "\n".join(CHAT) + "\n",
        "digits": "1234567890",
        "openers": "-----BEGIN PRIVATE KEY-----\neyJ password: a@a:1.1.1.1 姓名：",
    }
    lengths = (1_000, 10_000, 100_000, 1_000_000)
    table = Table("ns a character", *(f"{length:,}" for length in lengths))
    for name, unit in texts.items():
        row = []
        for length in lengths:
            text = (unit * (length // len(unit) + 1))[:length]
            each = 1e9 / rate(reading(scanner, text), seconds / 4) / length
            row.append(f"{each:.0f}")
        figures[f"detection, {name}: ns a character by length"] = row
        table.add_row(name, *row)
    return table


def by_turn(scanner: Scanner, seconds: float, figures: dict[str, object]) -> Table:
    """A conversation of 200 messages once more, new and known."""
    draw = random.Random(1)
    messages = [" ".join(draw.choices(CHAT, k=4)) for _ in range(200)]
    new = rate(lambda: scanner.scan(messages), seconds)
    scanner.scan(messages, key=b"k" * 32)
    known = rate(lambda: scanner.scan(messages, key=b"k" * 32), seconds)
    table = Table("200 messages", "ms", "ratio")
    table.add_row("never seen", f"{1e3 / new:.2f}", "1")
    table.add_row("all but the last seen before", f"{1e3 / known:.2f}", f"{known / new:.1f}")
    figures["detection, 200 messages seen before: times faster"] = round(known / new, 1)
    return table


def main(seconds: float = 2.0) -> dict[str, object]:
    """Measure, print tables, and return the figures."""
    # Two threads compile, so that processor time would count both; whoever starts a gateway waits for the clock.
    started = time.perf_counter()
    scanner = Scanner(CATALOGUE)
    compiling = round(time.perf_counter() - started, 2)
    figures: dict[str, object] = {"detection, compiling the catalogue: s": compiling}
    console = Console()
    console.print(f"{len(CATALOGUE)} detectors, compiled in {compiling} s")
    for measure in (beside, by_kind, by_length, by_turn):
        console.print(measure(scanner, seconds, figures))
    return figures


if __name__ == "__main__":
    main()
