"""Pairs of questions with labels (see README.md beside them), and how many of them share an answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt

from yumen import Engine
from yumen_engines.onnx import Onnx, OnnxConfig
from yumen_plugins.cache.semantic.gate import agree

FOLDER = Path(__file__).with_name("pairs")
EMBEDDER = Path(__file__).resolve().parents[3] / "embedder"
LABELS = ("same", "near", "negated", "number", "date", "unit", "entity", "language")


class Pair(msgspec.Struct, frozen=True):
    """Two questions. `same` is the one label of which both may have one answer. `language`: `en`, `zh` or `both`."""

    label: str
    language: str
    asked: str
    kept: str


class Judged(msgspec.Struct, frozen=True):
    """A pair, the cosine of its embeddings, and why the gate refuses it, or empty."""

    pair: Pair
    similarity: float
    refused: str

    def hits(self, threshold: float, *, gate: bool = True) -> bool:
        """Whether the second question would be answered with the first one's answer."""
        return self.similarity >= threshold and not (gate and self.refused)


def pairs(name: str) -> list[Pair]:
    """The pairs of a file: `dev` or `held_out`."""
    lines = (FOLDER / f"{name}.jsonl").read_text("utf-8").splitlines()
    return [msgspec.json.decode(line, type=Pair) for line in lines]


def embedder() -> Onnx:
    """The engine with the small model of tests/embedder, to be loaded."""
    return Onnx(OnnxConfig(model=str(EMBEDDER), task="embeddings", pooling="mean"))


async def judged(among: Sequence[Pair], engine: Engine[Any]) -> list[Judged]:
    """All pairs, compared as the plugin compares questions."""
    texts = sorted({text for pair in among for text in (pair.asked, pair.kept)})
    given: Mapping[str, Any] = await engine.infer({"texts": texts})
    vectors: npt.NDArray[np.float32] = given["embeddings"]
    rows = dict(zip(texts, vectors, strict=True))
    return [Judged(one, float(rows[one.asked] @ rows[one.kept]), agree(one.asked, one.kept)) for one in among]


def rates(among: Sequence[Judged], threshold: float, *, gate: bool = True) -> tuple[float, float]:
    """The shares of pairs that hit: of those with one meaning, and of all others."""
    same = [one.hits(threshold, gate=gate) for one in among if one.pair.label == "same"]
    other = [one.hits(threshold, gate=gate) for one in among if one.pair.label != "same"]
    return sum(same) / len(same), sum(other) / len(other)
