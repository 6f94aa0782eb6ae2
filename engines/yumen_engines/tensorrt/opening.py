"""From the files of a version to a model that may serve: planned, loaded, warmed up, and compared."""

from __future__ import annotations

import asyncio
import threading
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from yumen import CannotStart, EngineError, VersionFiles
from yumen_engines.tensorrt.build import Report, words
from yumen_engines.tensorrt.capability import Gpu, Libraries
from yumen_engines.tensorrt.config import ModelOptions, ParityConfig, PlanConfig, TensorRTConfig
from yumen_engines.tensorrt.cuda import CudaError
from yumen_engines.tensorrt.model import Setting, TensorRTModel
from yumen_engines.tensorrt.parity import Parity, Reference
from yumen_engines.tensorrt.plan import PlanCache
from yumen_engines.tensorrt.planning import Planned, Planner
from yumen_engines.tensorrt.source import read

# How long a build that is given up may take to notice.
STOP_S = 30.0


class Opened(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a version of a model, for whoever builds plans ahead or checks them.

    `built` tells a new plan from one out of the cache; `worst` and `excess` are as in `Parity`.
    """

    model: str
    version: str
    built: bool
    rows_max: int
    graphs: int
    worst: str
    excess: float


class Opening:
    """Opens models on one device."""

    def __init__(
        self, libraries: Libraries, gpu: Gpu, config: TensorRTConfig, *, data_dir: Path, secret: bytes, log: Any
    ) -> None:
        self._libraries = libraries
        self._gpu = gpu
        self._config = config
        self._log = log
        build = config.build
        cache = PlanCache(
            data_dir / "tensorrt-cache", secret, plans_max=build.plans_max, plan_bytes_max=build.plan_bytes_max
        )
        self._planner = Planner(libraries, gpu, cache, build, log)

    async def open(
        self, files: VersionFiles, report: Report | None = None, *, may_build: bool | None = None
    ) -> tuple[TensorRTModel, Opened]:
        """Open a version, after minutes where its plan is built. `report` is told how that goes; the log by default.

        Errors: `CannotStart` with what is to be done; `EngineError` where CUDA or TensorRT fails.
        """
        plan, parity, reference = self._config.of(_options(files))
        building = self._config.build.at_start if may_build is None else may_build
        planned = await self._planned(files.path, plan, report or partial(self._told, files.model), building)
        config = self._config
        setting = Setting(config.streams, config.graphs, config.buffer_bytes_max, config.run_timeout_s)
        model = TensorRTModel(setting, self._gpu, planned.digest[:12], files.model, files.version)
        await model.open(self._libraries, words(self._libraries.tensorrt).logger, planned.plan)
        try:
            found = await self._compared(model, files.path, reference, parity)
        except BaseException:
            await model.close()
            raise
        model.detail["parity"] = f"{found.worst}: {found.excess:.2g} of what is allowed"
        graphs = int(model.placement.detail["graphs"])
        told = {"model": files.model, "version": files.version, "gpu": self._gpu.name}
        self._log.info("tensorrt_loaded", **told, built=planned.built, graphs=graphs)
        return model, Opened(
            model=files.model,
            version=files.version,
            built=planned.built,
            rows_max=model.signature.batch_max,
            graphs=graphs,
            worst=found.worst,
            excess=found.excess,
        )

    async def _planned(self, path: Path, plan: PlanConfig, report: Report, may_build: bool) -> Planned:
        stop = threading.Event()
        work = partial(self._planner.planned, path, plan, report, stop, may_build=may_build)
        planning = asyncio.ensure_future(asyncio.to_thread(work))
        try:
            return await asyncio.shield(planning)
        except TimeoutError as error:
            raise CannotStart(f"no plan of {path}: {error}; allow more in `build.timeout_s`") from None
        except CudaError as error:
            raise EngineError(f"CUDA failed with {error.name}") from None
        finally:
            stop.set()
            if not planning.done():
                await asyncio.wait({planning}, timeout=STOP_S)

    async def _compared(self, model: TensorRTModel, path: Path, name: str, config: ParityConfig) -> Parity:
        reference = await asyncio.to_thread(self._reference, path, name, config.threads)
        return await model.compare(reference, config)

    def _reference(self, path: Path, name: str, threads: int) -> Reference:
        beside = path.parent / name if name else path
        if name:
            read(beside, self._config.build.model_bytes_max)
        return Reference(beside, threads)

    def _told(self, model: str, line: str) -> None:
        self._log.info("tensorrt_build", model=model, progress=line)


def _options(files: VersionFiles) -> ModelOptions:
    try:
        return msgspec.convert(files.config.options, ModelOptions)
    except msgspec.ValidationError as error:
        raise CannotStart(f"`options` of the model {files.model}: {error}; see docs/engines/tensorrt.md") from None
