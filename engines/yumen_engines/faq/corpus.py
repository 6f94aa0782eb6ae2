"""The phrasings that the model is trained and measured on: `phrasings/*.yaml`, written for this project.

Each file maps labels to splits, a split to languages, a language to phrasings, one a line. Splits:

* `train`: what the model learns from;
* `choose`: out-of-scope questions that only serve to choose the confidence threshold;
* `held_out`: neither training nor the threshold ever sees these; accuracy is measured on them.

The label `none` stands for everything that the service desk has no answer to.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec

from yumen_engines.faq.classifier import NONE
from yumen_engines.faq.features import normalise
from yumen_engines.faq.wording import LANGUAGES, Language

Split = Literal["train", "choose", "held_out"]

DIRECTORY = Path(__file__).parent / "phrasings"
# What the corpus promises: intents, and per intent and language training and held-out phrasings.
INTENTS_MIN = 40
TRAIN_MIN = 12
HELD_OUT_MIN = 4
# Per language; half of the out-of-scope questions choose the threshold, half measure it.
OUT_OF_SCOPE_MIN = 30
# A held-out phrasing whose n-grams overlap more than this (Jaccard index) with a training phrasing is a trivial edit.
OVERLAP_MAX = 0.5

_NOT_WORD = re.compile(r"[\W_]+")
_HAN = re.compile(r"[\u4e00-\u9fff]")


class Lines(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Phrasings in both languages, one a line."""

    en: str
    zh: str


class Phrasing(NamedTuple):
    """One phrasing, and where in the corpus it stands."""

    text: str
    label: str
    language: Language
    split: Split


def read(directory: Path = DIRECTORY) -> list[Phrasing]:
    """All phrasings, in the order of the file names and lines. Error: `msgspec.ValidationError` for a wrong shape."""
    phrasings: list[Phrasing] = []
    for path in sorted(directory.glob("*.yaml")):
        topics = msgspec.yaml.decode(path.read_bytes(), type=dict[str, dict[Split, Lines]])
        for label, splits in topics.items():
            for split, lines in splits.items():
                phrasings += [Phrasing(text, label, "en", split) for text in lines.en.splitlines()]
                phrasings += [Phrasing(text, label, "zh", split) for text in lines.zh.splitlines()]
    return phrasings


def labels(phrasings: Iterable[Phrasing]) -> list[str]:
    """The model's outputs in order: `none`, then the intents by name."""
    return [NONE, *sorted({phrasing.label for phrasing in phrasings} - {NONE})]


def digest(phrasings: Iterable[Phrasing]) -> str:
    """SHA-256 over what training and the threshold depend on, in hexadecimal; held-out phrasings are not part of it."""
    used = [phrasing for phrasing in phrasings if phrasing.split != "held_out"]
    return hashlib.sha256(msgspec.json.encode(used)).hexdigest()


def problems(phrasings: list[Phrasing]) -> list[str]:
    """What is wrong with the corpus, one sentence each: too few phrasings, duplicates, held-out ones that training knows."""
    return [*_too_few(phrasings), *_duplicates(phrasings), *_leaks(phrasings)]


def _too_few(phrasings: list[Phrasing]) -> list[str]:
    intents = labels(phrasings)[1:]
    found = [] if len(intents) >= INTENTS_MIN else [f"{len(intents)} intents, fewer than {INTENTS_MIN}"]
    wanted: list[tuple[str, Split, int]] = [(NONE, "choose", OUT_OF_SCOPE_MIN), (NONE, "held_out", OUT_OF_SCOPE_MIN)]
    for intent in intents:
        wanted.append((intent, "train", TRAIN_MIN))
        wanted.append((intent, "held_out", HELD_OUT_MIN))
    counts = Counter((phrasing.label, phrasing.split, phrasing.language) for phrasing in phrasings)
    for label, split, least in wanted:
        for language in LANGUAGES:
            number = counts[label, split, language]
            if number < least:
                found.append(f"{label} has {number} phrasings under {split}.{language}, fewer than {least}")
    return found


def _duplicates(phrasings: list[Phrasing]) -> list[str]:
    first: dict[str, Phrasing] = {}
    found = []
    for phrasing in phrasings:
        earlier = first.setdefault(_NOT_WORD.sub("", normalise(phrasing.text)), phrasing)
        if earlier is not phrasing:
            found.append(f"{phrasing.text!r} stands under {earlier.label} and again under {phrasing.label}")
    return found


def _leaks(phrasings: list[Phrasing]) -> list[str]:
    known = [(phrasing, _grams(phrasing.text)) for phrasing in phrasings if phrasing.split != "held_out"]
    # By what they hold: to compare every phrasing with every other would take seconds.
    holding: dict[tuple[Language, str], list[int]] = {}
    for number, (phrasing, grams) in enumerate(known):
        for gram in grams:
            holding.setdefault((phrasing.language, gram), []).append(number)
    found = []
    for phrasing in phrasings:
        if phrasing.split == "held_out":
            mine = _grams(phrasing.text)
            shared = Counter(chain.from_iterable(holding.get((phrasing.language, gram), ()) for gram in mine))
            for number in sorted(shared):
                other, theirs = known[number]
                if overlap(shared[number], mine, theirs) > OVERLAP_MAX:
                    found.append(f"held-out {phrasing.text!r} nearly repeats {other.text!r}")
    return found


def _grams(text: str) -> set[str]:
    """Character trigrams, or pairs where the text is Chinese."""
    flat = _NOT_WORD.sub(" ", normalise(text)).strip()
    size = 2 if _HAN.search(flat) else 3
    return {flat[start : start + size] for start in range(max(1, len(flat) - size + 1))}


def overlap(shared: int, one: set[str], other: set[str]) -> float:
    """The Jaccard index: shared elements by all elements."""
    return shared / (len(one) + len(other) - shared)
