"""Runs a model in ONNX format on this machine: a standard Hugging Face export.

`infer` takes `{"texts": [...]}`. What it answers depends on the task:

* token-classification: `{"entities": [...], "labels": (...)}`: for each text its spans as `(start, end, label, score)`,
  in code points of the text as it was given, and the labels that the model knows;
* embeddings: `{"embeddings": float32 array (texts, size), "tokens": [...], "cut": [...]}`: a vector of length 1 for each
  text, how many tokens of it were read, and how many behind them were not. `generate` answers `/v1/embeddings`.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np

from yumen import Engine, EngineError, EngineManifest, EngineRequest, Host, Native
from yumen_engines.onnx import serving
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.embedding import Embedder
from yumen_engines.onnx.labels import Labeller
from yumen_engines.onnx.model import Model
from yumen_engines.onnx.serving import Embedded, Refused
from yumen_engines.onnx.spans import Scheme, Span
from yumen_engines.onnx.windows import Joined, Row, batches, rows_of

__all__ = ["Onnx", "OnnxConfig"]

# What one call of `infer` may bring, and how many calls may be under way: texts are held in memory until their turn comes.
TEXTS_MAX, CHARS_MAX, WAITING_MAX = 20_000, 1_000_000, 256
NOT_LOADED = "the onnx engine is not loaded"
# No tokenizer takes what is no character; what takes its place has the same length.
SURROGATE = re.compile("[\ud800-\udfff]")
T = TypeVar("T")


class Onnx(Engine[OnnxConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="onnx", version="1.1.0", dialects=("openai",))

    def __init__(self, config: OnnxConfig) -> None:
        super().__init__(config)
        self._model: Model | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._under_way = 0

    async def load(self, host: Host) -> None:
        """Load the model. Error: `CannotStart` where a library or a file is missing, or does not fit."""
        self._host = host
        self._threads = ThreadPoolExecutor(self.config.calls_max, thread_name_prefix=f"onnx-{host.instance}")
        model = await asyncio.to_thread(Model.open, self.config)
        if self.config.task == "embeddings":
            self._embedder = Embedder(model, self.config.pooling)
        else:
            self._labeller = Labeller(model)
            self._scheme = Scheme(self._labeller.labels)
        self._model = model
        host.log.info("onnx_loaded", task=self.config.task, tokens=model.tokens_max, revision=model.revision)

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read texts; see the module's docstring. Each call of the model waits for its turn by itself.

        Error: `EngineError` where the texts are too many, others wait already, or the model fails.
        """
        texts: Sequence[str] = batch["texts"]
        async with self._turn(texts) as model:
            if self.config.task == "embeddings":
                found = await self._embed(model, texts)
                return {"embeddings": found.vectors, "tokens": found.tokens, "cut": found.cut}
            return {"entities": await self._find(model, texts), "labels": self._scheme.kinds}

    async def generate(self, request: EngineRequest) -> Native:
        """Answer `/v1/embeddings`. Error: `EngineError` as of `infer`, or where the model makes no embeddings."""
        if self.config.task != "embeddings":
            raise EngineError("the model of this onnx engine finds spans for plugins, and answers no route")
        if self._model is None:
            raise EngineError(NOT_LOADED)
        try:
            asked = serving.read(request.path, request.body, self._embedder.size)
            if sum(map(len, asked.texts)) > CHARS_MAX:
                raise Refused(f"`input` has more than {CHARS_MAX} characters.", param="input")
            async with self._turn(asked.texts) as model:
                embedded = await self._embed(model, asked.texts)
            return await self._run(partial(serving.answer, asked, request.model, embedded))
        except Refused as refused:
            return refused.reply()

    @asynccontextmanager
    async def _turn(self, texts: Sequence[str]) -> AsyncIterator[Model]:
        """One call under way, of which there are not too many. Error: `EngineError`."""
        if self._model is None:
            raise EngineError(NOT_LOADED)
        if len(texts) > TEXTS_MAX or sum(map(len, texts)) > CHARS_MAX:
            raise EngineError(f"more than {TEXTS_MAX} texts or {CHARS_MAX} characters at once")
        if self._under_way >= WAITING_MAX:
            raise EngineError(f"{WAITING_MAX} calls are under way already")
        self._under_way += 1
        try:
            yield self._model
        finally:
            self._under_way -= 1

    async def _find(self, model: Model, texts: Sequence[str]) -> list[list[Span]]:
        tokens = await self._run(partial(_tokens, model, texts))
        joined = Joined([len(one.ids) for one in tokens])
        for rows in batches(rows_of(joined.lengths, model.tokens_max), self.config.batch_max):
            ids = [tokens[row.text].ids[row.start : row.end] for row in rows]
            for row, said in zip(rows, await self._run(partial(self._labeller.said, ids)), strict=True):
                joined.put(row, said)
        return await self._run(partial(_spans, self._scheme, texts, tokens, joined))

    async def _embed(self, model: Model, texts: Sequence[str]) -> Embedded:
        tokens = await self._run(partial(_tokens, model, texts))
        lengths = [min(len(one.ids), model.tokens_max) for one in tokens]
        cut = [len(one.ids) - length for one, length in zip(tokens, lengths, strict=True)]
        if any(cut):
            self._host.metrics.count("texts_cut", sum(map(bool, cut)))
        vectors = np.zeros((len(texts), self._embedder.size), np.float32)
        whole = [Row(text, 0, length, 0, length) for text, length in enumerate(lengths)]
        for rows in batches(whole, self.config.batch_max):
            ids = [tokens[row.text].ids[: row.end] for row in rows]
            vectors[[row.text for row in rows]] = await self._run(partial(self._embedder.vectors, ids))
        framed = len(model.before) + len(model.after)
        return Embedded(vectors, [length + framed for length in lengths], cut)

    async def _run(self, work: Callable[[], T]) -> T:
        """Do something in one of the engine's own threads. One that has begun goes on when nobody waits for it any more."""
        if self._threads is None:
            raise EngineError(NOT_LOADED)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except Refused:
            raise
        except Exception as error:  # the libraries' own words might hold text
            raise EngineError(f"the model failed with {type(error).__name__}") from None

    def revision(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the model's file; empty before it is loaded."""
        return self._model.revision if self._model else ""

    async def health(self) -> str:
        """Whether the model is loaded."""
        return "" if self._model else NOT_LOADED

    async def close(self) -> None:
        """Let go of the model when what has begun is done."""
        threads, self._threads, self._model = self._threads, None, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)


class _Tokens(NamedTuple):
    """The tokens of a text, and where each of them stands in it."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def _tokens(model: Model, texts: Sequence[str]) -> list[_Tokens]:
    plain = [SURROGATE.sub("\ufffd", text) for text in texts]
    return [_Tokens(one.ids, one.offsets) for one in model.tokenizer.encode_batch(plain, add_special_tokens=False)]


def _spans(scheme: Scheme, texts: Sequence[str], tokens: list[_Tokens], joined: Joined) -> list[list[Span]]:
    return [scheme.spans(text, one.offsets, *said) for text, one, said in zip(texts, tokens, joined.texts, strict=True)]
