"""How well, and how fast, the injection pack tells attacks from honest requests.

    python -m tests.bench_parts.injection [--markdown]

Reads both halves of tests/labelled/injection. The patterns were written and the thresholds chosen on `seen` alone.
"""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from yumen_plugins.anomaly import injection

FOLDER = Path(__file__).parents[1] / "labelled" / "injection"
THRESHOLDS = (2, 3, 4, 5, 6)
FLAG, BLOCK = 3.0, 5.0
KILOBYTE = {
    "English": ("The quick brown fox jumps over the lazy dog, and went home to dinner at 7:30 with 12 friends. " * 11)[
        :1000
    ],
    "Chinese": ("今天的天气很好，我们一起去公园散步吧！晚上七点半大家在餐厅见面，一共有十二个人，请准时到达。" * 8)[
        :333
    ],
}


class Row(msgspec.Struct, frozen=True):
    """A labelled text, which is a `yumen.Text` as far as it is read."""

    id: str
    lang: str
    label: str
    kind: str
    role: str
    text: str


class Said(msgspec.Struct, frozen=True):
    """What `yumen.Text` shows of a text."""

    role: str
    value: str
    kind: str = "message"


def rows(half: str) -> list[Row]:
    """The texts of a half."""
    return [msgspec.json.decode(line, type=Row) for line in (FOLDER / f"{half}.jsonl").read_bytes().splitlines()]


def score(row: Row) -> float:
    """The score of one text."""
    return injection.signals([Said(row.role, row.text)]).score  # type: ignore[list-item]  # enough of a text


def by_threshold(half: Sequence[Row], scores: Sequence[float]) -> Iterable[tuple[str, ...]]:
    """Recall and precision of `injection.score >= threshold`."""
    attacks = sum(row.label == "attack" for row in half)
    for threshold in THRESHOLDS:
        hits = [row.label for row, value in zip(half, scores, strict=True) if value >= threshold]
        right = hits.count("attack")
        share = f"{right / len(hits):.3f}" if hits else "-"
        yield str(threshold), f"{right / attacks:.3f}", share, str(hits.count("benign"))


def by_group(half: Sequence[Row], scores: Sequence[float]) -> Iterable[tuple[str, ...]]:
    """How many of each kind and language reach the thresholds that the pack uses."""
    groups: dict[tuple[str, str, str], list[float]] = defaultdict(list)
    for row, value in zip(half, scores, strict=True):
        groups[row.label, row.kind, row.lang].append(value)
    for (label, kind, lang), values in sorted(groups.items()):
        flagged, blocked = (sum(value >= least for value in values) for least in (FLAG, BLOCK))
        yield label, kind, lang, str(len(values)), str(flagged), str(blocked)


def microseconds(text: str, seconds: float = 0.3) -> float:
    """What one look at a text of a user costs, in microseconds of this process's time."""
    said = [Said("user", text)]
    done, started = 0, time.process_time()
    while time.process_time() - started < seconds:
        injection.signals(said)  # type: ignore[arg-type]  # as above
        done += 1
    return 1e6 * (time.process_time() - started) / done


def shown(head: Sequence[str], lines: Iterable[Sequence[str]], markdown: bool) -> str:
    """A table, with bars for Markdown."""
    if markdown:
        bars = ["| " + " | ".join(line) + " |" for line in lines]
        return "\n".join(["| " + " | ".join(head) + " |", "| " + " | ".join("---" for _ in head) + " |", *bars])
    return "\n".join("".join(f"{cell:20}" for cell in line).rstrip() for line in (head, *lines))


def main(markdown: bool = False) -> None:
    """Print the tables."""
    injection.prepare()
    for half in ("seen", "unseen"):
        texts = rows(half)
        scores = [score(row) for row in texts]
        print(f"\n{half}: {len(texts)} texts\n")
        print(shown(("score >=", "recall", "precision", "false alarms"), by_threshold(texts, scores), markdown))
        head = ("label", "kind", "language", "texts", f">= {FLAG:.0f}", f">= {BLOCK:.0f}")
        print("\n" + shown(head, by_group(texts, scores), markdown))
    speed = [(name, f"{microseconds(text):.0f}") for name, text in KILOBYTE.items()]
    print("\n" + shown(("1 kB without a sign", "microseconds"), speed, markdown))


if __name__ == "__main__":
    main("--markdown" in sys.argv)
