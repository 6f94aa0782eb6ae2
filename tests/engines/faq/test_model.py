"""The corpus and the shipped model: enough phrasings, nothing held out is trained on, and accuracy above a floor."""

from __future__ import annotations

import json
import re
import unicodedata
from collections import Counter
from pathlib import Path

import pytest
from tests.lengths import LONG

from yumen import CannotStart
from yumen_engines.faq import corpus, train
from yumen_engines.faq.classifier import NONE, PATH, Classifier
from yumen_engines.faq.config import CONFIDENCE_MIN
from yumen_engines.faq.corpus import Phrasing, digest, labels, problems, read
from yumen_engines.faq.measure import measure
from yumen_engines.faq.wording import LANGUAGES, Language

# Below what docs/engines/faq.md reports, above what anybody should ship.
HELD_OUT_FLOOR, ANSWERED_FLOOR, REFUSED_FLOOR = 0.9, 0.85, 0.9
PHRASINGS = read()
# Looking for near repetitions compares every phrasing with every other, seconds for all of them: a corpus that is wrong on
# purpose is made of these.
FEW = [one for one in PHRASINGS if one.label in ("order_place", "greeting", NONE)]


def bare(text: str) -> str:
    """Letters and digits only, in lower case: what is left of a phrasing when spelling does not count."""
    return re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", text)).lower()


def test_the_corpus_is_large_enough() -> None:
    """At least 40 intents, each with at least 12 training and 4 held-out phrasings in each language."""
    intents = {one.label for one in PHRASINGS} - {NONE}
    assert len(intents) >= 40
    counts = Counter((one.label, one.language, one.split) for one in PHRASINGS)
    for intent in intents:
        for language in LANGUAGES:
            assert counts[intent, language, "train"] >= 12, (intent, language)
            assert counts[intent, language, "held_out"] >= 4, (intent, language)
    assert all(one.text == one.text.strip() != "" for one in PHRASINGS)


def test_nothing_held_out_is_trained_on() -> None:
    """No held-out phrasing stands among those that training or the threshold reads, however it is spelt."""
    used = {bare(one.text) for one in PHRASINGS if one.split != "held_out"}
    held_out = [one.text for one in PHRASINGS if one.split == "held_out"]
    assert len(held_out) > 400
    assert [text for text in held_out if bare(text) in used] == []
    assert problems(PHRASINGS) == []


@pytest.mark.parametrize(
    ("made", "problem"),
    [
        (Phrasing("How do I place an ORDER?!", "greeting", "en", "held_out"), "and again under greeting"),
        (Phrasing("how do I place an order please", "order_place", "en", "held_out"), "nearly repeats"),
        (Phrasing("购物车在哪里，怎么结算呢", "order_place", "zh", "held_out"), "nearly repeats"),
        (Phrasing("an intent of one phrasing", "lonely", "en", "train"), "lonely has 1 phrasings under train.en"),
    ],
)
def test_the_check_of_the_corpus_finds_what_is_wrong(made: Phrasing, problem: str) -> None:
    """A copy, a trivial edit and an intent with too few phrasings are named; training refuses such a corpus."""
    assert any(problem in found for found in problems([*FEW, made]))
    assert not any(problem in found for found in problems(FEW))


def test_the_model_was_made_from_this_corpus() -> None:
    """Whoever edits a phrasing trains anew: the digest in the model is that of the files beside it."""
    classifier = Classifier.open()
    assert classifier.metadata["corpus_digest"] == digest(PHRASINGS)
    assert classifier.labels == labels(PHRASINGS)
    assert digest(PHRASINGS[1:]) != digest(PHRASINGS)
    assert PATH.stat().st_size < 2_000_000


def test_the_default_threshold_is_what_training_chose() -> None:
    """The config's default and the model's own threshold are the same number."""
    assert float(Classifier.open().metadata["confidence_min"]) == CONFIDENCE_MIN


@pytest.mark.parametrize("language", LANGUAGES)
def test_accuracy_is_above_the_floor(language: Language) -> None:
    """On wordings that it has not seen, the shipped model is right, and refuses what is out of scope."""
    score = measure(Classifier.open(), PHRASINGS, CONFIDENCE_MIN).scores[language]
    assert score.held_out >= HELD_OUT_FLOOR
    assert score.answered >= ANSWERED_FLOOR
    assert score.out_of_scope_refused >= REFUSED_FLOOR
    assert score.answered + score.mistaken + score.refused == pytest.approx(1, abs=0.001)


@pytest.mark.parametrize("language", LANGUAGES)
def test_measuring_counts_what_is_wrong(language: Language) -> None:
    """With every held-out label exchanged for another nothing is right, so a bad model cannot measure well."""
    wrong = [
        one._replace(label="greeting" if one.label != "greeting" else "thanks")
        if one.split == "held_out" and one.label != NONE
        else one
        for one in PHRASINGS
    ]
    assert measure(Classifier.open(), wrong, CONFIDENCE_MIN).scores[language].held_out < 0.1


@pytest.mark.parametrize("content", [None, b"", b"not a model"])
def test_a_missing_or_broken_model_is_said_so(tmp_path: Path, content: bytes | None) -> None:
    """A model file that cannot be loaded names itself and what to do."""
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CannotStart, match="train it anew: make train-faq"):
        Classifier.open(path)


def test_a_model_of_another_featuriser_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Features that training knew differently would give answers at random."""
    monkeypatch.setattr("yumen_engines.faq.classifier.VERSION", 99)
    with pytest.raises(CannotStart, match="another featuriser"):
        Classifier.open()


def test_check_measures_and_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`--check --json` prints one object with a score for each language, and leaves the model as it was."""
    before = PATH.read_bytes()
    assert train.main(["--check", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["intents"] == len(labels(PHRASINGS)) - 1
    assert set(report["scores"]) == set(LANGUAGES)
    assert PATH.read_bytes() == before


def test_a_corpus_with_problems_is_not_trained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and a sentence for each problem."""
    spoilt = [*FEW, Phrasing("how do I place an order please", "order_place", "en", "held_out")]
    monkeypatch.setattr(corpus, "read", lambda: spoilt)
    assert train.main([]) == 2
    assert "nearly repeats" in capsys.readouterr().err


@pytest.mark.long
@pytest.mark.slow
def test_training_makes_the_shipped_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trained anew from the corpus, the model has the same metadata and gives every held-out phrasing the same label.

    The file itself differs in its last bits where numpy adds up in another order (another machine, another thread count).
    Only the long form chooses the threshold anew too, which trains three models more.
    """
    if not LONG:
        monkeypatch.setattr(train, "choose_threshold", lambda *_: CONFIDENCE_MIN)
    train.train(tmp_path / "model.onnx")
    trained, shipped = Classifier.open(tmp_path / "model.onnx"), Classifier.open()
    assert trained.metadata == shipped.metadata
    for phrasing in PHRASINGS:
        if phrasing.split == "held_out":
            mine, theirs = trained.guess(phrasing.text), shipped.guess(phrasing.text)
            assert mine is not None
            assert theirs is not None
            assert mine.label == theirs.label
            assert mine.confidence == pytest.approx(theirs.confidence, abs=0.01)
