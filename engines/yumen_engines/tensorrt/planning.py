"""From a model's file to its plan: out of the cache where there is one that may be taken, else built and kept."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, NamedTuple

from yumen import CannotStart
from yumen_engines.onnx.signed import Refused
from yumen_engines.tensorrt.build import Draft, Report
from yumen_engines.tensorrt.capability import Gpu, Libraries
from yumen_engines.tensorrt.config import BuildConfig, PlanConfig
from yumen_engines.tensorrt.cuda import Cuda
from yumen_engines.tensorrt.plan import Key, PlanCache
from yumen_engines.tensorrt.source import Source, changed, read


class Planned(NamedTuple):
    """A plan that may be loaded. `digest` is its model's SHA-256; `built` whether it was made just now."""

    plan: bytes
    digest: str
    built: bool


class Planner:
    """Makes plans for one device. Its methods block, for minutes where something is built."""

    def __init__(self, libraries: Libraries, gpu: Gpu, cache: PlanCache, build: BuildConfig, log: Any) -> None:
        self._libraries = libraries
        self._gpu = gpu
        self._cache = cache
        self._build = build
        self._log = log

    def planned(
        self, path: Path, plan: PlanConfig, report: Report, stop: threading.Event, *, may_build: bool
    ) -> Planned:
        """The plan of a model.

        Errors: `CannotStart` for a model that cannot be built, or where there is no plan and it may not be built;
        TimeoutError where `stop` was set or it took too long; `CudaError`.
        """
        Cuda(self._libraries.cudart, self._gpu.index).use()
        source = read(path, self._build.model_bytes_max)
        draft = Draft(self._libraries.tensorrt, source, plan)
        key = Key(
            tensorrt=str(self._libraries.tensorrt.__version__),
            compute=self._gpu.compute,
            gpu=self._gpu.name,
            onnx=source.digest,
            profiles=tuple(profile.text() for profile in draft.profiles),
            flags=draft.flags,
        )
        kept = self._kept(key)
        if kept is not None:
            return Planned(kept, source.digest, built=False)
        if not may_build:
            raise CannotStart(f"there is no plan of {path} for this GPU and TensorRT; run `yumen engines build`")
        deadline = time.monotonic() + self._build.timeout_s
        with self._cache.building(deadline):
            # Another process may have built it meanwhile.
            kept = self._kept(key)
            if kept is not None:
                return Planned(kept, source.digest, built=False)
            report(f"building a plan of {path.name} for {self._gpu.name}; this takes minutes")
            return Planned(self._made(draft, source, key, report, stop, deadline), source.digest, built=True)

    def _kept(self, key: Key) -> bytes | None:
        try:
            return self._cache.read(key)
        except Refused as refused:
            self._log.warning("tensorrt_plan_refused", reason=str(refused), file=self._cache.path(key).name)
            return None

    def _made(
        self, draft: Draft, source: Source, key: Key, report: Report, stop: threading.Event, deadline: float
    ) -> bytes:
        """Built and written down. A plan that cannot be kept serves all the same, and is built again at the next start."""
        timing_key = Key(tensorrt=key.tensorrt, compute=key.compute, gpu=key.gpu)
        plan, taken = draft.build(self._timings(timing_key), report, stop, deadline)
        if changed(source, self._build.model_bytes_max):
            raise CannotStart(f"{source.path} or its weights changed while it was built; start again")
        try:
            self._cache.write(key, plan)
            if taken:
                self._cache.write(timing_key, taken, "timings")
        except (OSError, Refused) as error:
            why = error.strerror if isinstance(error, OSError) else str(error)
            self._log.warning("tensorrt_plan_not_kept", reason=why)
        return plan

    def _timings(self, key: Key) -> bytes:
        try:
            return self._cache.read(key, "timings") or b""
        except Refused as refused:
            self._log.warning("tensorrt_timings_refused", reason=str(refused))
            return b""
