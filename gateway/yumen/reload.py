"""Puts a policy in the place of the one that serves, so that only those who look notice.

1. The new policy is proved in a process of its own (`yumen.policy.prove`): it compiles, its plugins start, its tests hold.
2. The same bytes are compiled here, and what has changed of plugins and engines is started beside what serves.
3. The ledger takes a record of the reload. Where it does not, and policy is that it must, nothing more happens.
4. The new policy serves whoever comes from now on: one assignment right behind the record, which cannot fail.
5. The old one is stopped when the last exchange that began under it has ended.

Whatever goes wrong before 4 leaves the old policy where it is.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Literal, ParamSpec, TypeVar

import msgspec

from yumen.dataplane import DataPlane
from yumen.errors import CannotStart, Diagnostic, PolicyError
from yumen.operators import Operation
from yumen.policy.bundle import Bundle
from yumen.policy.folder import Folder, read_folder
from yumen.policy.load import compile_folder
from yumen.policy.trusted import Loaded, digest, read_trusted, without_values
from yumen.policy.watch import look
from yumen.proof import Asked, Proof, Prover, Reason, Refused
from yumen.reloadfile import ReloadFile
from yumen.runtime import Runtime
from yumen.settings import Settings
from yumen.telemetry import error_name, log, metrics, place

# How often files are looked at; they must have been still as long. Looking takes no more than a small share of the time.
LOOK_EVERY_S = 1.0
LOOK_SHARE = 0.05
# Plugins and engines that have changed must have started by then.
START_S_MAX = 120.0
# How often files may change between being proved and being compiled.
TRIES_MAX = 3
# While a bundle is compiled in a thread, the loop gets the interpreter back after so many seconds.
SWITCH_S = 0.001
START, WATCH = "start", "watch"
ArgumentsT = ParamSpec("ArgumentsT")
ResultT = TypeVar("ResultT")


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One reload: when it began, who asked for it, what came of it; `reason` and `diagnostics` say why it was refused."""

    at: datetime
    by: str
    result: Literal["reloaded", "unchanged", "refused"]
    reason: Reason | Literal[""] = ""
    old: str
    new: str
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()


class Reloader:
    """One per process. `plane` serves what was `loaded` at the start.

    `loaded_at` and `loaded_by` are about the policy that serves, `last` about the last attempt to replace it.
    """

    def __init__(self, settings: Settings, plane: DataPlane, loaded: Loaded, prover: Prover | None = None) -> None:
        self.settings = settings
        self.plane = plane
        self.loaded_at = datetime.now(UTC)
        self.loaded_by = START
        self.last: Attempt | None = None
        self._prover = prover or Prover()
        self._digest = loaded.digest
        self._folders = loaded.folders
        # The state of the files before the last time that they were read.
        self._seen = look(self._folders)
        self._file = ReloadFile(settings.data_dir) if settings.workers > 1 else None
        self._turn = asyncio.Lock()
        self._next: asyncio.Task[Attempt] | None = None
        self._tasks: set[asyncio.Task[Any]] = set()
        self._retiring: dict[asyncio.Task[None], Runtime] = {}

    @property
    def bundle(self) -> Bundle:
        """The policy that serves."""
        return self.plane.runtime.bundle

    async def begin(self) -> None:
        """Record what serves, and begin to watch. Error: `CannotStart` where the ledger does not take the record."""
        loaded = _operation("policy_loaded", START, new=self.bundle.hash, name=self.bundle.name)
        if not await self.plane.runtime.note(loaded):
            raise CannotStart("the ledger has not taken the record that this policy was loaded; the log says why")
        metrics.serves(self.bundle.hash[:12])
        if self.settings.watch:
            if not await in_thread(self._unread):
                self._seen = {}
            self._keep(self._watch())
        if self._file is not None:
            self._keep(self._listen(self._file))

    async def reload(self, actor: str) -> Attempt:
        """Load the policy anew. Nothing that is wrong with a policy is raised: the result says it.

        Whoever asks while a reload runs gets the next one, together with all others that do; the first of them is its actor.
        """
        if self._next is None:
            self._next = self._keep(self._take_turn(actor))
        return await asyncio.shield(self._next)

    async def reload_all(self, actor: str) -> Attempt:
        """The same in all workers; the result is this one's."""
        if self._file is not None:
            try:
                self._file.put(actor)
            except OSError as error:
                what = f"the other workers cannot be told: {error.strerror}"
                refused = self._refuse("internal", what, f"make {self.settings.data_dir} writable")
                return await self._conclude(actor, datetime.now(UTC), self.bundle.hash, refused)
        return await self.reload(actor)

    async def close(self) -> None:
        """Let go of everything but the policy that serves."""
        waiting = [task for task, runtime in self._retiring.items() if runtime.exchanges]
        for task in (*self._tasks, *waiting):
            task.cancel()
        await asyncio.gather(*self._tasks, *self._retiring, return_exceptions=True)
        await self._prover.close()

    async def _watch(self) -> None:
        """Reload whenever files have changed and are still again."""
        moving, spent_s = None, 0.0
        while True:
            await asyncio.sleep(max(LOOK_EVERY_S, spent_s / LOOK_SHARE))
            started = time.perf_counter()
            now = look(self._folders)
            spent_s = time.perf_counter() - started
            if now == self._seen:
                moving = None
            elif now != moving:
                moving = now
            else:
                await self.reload(WATCH)

    def _unread(self) -> bool:
        """Whether the files are still those that were loaded before anybody watched."""
        try:
            return digest(read_folder(self.settings.policies)) == self._digest
        except PolicyError:
            return False

    async def _listen(self, file: ReloadFile) -> None:
        """Reload whenever another worker asks all to."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if actor := file.new():
                await self.reload(actor)

    async def _take_turn(self, actor: str) -> Attempt:
        async with self._turn:
            self._next = None
            return await self._attempt(actor)

    async def _attempt(self, actor: str) -> Attempt:
        """One reload, whatever comes of it."""
        at, old = datetime.now(UTC), self.bundle.hash
        self._seen = look(self._folders)
        refused: Refused | None = None
        try:
            candidate = await self._candidate()
            if candidate is not None:
                await self._replace(*candidate, actor)
        except Refused as error:
            refused = error
        except Exception as error:  # what a plugin raises at an unexpected place must not end reloading for good
            log.error("reload_broke", error=error_name(error), at=place(error))
            refused = self._refuse("internal", "this failed in the gateway itself", "look into its log")
        return await self._conclude(actor, at, old, refused)

    async def _conclude(self, actor: str, at: datetime, old: str, refused: Refused | None) -> Attempt:
        new = refused.new if refused else self.bundle.hash
        attempt = self.last = Attempt(
            at=at,
            by=actor,
            result="refused" if refused else "unchanged" if new == old else "reloaded",
            reason=refused.reason if refused else "",
            old=old,
            new=new,
            seconds=round((datetime.now(UTC) - at).total_seconds(), 3),
            diagnostics=refused.diagnostics if refused else (),
        )
        if refused is not None:
            await self._tell(attempt)
        elif new == old:
            metrics.reload_ok()
        return attempt

    async def _tell(self, attempt: Attempt) -> None:
        """Make a refusal known. Places and codes only: what is wrong is for those who may see the policy."""
        metrics.reload_failed(attempt.reason)
        places = [f"{one.file}:{one.line}:{one.column}: {one.code}" for one in attempt.diagnostics[:5]]
        log.error("policy_reload_failed", reason=attempt.reason, diagnostics=len(attempt.diagnostics), first=places)
        await self.plane.runtime.note(_failed(attempt.by, attempt.old, attempt.new, attempt.reason))

    async def _candidate(self) -> tuple[Bundle, Folder] | None:
        """The policy that is to serve, proved and compiled; None where it is the one that does. Error: `Refused`."""
        settings = self.settings
        asked = Asked(settings.policies, tuple(map(str, settings.require_signed)))
        for _ in range(TRIES_MAX):
            proof = await self._prover.prove(asked)
            self._folders = proof.folders or self._folders
            if proof.verdict != "holds":
                raise Refused(proof.verdict, proof.diagnostics, proof.hash)
            if proof.hash == self.bundle.hash:
                return None
            compiled = await in_thread(self._compile, proof)
            if compiled is not None:
                return compiled
        raise self._refuse("changing", "files change while they are read", "wait until nobody writes them")

    def _compile(self, proof: Proof) -> tuple[Bundle, Folder] | None:
        """Compile what was proved; None where the files have changed since. Error: `Refused`."""
        try:
            folder = read_trusted(self.settings.policies, self.settings.require_signed)
        except PolicyError:
            return None
        if digest(folder) != proof.digest:
            return None
        bundle, _ = compile_folder(folder)
        if bundle is None or bundle.hash != proof.hash:
            what = "a new process makes something else of these files than this one: what is installed has changed"
            raise self._refuse("differs", what, "restart the gateway", proof.hash)
        return bundle, folder

    async def _replace(self, bundle: Bundle, folder: Folder, actor: str) -> None:
        """Let a policy serve in the place of the one that does. Error: `Refused`."""
        old = self.plane.runtime
        new = Runtime(bundle, old.parts)
        await self._start(new, folder)
        try:
            await self._record(old, new, actor)
        except BaseException:
            await new.stop()
            raise
        self.plane.runtime = new
        self.loaded_at, self.loaded_by = datetime.now(UTC), actor
        metrics.serves(bundle.hash[:12])
        metrics.reloaded()
        task = asyncio.create_task(old.retire())
        self._retiring[task] = old
        task.add_done_callback(self._retiring.pop)

    async def _start(self, new: Runtime, folder: Folder) -> None:
        what = f"this had not started after {START_S_MAX:g} s"
        try:
            async with asyncio.timeout(START_S_MAX):
                await new.start()
                return
        except TimeoutError:
            pass
        except CannotStart as error:
            what = without_values(str(error), folder, os.environ)
        raise self._refuse("start", what, "correct it, or what it needs", new.bundle.hash)

    async def _record(self, old: Runtime, new: Runtime, actor: str) -> None:
        """Have the reload recorded, by those who serve from now on and by those who will not. Error: `Refused`."""
        hashes = (old.bundle.hash, new.bundle.hash)
        operation = _operation("policy_reloaded", actor, old=hashes[0], new=hashes[1])
        if await new.note(operation) and await old.note(operation, besides=new):
            return
        # A record may have been written after all; this one, where it can be, says that it came to nothing.
        await new.note(_failed(actor, *hashes, "unrecorded"), besides=old)
        what = "the ledger has not taken the record of this reload, and its policy is that nothing happens unrecorded"
        raise self._refuse("unrecorded", what, "look into the log why, then reload again", hashes[1])

    def _refuse(self, reason: Reason, what: str, fix: str, new: str = "") -> Refused:
        return Refused.saying(reason, self.settings.policies, what, fix, new)

    def _keep(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


async def in_thread(
    work: Callable[ArgumentsT, ResultT], *arguments: ArgumentsT.args, **more: ArgumentsT.kwargs
) -> ResultT:
    """Do something long in a thread, which must not keep the interpreter from the loop; see `tune_interpreter`."""
    with switching(SWITCH_S):
        return await asyncio.to_thread(work, *arguments, **more)


@contextmanager
def switching(seconds: float) -> Iterator[None]:
    """While entered, threads take turns after so many seconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(seconds)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def _operation(kind: str, actor: str, **details: str) -> Operation:
    return Operation(kind=kind, actor=actor, at=time.time(), details=details)


def _failed(actor: str, old: str, new: str, reason: str) -> Operation:
    known = {"new": new} if new else {}
    return _operation("policy_reload_failed", actor, old=old, **known, reason=reason)
