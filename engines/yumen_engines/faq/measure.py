"""Measures a model on the corpus: the file that ships, through the code that answers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from yumen_engines.faq.classifier import NONE, Classifier, Guess
from yumen_engines.faq.corpus import Phrasing, Split
from yumen_engines.faq.wording import LANGUAGES, Language


class Score(msgspec.Struct, frozen=True):
    """Figures for one language, all of them shares from 0 to 1.

    `train` and `held_out`: the best label is the right one, whatever the confidence. `answered`, `mistaken`, `refused`: what
    becomes of the held-out phrasings at the threshold (they add up to 1). `out_of_scope_refused`: held-out questions that
    the service desk has no answer to and that are refused, as they should be.
    """

    train: float
    held_out: float
    answered: float
    mistaken: float
    refused: float
    out_of_scope_refused: float


class Report(msgspec.Struct, frozen=True):
    """What a training run or a check of the shipped model has to say."""

    intents: int
    confidence_min: float
    corpus_digest: str
    scores: dict[Language, Score]


def measure(classifier: Classifier, phrasings: Sequence[Phrasing], confidence_min: float) -> Report:
    """Ask the model every phrasing of the corpus."""
    scores: dict[Language, Score] = {}
    for language in LANGUAGES:
        scores[language] = _score(classifier, phrasings, language, confidence_min)
    return Report(len(classifier.labels) - 1, confidence_min, classifier.metadata["corpus_digest"], scores)


def _score(classifier: Classifier, phrasings: Sequence[Phrasing], language: Language, least: float) -> Score:
    def asked(split: Split, *, ours: bool) -> list[tuple[str, Guess]]:
        chosen = [p for p in phrasings if (p.split, p.language, p.label != NONE) == (split, language, ours)]
        return [(p.label, classifier.guess(p.text) or Guess(NONE, 0.0)) for p in chosen]

    held_out = asked("held_out", ours=True)
    return Score(
        train=_share(guess.label == label for label, guess in asked("train", ours=True)),
        held_out=_share(guess.label == label for label, guess in held_out),
        answered=_share(guess.label == label and guess.confidence >= least for label, guess in held_out),
        mistaken=_share(guess.label != label and guess.confidence >= least for label, guess in held_out),
        refused=_share(guess.confidence < least for _, guess in held_out),
        out_of_scope_refused=_share(guess.confidence < least for _, guess in asked("held_out", ours=False)),
    )


def _share(hits: Iterable[bool]) -> float:
    values = list(hits)
    return round(sum(values) / len(values), 4)
