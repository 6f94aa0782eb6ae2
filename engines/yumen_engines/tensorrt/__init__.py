"""Runs models in ONNX format on an NVIDIA GPU, by TensorRT 11.

A model becomes a plan: kernels chosen for one GPU and one version of TensorRT, which takes minutes the first time. The plan
is kept, with this gateway's signature on it, and must agree with ONNX Runtime on the CPU each time before it serves.
"""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import msgspec

from yumen import (
    CannotStart,
    EngineError,
    EngineManifest,
    Folder,
    Host,
    Single,
    Source,
    TensorEngine,
    TensorModel,
    VersionFiles,
)
from yumen_engines.tensorrt.build import Report
from yumen_engines.tensorrt.capability import Capability, inspect, libraries
from yumen_engines.tensorrt.config import TensorRTConfig
from yumen_engines.tensorrt.model import TensorRTModel
from yumen_engines.tensorrt.opening import Opened, Opening

__all__ = ["Capability", "Opened", "TensorRT", "TensorRTConfig"]

PURPOSE = "tensorrt-plan"


class TensorRT(TensorEngine[TensorRTConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="tensorrt", version="1.0.0", dialects=("kserve",))

    def __init__(self, config: TensorRTConfig) -> None:
        super().__init__(config)
        self._opening: Opening | None = None
        self._models: weakref.WeakSet[TensorRTModel] = weakref.WeakSet()
        self._opened: list[Opened] = []
        self._wrong: list[str] = []
        self._report: Report | None = None

    def source(self) -> Source:
        """Where the models are; one that has no repository is called as the engine is."""
        if self.config.repository is not None:
            return Folder(self.config.repository)
        return Single(self._host.instance, Path(self.config.model or ""))

    async def load(self, host: Host) -> None:
        """Load the models. Error: `CannotStart` that names what is missing, and how to install it."""
        found = await self.capability()
        if not found.ready:
            raise CannotStart(f"the tensorrt engine cannot run here: {found.text()}")
        self._opening = Opening(
            await asyncio.to_thread(libraries),
            found.gpus[self.config.index],
            self.config,
            data_dir=host.data_dir,
            secret=host.secret(PURPOSE),
            log=host.log,
        )
        if self.batch.runs_max < self.config.streams:
            self.batch = msgspec.structs.replace(self.batch, runs_max=self.config.streams)
        await super().load(host)

    async def open_version(self, files: VersionFiles) -> TensorModel:
        """See `TensorEngine`. Errors: as of `Opening.open`."""
        if self._opening is None:
            raise EngineError("the tensorrt engine is not loaded")
        building = None if self._report is None else True
        try:
            model, opened = await self._opening.open(files, self._report, may_build=building)
        except (CannotStart, EngineError) as error:
            self._wrong.append(f"{files.model}/{files.version}: {error}")
            del self._wrong[:-100]
            raise
        self._models.add(model)
        if self._report is not None:
            self._opened.append(opened)
        return model

    async def health(self) -> str:
        """Which models are not ready that have to be, or why the GPU does not run them any more."""
        failures = sorted({model.failure for model in self._models if model.failure and not model.closed})
        return failures[0] if failures else await super().health()

    async def capability(self) -> Capability:
        """What of TensorRT there is on this machine, and what is missing. Nothing is loaded, and nothing raised."""
        return await asyncio.to_thread(inspect, self.config.index)

    async def prepare(self, host: Host, report: Report) -> Sequence[Opened]:
        """Build the plans that are missing and compare all of them: `load`, for an engine that is then closed.

        `report` is told how builds go, a line at a time, from another thread.
        Error: `CannotStart` as of `load`, and where a version may not serve.
        """
        self._report = report
        await self.load(host)
        wrong, well, models = self._wrong, await self.health(), self.models()
        if well and not wrong and models is not None:
            wrong = [state.reason for state in await models.index() if state.reason and state.state == "UNAVAILABLE"]
        if wrong or well:
            raise CannotStart("; ".join(wrong) or well)
        return self._opened
