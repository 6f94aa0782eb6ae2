"""Carries out orders: one task each, so that hooks that wait do so side by side."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import msgspec

from yumen.errors import CannotStart, Unsupported
from yumen.isolation.child.exchange import IsolatedExchange
from yumen.isolation.child.filters import Filters
from yumen.isolation.child.host import Calls, IsolatedHost, Wants, running
from yumen.isolation.link import Link
from yumen.isolation.wire import (
    ORDER_BYTES_MAX,
    SHOWN_BYTES_MAX,
    Cancel,
    Done,
    Fed,
    Feed,
    Given,
    Hook,
    Look,
    Raised,
    Refused,
    Report,
    Setup,
    Started,
    Stop,
    Tell,
    Told,
    encode,
    read_order,
    read_report,
)
from yumen.operators import Download, Right
from yumen.plugin import Plugin
from yumen.strays import hear
from yumen.telemetry import error_name, place, wordless

# Exchanges under way of which the plugin may have notes; the oldest are dropped, and their next hook is a fault.
SEATS_MAX = 65_536
WHY_CHARS, AT_CHARS = 1000, 500
# What operators are meant to read.
OPERATORS = (ValueError, LookupError, PermissionError)


class StateLost(Exception):
    """The notes on an exchange are not here any more."""


class OperatorCall:
    """See `yumen.AdminCall`."""

    def __init__(self, look: Look, calls: Calls) -> None:
        self.action = look.action or ""
        self.arguments: Mapping[str, str] = look.arguments
        self.actor = look.actor
        self._may = look.may
        self._calls = calls

    def may(self, right: Right) -> bool:
        """See `yumen.AdminCall`."""
        return right in self._may

    async def record(self, **details: str) -> None:
        """See `yumen.AdminCall`."""
        await self._calls("record", details)


class Server:
    """One plugin, from its start to its stop."""

    def __init__(self, plugin: Plugin[Any], setup: Setup, orders: socket.socket, wants: socket.socket) -> None:
        self._plugin = plugin
        self._setup = setup
        self._sockets = orders, wants
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._exchanges: dict[int, IsolatedExchange] = {}
        self._filters = Filters(plugin)

    async def run(self) -> None:
        """Until the gateway says so, or is gone."""
        loop = asyncio.get_running_loop()
        self._over: asyncio.Future[bool] = loop.create_future()
        orders, wants = self._sockets
        self._link = Link(self._take, lambda _: self._end(False), ORDER_BYTES_MAX)
        self._want = Wants(wants)
        self._calls = Calls(self._link.send)
        self._host = IsolatedHost(self._setup, self._calls, self._want)
        hear(loop, self._host.log)
        await self._link.open(orders)
        starting = loop.create_task(self._start())
        politely = await self._over
        starting.cancel()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(starting, *self._tasks.values(), return_exceptions=True)
        if politely:
            await self._stop()
        self._link.finish()

    async def _stop(self) -> None:
        try:
            await self._plugin.stop()
        except BaseException as error:  # somebody else's code
            self._host.log.error("stop_failed", error=error_name(error), at=place(error))

    def _end(self, politely: bool) -> None:
        if not self._over.done():
            self._over.set_result(politely)

    async def _start(self) -> None:
        report: Report = Started()
        try:
            await self._plugin.start(self._host)
        except BaseException as error:  # somebody else's code
            if self._over.done():
                raise
            report = refused(error)
        self._link.send(encode(report))

    def _take(self, body: bytes) -> None:
        order = read_order(body)
        if isinstance(order, Given):
            self._calls.given(order)
        elif isinstance(order, Cancel):
            if (task := self._tasks.get(order.id)) is not None:
                task.cancel()
        elif isinstance(order, Stop):
            self._end(True)
        else:
            self._host.time = order.time or self._host.time
            # Noted now: a task that is cancelled before it begins notes nothing.
            exchange = self._exchange(order) if isinstance(order, Hook | Feed) else None
            task = self._tasks[order.id] = asyncio.get_running_loop().create_task(self._carry_out(order, exchange))
            task.add_done_callback(lambda _: self._ended(order))

    def _ended(self, order: Hook | Feed | Tell | Look) -> None:
        """A task is over; one that was cancelled before it began, or could not say what was wrong, has said nothing."""
        task = self._tasks.pop(order.id)
        if task.cancelled() or task.exception() is not None:
            kind = "CancelledError" if task.cancelled() else "Error"
            self._link.send(encode(Raised(order.id, kind, begun=self._begun(order))))

    async def _carry_out(self, order: Hook | Feed | Tell | Look, exchange: IsolatedExchange | None) -> None:
        running.set(order.id)
        try:
            if isinstance(order, Hook | Feed):
                body = await self._exchanging(order, exchange)
            else:
                body = await self._other(order)
        except BaseException as error:  # a plugin may raise anything, and its process goes on
            body = encode(_raised(order, error, self._begun(order)))
        self._link.send(body)

    def _begun(self, order: Hook | Feed | Tell | Look) -> bool:
        """Whether it is about a stream filter that is there."""
        return isinstance(order, Feed) and (
            order.seat in self._exchanges and order.filter in self._exchanges[order.seat].filters
        )

    async def _exchanging(self, order: Hook | Feed, exchange: IsolatedExchange | None) -> bytes:
        if exchange is None:
            raise StateLost
        async with exchange.turn:
            try:
                if isinstance(order, Feed):
                    done: Done | Fed = self._filters.feed(exchange, order)
                else:
                    done = await self._hook(exchange, order)
            finally:
                exchange.over()
        body = encode(done)
        if isinstance(done, Fed) or done.acts or done.block or done.answer:
            # What the gateway could not read would end the process, and here it is this hook's own fault.
            read_report(body)
        return body

    async def _hook(self, exchange: IsolatedExchange, order: Hook) -> Done:
        exchange.begin(order.id, order.seen)
        if order.hook == "whole":
            return Done(order.id, exchange.acts, whole=bool(self._plugin.whole(exchange)))
        hook: Callable[[Any], Awaitable[Any]] = getattr(self._plugin, order.hook)
        return exchange.end(await hook(exchange))

    def _exchange(self, order: Hook | Feed) -> IsolatedExchange | None:
        """The exchange that an order is about; None where it is not here any more."""
        exchanges = self._exchanges
        news = order.opening if isinstance(order, Feed) else order
        if news is not None:
            for seat in news.gone:
                self._filters.forget(exchanges.pop(seat, None))
            if news.fresh:
                while len(exchanges) >= SEATS_MAX:
                    self._filters.forget(exchanges.pop(next(iter(exchanges))))
                exchanges[order.seat] = IsolatedExchange(self._plugin.manifest, self._setup.instance, self._want)
        return exchanges.get(order.seat)

    async def _other(self, order: Tell | Look) -> bytes:
        body = encode(await self._told(order))
        # As above.
        read_report(body)
        return body

    async def _told(self, order: Tell | Look) -> Told:
        plugin = self._plugin
        if isinstance(order, Tell):
            if order.operation is not None:
                await plugin.on_operation(order.operation)
                return Told(order.id)
            if order.erasure is not None:
                return Told(order.id, number=int(await plugin.on_erase(order.erasure)))
            return Told(order.id, reason=str(await plugin.ready())[:WHY_CHARS])
        if order.action is None:
            shown = await plugin.inspect(order.arguments)
        else:
            shown = await plugin.operate(OperatorCall(order, self._calls))
        if isinstance(shown, Download):
            raise ValueError("a plugin in a process of its own cannot send files")
        value = msgspec.json.encode(dict(shown))
        if len(value) > SHOWN_BYTES_MAX:
            raise ValueError("this is more than a plugin in a process of its own can show")
        return Told(order.id, shown=value)


def refused(error: BaseException) -> Refused:
    """Why a plugin has not started: its words where they are for operators, else the kind of error and where it was raised.

    Any other words may hold what nobody should read, an address with its password among that.
    """
    if isinstance(error, CannotStart):
        return Refused(str(error)[:WHY_CHARS])
    return Refused(wordless(error)[:WHY_CHARS])


def _raised(order: Hook | Feed | Tell | Look, error: BaseException, begun: bool) -> Raised:
    """The kind of an error, and where it was raised; what it says only where that is for operators."""
    kind, what = error_name(error), ""
    if isinstance(order, Look):
        for one in OPERATORS:
            if isinstance(error, one):
                kind, what = one.__name__, str(error)[:WHY_CHARS]
    elif isinstance(error, MemoryError):
        kind = "MemoryError"
    ledger = getattr(error, "code", "") == "ledger_unavailable"
    return Raised(order.id, kind, place(error)[-AT_CHARS:], isinstance(error, Unsupported), ledger, what, begun)
