"""The gateway's side of one process, from its start to its end: orders out, reports in, and what it asks meanwhile."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from yumen.children import how
from yumen.errors import CannotStart, Unsupported
from yumen.isolation.link import Link
from yumen.isolation.process import Process
from yumen.isolation.rate import PerSecond
from yumen.isolation.service import Service, told
from yumen.isolation.wire import (
    ORDER_BYTES_MAX,
    REPORT_BYTES_MAX,
    Call,
    Cancel,
    Done,
    Dropped,
    Fed,
    Given,
    Logged,
    Measured,
    Order,
    ProcessGone,
    Raised,
    Refused,
    Setup,
    Started,
    Stop,
    Told,
    encode,
    raised,
    read_report,
    read_want,
)
from yumen.telemetry import log

# Importing a plugin, and what its `start` does.
START_S = 120.0
# How long a hook may take to end when nobody waits for it any more; its process hangs then. And how long `stop` may take.
HANG_S, STOP_S = 1.0, 10.0
PENDING_MAX, CALLS_MAX = 4096, 1024
# Whoever does not read so much is busy, or hangs.
UNSENT_BYTES_MAX = 128 << 20
# What a process may ask and tell beside its answers, in any second; more would be all that the loop has time for. A long
# message counts as several.
ASIDES_MAX, ASIDE_BYTES = 20_000, 16 << 10


class Pending(NamedTuple):
    """An order that somebody waits for, until it is answered, and the exchange or call that it is about."""

    future: asyncio.Future[Done | Fed | Told]
    about: object


class Conversation:
    """One process. `gone` is set when it has ended, or has been given up; `how` then says how."""

    def __init__(self, process: Process, service: Service) -> None:
        self._process = process
        self._service = service
        self._orders = Link(self._report, self._ended, REPORT_BYTES_MAX)
        self._wants = Link(self._want, self._ended, REPORT_BYTES_MAX)
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[None] = self._loop.create_future()
        self._first.add_done_callback(_looked_at)
        self._pending: dict[int, Pending] = {}
        # Those that nobody waits for, until the process says that they have ended.
        self._cancelled: dict[int, asyncio.TimerHandle] = {}
        self._calls: dict[int, asyncio.Task[None]] = {}
        self._number = self._seats = 0
        self._asides = PerSecond(self._loop.time)
        # Numbers of exchanges that have ended, of which the process has not heard.
        self.ended_seats: deque[int] = deque()
        self.gone = asyncio.Event()
        self.how = ""
        self.pid = process.pid

    @classmethod
    async def begin(cls, setup: Setup, service: Service) -> Conversation:
        """Start a process and its plugin. Error: `CannotStart`."""
        try:
            process = Process()
        except OSError as error:
            raise CannotStart(f"its process cannot be started: {error.strerror}") from None
        self = cls(process, service)
        try:
            await self._orders.open(process.orders)
            await self._wants.open(process.wants)
            self._orders.send(encode(setup))
            async with asyncio.timeout(START_S):
                await self._first
        except TimeoutError:
            await self.end()
            raise CannotStart(f"its process had not started it after {START_S:g} s") from None
        except ProcessGone:
            await self.end()
            raise CannotStart(f"its process ended while it started ({self.how})") from None
        except BaseException:
            await self.end()
            raise
        return self

    @property
    def lives(self) -> bool:
        """Whether it can be given orders."""
        return not self.gone.is_set()

    def seat(self) -> int:
        """A number for an exchange."""
        self._seats += 1
        return self._seats

    async def ask(
        self, make: Callable[[int], Order], about: object = None, sent: Callable[[], None] | None = None
    ) -> Done | Fed | Told:
        """Have an order carried out; `make` gets its number, and `sent` is called when it is on its way.

        Errors: `ProcessGone`; OverflowError for one that is too long; what the plugin raises, by its name.
        """
        if not self.lives:
            raise ProcessGone
        if len(self._pending) >= PENDING_MAX or self._orders.unsent_bytes > UNSENT_BYTES_MAX:
            raise ProcessGone("it has too much to do")
        self._number = number = self._number + 1
        body = encode(make(number))
        if len(body) > ORDER_BYTES_MAX:
            raise OverflowError("an exchange is too large for another process")
        future: asyncio.Future[Done | Fed | Told] = self._loop.create_future()
        self._pending[number] = Pending(future, about)
        future.add_done_callback(_looked_at)
        self._orders.send(body)
        if sent is not None:
            sent()
        try:
            return await future
        except asyncio.CancelledError:
            # One that was answered in the same turn of the loop is not answered again.
            if number in self._pending:
                self._cancel(number)
            raise
        finally:
            self._pending.pop(number, None)

    def _cancel(self, number: int) -> None:
        """Nobody waits any more; a process that does not even say so in time hangs."""
        if self.lives:
            due = self._loop.time() + HANG_S
            self._cancelled[number] = self._loop.call_later(HANG_S, self._late, number, due)
            self._orders.send(encode(Cancel(number)))

    def _late(self, number: int, due: float) -> None:
        """A cancelled order is not answered. Where this loop was busy meanwhile, it has not read the answer: once more."""
        if self._loop.time() - due < HANG_S / 10:
            self.give_up("hang")
        else:
            self._cancelled[number] = self._loop.call_later(HANG_S, self.give_up, "hang")

    def give_up(self, why: str) -> None:
        """End the process at once."""
        self.how = self.how or why
        self._process.kill()
        self._orders.close()
        self._ended("")

    def _ended(self, nonsense: str) -> None:
        """The process has ended, or has said what it must not."""
        if self.gone.is_set():
            return
        self.gone.set()
        if nonsense:
            self.how = self.how or f"nonsense: {nonsense}"
            self._process.kill()
        for timer in self._cancelled.values():
            timer.cancel()
        self._cancelled.clear()
        for task in self._calls.values():
            task.cancel()
        for pending in self._pending.values():
            if not pending.future.done():
                pending.future.set_exception(ProcessGone())
        if not self._first.done():
            self._first.set_exception(ProcessGone())
        self._orders.close()
        self._wants.close()

    def _report(self, body: bytes) -> None:
        report = read_report(body)
        if isinstance(report, Done | Fed | Told | Raised):
            self._settle(report)
            return
        self._aside(body)
        if isinstance(report, Call):
            if len(self._calls) >= CALLS_MAX or report.id in self._calls:
                raise OverflowError
            task = self._calls[report.id] = self._loop.create_task(self._serve(report, self._about(report.hook)))
            task.add_done_callback(lambda _: self._calls.pop(report.id))
        elif isinstance(report, Dropped):
            if (dropped := self._calls.get(report.id)) is not None:
                dropped.cancel()
        elif isinstance(report, Logged):
            self._service.log(report)
        elif isinstance(report, Measured):
            self._service.measure(report)
        elif not self._first.done():
            self._open(report)
        else:
            raise ValueError

    def _aside(self, body: bytes) -> None:
        """Error: OverflowError where the process asks and tells too much, or does not take what it has asked for."""
        if (
            self._asides.more_than(ASIDES_MAX, 1 + len(body) // ASIDE_BYTES)
            or self._orders.unsent_bytes + self._wants.unsent_bytes > UNSENT_BYTES_MAX
        ):
            raise OverflowError

    def _open(self, first: Started | Refused) -> None:
        if isinstance(first, Started):
            self._first.set_result(None)
        else:
            self._first.set_exception(CannotStart(first.why))

    def _settle(self, report: Done | Fed | Told | Raised) -> None:
        """An order has been carried out."""
        timer = self._cancelled.pop(report.id, None)
        pending = self._pending.pop(report.id, None)
        if timer is not None:
            timer.cancel()
        elif pending is None:
            raise LookupError
        elif not pending.future.done():
            if isinstance(report, Raised):
                if not report.what:
                    self._service.raised(report)
                pending.future.set_exception(_error(report))
            else:
                pending.future.set_result(report)
        if isinstance(report, Raised) and report.kind == "MemoryError":
            # What is left of its memory would not do for the next hook either.
            self.give_up("memory")

    async def _serve(self, call: Call, about: object) -> None:
        try:
            given = Given(call.id, await self._service.call(call, about))
        except Exception as error:  # a store, an engine, and other plugins that forget
            kind, value = told(error)
            given = Given(call.id, value, kind)
        body = encode(given)
        if len(body) > ORDER_BYTES_MAX:
            body = encode(Given(call.id, None, "OverflowError"))
        self._orders.send(body)

    def _want(self, body: bytes) -> None:
        self._aside(body)
        want = read_want(body)
        try:
            given = Given(want.id, self._service.want(want, self._about(want.hook)))
        except Exception as error:  # what is asked may be nonsense
            kind, value = told(error)
            given = Given(want.id, value, kind)
        self._wants.send(encode(given))

    def _about(self, number: int) -> object:
        pending = self._pending.get(number)
        return None if pending is None else pending.about

    async def end(self, *, politely: bool = False) -> None:
        """End the process, `politely` by having its plugin stop first, and let go of everything."""
        try:
            if politely and self.lives:
                self._orders.send(encode(Stop()))
                await self._leave()
        finally:
            if not self.gone.is_set():
                self._process.kill()
                self._ended("")
            status = await asyncio.shield(self._process.end())
            self.how = self.how or how(status)
            await asyncio.gather(*self._calls.values(), return_exceptions=True)

    async def _leave(self) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await self.gone.wait()
        except TimeoutError:
            log.error("stop_failed", what="the process of a plugin", pid=self.pid, error="TimeoutError")


def _looked_at(future: asyncio.Future[Any]) -> None:
    """What it holds may come when nobody waits for it any more; that is no error of this process."""
    if not future.cancelled():
        future.exception()


def _error(report: Raised) -> Exception:
    """What a hook has raised, as the gateway's own code knows it."""
    if report.unsupported:
        error: Exception = Unsupported("")
    elif report.what and report.kind in OPERATORS:
        error = OPERATORS[report.kind](report.what)
    else:
        error = raised(report.kind)()
    if report.begun:
        error.begun = True  # type: ignore[attr-defined]  # that is how `ProxyFilter` knows it
    if report.ledger:
        error.code = "ledger_unavailable"  # type: ignore[attr-defined]  # that is how `Step` knows it
    return error


# What operators are told by.
OPERATORS: dict[str, Any] = {"ValueError": ValueError, "LookupError": LookupError, "PermissionError": PermissionError}
