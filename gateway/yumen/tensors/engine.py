"""Engines whose models take tensors: the page for whoever writes an adapter of one.

1. Subclass `TensorEngine[YourConfig]`; set `manifest`, with `kserve` among its dialects.
2. `source` says where the models are: `Folder(config.repository, "model.xyz")` for a repository of
   `<model>/<version>/model.xyz`, or `Single("name", path)` for one model.
3. `open_version` makes of one version's files a `TensorModel`: what it takes and gives, and how it runs. It must not block
   the event loop (`asyncio.to_thread`), and raises `CannotStart` where the files are no model that it can run, in a sentence
   that says what to do. It is called for every version, also while others serve.

The rest is here: the Open Inference Protocol, batches of many callers' rows (`batch:` of the policy), versions, hot load,
statistics, and `infer` for plugins. What else an adapter opens, it opens in `load` before it calls this class's, and closes
in `close` after it has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from yumen.batching.config import BatchConfig
from yumen.engine import Engine, EngineError, EngineRequest, Events, Native, RequestRefused
from yumen.exchange import Answer
from yumen.plugin import ConfigT, Host
from yumen.tensors.models import Models, Placement, TensorModel
from yumen.tensors.repository import Repository, Served, Source, VersionFiles
from yumen.tensors.serving import INFER_S, NO_MODEL, Codec, answered, begun, rows_of

NOT_LOADED = "the engine is not loaded"
DIALECT = "kserve"


class TensorEngine(Engine[ConfigT]):
    """See the module. `batch` is set by the gateway before `load`, from the policy.

    `runs_ahead` is set by an adapter whose models, called once more than `batch.runs_max` times at a time, begin with that
    run as soon as another one ends, and not earlier: they are given a full batch ahead, and are never idle between two.
    """

    batch: BatchConfig = BatchConfig()
    runs_ahead: bool = False
    _repository: Repository | None = None
    _codec: Codec | None = None

    def source(self) -> Source:
        """Where the models are. Called once, by `load`."""
        raise NotImplementedError

    async def open_version(self, files: VersionFiles) -> TensorModel:
        """Open one version of a model; what `files.config` says of inputs and outputs is seen to already.

        Errors: `CannotStart`, for the operator; anything else is shown by its type only.
        """
        raise NotImplementedError

    async def load(self, host: Host) -> None:
        """Open the models. One that cannot be opened is unavailable, and the others serve. Error: `CannotStart`."""
        self._host = host
        self._codec = Codec(f"tensors-{host.instance}")
        begin = partial(begun, open_version=self.open_version, batch=self.batch, host=host, ahead=self.runs_ahead)
        self._repository = Repository(self.source(), begin, host)
        await self._repository.start()

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        """Answer a request of the Open Inference Protocol. Errors: `EngineError`."""
        if request.dialect != DIALECT:
            raise RequestRefused("The model takes tensors, at /v2.", code="unsupported_payload")
        codec = self._codec
        if codec is None:
            raise EngineError(NOT_LOADED, again=True)
        asked = await codec.read(request)
        with self._serving(request.model, asked.version) as served:
            return await answered(served, asked, request, codec, self._host.monotonic())

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run rows of a plugin's, in a batch with those of others.

        `batch` has `inputs`, numpy arrays by name, rows first; and may have `model`, where the engine has several,
        `version`, `outputs` (names; all where there are none), `deadline` (a `Host.monotonic` time; 30 s from now) and
        `tenant`, whose rows they are: for its share of the model, its bounds and its isolation.
        Returns the outputs by name, which are not to be written to. Errors: `EngineError`, among them `RequestRefused`
        for what the model does not take.
        """
        with self._serving(batch.get("model") or self._only(), batch.get("version", "")) as served:
            rows = rows_of(batch["inputs"], batch.get("outputs", ()), served.signature)
            deadline = batch.get("deadline", self._host.monotonic() + INFER_S)
            return await served.batcher.submit(rows, tenant=batch.get("tenant", ""), deadline=deadline)

    def models(self) -> Models | None:
        """The catalogue; None before `load`."""
        return self._repository

    def placements(self) -> Sequence[Placement]:
        """Where each version that serves runs."""
        return self._repository.placements() if self._repository else ()

    def served(self) -> Sequence[Served]:
        """Every version that serves, for those who measure it; empty before `load`."""
        return tuple(self._repository.opened()) if self._repository else ()

    def revision(self) -> str:
        """A digest of every version that serves; empty where none does."""
        return self._repository.revision if self._repository else ""

    async def health(self) -> str:
        """Which models are not ready that have to be."""
        return self._repository.health() if self._repository else NOT_LOADED

    async def close(self) -> None:
        """Answer what has begun, and close every version."""
        repository, codec = self._repository, self._codec
        if repository is not None:
            await repository.close()
        if codec is not None:
            codec.close()

    def _serving(self, name: str, version: str) -> Served:
        """See `Repository.serving`. Errors: `EngineError`, `RequestRefused` where there is no such model."""
        if self._repository is None:
            raise EngineError(NOT_LOADED, again=True)
        try:
            return self._repository.serving(name, version)
        except LookupError:
            raise RequestRefused(NO_MODEL, param="model", code="not_found") from None

    def _only(self) -> str:
        """The model that is meant where none is named. Error: `RequestRefused`."""
        names = {served.name for served in self._repository.opened()} if self._repository else set[str]()
        if len(names) != 1:
            raise RequestRefused("The engine has not one model; name the one that is meant.", param="model")
        return names.pop()
