"""Trains the model from the corpus and says how good it is: `python -m yumen_engines.faq.train [--json] [--check]`.

The same corpus gives the same model: the seed is fixed, and nothing but numpy computes. `--check` measures the shipped
model instead of training one. Exit codes: 0 fine, 1 could not run, 2 the corpus has problems.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

import msgspec
import numpy as np
from rich.table import Table

from yumen import CannotStart, display
from yumen_engines.faq import corpus
from yumen_engines.faq.classifier import PATH, Classifier, confidence
from yumen_engines.faq.config import CONFIDENCE_MIN
from yumen_engines.faq.corpus import Phrasing
from yumen_engines.faq.learning import Floats, Ints, Weights, fit, out_of_fold
from yumen_engines.faq.measure import Report, measure

SEED = 20261123
FOLDS = 3


def learn(phrasings: list[Phrasing], labels: list[str]) -> Weights:
    """Fit the classifier to all training phrasings."""
    texts, targets = _training(phrasings, labels)
    return fit(texts, targets, len(labels))


def choose_threshold(phrasings: list[Phrasing], labels: list[str], weights: Weights) -> float:
    """The confidence that best tells questions that we answer rightly from those that we should refuse.

    The merit of a threshold is the sum of two shares: training phrasings answered rightly by a model that has not seen them,
    and `choose` questions refused by the trained model. The lowest threshold is taken that is within one `choose` question
    of the best: a smaller difference is chance, and a service desk should rather answer.
    """
    texts, targets = _training(phrasings, labels)
    ours = targets > 0
    rows = out_of_fold(texts, targets, len(labels), folds=FOLDS, seed=SEED)[ours]
    right = rows[:, 1:].argmax(axis=1) + 1 == targets[ours]
    wanted = np.where(right, _confidences(rows), 0.0)
    unwanted = _confidences(weights.probabilities([p.text for p in phrasings if p.split == "choose"]))
    candidates = np.arange(0.01, 1.0, 0.01)
    merits = [np.mean(wanted >= least) + np.mean(unwanted < least) for least in candidates]
    good = np.array(merits) >= max(merits) - 1 / len(unwanted)
    return round(float(candidates[int(np.argmax(good))]), 2)


def _training(phrasings: list[Phrasing], labels: list[str]) -> tuple[list[str], Ints]:
    chosen = [phrasing for phrasing in phrasings if phrasing.split == "train"]
    targets = np.array([labels.index(phrasing.label) for phrasing in chosen], dtype=np.int64)
    return [phrasing.text for phrasing in chosen], targets


def _confidences(rows: Floats) -> Floats:
    pairs = zip(rows[:, 1:].max(axis=1), rows[:, 0], strict=True)
    return np.array([confidence(float(best), float(none)) for best, none in pairs], dtype=np.float32)


def train(path: Path = PATH) -> None:
    """Train on the shipped corpus and write the model file in one step."""
    from yumen_engines.faq.export import to_onnx  # needs onnx, which only training does

    phrasings = corpus.read()
    labels = corpus.labels(phrasings)
    weights = learn(phrasings, labels)
    content = to_onnx(weights, labels, corpus.digest(phrasings), choose_threshold(phrasings, labels, weights))
    temporary = path.with_suffix(".part")
    temporary.write_bytes(content)
    os.replace(temporary, path)


def table(report: Report) -> Table:
    """The report for people."""
    languages = {"en": "English", "zh": "Chinese"}
    result = Table(title=f"faq: {report.intents} intents, confidence at least {report.confidence_min}")
    result.add_column("share of")
    for language in report.scores:
        result.add_column(languages[language], justify="right")
    rows = {
        "train": "training phrasings, label right",
        "held_out": "held-out phrasings, label right",
        "answered": "held-out phrasings, answered rightly",
        "mistaken": "held-out phrasings, answered wrongly",
        "refused": "held-out phrasings, not answered",
        "out_of_scope_refused": "held-out out-of-scope questions, refused",
    }
    for field, words in rows.items():
        result.add_row(words, *(f"{getattr(score, field):.1%}" for score in report.scores.values()))
    return result


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m yumen_engines.faq.train", description="Train the FAQ model.")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--check", action="store_true", help="measure the shipped model instead of training one")
    options = parser.parse_args(arguments)
    phrasings = corpus.read()
    found = corpus.problems(phrasings)
    for problem in found:
        print(problem, file=sys.stderr)
    if found:
        return 2
    try:
        if not options.check:
            train()
        classifier = Classifier.open()
    except (CannotStart, ImportError) as error:
        print(f"{error}; training also needs: pip install onnx", file=sys.stderr)
        return 1
    report = measure(classifier, phrasings, float(classifier.metadata["confidence_min"]))
    if options.json:
        print(msgspec.json.encode(report).decode())
    else:
        display(table(report))
    if report.confidence_min != CONFIDENCE_MIN:
        print(f"set CONFIDENCE_MIN in config.py to {report.confidence_min}; it is {CONFIDENCE_MIN}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
