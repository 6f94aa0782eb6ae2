"""Writes the ledger: one thread hashes, signs, writes and syncs what exchanges have queued, many records at once.

A record is acknowledged when the sync that covers it has returned; with `batch` when the operating system has it, so that
it outlives the process and not the machine; with `async` at once. A lone record is written at once; while exchanges
overlap, what arrives within `gather_ms` of the last batch shares a sync. While the thread syncs one batch, the next gathers,
and it takes all of it as soon as it can.

After a failed write or sync nobody knows what the file holds, and a second sync of the same descriptor may claim a success
that never was. So the writer gives the file up, refuses everything, and after a while goes on: the journal is cut back to
what had been acknowledged, and a record says that it happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from yumen import Host
from yumen_plugins.audit.config import Ack
from yumen_plugins.audit.entries import encoded
from yumen_plugins.audit.folder import FOREVER, WriterFolder
from yumen_plugins.audit.log.appender import Appender, LogBroken
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.signing import Signing, stamp
from yumen_plugins.audit.threads import OneThread

RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0
STOP_S = 10.0
TICK_S, PUBLISH_S = 1.0, 60.0
NO_STAMP = (0, 0)
# A frame holds no more than 64 MiB; a batch ends at so many bytes, or so many entries.
BATCH_BYTES_MAX, BATCH_ENTRIES_MAX = 8 << 20, 16_384

Done = TypeVar("Done")


class LedgerUnavailable(Exception):
    """The ledger cannot be written; the core answers with this code."""

    code = "ledger_unavailable"


class Waiting:
    """One record on its way to the disk, as the entries that hold it."""

    __slots__ = ("ack", "entries", "future", "keep", "queued_at", "size")

    def __init__(
        self, keep: str, entries: list[bytes], ack: Ack, future: asyncio.Future[None], queued_at: float
    ) -> None:
        self.keep = keep
        self.entries = entries
        self.size = sum(map(len, entries))
        self.ack = ack
        self.future = future
        self.queued_at = queued_at

    def acknowledge(self) -> None:
        """Whoever waits may go on."""
        if not self.future.done():
            self.future.set_result(None)


class Writer:
    """Owns one writer's folder. Everything here runs on the event loop, except what is given to its thread.

    Made by `open`.
    """

    def __init__(
        self,
        data_dir: Path,
        ledger: Path,
        host: Host,
        version: str,
        *,
        journal_bytes: int,
        queue_records: int,
        gather_s: float,
    ) -> None:
        self._data_dir, self._ledger = data_dir, ledger
        self._host, self._version = host, version
        self._journal_bytes = journal_bytes
        self._queue_records = queue_records
        self._gather_s = gather_s
        # The loop adds to it, and the thread takes from it.
        self._waiting: deque[Waiting] = deque()
        # Batches that the thread was asked to write, of which one at most has not begun.
        self._under_way = 0
        self._asked = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._caring = False
        self._flush_timer: asyncio.Handle | None = None
        self._batch_size = 0
        self._batch_at = 0.0
        self._published_at = time.monotonic()
        self._closing = False
        self._retry_s = RETRY_FIRST_S
        self.failure = ""
        # Set as long as the ledger can be written.
        self.working = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._settler = ThreadPoolExecutor(1, thread_name_prefix="ledger-settle")
        self._unsettled: OSError | None = None
        self._stamp = NO_STAMP
        self._folder: WriterFolder
        self._ticking: asyncio.TimerHandle
        self._thread = OneThread("ledger")

    @classmethod
    async def open(
        cls,
        data_dir: Path,
        ledger: Path,
        host: Host,
        version: str,
        *,
        journal_bytes: int,
        queue_records: int,
        gather_s: float,
    ) -> Writer:
        """Take a folder and begin; reading its journals takes a while, in which the loop goes on.

        `gather_s` is in seconds. Errors: OSError; `CannotStart` where there is no key to sign with.
        """
        writer = cls(
            data_dir, ledger, host, version, journal_bytes=journal_bytes, queue_records=queue_records, gather_s=gather_s
        )
        try:
            await writer._thread.run(writer._begin)
        except BaseException:
            writer._thread.run(writer._let_go)
            writer._thread.end()
            raise
        writer.working.set()
        writer._ticking = writer._loop.call_later(TICK_S, writer._tick)
        return writer

    def _begin(self) -> None:
        self._folder = self._take()

    def _let_go(self) -> None:
        """In the thread: what is left where nobody waits for it to begin any more."""
        self._settler.shutdown()
        folder: WriterFolder | None = getattr(self, "_folder", None)
        if folder is not None:
            folder.close()

    @property
    def name(self) -> str:
        """The writer's name, with which receipts begin."""
        return self._folder.writer

    def _take(self) -> WriterFolder:
        signing = Signing.open(self._data_dir, self._ledger, lambda: moment(self._host.now()))
        # A key may be replaced at this moment: the first tick looks again.
        self._stamp = NO_STAMP
        return WriterFolder.take(
            self._ledger,
            signing,
            self._host.now,
            self._version,
            journal_bytes=self._journal_bytes,
            settle=self._settle,
        )

    def append(self, body: dict[str, Any], keep: str = FOREVER, ack: Ack = "durable") -> asyncio.Future[None]:
        """Queue a record; the future is done when it is acknowledged. Error: `LedgerUnavailable`, at once or later."""
        if self.failure or self._closing:
            raise LedgerUnavailable(self.failure or "the ledger is closing")
        if len(self._waiting) >= self._queue_records:
            self._host.metrics.count("refused")
            raise LedgerUnavailable("too many records wait for the disk")
        try:
            entries = encoded(body)
        except Exception as error:  # one record that cannot be written must not fail the others
            self._host.log.error("record_not_encodable", error=type(error).__name__)
            raise LedgerUnavailable("the record cannot be encoded") from None
        waiting = Waiting(keep, entries, ack, self._loop.create_future(), time.monotonic())
        if ack == "async":
            waiting.acknowledge()
        self._waiting.append(waiting)
        self._flush_soon()
        return waiting.future

    async def with_folder(self, job: Callable[[WriterFolder], Done]) -> Done:
        """Do something with the folder between two batches, in the thread. Errors: `LedgerUnavailable`; those of the job.

        An OSError of the job is as one of a write: nobody knows what is on disk, so the journal is given up.
        """
        if self.failure or self._closing:
            raise LedgerUnavailable(self.failure or "the ledger is closing")
        try:
            done: Done = await self._thread.run(lambda: job(self._folder))
        except OSError as error:
            self._failed(error, [])
            raise
        return done

    async def stop(self) -> None:
        """Write what is queued and a last record, and close."""
        self._closing = True
        self._ticking.cancel()
        try:
            async with asyncio.timeout(STOP_S):
                while self._waiting or not self._idle.is_set():
                    await self._idle.wait()
                    self._flush_soon()
                    await asyncio.sleep(0)
                await self._thread.run(self._finish)
        except OSError as error:  # TimeoutError is one
            self._host.log.error("ledger_not_closed_in_order", error=type(error).__name__)
        self._thread.end()
        await asyncio.to_thread(self._thread.join, STOP_S)

    def _flush_soon(self) -> None:
        if self._asked or self._flush_timer is not None or not self._waiting:
            return
        wait_s = self._batch_at + self._gather_s - time.monotonic() if self._batch_size > 1 else 0.0
        if wait_s > 0:
            self._flush_timer = self._loop.call_later(wait_s, self._flush)
        else:
            # The records of this turn of the loop go together.
            self._flush_timer = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        if self.failure or not self._waiting:
            return
        self._asked = True
        self._under_way += 1
        self._idle.clear()
        batch: list[Waiting] = []
        self._thread.run(lambda: self._write(batch)).add_done_callback(lambda done: self._written(done, batch))

    def _take_waiting(self, batch: list[Waiting]) -> None:
        """In the thread: what goes to the disk now, in the order in which it came."""
        room, entries = BATCH_BYTES_MAX, BATCH_ENTRIES_MAX
        with contextlib.suppress(IndexError):  # there is no more, or it was refused meanwhile
            while room > 0 and entries > 0:
                one = self._waiting.popleft()
                batch.append(one)
                room, entries = room - one.size, entries - len(one.entries)

    def _write(self, batch: list[Waiting]) -> None:
        """In the thread: everything that waits, log by log. Errors: OSError; `LogBroken`."""
        self._asked = False
        self._batch_at = time.monotonic()
        self._take_waiting(batch)
        self._batch_size = len(batch)
        if self._unsettled is not None:
            raise self._unsettled
        by_log: dict[str, list[bytes]] = {}
        for one in batch:
            by_log.setdefault(one.keep, []).extend(one.entries)
        logs: list[Appender] = [self._folder.write(keep, entries) for keep, entries in by_log.items()]
        early = [one for one in batch if one.ack == "batch"]
        if early:
            self._loop.call_soon_threadsafe(_acknowledge, early)
        for log in logs:
            log.sync()

    def _settle(self, job: Callable[[], None]) -> None:
        """Let files be synced beside the batches; a failure ends the next one, since nobody knows what they hold."""

        def settled(done: Future[None]) -> None:
            error = done.exception()
            if error is not None:
                self._unsettled = error if isinstance(error, OSError) else OSError(0, type(error).__name__)

        self._settler.submit(job).add_done_callback(settled)

    def _written(self, done: asyncio.Future[Any], batch: list[Waiting]) -> None:
        self._under_way -= 1
        if not self._under_way:
            self._idle.set()
        error = done.exception()
        if error is not None:
            self._failed(error, batch)
            return
        _acknowledge(batch)
        if batch:
            now, metrics = time.monotonic(), self._host.metrics
            metrics.count("records", len(batch))
            metrics.observe("sync_seconds", now - self._batch_at)
            metrics.gauge("lag_seconds", now - batch[0].queued_at)
        self._flush_soon()

    def _tick(self) -> None:
        """Once a second: whether another key signs by now, and what is due by the hour."""
        self._ticking = self._loop.call_later(TICK_S, self._tick)
        if self.failure or self._caring:
            return
        publish = time.monotonic() - self._published_at >= PUBLISH_S
        if publish:
            self._published_at = time.monotonic()
        self._caring = True
        self._thread.run(lambda: self._care(publish)).add_done_callback(self._cared)

    def _care(self, publish: bool) -> None:
        found = stamp(self._data_dir)
        if found != self._stamp:
            self._folder.use(Signing.open(self._data_dir, self._ledger, lambda: moment(self._host.now())))
            self._stamp = found
        self._folder.tick()
        if publish:
            self._folder.publish()

    def _cared(self, done: asyncio.Future[Any]) -> None:
        self._caring = False
        error = done.exception()
        if error is not None:
            self._failed(error, [])

    def _failed(self, error: BaseException, batch: list[Waiting]) -> None:
        recovering = bool(self.failure)
        number = error.errno if isinstance(error, OSError) else None
        reason = f"{type(error).__name__} {os.strerror(number) if number else ''}".strip()
        self.failure = f"the ledger cannot be written: {reason}"
        self.working.clear()
        self._host.log.error("ledger_failed", error=reason, records=len(batch))
        self._host.metrics.count("failures")
        refused = list(batch)
        while self._waiting:
            refused.append(self._waiting.popleft())
        for one in refused:
            if not one.future.done():
                one.future.set_exception(LedgerUnavailable(self.failure))
                one.future.exception()  # a waiter that has left must not make the loop complain
            elif one.ack != "durable":
                self._host.metrics.count("lost")
        if not recovering:
            self._loop.call_later(self._retry_s, self._recover)

    def _recover(self) -> None:
        if not self._closing:
            self._thread.run(self._go_on).add_done_callback(self._recovered)

    def _go_on(self) -> None:
        """In the thread: the same folder again, or another one where what is on disk is not what was written."""
        # What is being settled must not remove journals from which bundles are made anew.
        self._settler.submit(int).result()
        self._unsettled = None
        if not self._folder.closed:
            try:
                self._folder.fail(self.failure)
                return
            except LogBroken:
                self._folder.close()
        self._folder = self._take()

    def _recovered(self, done: asyncio.Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            self._retry_s = min(self._retry_s * 2, RETRY_MOST_S)
            self._host.log.error("ledger_still_failed", error=type(error).__name__)
            self._loop.call_later(self._retry_s, self._recover)
            return
        self.failure, self._retry_s = "", RETRY_FIRST_S
        self.working.set()
        self._host.log.info("ledger_recovered")

    def _finish(self) -> None:
        try:
            if not self.failure:
                self._folder.stop()
        finally:
            # The lock is held as long as something may be written or removed in the folder.
            self._let_go()


def _acknowledge(batch: list[Waiting]) -> None:
    for one in batch:
        one.acknowledge()
