"""The upstream's models, as the upstream tells of them: bounded in time, bytes and questions at a time.

Source: the Open Inference Protocol's description, and its servers' extensions for statistics and the model repository.
"""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from yumen import EngineError, Metadata, ModelState
from yumen_engines.kserve import metadata as said
from yumen_engines.kserve.config import KServeConfig
from yumen_engines.openai.client import Upstream, read_reply
from yumen_engines.openai.failures import CLOSING, LATE, refusal

NAME = re.compile(r"[A-Za-z0-9@][A-Za-z0-9._:@+-]{0,199}")
VERSION = re.compile(r"[0-9]{0,18}")
BYTES_MAX = 4 * 1024 * 1024
METADATA_MAX = 1_024
QUESTIONS_MAX = 8
# How long what the server says of itself holds: `/readyz` is anybody's to ask.
HEALTH_S = 1.0
# Answers of a server that does not know the model, or does not tell of models at all.
UNTOLD = frozenset({400, 404, 405, 501})
ANSWERS = frozenset({501, 503})
NO_CONTROL = (
    "This engine's policy has not `control: true`, so the server's models are not loaded or unloaded from here."
)


class _Told(msgspec.Struct, frozen=True):
    """What was answered, and until when it holds, in the host's monotonic seconds; None where there are no metadata."""

    metadata: Metadata | None
    until: float


class Catalogue:
    """See `yumen.Models`. Its names are those that callers use; where one `model` is configured, all are that one."""

    def __init__(self, config: KServeConfig, upstream: Upstream, monotonic: Callable[[], float]) -> None:
        self._config = config
        self._upstream = upstream
        self._monotonic = monotonic
        self._seconds = config.catalogue_timeout_ms / 1000
        self._free = asyncio.Semaphore(QUESTIONS_MAX)
        self._told: OrderedDict[str, _Told] = OrderedDict()
        self._asking: dict[str, asyncio.Task[Metadata | EngineError | None]] = {}
        self._health: asyncio.Task[str] | None = None
        self._health_until = 0.0

    def path(self, name: str, version: str = "") -> str:
        """Where a model is found at the upstream. Error: LookupError where there can be none."""
        name = self._config.model or name
        only = self._config.version
        if not NAME.fullmatch(name) or not VERSION.fullmatch(version) or (only and version not in ("", only)):
            raise LookupError("no such model or version")
        version = version or only
        return f"v2/models/{name}/versions/{version}" if version else f"v2/models/{name}"

    async def health(self) -> str:
        """What the server says of itself, asked at most once in `HEALTH_S` seconds; empty where it does not tell."""
        if self._health is None or (self._health.done() and self._monotonic() >= self._health_until):
            self._health_until = self._monotonic() + HEALTH_S
            self._health = asyncio.create_task(self._ill())
        # Whoever asks may leave; the question is everybody's.
        return await asyncio.shield(self._health)

    async def _ill(self) -> str:
        try:
            status, _ = await self._ask("GET", "v2/health/ready")
        except EngineError as error:
            return f"the upstream's health check failed: {error}"
        return "" if status == 200 or status in UNTOLD else "the upstream says that it is not ready"

    async def index(self) -> Sequence[ModelState]:
        """Every version of every model of the server, or of the configured one; what it is called there."""
        status, body = await self._ask("POST", "v2/repository/index", b"{}")
        only = self._config.model
        if status == 200:
            return [one for one in said.index_of(body) if NAME.fullmatch(one.name) and only in ("", one.name)]
        if status not in UNTOLD:
            raise refusal(status)
        if not only:
            return []
        ready = await self.ready(only)
        return [ModelState(only, self._config.version, "READY" if ready else "UNAVAILABLE")]

    async def metadata(self, name: str, version: str = "") -> Metadata:
        """Asked anew each time. Errors: LookupError, `EngineError`."""
        path = self.path(name, version)
        told = await self._fetch(path, name)
        if isinstance(told, EngineError):
            raise told
        if told is None:
            raise LookupError("no such model or version")
        return told

    async def ready(self, name: str, version: str = "") -> bool:
        """Errors: LookupError, `EngineError`."""
        status, body = await self._ask("GET", f"{self.path(name, version)}/ready")
        if status == 404:
            raise LookupError("no such model or version")
        return status == 200 and said.ready_of(body)

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        """Errors: LookupError where the model or the extension is not there; `EngineError`."""
        only = self._config.model
        path = self.path(name, version) if name or only else "v2/models"
        status, body = await self._ask("GET", f"{path}/stats")
        if status in UNTOLD and not name:
            return []
        self._check(status)
        told = said.statistics_of(body)
        # Under the name that it was asked by.
        return [{**one, "name": name} for one in told] if only and name else told

    async def load(self, name: str) -> None:
        """Errors: ValueError where policy does not allow it; LookupError, `EngineError`."""
        await self._control(name, "load")

    async def unload(self, name: str) -> None:
        """Errors: as `load`."""
        await self._control(name, "unload")

    async def _control(self, name: str, what: str) -> None:
        if not self._config.control:
            raise ValueError(NO_CONTROL)
        name = self._config.model or name
        self.path(name)
        seconds = self._config.control_timeout_ms / 1000
        try:
            status, _ = await self._ask("POST", f"v2/repository/models/{name}/{what}", b"{}", seconds=seconds)
        finally:
            self._told.clear()
        if status == 400:
            raise ValueError(f"The server refused to {what} the model; its own log says why.")
        self._check(status)

    async def batched(self, name: str, version: str, deadline: float) -> bool:
        """Whether a model's first dimension is the rows of a batch, by metadata that are asked for once and kept a while.

        `deadline` is a monotonic time. Errors: LookupError; `EngineError` where the server does not answer.
        """
        path = self.path(name, version)
        if {name, self._config.model} & set(self._config.unbatched):
            return False
        told = self._told.get(path)
        if told is None or told.until <= self._monotonic():
            told = await self._shared(path, name, deadline)
        return told is not None and told.metadata is not None and said.batched(told.metadata)

    def forget(self, name: str, version: str) -> None:
        """Ask anew for the metadata of a model whose replies are not as they say."""
        self._told.pop(self.path(name, version), None)

    async def _shared(self, path: str, name: str, deadline: float) -> _Told | None:
        """Wait for an answer that everybody who needs it waits for. Error: `EngineError`."""
        task = self._asking.get(path)
        if task is None:
            task = self._asking[path] = asyncio.create_task(self._fetch(path, name))
            task.add_done_callback(lambda _: self._asking.pop(path, None))
        await asyncio.wait({task}, timeout=max(0.0, min(deadline - self._monotonic(), 2 * self._seconds)))
        if not task.done():
            raise EngineError(LATE, timeout=True)
        if task.cancelled():
            raise EngineError(CLOSING)
        answer = task.result()
        if isinstance(answer, EngineError):
            raise EngineError(str(answer), timeout=answer.timeout, again=answer.again)
        return self._told.get(path)

    async def _fetch(self, path: str, name: str) -> Metadata | EngineError | None:
        """The metadata of a model, None where the server has none. They are kept; an error is not."""
        try:
            status, body = await self._ask("GET", path)
            if status != 200 and status not in UNTOLD:
                raise refusal(status)
            found = said.metadata_of(name, body) if status == 200 else None
        except EngineError as error:
            return error
        self._told[path] = _Told(found, self._monotonic() + self._config.metadata_ttl_ms / 1000)
        self._told.move_to_end(path)
        while len(self._told) > METADATA_MAX:
            self._told.popitem(last=False)
        return found

    async def runtime(self) -> str:
        """What the server is, with its version; empty where it does not say so."""
        try:
            status, body = await self._ask("GET", "v2")
            return said.runtime_of(body) if status == 200 else ""
        except EngineError:
            return ""

    async def _ask(self, method: str, path: str, body: bytes = b"", *, seconds: float = 0.0) -> tuple[int, bytes]:
        """Status and body of an answer. Error: `EngineError`."""
        seconds = seconds or self._seconds
        deadline = self._monotonic() + seconds
        try:
            async with asyncio.timeout(seconds):
                await self._free.acquire()
        except TimeoutError:
            raise EngineError("too many questions about the upstream's models at a time") from None
        try:
            sent, response = await self._upstream.send(path, body, method=method, deadline=deadline)
            return response.status, await read_reply(sent, response, BYTES_MAX, answers=ANSWERS)
        finally:
            self._free.release()

    def _check(self, status: int) -> None:
        """Errors: LookupError, `EngineError`."""
        if status in UNTOLD:
            raise LookupError("no such model or version")
        if status != 200:
            raise refusal(status)

    async def close(self) -> None:
        """Give up the questions under way."""
        tasks: list[asyncio.Task[Any]] = [*self._asking.values(), *([self._health] if self._health is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
