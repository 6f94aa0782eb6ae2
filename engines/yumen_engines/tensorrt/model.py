"""A plan that serves: lanes of one stream each, which take turns, in threads of their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple, TypeVar

from yumen import EngineError, Placement, RequestRefused, Rows, Signature, Tensors
from yumen_engines.tensorrt.capability import Gpu, Libraries
from yumen_engines.tensorrt.config import ParityConfig
from yumen_engines.tensorrt.cuda import Cuda, CudaError
from yumen_engines.tensorrt.lane import Lane, TensorRTError, failed
from yumen_engines.tensorrt.loaded import Loaded, load
from yumen_engines.tensorrt.parity import Parity, Reference, compare

CLOSE_S = 30.0
T = TypeVar("T")


class Setting(NamedTuple):
    """How a plan is run: `streams` lanes, whose buffers have up to `buffer_bytes_max` bytes each."""

    streams: int
    graphs: bool
    buffer_bytes_max: int
    run_timeout_s: float


class TensorRTModel:
    """See `yumen.TensorModel`. Made by `open`; `failure` is why it cannot run any more, or empty."""

    platform = "tensorrt_plan"

    def __init__(self, setting: Setting, gpu: Gpu, revision: str, name: str, version: str) -> None:
        self.revision = revision
        self.failure = ""
        self.closed = False
        self.signature = Signature((), ())
        self.detail: dict[str, str] = {}
        self._setting = setting
        self._gpu = gpu
        self._name = name
        self._version = version
        self._runtime = ""
        self._loaded: Loaded | None = None
        self._lanes: list[Lane] = []
        self._free: asyncio.Queue[Lane] = asyncio.Queue()
        self._under_way: set[asyncio.Future[Any]] = set()

    async def open(self, libraries: Libraries, logger: Any, plan: bytes) -> None:
        """Load a plan and warm it up. Errors: `CannotStart`; `EngineError` where CUDA or TensorRT fails."""
        cuda = Cuda(libraries.cudart, self._gpu.index)
        self._runtime = f"tensorrt {libraries.tensorrt.__version__}"
        # The current device belongs to a thread.
        self._threads = ThreadPoolExecutor(self._setting.streams, "tensorrt", initializer=cuda.use)
        try:
            await self._done(partial(self._open, libraries.tensorrt, cuda, logger, plan))
        except (CudaError, TensorRTError) as error:
            await self.close()
            raise failed(error) from None
        except BaseException:
            await self.close()
            raise
        for lane in self._lanes:
            self._free.put_nowait(lane)

    async def compare(self, reference: Reference, config: ParityConfig) -> Parity:
        """Before it serves; see `parity`. Errors: `CannotStart`; `EngineError` where the plan does not run at all."""
        loaded = self.loaded
        tensors = loaded.inputs, loaded.outputs, loaded.profiles
        try:
            batched = self.signature.batch_max > 0
            return await self._done(partial(compare, self._lanes[0].run, reference, *tensors, config, batched=batched))
        except (CudaError, TensorRTError) as error:
            raise failed(error) from None

    @property
    def loaded(self) -> Loaded:
        """Error: `EngineError` where it is not, or not any more."""
        if self._loaded is None:
            raise EngineError("the plan is not loaded")
        return self._loaded

    @property
    def placement(self) -> Placement:
        """Where it runs: the GPU by name, and how many of its buckets run as CUDA graphs."""
        return Placement(
            model=self._name,
            version=self._version,
            device=f"cuda:{self._gpu.index}",
            providers=("TensorRT",),
            runtime=self._runtime,
            detail={
                "gpu": self._gpu.name,
                "compute": self._gpu.compute,
                "streams": str(len(self._lanes)),
                "graphs": str(sum(lane.graphs for lane in self._lanes)),
                **self.detail,
            },
        )

    @property
    def copied(self) -> dict[str, int]:
        """Bytes that went to the device and back, since it was loaded."""
        return {way: sum(lane.copied[way] for lane in self._lanes) for way in ("to_device", "to_host")}

    async def run(self, rows: Rows) -> Tensors:
        """Run once, on the lane that is free first.

        Errors: `RequestRefused` for sizes that the plan was not built for; `EngineError`, with `again` where nothing ran.
        """
        lane = await self._lane()
        began = self._begin(partial(lane.run, rows.inputs, frozenset(rows.outputs)))
        # Whoever waits may leave: the lane is free when its run has ended, and not before.
        began.add_done_callback(partial(self._ended, lane))
        done, _ = await asyncio.wait({began}, timeout=self._setting.run_timeout_s)
        if not done:
            self.failure = f"a run has not ended after {self._setting.run_timeout_s:g} seconds; start the gateway again"
            raise EngineError(self.failure, timeout=True)
        try:
            return began.result()
        except RequestRefused:
            raise
        except Exception as error:
            raise failed(error) from None

    async def close(self) -> None:
        """Let go of everything when what runs has ended; what hangs is left to the end of the process."""
        if self.closed:
            return
        self.closed = True
        if self._under_way:
            await asyncio.wait(set(self._under_way), timeout=CLOSE_S)
        if not self._under_way:
            await asyncio.wait({self._begin(self._let_go)}, timeout=CLOSE_S)
        self._threads.shutdown(wait=False, cancel_futures=True)

    def _let_go(self) -> None:
        """The lanes first, then what they were made with."""
        lanes, self._lanes = self._lanes, []
        for lane in lanes:
            with suppress(CudaError):
                lane.close()
        self._loaded = None

    def _open(self, trt: Any, cuda: Cuda, logger: Any, plan: bytes) -> None:
        self._loaded = loaded = load(trt, logger, plan)
        for _ in range(self._setting.streams):
            graphs = self._setting.graphs
            self._lanes.append(Lane(loaded, cuda, bytes_max=self._setting.buffer_bytes_max, graphs=graphs))
        keeps_rows = all(lane.keeps_rows for lane in self._lanes)
        self.signature = Signature(loaded.inputs, loaded.outputs, loaded.profiles[-1].rows if keeps_rows else 0)

    async def _lane(self) -> Lane:
        """A free lane. Error: `EngineError` where there will be none."""
        try:
            async with asyncio.timeout(self._setting.run_timeout_s):
                lane = await self._free_lane()
        except TimeoutError:
            raise EngineError("no stream of the GPU was free in time", timeout=True, again=True) from None
        return lane

    async def _free_lane(self) -> Lane:
        self._check()
        lane = await self._free.get()
        try:
            self._check()
        except EngineError:
            self._free.put_nowait(lane)
            raise
        return lane

    def _check(self) -> None:
        if self.failure or self.closed:
            raise EngineError(self.failure or "the plan is not loaded any more", again=True)

    def _ended(self, lane: Lane, began: asyncio.Future[Any]) -> None:
        error = None if began.cancelled() else began.exception()
        if isinstance(error, CudaError) and not error.harmless:
            self.failure = f"CUDA failed with {error.name}, and nothing runs after that; start the gateway again"
        self._free.put_nowait(lane)

    def _begin(self, work: Callable[[], T]) -> asyncio.Future[T]:
        """Something in a thread, that goes on when nobody waits for it any more."""
        began = asyncio.get_running_loop().run_in_executor(self._threads, work)
        self._under_way.add(began)
        began.add_done_callback(self._under_way.discard)
        return began

    async def _done(self, work: Callable[[], T]) -> T:
        return await asyncio.shield(self._begin(work))
