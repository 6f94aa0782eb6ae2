"""Sensitive words alone: megabytes of text per second, and microseconds of a short text and of a feed of a stream.

`python -m tests.bench_parts.words` prints two tables in about a minute. 100,000 words, half of them Chinese, are looked for
in the prose of this repository's own documents. All figures are CPU time on one core, the best of several.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from yumen_plugins.anomaly.words import WordLists
from yumen_plugins.anomaly.words.wordfile import Word
from yumen_plugins.anomaly.words.wordstream import WordScreen

ROOT = Path(__file__).resolve().parents[2]
LENGTHS = (100, 1000, 4000, 100_000)
# How far apart hits are, in characters; 0 is none.
APART = {"no hits": 0, "a hit in 2,000": 2000, "a hit in 50": 50}
FEED, FEEDS = 10, 400
PER_LANGUAGE = 50_000
ROUND_S, ROUNDS = 0.03, 5
CODE = re.compile(r"```.*?```|`[^`\n]*`|\]\([^)\s]*\)", re.DOTALL)


def prose(pattern: str, keep: str) -> str:
    """The lines of documents that are prose: those that hold few characters but these."""
    text = CODE.sub(" ", "\n".join(path.read_text("utf-8") for path in sorted(ROOT.glob(pattern))))
    lines = [line.strip() for line in text.split("\n")]
    return "\n".join(line for line in lines if len(line) > 20 and len(re.findall(keep, line)) > 0.7 * len(line))


def words_beside(english: str, chinese: str) -> tuple[list[str], list[str]]:
    """Words of both languages, made of what words of these texts begin and end with, that stand in neither."""
    chance = random.Random(7)
    tokens = sorted(set(re.findall("[a-z]{4,}", english.lower())))
    latin: set[str] = set()
    while len(latin) < PER_LANGUAGE:
        latin.add(chance.choice(tokens)[: chance.randint(2, 4)] + chance.choice(tokens)[-chance.randint(2, 5) :])
        latin.difference_update(tokens)
    # Those of the text, and everyday characters: the first level of GB 2312.
    everyday = [bytes([high, low]).decode("gb2312") for high in range(0xB0, 0xD7) for low in range(0xA1, 0xFF)]
    characters = sorted(set(re.findall("[\u4e00-\u9fff]", chinese))) + everyday
    han: set[str] = set()
    while len(han) < PER_LANGUAGE:
        word = "".join(chance.choices(characters, k=chance.choice((2, 3, 3, 4, 4, 5))))
        if word not in chinese:
            han.add(word)
    return sorted(latin), sorted(han)


def laced(text: str, length: int, apart: int, words: Sequence[str]) -> list[str]:
    """Texts of one length cut from a text that has a word in every so many characters."""
    chance = random.Random(length)
    lines = text.split("\n")
    while sum(map(len, lines)) < 2 * max(length, 20_000):
        lines += lines
    chance.shuffle(lines)
    whole = "\n".join(lines)
    if apart:
        parts = [whole[at : at + apart] for at in range(0, len(whole), apart)]
        whole = "".join(f"{part} {chance.choice(words)} " for part in parts)
    starts = range(0, max(1, min(len(whole) - length, 50 * length)), length)
    return [whole[start : start + length] for start in starts][:50]


def seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one call, the best of several rounds."""
    best, times = float("inf"), 1
    for _ in range(ROUNDS + 1):
        start = time.process_time()
        for _ in range(times):
            work()
        spent = (time.process_time() - start) / times
        best = min(best, spent)
        times = max(1, int(ROUND_S / best))
    return best


def row(lists: WordLists, text: str, words: Sequence[str], apart: int) -> list[str]:
    """Megabytes per second by length, microseconds of the shortest text, and those of a feed."""
    cells, short_us = [], ""
    for length in LENGTHS:
        texts = laced(text, length, apart, words)
        spent = seconds(lambda texts=texts: [lists.find(one) for one in texts])  # type: ignore[misc]  # the default is of the loop
        cells.append(f"{sum(len(one.encode()) for one in texts) / spent / 1e6:.1f}")
        short_us = short_us or f"{spent / len(texts) * 1e6:.0f}"
    stream = laced(text, FEED * FEEDS, apart, words)[0]
    parts = [stream[at : at + FEED] for at in range(0, len(stream), FEED)]

    def streamed() -> None:
        screen = WordScreen(lists)
        for part in parts:
            screen.feed(part)

    return [*cells, short_us, f"{seconds(streamed) / len(parts) * 1e6:.0f}"]


def main() -> None:
    """Measure and print."""
    # English as people type it: these documents are full of tables, formulas and Chinese examples besides.
    lines = prose("docs/**/*.md", "[A-Za-z ,.]").split("\n")
    english = "\n".join(line for line in lines if re.fullmatch("[ -~‘’“”–—…]+", line))
    chinese = prose("*zh*.md", "[\u4e00-\u9fff，。、；：（）“”A-Za-z ]")
    latin, han = words_beside(english, chinese)
    lists = WordLists([Word(word, f"c{at % 9}", 1 + at % 5) for at, word in enumerate([*latin, *han])])
    mixed = "\n".join(line for pair in zip(english.split("\n"), chinese.split("\n"), strict=False) for line in pair)
    table = Table(title=f"{len(latin) + len(han):,} words: MB/s by characters of the text")
    for heading in ("prose", "hits", *map(str, LENGTHS), "µs of 100", f"µs a feed of {FEED}"):
        table.add_column(heading, justify="right")
    for name, text, words in (("English", english, latin), ("Chinese", chinese, han), ("mixed", mixed, [*latin, *han])):
        for hits, apart in APART.items():
            table.add_row(name, hits, *row(lists, text, words, apart))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
