"""One version of a model of tensors, loaded: rows in, rows out, whatever the numbers mean."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from concurrent import futures
from functools import partial
from typing import Any

import numpy as np

from yumen import CannotStart, EngineError, Host, Placement, RequestRefused, Rows, Signature, Tensor, Tensors
from yumen_engines.onnx import warming
from yumen_engines.onnx.binding import DeviceMemory, run_bfloat16
from yumen_engines.onnx.runtime import Opened
from yumen_engines.onnx.threads import CLOSED, failed, unfit, waited

# How long a run that has been told to end may take for it.
CLOSE_S = 30.0


class OnnxModel:
    """See `yumen.TensorModel`. `signature` says what it takes; a run that nobody waits for any more is told to end.

    It does `runs_max` runs at a time, each in a thread; one that it is given beside them begins when one of them ends, in
    the same thread and so at once.
    """

    platform = "onnxruntime_onnx"

    def __init__(self, opened: Opened, signature: Signature, runs_max: int, name: str, version: str) -> None:
        self.signature = signature
        self.revision = opened.revision
        self._opened = opened
        self._session: Any = opened.session
        self._threads = futures.ThreadPoolExecutor(runs_max, thread_name_prefix=f"onnx-{name}")
        self._name, self._version = name, version
        self._outputs = {one.name: one for one in signature.outputs}
        self._kinds = {one.name: one.datatype for one in signature.inputs}
        every = (*signature.inputs, *signature.outputs)
        self._bfloat16 = any(one.datatype == "BF16" for one in every)
        self._memory: DeviceMemory | None = None
        self._detail: dict[str, str] = {}
        # Runs that are under way, with what ends them.
        self._runs: dict[futures.Future[Any], Any] = {}

    @property
    def placement(self) -> Placement:
        """Where it runs, and on a device how much was copied there and back."""
        detail = dict(self._detail)
        if self._memory is not None:
            copies = self._memory.copies
            detail |= {"bound_runs": str(copies.runs), "bytes_to_device": str(copies.to_device),
                       "bytes_from_device": str(copies.from_device)}  # fmt: skip
        return self._opened.placement(self._name, self._version, **detail)

    def prepare(self, rows_max: int, host: Host) -> None:
        """Warm it up with batches of up to so many rows, and see whether rows may run together. Blocks meanwhile.

        Error: `CannotStart` where the model does not come to an end.
        """
        with warming.limited(self._opened.runtime, warming.WARM_UP_S) as options:
            self._prepare(rows_max, host, options)
            if options.terminate:
                raise CannotStart(
                    f"{self._name} has not run made-up rows within {warming.WARM_UP_S:g} s; set `warm_up: false` in its "
                    "config.yaml, or lower `rows_max`, if it takes as long as that"
                )

    def _prepare(self, rows_max: int, host: Host, options: Any) -> None:
        run = partial(self._call, names=list(self._outputs), options=options)
        if self.signature.batch_max and warming.rows_are_apart(run, self.signature) is False:
            # Alone each caller's rows come to what the model makes of them; together they would not.
            self.signature = Signature(self.signature.inputs, self.signature.outputs, 0)
            self._detail["batches"] = "none: its rows depend on one another"
            host.log.warning("onnx_rows_depend", model=self._name, version=self._version)
        if self._opened.device != "cpu" and DeviceMemory.fits(self.signature):
            self._bind(self._opened.device.partition(":")[0], self._opened.asked.device, rows_max, options)
        try:
            warmed = warming.warm(run, self.signature, rows_max)
        except Exception as error:  # it may not like zeros; what callers bring is for the runs to judge
            host.log.warning("onnx_warm_up_failed", model=self._name, error=type(error).__name__)
        else:
            self._detail["warmed_rows"] = ",".join(map(str, warmed))

    async def run(self, rows: Rows) -> Tensors:
        """Run it once. Errors: `RequestRefused` where ONNX Runtime finds the values unfit, `EngineError` else."""
        if self._session is None:
            raise EngineError(CLOSED)
        names = list(rows.outputs or self._outputs)
        options = self._opened.runtime.RunOptions()
        try:
            running = self._threads.submit(self._call, rows.inputs, names=names, options=options)
        except RuntimeError:  # it was closed in this moment
            raise EngineError(CLOSED) from None
        self._runs[running] = options
        running.add_done_callback(self._ended)
        try:
            # What nobody waits for any more ONNX Runtime ends before its next node.
            found = await waited(running, partial(setattr, options, "terminate", True))
        except UnicodeEncodeError:
            raise RequestRefused("A text holds half of a character, which no model reads.") from None
        except Exception as error:
            if unfit(error) and not options.terminate:
                raise RequestRefused("The model does not take values such as these.") from None
            raise failed(error) from None
        return dict(zip(names, found, strict=True))

    async def close(self) -> None:
        """End what still runs, and let go of the session."""
        running = dict(self._runs)
        for options in running.values():
            options.terminate = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        if running:
            await asyncio.to_thread(futures.wait, list(running), CLOSE_S)
        self._session = self._memory = None

    def _ended(self, running: futures.Future[Any]) -> None:
        self._runs.pop(running, None)

    def _call(self, feed: Mapping[str, Tensor], *, names: Sequence[str], options: Any) -> Sequence[Tensor]:
        """One run in this thread."""
        session, memory = self._session, self._memory
        if session is None:
            raise EngineError(CLOSED)
        if self._bfloat16:
            wanted = [self._outputs[name] for name in names]
            return run_bfloat16(self._opened.runtime, session, feed, wanted, self._kinds, options)
        if memory is not None:
            found = memory.run(feed, names, options)
            if found is not None:
                return found
        plain: Sequence[Tensor] = session.run(list(names), dict(feed), options)
        return plain

    def _bind(self, device: str, number: int, rows_max: int, options: Any = None) -> None:
        """Take memory on the device for every usual batch, if what comes of it is what comes of a plain run."""
        memory = DeviceMemory(self._opened.runtime, self._session, self.signature, device, number)
        names = list(self._outputs)
        try:
            for rows in warming.sizes(min(rows_max, self.signature.batch_max)):
                memory.take(rows)
                feed = warming.zeros(self.signature, rows)
                plain, bound = self._session.run(names, feed, options), memory.run(feed, names, options)
                if bound is None or not all(map(_same, plain, bound)):
                    raise ValueError("bound memory gives something else")
        except Exception as error:
            self._detail["bound"] = f"none: {type(error).__name__}"
        else:
            self._memory = memory


def _same(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and bool(np.allclose(one, other, rtol=1e-2, atol=1e-2, equal_nan=True))
