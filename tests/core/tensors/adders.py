"""A small adapter whose models are files on disk: each adds its own number to what it is given."""

from __future__ import annotations

import asyncio
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from yumen import CannotStart, EngineManifest, EngineRequest
from yumen.batching import BatchConfig
from yumen.engine import EngineError
from yumen.tensors import Models, ModelState, Placement, Rows, Signature, Tensors, TensorSpec
from yumen.tensors.engine import TensorEngine
from yumen.tensors.repository import Folder, RepositoryConfig, Source, VersionFiles
from yumen.testing import RunningClock, UnitHost

FILE = "model.json"
SIGNATURE = Signature(
    (TensorSpec("x", "INT64", (-1, 2)),),
    (TensorSpec("sum", "INT64", (-1, 2)), TensorSpec("version", "INT64", (-1,))),
    batch_max=8,
)
LIMIT_S = 30.0


class Adder:
    """See `yumen.TensorModel`. Says with each row which version it came from."""

    platform = "numpy"
    signature = SIGNATURE

    def __init__(self, files: VersionFiles, add: int, engine: Adders) -> None:
        self.add = add
        self.revision = hashlib.sha256(files.path.read_bytes()).hexdigest()[:12]
        self.placement = Placement(model=files.model, version=files.version, device="cpu", runtime="numpy")
        self.closed = 0
        self._version = int(files.version)
        self._engine = engine

    async def run(self, rows: Rows) -> Tensors:
        assert not self.closed, "a closed model was asked"
        if self._engine.hold is not None:
            await self._engine.hold.wait()
        else:
            await asyncio.sleep(0)
        x = rows.inputs["x"]
        if self.add < 0:
            raise EngineError("negative adders do not run")
        return {"sum": x + self.add, "version": np.full(len(x), self._version, np.int64)}

    async def close(self) -> None:
        self.closed += 1
        self._engine.open_now -= 1
        if self._engine.hang_closing:
            await asyncio.Event().wait()


class Adders(TensorEngine[RepositoryConfig]):
    """The adapter. Remembers what it has opened, and how many were open at the same time."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="adders", version="1", dialects=("kserve",))

    def __init__(self, config: RepositoryConfig) -> None:
        super().__init__(config)
        self.made: list[Adder] = []
        self.open_now = self.open_most = 0
        self.opening: Callable[[VersionFiles], None] = lambda files: None
        self.hold: asyncio.Event | None = None
        self.hang_closing = False

    def source(self) -> Source:
        return Folder(self.config, FILE)

    async def open_version(self, files: VersionFiles) -> Adder:
        self.opening(files)
        await asyncio.sleep(0)
        try:
            add = json.loads(files.path.read_text())["add"]
        except (ValueError, KeyError):
            raise CannotStart(f"{files.path.name} is no adder; write it again") from None
        model = Adder(files, add, self)
        self.made.append(model)
        self.open_now += 1
        self.open_most = max(self.open_most, self.open_now)
        return model


def put(root: Path, name: str, version: int | str, add: Any, *, file: str = FILE) -> Path:
    """Write a version of a model into a repository, whole at once. Returns its folder."""
    folder = root / name / str(version)
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{file}.new"
    fresh.write_text(add if isinstance(add, str) else json.dumps({"add": add}))
    fresh.replace(folder / file)
    return folder


@asynccontextmanager
async def serving(
    root: Path, *, batch: BatchConfig | None = None, prepared: Callable[[Adders], None] | None = None, **config: Any
) -> AsyncIterator[Adders]:
    """The engine over a repository, loaded, and closed in the end; it looks for what is new only where `poll_s` says so."""
    engine = Adders(RepositoryConfig(path=str(root), **{"poll_s": 0, **config}))
    engine.batch = batch or BatchConfig()
    if prepared is not None:
        prepared(engine)
    try:
        await engine.load(UnitHost(clock=RunningClock()))
        yield engine
    finally:
        await engine.close()


def asked(
    *rows: list[int], model: str = "adder", version: str = "", deadline_s: float = LIMIT_S, **more: Any
) -> EngineRequest:
    """A request as the chain hands it over."""
    given = list(rows) or [[1, 2]]
    tensor = {"name": "x", "datatype": "INT64", "shape": [len(given), 2], "data": given}
    return EngineRequest(
        exchange_id="0" * 32, dialect="kserve", path=f"versions/{version}/infer" if version else "infer", model=model,
        streamed=False, body=json.dumps({"inputs": [tensor], **more}).encode(), messages=[],
        deadline=time.monotonic() + deadline_s, tenant="t",
    )  # fmt: skip


async def answer(engine: TensorEngine[Any], request: EngineRequest) -> dict[str, Any]:
    """What the engine says, with the elements of its outputs by name."""
    native: Any = await engine.generate(request)
    said = json.loads(native.body)
    return {"model_version": said.get("model_version"), **{one["name"]: one["data"] for one in said["outputs"]}}


async def states(engine: Adders, name: str = "adder") -> dict[str, str]:
    """The state of each version of a model."""
    return {one.version: one.state for one in await index(engine) if one.name == name}


def catalogue(engine: Adders) -> Models:
    """The engine's catalogue, which is there."""
    models = engine.models()
    assert models is not None
    return models


async def index(engine: Adders) -> list[ModelState]:
    """The engine's catalogue."""
    return list(await catalogue(engine).index())


async def until(true: Callable[[], Any]) -> None:
    """Wait until something is so, which another task or thread brings about."""
    async with asyncio.timeout(LIMIT_S):
        while not true():
            await asyncio.sleep(0.005)
