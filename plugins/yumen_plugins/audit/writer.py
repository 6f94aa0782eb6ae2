"""Writes the ledger: records are sealed on the event loop, one thread writes and syncs many of them at once.

A record is acknowledged when the sync that covers it has returned. A lone record is written at once; while exchanges
overlap, what arrives within `gather_ms` of the last batch shares a sync. Handing work to a thread and back costs an
interpreter with one lock more than sealing a record does, so the thread does nothing but write and sync.

After a failed write or sync nobody knows what the file holds, and a second sync of the same descriptor may claim a success
that never was. So the writer gives the file up, refuses everything, and after a while begins a new segment: the failed one
is cut back to what had been acknowledged, and a record says that it happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import threading
import time
from collections.abc import Callable
from typing import Any

from yumen import Host
from yumen_plugins.audit.chain import encode
from yumen_plugins.audit.segment import Folder, Segment

RETRY_FIRST_S, RETRY_MOST_S = 1.0, 30.0
STOP_S = 10.0


class LedgerUnavailable(Exception):
    """The ledger cannot be written; the core answers with this code."""

    code = "ledger_unavailable"


class Waiting:
    """One record on its way to the disk."""

    __slots__ = ("future", "queued_at", "record")

    def __init__(self, record: bytes, future: asyncio.Future[None], queued_at: float) -> None:
        self.record = record
        self.future = future
        self.queued_at = queued_at


class Writer:
    """Owns one writer folder. Everything here runs on the event loop, except what is given to `_in_thread`."""

    def __init__(self, folder: Folder, host: Host, *, segment_bytes: int, queue_records: int, gather_s: float) -> None:
        self._folder = folder
        self._host = host
        self._segment_bytes = segment_bytes
        self._queue_records = queue_records
        self._gather_s = gather_s
        self._waiting: list[Waiting] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._flush_timer: asyncio.Handle | None = None
        self._batch_size = 0
        self._batch_at = 0.0
        self._closing = False
        self._retry_s = RETRY_FIRST_S
        self.failure = ""
        self._loop = asyncio.get_running_loop()
        self._segment: Segment | None = folder.begin("start")
        self._jobs: queue.SimpleQueue[tuple[Callable[[], Any], asyncio.Future[Any]] | None] = queue.SimpleQueue()
        self._syncer = threading.Thread(target=self._work, name=f"ledger-{folder.writer}", daemon=True)
        self._syncer.start()

    def append(self, body: dict[str, Any]) -> asyncio.Future[None]:
        """Queue a record; the future is done when it is durable. Error: `LedgerUnavailable`, at once or in the future."""
        if self.failure or self._closing:
            raise LedgerUnavailable(self.failure or "the ledger is closing")
        if len(self._waiting) >= self._queue_records:
            self._host.metrics.count("refused")
            raise LedgerUnavailable("too many records wait for the disk")
        try:
            record = encode(body)
        except Exception as error:  # one record that cannot be written must not fail the others
            self._host.log.error("record_not_encodable", error=type(error).__name__)
            raise LedgerUnavailable("the record cannot be encoded") from None
        waiting = Waiting(record, self._loop.create_future(), time.monotonic())
        self._waiting.append(waiting)
        self._flush_soon()
        return waiting.future

    async def stop(self) -> None:
        """Write what is queued and a last record, and close."""
        self._closing = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_S):
                while self._waiting or not self._idle.is_set():
                    await self._idle.wait()
                    self._flush_soon()
                    await asyncio.sleep(0)
                await self._in_thread(self._finish)
        self._jobs.put(None)
        await asyncio.to_thread(self._syncer.join, STOP_S)

    def _flush_soon(self) -> None:
        if not self._idle.is_set() or self._flush_timer is not None or not self._waiting:
            return
        wait_s = self._batch_at + self._gather_s - time.monotonic() if self._batch_size > 1 else 0.0
        if wait_s > 0:
            self._flush_timer = self._loop.call_later(wait_s, self._flush)
        else:
            # The records of this turn of the loop go together.
            self._flush_timer = self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flush_timer = None
        segment = self._segment
        if segment is None or not self._waiting:
            return
        batch, self._waiting = self._waiting, []
        self._idle.clear()
        self._batch_size, self._batch_at = len(batch), time.monotonic()
        data = segment.seal([b'{"seq":%d,' % (segment.seq + index) + one.record[1:] for index, one in enumerate(batch)])

        def write() -> None:
            segment.write(data)
            self._folder.note_head(segment)

        self._in_thread(write).add_done_callback(lambda done: self._written(done, segment, batch))

    def _written(self, done: asyncio.Future[Any], segment: Segment, batch: list[Waiting]) -> None:
        error = done.exception()
        if error is not None:
            self._failed(error, batch)
            return
        now = time.monotonic()
        for one in batch:
            if not one.future.done():
                one.future.set_result(None)
        metrics = self._host.metrics
        metrics.count("records", len(batch))
        metrics.observe("sync_seconds", now - self._batch_at)
        metrics.gauge("lag_seconds", now - batch[0].queued_at)
        if segment.size >= self._segment_bytes:
            self._in_thread(lambda: self._folder.next(segment)).add_done_callback(self._rotated)
        else:
            self._idle.set()
            self._flush_soon()

    def _rotated(self, done: asyncio.Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            self._failed(error, [])
            return
        self._segment = done.result()
        self._idle.set()
        self._flush_soon()

    def _failed(self, error: BaseException, batch: list[Waiting]) -> None:
        number = error.errno if isinstance(error, OSError) else None
        reason = f"{type(error).__name__} {os.strerror(number) if number else ''}".strip()
        self.failure = f"the ledger cannot be written: {reason}"
        self._host.log.error("ledger_failed", error=reason, records=len(batch))
        self._host.metrics.count("failures")
        if self._segment is not None:
            self._folder.abandon(self._segment)
        self._segment = None
        self._idle.set()
        refused, self._waiting = batch + self._waiting, []
        for one in refused:
            if not one.future.done():
                one.future.set_exception(LedgerUnavailable(self.failure))
                one.future.exception()  # a waiter that has left must not make the loop complain
        self._loop.call_later(self._retry_s, self._recover)

    def _recover(self) -> None:
        if not self._closing:
            self._in_thread(lambda: self._folder.begin("failure", self.failure)).add_done_callback(self._recovered)

    def _recovered(self, done: asyncio.Future[Any]) -> None:
        error = done.exception()
        if error is not None:
            self._retry_s = min(self._retry_s * 2, RETRY_MOST_S)
            self._host.log.error("ledger_still_failed", error=type(error).__name__)
            self._loop.call_later(self._retry_s, self._recover)
            return
        self._segment, self.failure, self._retry_s = done.result(), "", RETRY_FIRST_S
        self._host.log.info("ledger_recovered")

    def _finish(self) -> None:
        segment = self._segment
        if segment is not None:
            segment.write(segment.seal([encode({"seq": segment.seq, "kind": "stop", "time": segment.now()})]))
            self._folder.note_head(segment)
            segment.close()
        self._folder.close()

    def _in_thread(self, job: Callable[[], Any]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        self._jobs.put((job, future))
        return future

    def _work(self) -> None:
        """The thread: one job after the other."""
        while (given := self._jobs.get()) is not None:
            job, future = given
            result, error = None, None
            try:
                result = job()
            except Exception as caught:  # told to the loop, which knows what it means
                error = caught
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
                self._loop.call_soon_threadsafe(_settle, future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
