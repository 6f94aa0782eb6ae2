"""What goes on beside the writer in a gateway that serves: nothing here keeps an exchange waiting.

Erasures that any process has made reach this one's memory within a second, and the other plugins; what has been kept long
enough is dropped; the index follows the files; sinks carry records elsewhere, and witnesses get checkpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from yumen import Erasure, Host, Operation
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.folder import WriterFolder
from yumen_plugins.audit.formats import LINES
from yumen_plugins.audit.index import Index, IndexUnavailable
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.retention import DAY_S, Run, drop, expired
from yumen_plugins.audit.searching import Carried, Search, index_of
from yumen_plugins.audit.sinks import Sinks, Status, Witness
from yumen_plugins.audit.subjects import Erasure as Erased
from yumen_plugins.audit.subjects import Hold, Keyring, KeyringUnavailable
from yumen_plugins.audit.threads import Threads
from yumen_plugins.audit.writer import LedgerUnavailable, Writer

# Less than the time for which the keyring trusts what it has in memory.
ERASURES_S = 0.4
INDEX_S = 5.0
PUSH_S = 1.0
# For each second of indexing so many of rest: exchanges need the processors.
INDEX_REST = 19
RETAIN_FIRST_S, RETAIN_S = 60.0, 3600.0
# Other stores may keep things of a subject for a month at most; erasures that were made while no gateway ran are repeated.
REPEATED_S = 31 * DAY_S
STOP_S = 5.0
# What operators ask for and what the index needs; the keys of exchanges have threads of their own.
THREADS = 4

Done = TypeVar("Done")
Note = Callable[[Operation], Awaitable[str]]


class Companions:
    """Made by `open` when the writer works. `note` records an operation, durably; `keys_threads` are the keyring's."""

    def __init__(
        self, host: Host, keys: Keyring, keys_threads: Threads, writer: Writer, note: Note, search: Search, sinks: Sinks
    ) -> None:
        self._host = host
        self._keys = keys
        self._keys_threads = keys_threads
        self._writer = writer
        self._note = note
        self._started_at = host.now()
        # What other plugins may not have heard of, since no gateway ran; None as long as nobody has looked.
        self._missed: deque[Erased] | None = None
        self.search = search
        self.sinks = sinks
        self.witnesses: list[Witness] = []
        self.threads = Threads(THREADS, "ledger-search")
        self._jobs: list[asyncio.Task[None]] = []
        self._kept: set[asyncio.Task[Any]] = set()

    @classmethod
    async def open(
        cls,
        config: AuditConfig,
        host: Host,
        ledger: Path,
        keys: Keyring,
        keys_threads: Threads,
        writer: Writer,
        note: Note,
    ) -> Companions:
        """Make all of it, and begin. A gateway may be serving meanwhile, so nothing of it is opened on its loop.

        Error: `CannotStart`.
        """

        def told(status: Status) -> None:
            if status.last_error:
                host.log.warning("sink", sink=status.name, state=status.state, error=status.last_error, fix=status.fix)

        def say(what: str) -> None:
            host.log.warning("ledger_index", what=what)

        def carrying() -> tuple[Sinks, list[Witness]]:
            sinks = Sinks(config.sinks, Carried(ledger), LINES, host.data_dir, metrics=host.metrics, notice=told)
            return sinks, [Witness(one, host.data_dir, metrics=host.metrics) for one in config.witness]

        sinks, witnesses = await asyncio.to_thread(carrying)
        index: Index = await asyncio.to_thread(index_of, host.data_dir, config.index_url_env, say)
        search = Search(LedgerFolder(ledger, keys), index)
        made = cls(host, keys, keys_threads, writer, note, search, sinks)
        made.witnesses = witnesses
        made._begin()
        return made

    def _begin(self) -> None:
        self._repeat("forgetting_failed", self._forget, 0.0, ERASURES_S)
        self._repeat("retention_failed", self._retain, RETAIN_FIRST_S, RETAIN_S)
        self._repeat("index_behind", self._index, INDEX_S, INDEX_S)
        self.sinks.start()
        for witness in self.witnesses:
            witness.start()
        if self.witnesses:
            self._repeat("witness_not_told", self._push, PUSH_S, PUSH_S)

    def keep(self, work: Coroutine[Any, Any, Done]) -> asyncio.Task[Done]:
        """Have something done to its end, whoever waits for it or does not any more."""
        task = asyncio.create_task(work)
        self._kept.add(task)
        task.add_done_callback(self._kept.discard)
        return task

    def _repeat(self, failing: str, job: Callable[[], Awaitable[None]], first_s: float, every_s: float) -> None:
        """Do a job again and again; where it fails that is logged as `failing`, and the next time is another try."""

        async def repeating() -> None:
            await asyncio.sleep(first_s)
            while True:
                try:
                    await job()
                except Exception as error:  # whatever records, files or the keys are like
                    told = isinstance(error, (KeyringUnavailable, IndexUnavailable))
                    self._host.log.error(failing, error=str(error) if told else type(error).__name__)
                await asyncio.sleep(every_s)

        self._jobs.append(asyncio.create_task(repeating()))

    async def stop(self) -> None:
        """End all of it. Nothing that goes wrong here keeps the writer from closing in order."""
        if self._kept:
            await asyncio.wait(self._kept, timeout=STOP_S)
        tasks = [*self._jobs, *self._kept]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        # All of them together have so long: the writer closes after them, and whoever stops a gateway may not wait for ever.
        until = time.monotonic() + STOP_S
        for witness in self.witnesses:
            witness.cancel()
        self.sinks.stop(STOP_S)
        for witness in self.witnesses:
            witness.stop(max(until - time.monotonic(), 0.0))
        self.threads.close()
        self.search.close()

    async def _forget(self) -> None:
        """Have this process forget whom any process has erased: the news first, then what was missed, for a while."""
        for one in await self._keys_threads.run(self._keys.poll):
            await self.forget(one)
        if self._missed is None:
            self._missed = await self.threads.run(self._find_missed)
        until = time.monotonic() + ERASURES_S
        while self._missed and time.monotonic() < until:
            one = self._missed.popleft()
            await self._host.erase(Erasure(one.tenant, one.subject))

    def _find_missed(self) -> deque[Erased]:
        """Erasures of which other stores may not have heard, since no gateway ran."""
        missed = deque[Erased]()
        after = 0
        while page := self._keys.erasures(after):
            after = page[-1].seq
            missed += [one for one in page if one.time >= self._started_at - REPEATED_S]
        return deque(one for one in missed if one.subject or one.whole_tenant)

    async def forget(self, erasure: Erased) -> dict[str, int]:
        """Have the other plugins forget, and record what came of it; by instance, -1 for one that failed."""
        forgotten: dict[str, int] = {}
        if erasure.subject or erasure.whole_tenant:
            forgotten = await self._host.erase(Erasure(erasure.tenant, erasure.subject))
        details = {"erasure": str(erasure.seq), "tenant": erasure.tenant, "subject": erasure.subject or "*"}
        details |= {f"forgotten.{name}": str(count) for name, count in forgotten.items()}
        operation = Operation(kind="subject_forgotten", actor=erasure.actor, at=self._host.now(), details=details)
        with contextlib.suppress(LedgerUnavailable):  # the log says so, and the erasure itself is on record
            await self._note(operation)
        return forgotten

    async def _retain(self) -> None:
        path, keeps = await self._writer.with_folder(lambda folder: (folder.path, folder.keeps))
        for keep in keeps:
            while await self._drop(path / keep):
                pass  # exchanges come between
        await self.threads.run(self.search.forget_dropped)

    async def _drop(self, log: Path) -> int:
        """Drop some of what has had its time; how many runs of bundles that were."""

        def find() -> tuple[list[Hold], list[Run]]:
            holds = self._keys.holds()
            return holds, list(expired(log, self._host.now(), self._held))

        holds, runs = await self.threads.run(find)

        def dropped(folder: WriterFolder) -> list[Run]:
            # Of another folder nothing is known; and a hold may have come meanwhile, which the next hour takes into account.
            same = folder.path == log.parent and self._keys.holds() == holds
            return drop(folder, log.name, runs) if same else []

        return len(await self._writer.with_folder(dropped)) if runs else 0

    def _held(self, tenant: str, subject: str) -> bool:
        return self._keys.held(tenant, subject) is not None

    async def _index(self) -> None:
        """Bring the index up to date, batch by batch; whoever searches does the rest at once."""
        count = 1
        while count:
            began = time.monotonic()
            count = await self.threads.run(self.search.catch_up_some)
            spent = time.monotonic() - began
            if count:
                self._host.metrics.observe("index_seconds", spent)
            await asyncio.sleep(spent * INDEX_REST)

    async def _push(self) -> None:
        with contextlib.suppress(LedgerUnavailable):  # that is logged by the writer
            for log, size, content in await self._writer.with_folder(lambda folder: folder.notes()):
                for witness in self.witnesses:
                    witness.push(log, size, content)
