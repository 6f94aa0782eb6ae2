"""Runs models in ONNX format on this machine, its CPU or a GPU: of tensors, or Hugging Face exports that read text.

All of them are served by the Open Inference Protocol. A model that reads text takes the tensor `text`, and `infer` takes
`{"texts": [...]}` of plugins. What that answers depends on the task:

* token-classification: `{"entities": [...], "labels": (...)}`: for each text its spans as `(start, end, label, score)`,
  in code points of the text as it was given, and the labels that the model knows;
* embeddings: `{"embeddings": float32 array (texts, size), "tokens": [...], "cut": [...]}`: a vector of length 1 for each
  text, how many tokens of it were read, and how many behind them were not. `generate` answers `/v1/embeddings`;
* classification: `{"classes": [...], "scores": float32 array (texts, labels), "labels": (...), "tokens", "cut"}`: the best
  label of each text, and how likely each one is.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import numpy as np

from yumen import (
    Answer,
    CannotStart,
    EngineError,
    EngineManifest,
    EngineRequest,
    Events,
    Folder,
    Host,
    Native,
    RequestRefused,
    Rows,
    Single,
    Source,
    TensorEngine,
    TensorModel,
    Tensors,
    VersionFiles,
)
from yumen_engines.onnx import serving
from yumen_engines.onnx.config import OnnxConfig
from yumen_engines.onnx.kept import Kept
from yumen_engines.onnx.model import Model, file_of
from yumen_engines.onnx.runtime import open_session
from yumen_engines.onnx.serving import Embedded
from yumen_engines.onnx.signature import signature
from yumen_engines.onnx.tensors import OnnxModel
from yumen_engines.onnx.texts import TEXT, ClassificationModel, EmbeddingModel, SpanModel, TextModel
from yumen_engines.onnx.threads import Threads

__all__ = ["Onnx", "OnnxConfig"]

# What one call of `infer` may bring, and how many calls may be under way: texts are held in memory until their turn comes.
TEXTS_MAX, CHARS_MAX, WAITING_MAX = 20_000, 1_000_000, 256
# When to come back where there are as many, which is nothing against the engine.
RETRY_S = 1.0
# Of one call so many texts wait for the model at a time, so that others' come in between.
SLICE = 256
# How long one slice of a plugin's texts may wait and run.
INFER_S = 120.0
NOT_LOADED = "the onnx engine is not loaded"


class Onnx(TensorEngine[OnnxConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="onnx", version="2.0.0", dialects=("openai", "kserve"))

    def __init__(self, config: OnnxConfig) -> None:
        super().__init__(config)
        self._model: Model | None = None
        self._text: TextModel | None = None
        self._threads: Threads | None = None
        self._refused: CannotStart | None = None
        self._under_way = 0

    def source(self) -> Source:
        """Where the models are; one that has no repository is called as the engine is."""
        if self.config.repository is not None:
            return Folder(self.config.repository, self.config.file)
        return Single(self._host.instance, Path(self.config.model))

    async def load(self, host: Host) -> None:
        """Load the models. Error: `CannotStart` where a library or a file is missing, or does not fit."""
        self._host = host
        reads = self.config.task != "tensors"
        # A model of tensors has threads of its own, as many as it may run at a time; what is more waits for one of them.
        self.runs_ahead = not reads
        if reads:
            self._threads = Threads(self.config.calls_max, f"onnx-{host.instance}")
        if reads and self.batch.runs_max < self.config.calls_max:
            self.batch = msgspec.structs.replace(self.batch, runs_max=self.config.calls_max)
        if reads:
            await asyncio.to_thread(file_of, Path(self.config.model), self.config.file)
        await super().load(host)
        if self.config.repository is None:
            await self._check_loaded()

    async def _check_loaded(self) -> None:
        """Error: `CannotStart` where the one model is not there: an engine without a repository has nothing else."""
        if self._refused is not None:
            raise self._refused
        models = self.models()
        reasons = [one.reason for one in await models.index() if one.reason] if models is not None else []
        if reasons:
            raise CannotStart(reasons[0])

    async def open_version(self, files: VersionFiles) -> TensorModel:
        """Open a version of a model. Error: `CannotStart`."""
        kept = Kept(self._host.data_dir, self._host.secret("onnx-cache"))
        try:
            if self.config.task != "tensors":
                return await self._open_text(files, kept)
            return await self._open_tensors(files, kept)
        except CannotStart as error:
            self._refused = error
            raise

    async def _open_tensors(self, files: VersionFiles, kept: Kept) -> TensorModel:
        path = files.path if files.path.is_file() else file_of(files.folder, self.config.file)
        opened = await asyncio.to_thread(open_session, path, self.config, kept)
        rows_max = self.batch.rows_max if files.config.batch_max is None else files.config.batch_max
        took = signature(opened.session, rows_max)
        model = OnnxModel(opened, took, self.batch.runs_max, files.model, files.version)
        if files.config.warm_up:
            await asyncio.to_thread(model.prepare, self.batch.rows_max, self._host)
        self._log(model, self.config.task)
        return model

    async def _open_text(self, files: VersionFiles, kept: Kept) -> TensorModel:
        made = await asyncio.to_thread(self._made_text, files, kept)
        self._model, self._text = made.model, made
        self._log(made, self.config.task, tokens=made.model.tokens_max)
        return made

    def _made_text(self, files: VersionFiles, kept: Kept) -> TextModel:
        assert self._threads is not None
        model = Model.open(self.config, kept)
        common = (self._threads, self.config.batch_max, self._host, (files.model, files.version))
        if self.config.task == "embeddings":
            return EmbeddingModel(model, self.config.pooling, *common)
        return (ClassificationModel if self.config.task == "classification" else SpanModel)(model, *common)

    def _log(self, model: TensorModel, task: str, **more: Any) -> None:
        placement = model.placement
        self._host.log.info(
            "onnx_loaded", task=task, revision=model.revision, model=placement.model, version=placement.version,
            device=placement.device, providers=list(placement.providers), batch_max=model.signature.batch_max, **more,
        )  # fmt: skip
        fell_back = placement.detail.get("instead_of")
        if fell_back:
            self._host.log.warning("onnx_provider_missing", model=placement.model, instead_of=fell_back)

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Read texts, or run a model of tensors; see the module's docstring and `TensorEngine`.

        Error: `EngineError` where the texts are too many, others wait already, or the model fails.
        """
        if self.config.task == "tensors":
            return await super().infer(batch)
        texts: Sequence[str] = batch["texts"]
        async with self._turn(texts) as model:
            if isinstance(model, SpanModel):
                return {"entities": await model.spans(texts), "labels": model.kinds}
            found = await self._read(texts, tenant=batch.get("tenant", ""), deadline=batch.get("deadline"))
            tokens, cut = found["tokens"].tolist(), found["cut"].tolist()
            if isinstance(model, ClassificationModel):
                classes = found["label"].tolist()
                return {
                    "classes": classes,
                    "scores": found["scores"],
                    "labels": tuple(model.labels),
                    "tokens": tokens,
                    "cut": cut,
                }
            return {"embeddings": found["embedding"], "tokens": tokens, "cut": cut}

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        """Answer `/v2`, and `/v1/embeddings`. Error: `EngineError` as of `infer`, or where the model makes no embeddings."""
        if request.dialect != "openai":
            return await super().generate(request)
        if self.config.task != "embeddings":
            what = "The model of this route makes no embeddings: it answers no route of /v1."
            raise RequestRefused(what, code="unsupported_payload")
        if not isinstance(self._text, EmbeddingModel) or self._threads is None:
            raise EngineError(NOT_LOADED)
        asked = serving.read(request.path, request.body, self._text.size)
        if sum(map(len, asked.texts)) > CHARS_MAX:
            raise RequestRefused(f"`input` has more than {CHARS_MAX} characters.", param="input")
        async with self._turn(asked.texts):
            found = await self._read(asked.texts, tenant=request.tenant, deadline=request.deadline)
        embedded = Embedded(found["embedding"], found["tokens"].tolist(), found["cut"].tolist())
        return await self._threads.run(partial(serving.answer, asked, request.model, embedded))

    @asynccontextmanager
    async def _turn(self, texts: Sequence[str]) -> AsyncIterator[TextModel]:
        """One call under way, of which there are not too many. Error: `EngineError`."""
        if self._text is None:
            raise EngineError(NOT_LOADED)
        if len(texts) > TEXTS_MAX or sum(map(len, texts)) > CHARS_MAX:
            raise EngineError(f"more than {TEXTS_MAX} texts or {CHARS_MAX} characters at once")
        if self._under_way >= WAITING_MAX:
            raise EngineError(f"{WAITING_MAX} calls are under way already", retry_after_s=RETRY_S)
        self._under_way += 1
        try:
            yield self._text
        finally:
            self._under_way -= 1

    async def _read(self, texts: Sequence[str], tenant: str, deadline: float | None) -> Tensors:
        """What the model says of texts, together with those of others. Error: `EngineError`."""
        if self._text is None:
            raise EngineError(NOT_LOADED)
        if not texts:
            return await self._text.read(texts)
        found: list[Tensors] = []
        for start in range(0, len(texts), SLICE):
            part = texts[start : start + SLICE]
            given = np.empty(len(part), object)
            given[:] = part
            until = self._host.monotonic() + INFER_S if deadline is None else deadline
            with self._serving(self._host.instance, "") as served:
                found.append(await served.batcher.submit(Rows({TEXT: given}), tenant=tenant, deadline=until))
        return {name: np.concatenate([one[name] for one in found]) for name in found[0]}

    def revision(self) -> str:
        """The first 12 hexadecimal digits of the SHA-256 of the one model's file, or of all revisions; empty before."""
        return self._model.revision if self._model is not None else super().revision()

    async def close(self) -> None:
        """Let go of the models when what has begun is done."""
        threads, self._threads, self._model, self._text = self._threads, None, None, None
        await super().close()
        if threads is not None:
            await threads.close()
