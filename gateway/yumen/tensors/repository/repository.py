"""The models of an engine: found on disk, opened, replaced while they serve, and let go.

At start everything that is to serve is opened. Later a model is taken up when two looks in a row have found the same files:
what is being written is not there yet. `load` takes what is there now, and tries again what has failed.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from yumen.engine import EngineError
from yumen.errors import CannotStart
from yumen.foreign import tamed
from yumen.plugin import Host
from yumen.telemetry import error_name, place
from yumen.tensors.models import Metadata, ModelState, Placement
from yumen.tensors.repository.config import Labels, ModelConfig
from yumen.tensors.repository.served import RETIRE_S, Served
from yumen.tensors.repository.shelf import Shelf
from yumen.tensors.repository.source import Found, Source, VersionFiles, Wrong
from yumen.tensors.statistics import model_stats

Opener = Callable[[VersionFiles, Labels], Awaitable[Served]]
T = TypeVar("T")
# How long one version may take to open: what compiles a model for a device takes minutes. How many do at a time.
OPEN_S = 1_800.0
OPENING_MAX = 4
# How long the disk may take to say what is there.
LOOK_S = 60.0
# How long closing waits for requests that have not ended.
CLOSE_S = 60.0
# How many names a message has.
NAMED_MAX = 3
UNKNOWN = "there is no such model or version here"


class Repository:
    """See the module, and `yumen.tensors.models.Models`. For one event loop. `open_version` makes of files what serves."""

    def __init__(self, source: Source, open_version: Opener, host: Host) -> None:
        self._source = source
        self._open_version = open_version
        self._host = host
        self._shelves: dict[str, Shelf] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        # What serves no more, and what closes it.
        self._retiring: dict[Served, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(OPENING_MAX)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"models-{host.instance}")
        self._closed = False
        self._unseen = ""
        self.revision = ""

    async def start(self) -> None:
        """Open what is there. What cannot be opened keeps nothing else from it. Error: `CannotStart`."""
        try:
            found = await self._in_thread(self._source.scan)
        except Wrong as error:
            raise CannotStart(str(error)) from None
        names = dict.fromkeys((*self._source.load, *found))
        await asyncio.gather(*(self._settle(self._shelf(name), found.get(name), asked=True) for name in names))
        if self._source.poll_s:
            self._spawn(self._watch())

    def serving(self, name: str, version: str = "") -> Served:
        """What answers for a model, the latest version where none is named; use it within `with`, and await nothing before.

        Errors: LookupError where there is none; `EngineError` where it is to serve and does not.
        """
        shelf = self._shelves.get(name)
        opened = shelf.open if shelf is not None and shelf.wanted else {}
        for number, served in opened.items():
            if version in ("", str(number)):
                return served
        if shelf is not None and shelf.wanted and not version:
            raise EngineError("the model is not ready", again=True, well=True)
        raise LookupError(UNKNOWN)

    def opened(self) -> Iterable[Served]:
        """Everything that serves."""
        return [served for shelf in self._shelves.values() for served in shelf.open.values()]

    async def index(self) -> Sequence[ModelState]:
        """See `Models`."""
        return [state for name in sorted(self._shelves) for state in self._shelves[name].states()]

    async def metadata(self, name: str, version: str = "") -> Metadata:
        """See `Models`."""
        served = self.serving(name, version)
        signature, versions = served.signature, tuple(str(number) for number in reversed(self._shelves[name].open))
        return Metadata(name, versions, served.model.platform, signature.inputs, signature.outputs)

    async def ready(self, name: str, version: str = "") -> bool:
        """See `Models`."""
        shelf = self._known(name)
        if version and not any(state.version == version for state in shelf.states()):
            raise LookupError(UNKNOWN)
        return any(version in ("", str(number)) for number in shelf.open)

    async def statistics(self, name: str = "", version: str = "") -> Sequence[Mapping[str, Any]]:
        """See `Models`. Of what serves; a version that is opened anew begins anew."""
        if name:
            self._known(name)
        chosen = [one for one in self.opened() if name in ("", one.name) and version in ("", one.version)]
        if version and not chosen:
            raise LookupError(UNKNOWN)
        return [model_stats(one.name, one.version, one.answered_at, one.batcher.statistics) for one in chosen]

    async def load(self, name: str) -> None:
        """See `Models`. Goes on when nobody waits for it."""
        try:
            found = await self._in_thread(self._source.look, name)
        except Wrong as error:
            raise ValueError(str(error)) from None
        if found is None:
            raise LookupError(UNKNOWN)
        shelf = self._shelf(name)
        shelf.wanted = True
        wrong = await asyncio.shield(self._settle(shelf, found, asked=True))
        if wrong or not shelf.open:
            raise ValueError(wrong or "it has no version that serves")

    async def unload(self, name: str) -> None:
        """See `Models`. Goes on when nobody waits for it."""
        shelf = self._known(name)
        shelf.wanted = False
        await asyncio.shield(self._settle(shelf, shelf.found))

    def placements(self) -> Sequence[Placement]:
        """Where everything that serves really runs."""
        return [served.model.placement for served in self.opened()]

    def health(self) -> str:
        """Which models do not serve that are to, or why none does; empty where all is well."""
        missing = [name for name in self._source.load if name not in self._shelves or not self._shelves[name].open]
        if missing:
            more = ", ..." if len(missing) > NAMED_MAX else ""
            return f"not ready: {', '.join(missing[:NAMED_MAX])}{more}"
        return "" if any(shelf.open for shelf in self._shelves.values()) else "no model is ready"

    async def close(self) -> None:
        """Let go of everything, within `CLOSE_S` seconds, or what has not ended by then is cut off."""
        self._closed = True
        going = [*self._tasks]
        for task in going:
            task.cancel()
        if going:
            await asyncio.wait(going, timeout=CLOSE_S)
        for served in self._retiring:
            served.hurry(CLOSE_S)
        for served in [one for shelf in self._shelves.values() for one in shelf.drop()]:
            self._begin_retiring(served)
            served.hurry(CLOSE_S)
        self._shelves.clear()
        self._changed_revision()
        try:
            if self._retiring:
                await asyncio.wait([*self._retiring.values()], timeout=2 * CLOSE_S)
        finally:
            self._thread.shutdown(wait=False, cancel_futures=True)

    # What follows is for shelves: see `yumen.tensors.repository.shelf.Care`.

    async def look(self, name: str) -> Found | None:
        """See `Care`."""
        return await self._in_thread(self._source.look, name)

    async def config(self, name: str) -> tuple[ModelConfig, Labels]:
        """See `Care`."""
        return await self._in_thread(self._source.config, name)

    async def open(self, name: str, version: int, config: ModelConfig, labels: Labels) -> Served:
        """See `Care`."""
        async with self._turns, asyncio.timeout(OPEN_S):
            await self._look_at(name, version)
            files = self._source.files(name, version, config)
            return await tamed(lambda: self._open_version(files, labels))

    async def _look_at(self, name: str, version: int) -> None:
        """Its turn may have come long after it was found. Error: `Wrong` where it is not to be opened any more."""
        found = await self.look(name)
        if found is None or version not in found.versions:
            raise Wrong(
                found.reason if found is not None and found.reason else f"{name}/{version} has gone; put it back"
            )
        if version in found.wrong:
            raise Wrong(found.wrong[version])

    async def retire(self, *served: Served) -> None:
        """See `Care`. What does not end in time is left to itself, so that new versions are not held up by old ones."""
        if served:
            await asyncio.wait([self._begin_retiring(one) for one in served], timeout=RETIRE_S + CLOSE_S)

    def changed(self, name: str, version: int, what: str, reason: str = "") -> None:
        """See `Care`."""
        log = self._host.log
        told = {"model": name, "version": str(version or ""), **({"reason": reason} if reason else {})}
        (log.warning if what == "unavailable" else log.info)(f"model_{what}", **told)
        self._host.metrics.count("model_changes", model=name, what=what)
        self._changed_revision()

    def _changed_revision(self) -> None:
        opened = sorted((one.name, one.version, one.model.revision) for one in self.opened())
        self.revision = hashlib.sha256(repr(opened).encode()).hexdigest()[:12] if opened else ""
        self._host.metrics.gauge("models_ready", len(opened))

    def _begin_retiring(self, served: Served) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(self._retire(served))
        self._retiring[served] = task
        task.add_done_callback(lambda _: self._retiring.pop(served, None))
        return task

    async def _retire(self, served: Served) -> None:
        try:
            await served.close()
        except Exception as error:  # an adapter may raise anything
            self._host.log.error("model_close_failed", model=served.name, error=error_name(error))

    def _shelf(self, name: str) -> Shelf:
        shelf = self._shelves.get(name)
        if shelf is None:
            wanted = not self._source.load or name in self._source.load
            shelf = self._shelves[name] = Shelf(name, self, wanted=wanted)
        return shelf

    def _known(self, name: str) -> Shelf:
        if name not in self._shelves:
            raise LookupError(UNKNOWN)
        return self._shelves[name]

    async def _watch(self) -> None:
        before: Mapping[str, Found] = {name: one for name, shelf in self._shelves.items() if (one := shelf.found)}
        while True:
            await asyncio.sleep(self._source.poll_s)
            try:
                before = await self._look_again(before)
                self._unseen = ""
            except Exception as error:  # whatever it is, what serves goes on, and the next look may be better
                what = str(error) if isinstance(error, Wrong) else error_name(error)
                if what != self._unseen:
                    self._unseen = what
                    self._host.log.warning("models_unseen", reason=what)

    async def _look_again(self, before: Mapping[str, Found]) -> Mapping[str, Found]:
        """Look once; take up what is as it was `before`, and has not been taken up."""
        found = await self._in_thread(self._source.scan)
        for name in {**self._shelves, **found}:
            now, shelf = found.get(name), self._shelf(name)
            if now != before.get(name) or shelf.settling:
                continue
            if now is None and not shelf.open and name not in self._source.load:
                del self._shelves[name]
            elif now != shelf.settled:
                self._settle(shelf, now)
        return found

    def _spawn(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _settle(self, shelf: Shelf, found: Found | None, *, asked: bool = False) -> asyncio.Task[str]:
        """See `Shelf.settle`. Error: `EngineError` where nothing begins any more."""
        if self._closed:
            raise EngineError("the models are closed", again=True)
        # From now on, and not from when the task first runs: a shelf that is about to be used is not taken away.
        shelf.settling += 1
        task = self._spawn(shelf.settle(found, asked=asked))

        def settled(ended: asyncio.Task[str]) -> None:
            shelf.settling -= 1
            if not ended.cancelled() and (error := ended.exception()) is not None:
                self._host.log.error("model_unsettled", model=shelf.name, error=error_name(error), at=place(error))

        task.add_done_callback(settled)
        return task

    async def _in_thread(self, work: Callable[..., T], *args: Any) -> T:
        """In the repository's own thread: a disk that hangs holds up nothing else. Errors: `Wrong`, and those of `work`."""
        if self._closed:
            raise EngineError("the models are closed", again=True)
        try:
            async with asyncio.timeout(LOOK_S):
                return await asyncio.get_running_loop().run_in_executor(self._thread, partial(work, *args))
        except TimeoutError:
            raise Wrong("the disk with the models does not answer; look after it") from None
