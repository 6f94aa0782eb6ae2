"""Carries records from the ledger's files to one target, at least once, and in order within a log.

Traffic never waits for it: it reads files that were written before, in a thread of its own.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from yumen import CannotStart
from yumen_plugins.audit.sinks.config import SinkConfig
from yumen_plugins.audit.sinks.cursor import LOG, Cursor, Turn
from yumen_plugins.audit.sinks.target import (
    Batch,
    Format,
    Item,
    Refused,
    Sized,
    Source,
    Target,
    Unreached,
    backoff_s,
)
from yumen_plugins.audit.sinks.worker import STOP_S, Worker

TURN_S = 1.0
CLOSE_S = 1.0

# `waiting`: another process carries. `failing`: it tries again. `stopped`: somebody has to do something. `ended`: told to.
State = Literal["starting", "waiting", "running", "failing", "stopped", "ended"]


class Status(msgspec.Struct, frozen=True):
    """How a sink is.

    `behind` is the number of leaves of the ledger that it has not dealt with; of a source that is not `Sized` only those
    that have been read. `last_ok` is in seconds since the epoch, 0 for never. `last_error` is a kind of error without
    anything of a payload, URL or credential; `fix` says what to do where the state is `stopped`.
    """

    name: str
    to: str
    state: State = "starting"
    behind: int = 0
    last_ok: float = 0.0
    last_error: str = ""
    fix: str = ""


class Metrics(Protocol):
    """The part of a plugin's metrics that sinks use."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, **labels: str) -> None: ...


# Is told of every change of `state` or `last_error`, in the thread of the sink.
Notice = Callable[[Status], None]


class _Step(msgspec.Struct, frozen=True):
    """What to do next: deliver the batch, if there is one; then `seq` is what comes next of the log."""

    log: str
    seq: int
    batch: Batch | None


class Sink:
    """One sink. `make` makes its target. Error: `CannotStart` for a format that is not there.

    Counted are `sink_records` and `sink_failures`, and `sink_behind` is a gauge, each by `sink`.
    """

    def __init__(
        self,
        config: SinkConfig,
        target: Target,
        source: Source,
        formats: Mapping[str, Format],
        data_dir: Path,
        *,
        metrics: Metrics | None = None,
        notice: Notice | None = None,
    ) -> None:
        if config.format not in formats:
            raise CannotStart(
                f"the sink {config.name} wants the format {config.format}, which is not there; "
                f"use one of {', '.join(sorted(formats))}"
            )
        self._config = config
        self._target = target
        self._source = source
        self._format = formats[config.format]
        self._metrics = metrics
        self._notice = notice
        self._cursor = Cursor(data_dir, config.name)
        self._turn = Turn(data_dir, config.name)
        self._after: dict[str, int] = {}
        self._unsaved = False
        # What was read, what is left of it to do, and what comes next, which is tried until it succeeds.
        self._items: Sequence[Item] = ()
        self._steps: Iterator[_Step] = iter(())
        self._step: _Step | None = None
        to = str(type(config).__struct_config__.tag)
        self.status = Status(config.name, to)
        self._worker = Worker(f"sink {config.name}", self._work)

    def start(self) -> None:
        """Begin to carry."""
        self._worker.start()

    def cancel(self) -> None:
        """Let it end soon, without waiting for that."""
        self._worker.cancel()

    def stop(self, within_s: float = STOP_S) -> bool:
        """End within so many seconds, whatever the target does. Returns whether the thread ended; else it lingers."""
        return self._worker.stop(within_s)

    async def _work(self) -> None:
        try:
            await self._take_turn()
            self._tell("running")
            await self._carry()
        except Refused as error:
            # The lock stays ours: another process would only run into the same.
            self._tell("stopped", error.kind, error.fix)
            await asyncio.Event().wait()
        finally:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await self._target.close()
            self._turn.give()
            self._tell("ended", self.status.last_error, self.status.fix)

    async def _take_turn(self) -> None:
        for attempt in itertools.count(1):
            try:
                if self._turn.take():
                    self._after = self._cursor.read()
                    return
                self._tell("waiting")
                await asyncio.sleep(TURN_S)
            except Unreached as error:
                self._turn.give()
                self._tell("failing", error.kind)
                await asyncio.sleep(backoff_s(attempt))

    async def _carry(self) -> None:
        """Deliver what there is, for ever. Error: `Refused`."""
        attempt = 0
        while True:
            try:
                idle = not await self._round()
                attempt, wait_s = 0, self._config.flush_s if idle else 0.0
                self._tell("running")
            except Refused:
                raise
            except Exception as error:
                # Nothing that fails here may end it: records would stay behind without anybody being told.
                kind = error.kind if isinstance(error, Unreached) else f"fault {type(error).__name__}"
                idle = False
                attempt += 1
                wait_s = max(backoff_s(attempt), getattr(error, "wait_s", 0.0))
                self._tell("failing", kind)
                if self._metrics:
                    self._metrics.count("sink_failures", sink=self._config.name)
            self._measure(idle)
            await asyncio.sleep(wait_s)

    async def _round(self) -> bool:
        """Deliver what one read gives, or what is left of it. Returns whether there is more to read at once.

        What failed is tried again as it was, so that a target that knows it by name has it once.
        """
        if self._step is None:
            self._check_sizes()
            self._items = self._source.read(dict(self._after), self._config.batch_records)
            self._steps = self._steps_of(self._items)
            self._step = next(self._steps, None)
        try:
            while self._step is not None:
                await self._take(self._step)
                self._step = None
                self._step = next(self._steps, None)
        except BaseException:
            with suppress(Unreached):  # it is still to be saved after the next round
                self._save()
            raise
        self._save()
        return len(self._items) >= self._config.batch_records

    async def _take(self, step: _Step) -> None:
        if step.batch is not None:
            await self._target.deliver(step.batch)
            if self._metrics:
                self._metrics.count("sink_records", len(step.batch.lines), sink=self._config.name)
            self.status = msgspec.structs.replace(self.status, last_ok=time.time())
        self._after[step.log] = step.seq
        self._unsaved = True

    def _save(self) -> None:
        if self._unsaved:
            self._cursor.write(self._after)
            self._unsaved = False

    def _steps_of(self, items: Sequence[Item]) -> Iterator[_Step]:
        """Batches of one log each, in order, none larger than it may be. Error: `Refused` for a record without a form."""
        by_log: dict[str, list[Item]] = {}
        for item in items:
            by_log.setdefault(item.log, []).append(item)
        for log, of_log in by_log.items():
            if not LOG.fullmatch(log):
                raise Refused("log with an unfit name", "look into the ledger's folder: that is no name of a log")
            lines: list[tuple[int, bytes]] = []
            size = 0
            for item in of_log:
                try:
                    line = self._line(item)
                except Refused:
                    if lines:
                        yield _Step(log, lines[-1][0] + 1, Batch(log, lines))
                    raise
                if line is None:
                    continue
                if lines and size + len(line) + 1 > self._config.batch_bytes:
                    yield _Step(log, lines[-1][0] + 1, Batch(log, lines))
                    lines, size = [], 0
                lines.append((item.seq, line))
                size += len(line) + 1
            yield _Step(log, of_log[-1].seq + 1, Batch(log, lines) if lines else None)

    def _line(self, item: Item) -> bytes | None:
        """The line of a record, or None for one that is not carried. Its place is added, so that readers know it again."""
        if item.record.get("kind") not in self._config.kinds:
            return None
        try:
            line = self._format({"log": item.log, **item.record}).rstrip(b"\n")
        except Exception as error:
            kind = f"format {self._config.format} fails with {type(error).__name__} at {item.log} {item.seq}"
            raise Refused(kind, "choose another format, or leave this kind of record out") from None
        if b"\n" in line:
            kind = f"format {self._config.format} makes more than one line at {item.log} {item.seq}"
            raise Refused(kind, "choose another format")
        return line

    def _check_sizes(self) -> None:
        """Error: `Refused` where a log is shorter than what was carried of it: what it gains would never be carried."""
        if isinstance(self._source, Sized):
            for log, size in self._source.sizes().items():
                if self._after.get(log, 0) > size:
                    fix = f"find out why {log} was cut or set back; then delete sinks/{self._cursor.path.name}"
                    raise Refused("cursor ahead of the ledger", fix)

    def _measure(self, idle: bool) -> None:
        """Note how far behind it is: not at all where a read came to the end, whatever leaves it passed over there."""
        behind = 0 if idle else sum(item.seq >= self._after.get(item.log, 0) for item in self._items)
        if not idle and isinstance(self._source, Sized):
            with suppress(Exception):  # reading will fail in the same way, and say so
                sizes = self._source.sizes()
                behind = max(behind, sum(max(size - self._after.get(log, 0), 0) for log, size in sizes.items()))
        self.status = msgspec.structs.replace(self.status, behind=behind)
        if self._metrics:
            self._metrics.gauge("sink_behind", behind, sink=self._config.name)

    def _tell(self, state: State, error: str = "", fix: str = "") -> None:
        """Note how it is. An error stays known after it has passed."""
        before = self.status
        self.status = msgspec.structs.replace(before, state=state, last_error=error or before.last_error, fix=fix)
        if self._notice and (before.state, before.last_error) != (self.status.state, self.status.last_error):
            with suppress(Exception):  # whoever is told cannot end it
                self._notice(self.status)
