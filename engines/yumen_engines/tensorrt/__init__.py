"""Runs models in ONNX format on an NVIDIA GPU, by TensorRT 11.

A model becomes a plan: kernels chosen for one GPU and one version of TensorRT, which takes minutes the first time. The plan
is kept, with this gateway's signature on it, and must agree with ONNX Runtime on the CPU each time before it serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import ClassVar

from yumen import CannotStart, EngineManifest, Host, TensorModel
from yumen.tensors.engine import TensorEngine
from yumen.tensors.repository import VersionFiles
from yumen_engines.tensorrt.build import Report
from yumen_engines.tensorrt.capability import Capability, inspect, libraries
from yumen_engines.tensorrt.config import TensorRTConfig
from yumen_engines.tensorrt.model import TensorRTModel
from yumen_engines.tensorrt.opening import Opened, Opening

__all__ = ["Capability", "Opened", "TensorRT", "TensorRTConfig"]

SECRET = "tensorrt-plan"  # noqa: S105 - a purpose, from which a key is derived


class TensorRT(TensorEngine[TensorRTConfig]):
    """See the module's docstring."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="tensorrt", version="1.0.0", dialects=("kserve",))

    async def load(self, host: Host) -> None:
        """Load the models. Error: `CannotStart` that names what is missing, and how to install it."""
        self._opening = await self._look(host)
        self._opened: list[TensorRTModel] = []
        await super().load(host)

    async def open_version(self, files: VersionFiles) -> TensorModel:
        """See `TensorEngine`. Errors: as of `Opening.open`."""
        model, _ = await self._opening.open(files)
        return model

    async def capability(self) -> Capability:
        """What of TensorRT there is on this machine; nothing is loaded for it."""
        return await asyncio.to_thread(inspect, self.config.index)

    async def prepare(self, host: Host, report: Report) -> Sequence[Opened]:
        """Build the plans that are missing, and compare all of them, without serving. Errors: as of `load`."""
        opening = await self._look(host)
        done: list[Opened] = []
        for files in await self._versions():
            model, opened = await opening.open(files, report, may_build=True)
            await model.close()
            done.append(opened)
        return done

    async def _look(self, host: Host) -> Opening:
        found = await self.capability()
        if not found.ready:
            raise CannotStart(f"the tensorrt engine cannot run here: {found.text()}")
        return Opening(
            await asyncio.to_thread(libraries),
            found.gpus[self.config.index],
            self.config,
            data_dir=host.data_dir,
            secret=host.secret(SECRET),
            log=host.log,
        )
