"""Runs a model in ONNX format on this machine: a standard Hugging Face export that finds names and places in text.

`infer` takes `{"texts": [...]}` and answers `{"entities": [...], "labels": (...)}`: for each text its spans as
`(start, end, label, score)`, in code points of the text as it was given, and the labels that the model knows.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, ClassVar, NamedTuple, TypeVar

from yumen import Engine, EngineError, EngineManifest, Host
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.model import Model
from yumen_engines.onnx.spans import Scheme, Span
from yumen_engines.onnx.windows import Joined, batches, rows_of

__all__ = ["Onnx", "OnnxConfig"]

# What one call of `infer` may bring, and how many calls may be under way: texts are held in memory until their turn comes.
TEXTS_MAX, CHARS_MAX, WAITING_MAX = 20_000, 1_000_000, 256
# No tokenizer takes what is no character; what takes its place has the same length.
SURROGATE = re.compile("[\ud800-\udfff]")
T = TypeVar("T")


class Onnx(Engine[OnnxConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="onnx", version="1.0.0")

    def __init__(self, config: OnnxConfig) -> None:
        super().__init__(config)
        self._model: Model | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._under_way = 0

    async def load(self, host: Host) -> None:
        """Load the model. Error: `CannotStart` where a library or a file is missing, or does not fit."""
        self._threads = ThreadPoolExecutor(self.config.calls_max, thread_name_prefix=f"onnx-{host.instance}")
        self._model = await asyncio.to_thread(Model.open, self.config)
        self._scheme = Scheme(self._model.labels)
        host.log.info("onnx_loaded", labels=len(self._model.labels), tokens=self._model.tokens_max)

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Find spans in texts; see the module's docstring. Each call of the model waits for its turn by itself.

        Error: `EngineError` where the texts are too many, others wait already, or the model fails.
        """
        model, texts = self._model, batch["texts"]
        if model is None:
            raise EngineError("the onnx engine is not loaded")
        if len(texts) > TEXTS_MAX or sum(map(len, texts)) > CHARS_MAX:
            raise EngineError(f"more than {TEXTS_MAX} texts or {CHARS_MAX} characters at once")
        if self._under_way >= WAITING_MAX:
            raise EngineError(f"{WAITING_MAX} calls are under way already")
        self._under_way += 1
        try:
            found = await self._find(model, texts)
        finally:
            self._under_way -= 1
        return {"entities": found, "labels": self._scheme.kinds}

    async def _find(self, model: Model, texts: list[str]) -> list[list[Span]]:
        tokens = await self._run(partial(_tokens, model, texts))
        joined = Joined([len(one.ids) for one in tokens])
        for rows in batches(rows_of(joined.lengths, model.tokens_max), self.config.batch_max):
            ids = [tokens[row.text].ids[row.start : row.end] for row in rows]
            for row, said in zip(rows, await self._run(partial(model.said, ids)), strict=True):
                joined.put(row, said)
        return await self._run(partial(_spans, self._scheme, texts, tokens, joined))

    async def _run(self, work: Callable[[], T]) -> T:
        """Do something in one of the engine's own threads. One that has begun goes on when nobody waits for it any more."""
        if self._threads is None:
            raise EngineError("the onnx engine is not loaded")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except Exception as error:  # the libraries' own words might hold text
            raise EngineError(f"the model failed with {type(error).__name__}") from None

    async def health(self) -> str:
        """Whether the model is loaded."""
        return "" if self._model else "the onnx engine is not loaded"

    async def close(self) -> None:
        """Let go of the model when what has begun is done."""
        threads, self._threads, self._model = self._threads, None, None
        if threads is not None:
            await asyncio.to_thread(threads.shutdown, cancel_futures=True)


class _Tokens(NamedTuple):
    """The tokens of a text, and where each of them stands in it."""

    ids: list[int]
    offsets: list[tuple[int, int]]


def _tokens(model: Model, texts: list[str]) -> list[_Tokens]:
    plain = [SURROGATE.sub("\ufffd", text) for text in texts]
    return [_Tokens(one.ids, one.offsets) for one in model.tokenizer.encode_batch(plain, add_special_tokens=False)]


def _spans(scheme: Scheme, texts: list[str], tokens: list[_Tokens], joined: Joined) -> list[list[Span]]:
    return [scheme.spans(text, one.offsets, *said) for text, one, said in zip(texts, tokens, joined.texts, strict=True)]
