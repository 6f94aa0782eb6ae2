"""Embeddings: a model that makes of a text one vector, of length 1, so that the product of two says how alike they are.

Pooling is that of sentence-transformers: the mean of the tokens that the mask has, what frames a row included, or the first
one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from yumen import CannotStart, plain_file
from yumen_engines.onnx.config import Pooling
from yumen_engines.onnx.model import CONFIG_BYTES_MAX, Model
from yumen_engines.onnx.warming import WARM_UP_S, limited

Vectors = NDArray[np.float32]

# Outputs by the names that exports give them: one vector a text where the model pools by itself, or one a token.
POOLED, TOKENS = ("sentence_embedding",), ("last_hidden_state", "token_embeddings")
SIZE_MAX = 16_384
# Below this length a sum is nothing, and stays so: a text without a token that the model knows.
LENGTH_MIN = 1e-9


class Said(msgspec.Struct):
    """What sentence-transformers writes about pooling, beside the model."""

    pooling_mode_cls_token: bool = False
    pooling_mode_mean_tokens: bool = False


class Embedder:
    """A model that makes vectors of `size` numbers. It is asked once, to see that it does. Error: `CannotStart`."""

    def __init__(self, model: Model, pooling: Pooling) -> None:
        self._model = model
        self._pooling = pooling
        self._output, pools = _output(model)
        if not pools:
            _check_pooling(model, pooling)
        self.size = 0
        try:
            (probe,) = model.tokenizer.tokens(["a"])
            with limited(model.opened.runtime, WARM_UP_S) as options:
                self.size = self.vectors([probe.ids], options).shape[1]
        except Exception as error:  # ONNX Runtime has no common base class either
            raise CannotStart("the model makes no vectors of a text; export it again for feature-extraction") from error
        if not 1 <= self.size <= SIZE_MAX:
            raise CannotStart(f"the model's vectors have {self.size} numbers, not 1 to {SIZE_MAX}; name another model")

    def vectors(self, rows: Sequence[Sequence[int]], options: Any) -> Vectors:
        """One vector for each row of tokens."""
        given, mask = self._model.run(self._output, rows, options)
        if given.ndim == 3 and given.shape[:2] == mask.shape:
            pooled = given[:, 0] if self._pooling == "cls" else _mean(given, mask)
        elif given.ndim == 2 and len(given) == len(rows):
            pooled = given
        else:
            raise ValueError("the model's answer has another shape than what it was asked")
        found = np.asarray(pooled, dtype=np.float32)
        if found.shape[1] != (self.size or found.shape[1]) or not np.isfinite(found).all():
            raise ValueError("the model's answer is no vector of its size")
        length = np.linalg.norm(found, axis=1, keepdims=True)
        unit: Vectors = np.where(length > LENGTH_MIN, found / np.maximum(length, LENGTH_MIN), 0).astype(np.float32)
        return unit


def _mean(given: NDArray[Any], mask: NDArray[np.int64]) -> NDArray[np.float32]:
    there = mask.astype(np.float32)[:, :, None]
    mean: NDArray[np.float32] = (given * there).sum(axis=1) / np.maximum(there.sum(axis=1), 1)
    return mean


def _output(model: Model) -> tuple[str, bool]:
    """The output that is read, and whether the model has pooled it by itself."""
    by_name = {one.name: one for one in model.outputs}
    for names, dimensions in ((POOLED, 2), (TOKENS, 3)):
        for name in names:
            if name in by_name and len(by_name[name].shape) == dimensions:
                return name, dimensions == 2
    raise CannotStart(
        f"the model has no output {', '.join((*POOLED, *TOKENS))}; export it again for feature-extraction"
    )


def _check_pooling(model: Model, pooling: Pooling) -> None:
    """Error: `CannotStart` where sentence-transformers says that the model was trained with another pooling."""
    path = model.folder / "1_Pooling" / "config.json"
    try:
        with plain_file(path) as file:
            said = msgspec.json.decode(file.read(CONFIG_BYTES_MAX), type=Said)
    except FileNotFoundError:
        return
    except (OSError, ValueError, msgspec.DecodeError, RecursionError) as error:
        raise CannotStart(f"cannot read {path}, which says how the model pools; export it again") from error
    wanted = {"cls": said.pooling_mode_cls_token, "mean": said.pooling_mode_mean_tokens}
    if not wanted[pooling]:
        other = next((name for name, is_wanted in wanted.items() if is_wanted), "")
        fix = f"set `pooling: {other}`" if other else "name another model"
        raise CannotStart(f"the model was not trained with the pooling `{pooling}`, says {path}; {fix}")
