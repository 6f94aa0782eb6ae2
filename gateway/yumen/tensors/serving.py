"""From the bytes of a request to the bytes of its reply, by way of a model's batcher; and how a version begins to serve."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import numpy as np

from yumen.batching import BatchConfig, Batcher
from yumen.engine import EngineError, EngineRequest, Native, RequestRefused
from yumen.openinference.wire import InferRequest, Input, check, read, write
from yumen.plugin import Host
from yumen.tensors.models import TensorModel
from yumen.tensors.repository import Labels, Served, VersionFiles, narrowed
from yumen.tensors.types import DATATYPES, Datatype, Rows, Signature, Tensor, Tensors

T = TypeVar("T")
# What is read or written in a thread: JSON of so many bytes, or of so many elements, or so many bytes as they are. All of
# them take about a millisecond, which is as long as the event loop should stand still.
READ_BYTES_MIN, WRITE_ELEMENTS_MIN, WRITE_BYTES_MIN = 256 << 10, 16_384, 4 << 20
THREADS = 2
US = 1_000_000
# Of what is made up for a version to run once, in each input; and how long that run may take.
WARM_UP_ELEMENTS_MAX, WARM_UP_S = 1 << 24, 300.0
NO_MODEL = "There is no such model or version here."
# A plugin that names no deadline waits so long.
INFER_S = 30.0


class Codec:
    """Reads requests and writes replies, in threads of its own where that takes long."""

    def __init__(self, name: str) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix=name)

    async def read(self, request: EngineRequest) -> InferRequest:
        """See `yumen.openinference.wire.read`."""
        work = partial(read, request.path, request.body, request.json_bytes)
        return await self._done(work, threaded=(request.json_bytes or len(request.body)) >= READ_BYTES_MIN)

    async def write(self, asked: InferRequest, model: str, served: Served, outputs: Tensors) -> Native:
        """See `yumen.openinference.wire.write`."""
        signature = served.signature
        batched = signature.batch_max > 0
        work = partial(
            write, asked, model, served.version, signature.outputs, outputs, batched=batched, labels=served.labels
        )
        elements = sum(array.size for array in outputs.values())
        # Classes and other texts stand in the JSON whatever was asked for.
        in_json = not asked.binary_default or any(not one.binary or one.classification for one in asked.outputs)
        in_json = in_json or any(array.dtype.hasobject for array in outputs.values())
        size = sum(array.nbytes for array in outputs.values())
        return await self._done(work, threaded=size >= WRITE_BYTES_MIN or (in_json and elements >= WRITE_ELEMENTS_MIN))

    async def _done(self, work: Callable[[], T], *, threaded: bool) -> T:
        if not threaded:
            return work()
        try:
            doing = asyncio.get_running_loop().run_in_executor(self._threads, work)
        except RuntimeError:
            raise EngineError("the engine is closed", again=True) from None
        return await doing

    def close(self) -> None:
        """Begin nothing any more."""
        self._threads.shutdown(wait=False, cancel_futures=True)


async def answered(served: Served, asked: InferRequest, request: EngineRequest, codec: Codec, now: float) -> Native:
    """The reply to a request. `now` is a time of the clock of `request.deadline`. Errors: `EngineError`."""
    rows = check(asked, served.signature)
    deadline = min(request.deadline, now + asked.timeout_us / US) if asked.timeout_us else request.deadline
    # To the protocol 0 is no wish; 1 is what nobody goes before, as is 0 to a batcher.
    priority = max(asked.priority - 1, 0)
    try:
        outputs = await served.batcher.submit(rows, tenant=request.tenant, deadline=deadline, priority=priority)
    except EngineError as error:
        if error.timeout and deadline < request.deadline:
            # So little time is the caller's wish, and nothing against the engine.
            raise EngineError("the caller's own `timeout` has passed", timeout=True, well=True) from None
        raise
    return await codec.write(asked, request.model, served, outputs)


def rows_of(inputs: Mapping[str, Tensor], outputs: Sequence[str], signature: Signature) -> Rows:
    """What a plugin gives, held against what the model takes. Error: `RequestRefused`."""
    types: dict[str, Datatype] = {spec.name: spec.datatype for spec in signature.inputs}
    given: dict[str, Input] = {}
    for name, array in inputs.items():
        datatype = types.get(name)
        if datatype is None or not isinstance(array, np.ndarray) or array.dtype != DATATYPES[datatype]:
            raise RequestRefused("An input is none that the model has, or is no array of its type.", param="inputs")
        given[name] = Input(datatype, array)
    # Whether an output has a form in JSON does not matter here: `binary_default` asks for none.
    rows = check(InferRequest(inputs=given, binary_default=True), signature)
    known = {spec.name for spec in signature.outputs}
    if not known.issuperset(outputs):
        raise RequestRefused("An output is none that the model has.", param="outputs")
    return Rows(rows.inputs, tuple(outputs))


async def begun(
    files: VersionFiles,
    labels: Labels,
    open_version: Callable[[VersionFiles], Any],
    batch: BatchConfig,
    host: Host,
    *,
    ahead: bool,
) -> Served:
    """A version, open and warm, with a batcher of its own; `ahead` as `TensorEngine.runs_ahead`.

    Errors: `ConfigWrong`, `EngineError`, and the adapter's.
    """
    model: TensorModel = await open_version(files)
    try:
        signature = narrowed(model.signature, files.config)
        if files.config.warm_up:
            await _warm_up(model, signature)
    except BaseException:
        await model.close()
        raise
    batcher = Batcher(
        model.run, signature, batch, metrics=host.metrics, model=files.model, ahead=ahead, monotonic=host.monotonic
    )
    return Served(
        model, batcher, name=files.model, version=files.version, signature=signature, labels=labels, now=host.now
    )


async def _warm_up(model: TensorModel, signature: Signature) -> None:
    """Run once with zeros, so that the first caller does not wait for what a runtime prepares, and what does not run does
    not serve. Where the model leaves sizes open, nothing can be made up. Error: `EngineError`.
    """
    inputs: dict[str, Tensor] = {}
    for spec in signature.inputs:
        shape = (1, *spec.shape[1:]) if signature.batch_max else spec.shape
        if -1 in shape or math.prod(shape) > WARM_UP_ELEMENTS_MAX:
            return
        texts = spec.datatype == "BYTES"
        inputs[spec.name] = np.full(shape, "", object) if texts else np.zeros(shape, DATATYPES[spec.datatype])
    try:
        async with asyncio.timeout(WARM_UP_S):
            outputs = await model.run(Rows(inputs))
    except EngineError as error:
        raise EngineError(f"it does not run ({error}); replace it, or set `warm_up: false`") from None
    except TimeoutError:
        raise EngineError(f"it does not run within {WARM_UP_S:g} s; replace it, or set `warm_up: false`") from None
    missing = [spec.name for spec in signature.outputs if not isinstance(outputs.get(spec.name), np.ndarray)]
    if missing:
        raise EngineError("it runs, and does not give the outputs that it should; replace it, or correct `outputs`")
