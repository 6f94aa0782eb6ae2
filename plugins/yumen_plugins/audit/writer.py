"""Writes the ledger: one writer per process, one thread, many records per sync.

A record is acknowledged when the sync that covers it has returned. A batch is whatever arrived while the one before it was
being synced, so that a quiet gateway waits for nothing and a busy one shares every sync among many exchanges.

After a failed write or sync nobody knows what the file holds, and a second sync of the same descriptor may claim a success
that never was. So the writer gives the file up, refuses everything, and after a while begins a new segment: the failed one
is cut back to what had been acknowledged, and a record says that it happened.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
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

    __slots__ = ("body", "future", "queued_at")

    def __init__(self, body: dict[str, Any], future: asyncio.Future[None], queued_at: float) -> None:
        self.body = body
        self.future = future
        self.queued_at = queued_at


class Writer:
    """Owns one writer folder. `append` is called on the event loop, everything else happens in the thread."""

    def __init__(self, folder: Folder, host: Host, *, segment_bytes: int, queue_records: int, gather_s: float) -> None:
        self._folder = folder
        self._host = host
        self._segment_bytes = segment_bytes
        self._queue_max = queue_records
        self._gather_s = gather_s
        self._queue: list[Waiting] = []
        self._wake = threading.Condition()
        self._closing = False
        self._loop = asyncio.get_running_loop()
        self.failure = ""
        self._segment: Segment | None = folder.begin("start")
        self._thread = threading.Thread(target=self._run, name=f"ledger-{folder.writer}", daemon=True)
        self._thread.start()

    def append(self, body: dict[str, Any]) -> asyncio.Future[None]:
        """Queue a record; the future is done when it is durable. Error: `LedgerUnavailable`, at once or in the future."""
        if self.failure or self._closing:
            raise LedgerUnavailable(self.failure or "the ledger is closing")
        if len(self._queue) >= self._queue_max:
            self._host.metrics.count("refused")
            raise LedgerUnavailable("too many records wait for the disk")
        waiting = Waiting(body, self._loop.create_future(), time.monotonic())
        with self._wake:
            self._queue.append(waiting)
            if len(self._queue) == 1:
                self._wake.notify()
        return waiting.future

    async def stop(self) -> None:
        """Write what is queued and a last record, and close."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        await asyncio.to_thread(self._thread.join, STOP_S)

    def _run(self) -> None:
        delay_s = RETRY_FIRST_S
        while True:
            batch, closing = self._take()
            if self._segment is None:
                if closing or not self._recover(delay_s):
                    delay_s = min(delay_s * 2, RETRY_MOST_S)
                    if closing:
                        return
                    continue
                delay_s = RETRY_FIRST_S
            if batch:
                self._write(batch)
            if closing and not self._queue:
                self._finish()
                return

    def _take(self) -> tuple[list[Waiting], bool]:
        with self._wake:
            while not self._queue and not self._closing and self._segment is not None:
                self._wake.wait()
            if self._gather_s and self._queue and not self._closing:
                self._wake.wait(self._gather_s)
            batch, self._queue = self._queue, []
            return batch, self._closing

    def _write(self, batch: list[Waiting]) -> None:
        segment = self._segment
        assert segment is not None
        started = time.monotonic()
        try:
            segment.append([encode(self._numbered(segment, index, one.body)) for index, one in enumerate(batch)])
            segment.sync()
            self._folder.note_head(segment)
        except Exception as error:  # any failure at all means that nothing more is known of the file
            self._fail(error, batch)
            return
        self._settle([one.future for one in batch], None)
        metrics = self._host.metrics
        metrics.count("records", len(batch))
        metrics.observe("sync_seconds", time.monotonic() - started)
        metrics.gauge("ledger_lag_seconds", time.monotonic() - batch[0].queued_at)
        if segment.size >= self._segment_bytes:
            self._rotate(segment)

    @staticmethod
    def _numbered(segment: Segment, index: int, body: dict[str, Any]) -> dict[str, Any]:
        return {"seq": segment.seq + index, **body}

    def _rotate(self, segment: Segment) -> None:
        try:
            self._segment = self._folder.next(segment)
        except OSError as error:
            self._fail(error, [])

    def _fail(self, error: Exception, batch: list[Waiting]) -> None:
        reason = (
            f"{type(error).__name__} {os.strerror(error.errno) if isinstance(error, OSError) and error.errno else ''}"
        )
        self.failure = f"the ledger cannot be written: {reason.strip()}"
        self._host.log.error("ledger_failed", error=reason.strip(), records=len(batch))
        self._host.metrics.count("failures")
        if self._segment is not None:
            self._folder.abandon(self._segment)
        self._segment = None
        with self._wake:
            batch = batch + self._queue
            self._queue = []
        self._settle([one.future for one in batch], LedgerUnavailable(self.failure))

    def _recover(self, delay_s: float) -> bool:
        with self._wake:
            if not self._closing:
                self._wake.wait(delay_s)
        try:
            self._segment = self._folder.begin("failure", note=self.failure)
        except Exception as error:  # the disk still does not work
            self._host.log.error("ledger_still_failed", error=type(error).__name__)
            return False
        self.failure = ""
        self._host.log.info("ledger_recovered")
        return True

    def _finish(self) -> None:
        segment = self._segment
        if segment is None:
            return
        try:
            segment.append([encode({"seq": segment.seq, "kind": "stop", "time": segment.now()})])
            segment.sync()
            self._folder.note_head(segment)
            segment.close()
        except OSError as error:
            self._host.log.error("ledger_failed", error=type(error).__name__, records=0)
        self._folder.close()

    def _settle(self, futures: list[asyncio.Future[None]], error: Exception | None) -> None:
        """Wake all waiters of a batch with one call into the event loop."""

        def settle() -> None:
            for future in futures:
                if not future.done():
                    if error is None:
                        future.set_result(None)
                    else:
                        future.set_exception(error)
                        future.exception()  # a waiter that has left must not make the loop complain

        _call(self._loop.call_soon_threadsafe, settle)


def _call(call_soon: Callable[..., Any], function: Callable[[], None]) -> None:
    with contextlib.suppress(RuntimeError):  # the loop has ended, and with it whoever waited
        call_soon(function)
