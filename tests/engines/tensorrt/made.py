"""Plans and models of the small networks, on the fakes."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import structlog
from tests.engines.tensorrt.fake_cuda import FakeCuda
from tests.engines.tensorrt.fake_trt import FakeTensorRT

from yumen import Rows, Tensors
from yumen_engines.tensorrt.build import words
from yumen_engines.tensorrt.capability import Gpu, Libraries
from yumen_engines.tensorrt.config import BuildConfig, PlanConfig
from yumen_engines.tensorrt.model import Setting, TensorRTModel
from yumen_engines.tensorrt.plan import PlanCache
from yumen_engines.tensorrt.planning import Planned, Planner

GPU = Gpu(0, "Fake H200", "9.0", 139 << 30)
SECRET = b"s" * 32
Make = Callable[[Path], Path]


class Bench(NamedTuple):
    """A fake machine, and the folder where its plans are kept."""

    cuda: FakeCuda
    trt: FakeTensorRT
    folder: Path

    @property
    def libraries(self) -> Libraries:
        return Libraries(self.trt, self.cuda)

    def cache(self, **limits: Any) -> PlanCache:
        return PlanCache(self.folder / "tensorrt-cache", SECRET, **limits)

    def planner(self, **build: Any) -> Planner:
        return Planner(self.libraries, GPU, self.cache(), BuildConfig(**build), structlog.get_logger())

    def plan(self, **plan: Any) -> PlanConfig:
        return PlanConfig(**plan)

    def planned(self, path: Path, *, may_build: bool = True, **plan: Any) -> Planned:
        """A plan, made in this thread."""
        config, stop = PlanConfig(**plan), threading.Event()
        return self.planner().planned(path, config, lambda line: None, stop, may_build=may_build)

    @asynccontextmanager
    async def model(
        self,
        path: Path,
        *,
        streams: int = 1,
        graphs: bool = True,
        bytes_max: int = 1 << 20,
        timeout_s: float = 60,
        **plan: Any,
    ) -> AsyncIterator[TensorRTModel]:
        """A model that runs; afterwards nothing is held, and nothing was done out of order."""
        planned = self.planned(path, **plan)
        model = TensorRTModel(Setting(streams, graphs, bytes_max, timeout_s), GPU, planned.digest[:12], "tiny", "1")
        await model.open(self.libraries, words(self.trt).logger, planned.plan)
        try:
            yield model
        finally:
            await model.close()
        assert (self.cuda.held, self.cuda.mistakes) == (0, [])


def bench(folder: Path, gpus: int = 1) -> Bench:
    """A machine with these GPUs."""
    cuda = FakeCuda(gpus)
    return Bench(cuda, FakeTensorRT(cuda), folder)


async def ran(model: TensorRTModel, **inputs: Any) -> Tensors:
    """What a model answers."""
    return await model.run(Rows(inputs))
