"""What goes on beside the writer in a gateway that serves: nothing here keeps an exchange waiting.

Erasures that any process has made reach this one's memory within a second, and the other plugins; what has been kept long
enough is dropped; the index follows the files; sinks carry records elsewhere, and witnesses get checkpoints.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from yumen import Erasure, Host, Operation
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.formats import LINES
from yumen_plugins.audit.index import IndexUnavailable
from yumen_plugins.audit.reading import LedgerFolder
from yumen_plugins.audit.retention import DAY_S, retain
from yumen_plugins.audit.searching import Carried, Search, index_of
from yumen_plugins.audit.sinks import Sinks, Status, Witness
from yumen_plugins.audit.subjects import Erasure as Erased
from yumen_plugins.audit.subjects import Keyring, KeyringUnavailable
from yumen_plugins.audit.writer import LedgerUnavailable, Writer

# Less than the time for which the keyring trusts what it has in memory.
ERASURES_S = 0.4
INDEX_S = 5.0
PUSH_S = 1.0
# For each second of indexing so many of rest: exchanges need the processors.
INDEX_REST = 4
RETAIN_FIRST_S, RETAIN_S = 60.0, 3600.0
# Other stores may keep things of a subject for a month at most; erasures that were made while no gateway ran are repeated.
REPEATED_S = 31 * DAY_S
STOP_S = 5.0

Note = Callable[[Operation], Awaitable[str]]


class Companions:
    """Made when the writer works. `note` records an operation, durably. Error: `CannotStart`."""

    def __init__(
        self, config: AuditConfig, host: Host, ledger: Path, keys: Keyring, writer: Writer, note: Note
    ) -> None:
        self._host = host
        self._keys = keys
        self._writer = writer
        self._note = note
        self._started_at = host.now()
        index = index_of(host.data_dir, config.index_url_env, self._say)
        self.search = Search(LedgerFolder(ledger, keys), index)
        self.sinks = Sinks(config.sinks, Carried(ledger), LINES, host.data_dir, metrics=host.metrics, notice=self._told)
        self.witnesses = [Witness(one, host.data_dir, metrics=host.metrics) for one in config.witness]
        self._stopping = False
        self._tasks = [asyncio.create_task(job) for job in (self._forget(), self._retain(), self._follow())]
        self.sinks.start()
        for witness in self.witnesses:
            witness.start()
        if self.witnesses:
            self._tasks.append(asyncio.create_task(self._push()))

    async def stop(self) -> None:
        """End all of it."""
        self._stopping = True
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        for witness in self.witnesses:
            witness.cancel()
        self.sinks.stop(STOP_S)
        for witness in self.witnesses:
            witness.stop(STOP_S)
        self.search.close()

    def _told(self, status: Status) -> None:
        if status.last_error:
            self._host.log.warning(
                "sink", sink=status.name, state=status.state, error=status.last_error, fix=status.fix
            )

    def _say(self, what: str) -> None:
        self._host.log.warning("ledger_index", what=what)

    async def _forget(self) -> None:
        """Have this process forget whom any process has erased."""
        missed: list[Erased] | None = None
        while True:
            try:
                if missed is None:
                    missed = await asyncio.to_thread(self._missed)
                    for one in missed:
                        await self._host.erase(Erasure(one.tenant, one.subject))
                for one in await asyncio.to_thread(self._keys.poll):
                    await self.forget(one)
            except KeyringUnavailable as error:
                self._host.log.error("subjects_unavailable", error=str(error))
            await asyncio.sleep(ERASURES_S)

    def _missed(self) -> list[Erased]:
        """Erasures of which other stores may not have heard, since no gateway ran."""
        missed: list[Erased] = []
        after = 0
        while page := self._keys.erasures(after):
            after = page[-1].seq
            missed += [one for one in page if one.time >= self._started_at - REPEATED_S]
        return [one for one in missed if one.subject or one.whole_tenant]

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
        await asyncio.sleep(RETAIN_FIRST_S)
        while True:
            try:
                # Exchanges come between.
                while await self._writer.with_folder(lambda folder: retain(folder, self._host.now(), self._held)):
                    pass
                await asyncio.to_thread(self.search.forget_dropped)
            except Exception as error:  # whatever one record or the keys are like, the next hour is another try
                self._host.log.error("retention_failed", error=type(error).__name__)
            await asyncio.sleep(RETAIN_S)

    def _held(self, tenant: str, subject: str) -> bool:
        return self._keys.held(tenant, subject) is not None

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(INDEX_S)
            await self._indexed()

    async def _indexed(self) -> None:
        """Bring the index up to date, batch by batch; whoever searches does the rest at once."""
        count = 1
        try:
            while count:
                began = time.monotonic()
                count = await asyncio.to_thread(self.search.catch_up_some)
                spent = time.monotonic() - began
                if count:
                    self._host.metrics.observe("index_seconds", spent)
                await asyncio.sleep(spent * INDEX_REST)
        except (OSError, IndexUnavailable) as error:
            self._host.log.error("index_behind", error=type(error).__name__)

    async def _push(self) -> None:
        while True:
            await asyncio.sleep(PUSH_S)
            with contextlib.suppress(OSError, LedgerUnavailable):
                for log, size, content in await self._writer.with_folder(lambda folder: folder.notes()):
                    for witness in self.witnesses:
                        witness.push(log, size, content)
