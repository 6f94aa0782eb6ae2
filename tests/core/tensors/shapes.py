"""An adapter whose one model answers with something else than it says, as the test wants it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from tests.core.tensors.adders import put

from yumen import EngineManifest
from yumen.tensors import Placement, Rows, Signature, TensorSpec
from yumen.tensors.engine import TensorEngine
from yumen.tensors.repository import RepositoryConfig, Single, VersionFiles
from yumen.testing import RunningClock, UnitHost

RIGHT = "right"


class Odd:
    """See `yumen.TensorModel`."""

    platform = "numpy"
    signature = Signature((TensorSpec("x", "INT64", (-1, 2)),), (TensorSpec("y", "FP32", (-1,)),), batch_max=4)
    revision = "1"
    placement = Placement(model="odd")

    def __init__(self, engine: Shapes) -> None:
        self._engine = engine

    async def run(self, rows: Rows) -> Any:
        count = len(rows.inputs["x"])
        y = np.full(count, 0.5, np.float32)
        return {
            "right": {"y": y},
            "type": {"y": y.astype(np.float64)},
            "rows": {"y": y[:0]},
            "missing": {"z": y},
            "list": {"y": y.tolist()},
            "nan": {"y": y * np.nan},
        }[self._engine.gives]

    async def close(self) -> None:
        """Nothing is open."""


class Shapes(TensorEngine[RepositoryConfig]):
    """The adapter; `gives` is what its model answers with."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="shapes", version="1", dialects=("kserve",))
    gives = RIGHT

    def source(self) -> Single:
        return Single("odd", Path(self.config.path))

    async def open_version(self, files: VersionFiles) -> Odd:
        return Odd(self)

    @classmethod
    @asynccontextmanager
    async def serving(cls, root: Path) -> AsyncIterator[Shapes]:
        """The engine, loaded, and closed in the end."""
        put(root, "odd", 1, 1)
        engine = cls(RepositoryConfig(path=str(root / "odd")))
        try:
            await engine.load(UnitHost(clock=RunningClock()))
            yield engine
        finally:
            await engine.close()
