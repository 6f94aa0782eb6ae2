"""What is asked below `/v2` and is no exchange: of the server, of its models, and of the repository that they come from.

Source: the Open Inference Protocol's description, and its servers' extensions for statistics, model configuration and the
model repository. No payload passes here, so no chain runs. Whoever only asks needs an app key, but for the two paths of
health, which orchestrators ask without one; loading and unloading takes an admin key, and is recorded before it is done.
"""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version as installed
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from yumen.dialects.document import encode_json
from yumen.errors import Problem
from yumen.keyfile import Entry
from yumen.openinference.catalogue import answered, catalogue, catalogues, serving
from yumen.operators import Operation
from yumen.runtime import Runtime
from yumen.tensors.models import Metadata, Models
from yumen.tensors.types import TensorSpec
from yumen.wire import Headers, Receive, read_body

if TYPE_CHECKING:
    from yumen.dataplane import Doorkeeper

T = TypeVar("T")
PATH = re.compile(
    r"/v2/?(?P<server>)|/v2/health/(?P<health>live|ready)|/v2/models/(?P<all>stats)|/v2/repository/(?P<index>index)"
    r"|/v2/repository/models/(?P<changed>[^/]+)/(?P<change>load|unload)"
    r"|/v2/models/(?P<model>[^/]+)(?:/versions/(?P<version>[0-9]{1,18}))?(?:/(?P<about>ready|stats|config))?"
)
EXTENSIONS = [
    "binary_tensor_data", "classification", "model_configuration", "model_repository", "parameters", "schedule_policy",
    "statistics",
]  # fmt: skip
# How long loading or unloading a model may take.
CHANGE_S = 300.0
# What has been done, and what has not after all.
KINDS = {"load": ("model_loaded", "model_load_failed"), "unload": ("model_unloaded", "model_unload_failed")}
WORKERS = "There are several workers, of which this would reach one; put the model into its folder, or take it out."
CHANGING = "Another model is being loaded or unloaded; try again later."
RETRY_S = 5.0

Answer = tuple[int, bytes]


class Surface:
    """One per process. `now` is where the times of records come from."""

    def __init__(self, keys: Doorkeeper, now: Callable[[], float] = time.time) -> None:
        self._keys = keys
        self._now = now
        # Changes come one at a time: their records stand in the order of what they record.
        self._changing = False

    async def answer(self, runtime: Runtime, method: str, path: str, headers: Headers, receive: Receive) -> Answer:
        """The status and body for a path below `/v2` that is no exchange. Error: `Problem`."""
        asked = PATH.fullmatch(path)
        if asked is None:
            raise Problem("not_found", "There is nothing at this path.")
        allowed = "POST" if asked["index"] or asked["change"] else "GET"
        if method != allowed:
            raise Problem("method_not_allowed", f"This path takes {allowed} only.")
        if asked["health"]:
            return await _health(runtime, asked["health"])
        key = self._keys.authenticate(headers)
        if asked["change"]:
            if key.role != "admin":
                raise Problem("unauthorized", "This key is for the data plane; use an admin key.")
            await _take_body(headers, receive, runtime, _Change)
            return await self._change(runtime, asked["changed"], asked["change"], key)
        if asked["index"]:
            ready = (await _take_body(headers, receive, runtime, _Index)).ready
            return 200, encode_json(await _index(runtime, ready=ready, told=key.role == "admin"))
        if key.role != "app":
            raise Problem("unauthorized", "This key is for the control plane; use an app key.")
        if asked["all"]:
            return 200, encode_json({"model_stats": await _statistics(runtime)})
        if asked["model"]:
            return await _about(runtime, asked["model"], asked["version"] or "", asked["about"] or "")
        return 200, encode_json({"name": "yumen", "version": installed("yumen"), "extensions": EXTENSIONS})

    async def _change(self, runtime: Runtime, model: str, change: str, key: Entry) -> Answer:
        """Load or unload a model. Errors: `Problem`, ledger_unavailable where it cannot be recorded among them."""
        found = catalogue(runtime, model)
        if runtime.parts.settings.workers > 1:
            raise Problem("bad_request", WORKERS)
        if self._changing:
            raise Problem("engine_unavailable", CHANGING, retry_after_s=RETRY_S, status=503)
        done, failed = KINDS[change]
        about = {"model": model, "engine": found.engine}
        self._changing = True
        try:
            if not await runtime.note(self._operation(done, key, about)):
                raise Problem("ledger_unavailable")
            doing = found.models.load(model) if change == "load" else found.models.unload(model)
            try:
                await answered(doing, found.engine, seconds=CHANGE_S, told=True)
            except Problem as problem:
                await runtime.note(self._operation(failed, key, {**about, "reason": problem.code}))
                raise
        finally:
            self._changing = False
        return 200, b"{}"

    def _operation(self, kind: str, key: Entry, about: dict[str, str]) -> Operation:
        return Operation(kind=kind, actor=f"admin:{key.id}", at=self._now(), details=about)


class _Index(msgspec.Struct):
    ready: bool = False


class _ChangeParameters(msgspec.Struct, forbid_unknown_fields=True):
    unload_dependents: bool = False


class _Change(msgspec.Struct, forbid_unknown_fields=True):
    # A configuration or files of the caller's own would be a model that nobody has looked at.
    parameters: _ChangeParameters | None = None


async def _take_body(headers: Headers, receive: Receive, runtime: Runtime, form: type[Any]) -> Any:
    """The body, which may be empty. Errors: `Problem` bad_request, payload_too_large; `ClientGone`."""
    body = await read_body(headers, receive, runtime.bundle.limits)
    try:
        return msgspec.json.decode(body or b"{}", type=form)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise Problem("bad_request", "The body is not what this path takes; it may be empty.") from None


async def _health(runtime: Runtime, what: str) -> Answer:
    if what == "live":
        return 200, encode_json({"live": True})
    ready = not await runtime.ready()
    return 200 if ready else 503, encode_json({"live": True, "ready": ready})


async def _index(runtime: Runtime, *, ready: bool, told: bool) -> list[dict[str, str]]:
    """Every version of every model that a route serves; `told`: with the reasons of states, which may name files."""
    return [
        {"name": one.name, "version": one.version, "state": one.state, "reason": one.reason if told else ""}
        for engine, states in await _each(runtime, lambda models: models.index())
        for one in states
        if _served_by(runtime, one.name, engine) and (one.state == "READY" or not ready)
    ]


async def _each(runtime: Runtime, ask: Callable[[Models], Awaitable[Sequence[T]]]) -> list[tuple[str, Sequence[T]]]:
    """What catalogues answer, by the names of their engines. One that does not is in the log, and hides no other's models.

    Error: `Problem` where none answers.
    """
    answers: list[tuple[str, Sequence[T]]] = []
    failed: Problem | None = None
    for found in catalogues(runtime):
        try:
            answers.append((found.engine, await answered(ask(found.models), found.engine)))
        except Problem as problem:
            failed = problem
    if failed is not None and not answers:
        raise failed
    return answers


def _served_by(runtime: Runtime, model: str, engine: str) -> bool:
    found = serving(runtime, model)
    return found is not None and found.engine == engine


async def _statistics(runtime: Runtime) -> list[Any]:
    """Those of all models that a route serves."""
    return [
        one
        for engine, given in await _each(runtime, lambda models: models.statistics())
        for one in given
        if _served_by(runtime, str(one.get("name", "")), engine)
    ]


async def _about(runtime: Runtime, model: str, version: str, about: str) -> Answer:
    """What one model is, whether it is ready, what it has done, or how it is configured. Error: `Problem`."""
    found = catalogue(runtime, model, version)

    async def asked(asking: Awaitable[Any]) -> Any:
        return await answered(asking, found.engine)

    if about == "ready":
        ready: bool = await asked(found.models.ready(model, version))
        return 200 if ready else 503, encode_json({"name": model, "ready": ready})
    if about == "stats":
        return 200, encode_json({"model_stats": await asked(found.models.statistics(model, version))})
    metadata: Metadata = await asked(found.models.metadata(model, version))
    if about == "config":
        return 200, encode_json(_config(metadata))
    return 200, encode_json(metadata)


def _config(metadata: Metadata) -> dict[str, Any]:
    """The configuration as clients of Triton read it. With `max_batch_size` 0 its shapes are whole, as ours are."""

    def tensors(specs: Sequence[TensorSpec]) -> list[dict[str, Any]]:
        return [{"name": one.name, "data_type": _type(one.datatype), "dims": one.shape} for one in specs]

    return {
        "name": metadata.name,
        "platform": metadata.platform,
        "max_batch_size": 0,
        "input": tensors(metadata.inputs),
        "output": tensors(metadata.outputs),
    }


def _type(datatype: str) -> str:
    return "TYPE_STRING" if datatype == "BYTES" else f"TYPE_{datatype}"
