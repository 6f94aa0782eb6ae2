"""Trains the small bilingual sentence embedder that tests use, and says how good it is: `python -m tests.embedder.train`.

The same files give the same model: every seed is fixed, and nothing but numpy computes. `--check` measures the kept model
instead. What it prints are areas under the curve (AUC): how likely two wordings of one meaning are closer than two meanings.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

# One thread: the order of additions, and so the last digit, would depend on how many there are.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from tests.embedder import graph, learning, words
from tests.embedder.sentences import LANGUAGES, Maker, Meaning

from yumen_engines.faq import corpus

HERE = Path(__file__).parent
SEED = 20261128
STEPS, RATE = 2400, 0.004
# Per batch: groups of meanings that differ in one part each, by kind, and intents.
FRAMES, FACTS, LOOSE, INTENTS = 20, 20, 24, 30
WORDINGS = 2
PARTS = (
    "ba", "be", "bo", "ca", "ce", "da", "de", "di", "fa", "fi", "ga", "go", "ha", "he", "ja", "ka", "ki", "la", "le", "li",
    "lo", "ma", "mi", "mo", "na", "ne", "no", "pa", "po", "ra", "re", "ri", "ro", "sa", "se", "so", "ta", "te", "to", "va",
    "ve", "wa", "zo",
)  # fmt: skip


def letters() -> dict[str, list[str]]:
    """What things that nobody has heard of are put together from."""
    random = np.random.default_rng(SEED)
    made = ["".join(PARTS[int(i)] for i in random.integers(len(PARTS), size=_some(random))) for _ in range(3000)]
    return {"en": made, "zh": words.gb2312(16, 55)}


def _some(random: np.random.Generator) -> int:
    return int(random.integers(2, 5))


def tokenizer(maker: Maker) -> Any:
    """The tokenizer of everything that training can say."""
    listed = [text for language in maker.languages.values() for text in language.texts()]
    return words.tokenizer([*listed, *(one.text for one in corpus.read() if one.split == "train")])


def batch(maker: Maker, made: Any) -> learning.Batch:
    """Sentences of some meanings, near and far."""
    texts: list[str] = []
    said: list[object] = []
    intents: list[object] = []
    kinds = [maker.frames] * FRAMES + [maker.facts] * FACTS + [maker.loose] * LOOSE
    for number, kind in enumerate(kinds):
        for meaning in kind(maker.languages[LANGUAGES[number % 2]]):
            for _ in range(WORDINGS):
                texts.append(maker.dressed(meaning.language, maker.wording(meaning)))
                said.append(meaning)
                intents.append(None)
    for number in range(INTENTS):
        name, label, phrasings = maker.intent()
        # The first one stands there twice, dressed differently: to itself it is the same, to the other of one intent.
        for place, text in enumerate([*phrasings, phrasings[0]]):
            texts.append(maker.dressed(name, text))
            said.append((number, place % 2))
            intents.append((name, label))
    tokens = learning.padded([one.ids[1:-1] for one in made.encode_batch(texts)])
    numbers = {one: place for place, one in enumerate(dict.fromkeys(said))}
    same = np.array([numbers[one] for one in said])
    labels = {one: place for place, one in enumerate(dict.fromkeys(one for one in intents if one is not None))}
    intent = np.array([labels[one] if one is not None else -1 - place for place, one in enumerate(intents)])
    alike = same[:, None] == same[None, :]
    return learning.Batch(tokens, alike, (intent[:, None] == intent[None, :]) & ~alike)


def train(folder: Path, steps: int) -> None:
    """Learn, and write the three files of the export."""
    maker = Maker(SEED, letters())
    made = tokenizer(maker)
    learner = learning.Learner(learning.begin(made.get_vocab_size(), SEED), RATE)
    started, losses = time.monotonic(), []
    for step in range(steps):
        rate = RATE * (1 - step / steps) ** 0.5
        losses.append(learner.step(batch(maker, made), rate))
        if (step + 1) % 250 == 0:
            loss, spent = np.mean(losses[-250:]), time.monotonic() - started
            print(f"{step + 1} steps, loss {loss:.4f}, {spent:.0f} s", flush=True)
    (folder / "model.onnx").write_bytes(graph.to_onnx(learner.weights))
    made.save(str(folder / "tokenizer.json"), pretty=False)
    config = {"model_type": "embedder", "max_position_embeddings": 512, "pad_token_id": 0, "hidden_size": learning.DIM}
    (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n")


def auc(near: np.ndarray[Any, Any], far: np.ndarray[Any, Any]) -> float:
    """How likely one of `near` is greater than one of `far`."""
    order = np.sort(far)
    return float((np.searchsorted(order, near, "left") + np.searchsorted(order, near, "right")).mean() / 2 / len(order))


def measured(vectors: Any) -> dict[str, dict[str, float]]:
    """By language: wordings that were held out against others that differ in one part; intents held out against others."""
    maker = Maker(SEED + 1, letters())
    result: dict[str, dict[str, float]] = {}
    for name in LANGUAGES:
        language = maker.languages[name]
        one: list[str] = []
        other: list[str] = []
        sibling: list[str] = []
        for number in range(1200):
            meanings = maker.frames(language) if number % 2 else maker.facts(language)
            different: Meaning = (
                meanings[1 + maker.below(len(meanings) - 1)] if len(meanings) > 1 else maker.facts(language)[-1]
            )
            one.append(maker.wording(meanings[0]))
            other.append(maker.wording(meanings[0], held_out=True))
            sibling.append(maker.wording(different, held_out=True))
        near = (vectors(one) * vectors(other)).sum(1)
        far = (vectors(one) * vectors(sibling)).sum(1)
        held = [p for p in corpus.read() if p.language == name and p.split == "held_out" and p.label != "none"]
        grid = vectors([p.text for p in held])
        cosines = grid @ grid.T
        labels = np.array([p.label for p in held])
        alike = labels[:, None] == labels[None, :]
        upper = np.triu(np.ones_like(alike), 1).astype(bool)
        result[name] = {
            "auc_wordings": auc(near, far),
            "near_median": float(np.median(near)),
            "far_median": float(np.median(far)),
            "far_95": float(np.quantile(far, 0.95)),
            "auc_intents": auc(cosines[alike & upper], cosines[~alike & upper]),
        }
    return result


def kept(folder: Path) -> Any:
    """A function from texts to vectors, by the kept model."""
    import onnxruntime
    import tokenizers

    made = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])

    def vectors(texts: list[str]) -> Any:
        tokens = learning.padded([one.ids for one in made.encode_batch(texts)])
        mask = (tokens > 0).astype(np.int64)
        hidden = np.asarray(session.run(None, {"input_ids": tokens, "attention_mask": mask})[0])
        total = (hidden * mask[:, :, None]).sum(1)
        return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)

    return vectors


def main(arguments: list[str] | None = None) -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.embedder.train", description="Train the test embedder.")
    parser.add_argument("--check", action="store_true", help="measure the kept model instead of training one")
    parser.add_argument("--steps", type=int, default=STEPS, help="batches to learn from")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the model lies")
    options = parser.parse_args(arguments)
    if not options.check:
        train(options.folder, options.steps)
    for name, figures in measured(kept(options.folder)).items():
        print(name, " ".join(f"{key} {value:.3f}" for key, value in figures.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
