"""Models that read text, as models of tensors: a row is a text, so that what many callers send can be read together.

The input of each is `text`. Long texts stand with long ones in a call of the model, whichever callers they are of.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from yumen import Host, Placement, RequestRefused, Rows, Signature, Tensors, TensorSpec
from yumen_engines.onnx.classification import Classifier
from yumen_engines.onnx.config import Pooling
from yumen_engines.onnx.embedding import Embedder
from yumen_engines.onnx.labels import Labeller
from yumen_engines.onnx.model import Model
from yumen_engines.onnx.spans import Scheme, Span
from yumen_engines.onnx.threads import Threads
from yumen_engines.onnx.tokenizing import Tokens
from yumen_engines.onnx.windows import Joined, Row, batches, rows_of

TEXT = "text"
T = TypeVar("T")
# Texts that one run may have, and characters of one of them.
TEXTS_MAX, TEXT_CHARS_MAX = 256, 1_000_000


class Found(msgspec.Struct):
    """A span of a text in the reply of `/v2`; places are code points."""

    start: int
    end: int
    label: str
    score: float


class TextModel(ABC):
    """See `yumen.TensorModel`. `batch_max` rows of tokens are computed in one call; `called` is its name and version."""

    platform = "onnxruntime_onnx"

    def __init__(self, model: Model, threads: Threads, batch_max: int, host: Host, called: tuple[str, str]) -> None:
        self.model = model
        self.revision = model.revision
        self.batch_max = batch_max
        self._threads = threads
        self._host = host
        self._called = called
        self.signature = Signature((TensorSpec(TEXT, "BYTES", (-1,)),), self._outputs(), TEXTS_MAX)

    @abstractmethod
    def _outputs(self) -> tuple[TensorSpec, ...]: ...

    @abstractmethod
    async def read(self, texts: Sequence[str]) -> Tensors:
        """What the model says of some texts, a row each. Error: `EngineError`."""

    @property
    def placement(self) -> Placement:
        """Where it runs."""
        return self.model.opened.placement(*self._called, tokens_max=str(self.model.tokens_max))

    async def run(self, rows: Rows) -> Tensors:
        """Read a batch of texts. Errors: `RequestRefused`, `EngineError`."""
        texts = rows.inputs[TEXT].tolist()
        if any(len(text) > TEXT_CHARS_MAX for text in texts):
            raise RequestRefused(f"A text has more than {TEXT_CHARS_MAX} characters.", param=TEXT)
        found = await self.read(texts)
        return {name: found[name] for name in rows.outputs} if rows.outputs else found

    async def close(self) -> None:  # noqa: B027 # there is nothing to do here, and for nobody below
        """Nothing: the threads are the engine's, and the session goes with the last one that uses it."""

    async def _tokens(self, texts: Sequence[str]) -> list[Tokens]:
        return await self._threads.run(partial(self.model.tokenizer.tokens, texts))

    async def _asked(self, said: Callable[[list[list[int]], Any], T], rows: list[list[int]]) -> T:
        """What the model says of rows of tokens. One whose caller leaves is told to end. Error: `EngineError`."""
        options = self.model.opened.runtime.RunOptions()
        return await self._threads.run(partial(said, rows, options), partial(setattr, options, "terminate", True))

    async def _whole(
        self, texts: Sequence[str], said: Callable[[Sequence[Sequence[int]], Any], NDArray[np.float32]], size: int
    ) -> tuple[NDArray[np.float32], dict[str, NDArray[np.int64]]]:
        """`size` numbers for each text, of as much as a row holds; how many tokens that were, and how many were not."""
        tokens = await self._tokens(texts)
        lengths = [min(len(one.ids), self.model.tokens_max) for one in tokens]
        cut = [len(one.ids) - length for one, length in zip(tokens, lengths, strict=True)]
        if any(cut):
            self._host.metrics.count("texts_cut", sum(map(bool, cut)))
        numbers = np.zeros((len(texts), size), np.float32)
        whole = [Row(text, 0, length, 0, length) for text, length in enumerate(lengths)]
        for rows in batches(whole, self.batch_max):
            ids = [tokens[row.text].ids[: row.end] for row in rows]
            numbers[[row.text for row in rows]] = await self._asked(said, ids)
        framed = len(self.model.before) + len(self.model.after)
        read = np.array([length + framed for length in lengths], np.int64)
        return numbers, {"tokens": read, "cut": np.array(cut, np.int64)}


# How much of each text was read, in tokens.
READ = (TensorSpec("tokens", "INT64", (-1,)), TensorSpec("cut", "INT64", (-1,)))


class EmbeddingModel(TextModel):
    """A model that makes vectors of `size` numbers."""

    def __init__(
        self, model: Model, pooling: Pooling, threads: Threads, batch_max: int, host: Host, called: tuple[str, str]
    ) -> None:
        self._embedder = Embedder(model, pooling)
        self.size = self._embedder.size
        super().__init__(model, threads, batch_max, host, called)

    def _outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec("embedding", "FP32", (-1, self.size)), *READ)

    async def read(self, texts: Sequence[str]) -> Tensors:
        """See `TextModel`."""
        vectors, read = await self._whole(texts, self._embedder.vectors, self.size)
        return {"embedding": vectors, **read}


class ClassificationModel(TextModel):
    """A model that says one of its `labels` of a text."""

    def __init__(self, model: Model, threads: Threads, batch_max: int, host: Host, called: tuple[str, str]) -> None:
        self._classifier = Classifier(model)
        self.labels = self._classifier.labels
        super().__init__(model, threads, batch_max, host, called)

    def _outputs(self) -> tuple[TensorSpec, ...]:
        one = (TensorSpec("label", "BYTES", (-1,)), TensorSpec("score", "FP32", (-1,)))
        return (*one, TensorSpec("scores", "FP32", (-1, len(self.labels))), *READ)

    async def read(self, texts: Sequence[str]) -> Tensors:
        """See `TextModel`."""
        scores, read = await self._whole(texts, self._classifier.scores, len(self.labels))
        best = scores.argmax(axis=1)
        return {
            "label": _strings(self.labels[number] for number in best),
            "score": scores[np.arange(len(best)), best],
            "scores": scores,
            **read,
        }


class SpanModel(TextModel):
    """A model that finds spans; `kinds` are what it calls them."""

    def __init__(self, model: Model, threads: Threads, batch_max: int, host: Host, called: tuple[str, str]) -> None:
        self._labeller = Labeller(model)
        self._scheme = Scheme(self._labeller.labels)
        self.kinds = self._scheme.kinds
        super().__init__(model, threads, batch_max, host, called)

    def _outputs(self) -> tuple[TensorSpec, ...]:
        return (TensorSpec("spans", "BYTES", (-1,)),)

    async def read(self, texts: Sequence[str]) -> Tensors:
        """See `TextModel`: of each text its spans, as a list in JSON."""
        found = await self.spans(texts)
        listed = [[Found(start, end, label, score) for start, end, label, score in one] for one in found]
        return {"spans": _strings(msgspec.json.encode(one).decode() for one in listed)}

    async def spans(self, texts: Sequence[str]) -> list[list[Span]]:
        """The spans of each text. Error: `EngineError`."""
        tokens = await self._tokens(texts)
        joined = Joined([len(one.ids) for one in tokens])
        for rows in batches(rows_of(joined.lengths, self.model.tokens_max), self.batch_max):
            ids = [tokens[row.text].ids[row.start : row.end] for row in rows]
            for row, said in zip(rows, await self._asked(self._labeller.said, ids), strict=True):
                joined.put(row, said)
        return await self._threads.run(partial(_spans, self._scheme, texts, tokens, joined))


def _spans(scheme: Scheme, texts: Sequence[str], tokens: list[Tokens], joined: Joined) -> list[list[Span]]:
    return [scheme.spans(text, one.offsets, *said) for text, one, said in zip(texts, tokens, joined.texts, strict=True)]


def _strings(values: Any) -> NDArray[Any]:
    listed = list(values)
    made = np.empty(len(listed), object)
    made[:] = listed
    return made
