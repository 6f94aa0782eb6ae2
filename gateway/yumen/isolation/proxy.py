"""What stands in the gateway for a plugin that has a process of its own: its manifest, and a hook for each of its hooks."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import msgspec

from yumen.awaited import AwaitedFilter, AwaitedPlugin
from yumen.errors import Problem
from yumen.exchange import Block, Decision, Exchange, Finding
from yumen.isolation.conversation import Conversation
from yumen.isolation.keeper import Keeper
from yumen.isolation.show import apply, passed, seen
from yumen.isolation.wire import (
    Done,
    ExchangeHook,
    Fed,
    Feed,
    Hook,
    Look,
    Opening,
    PluginRaised,
    ProcessGone,
    Tell,
    Told,
)
from yumen.operators import AdminCall, Download, Erasure, Operation, Right
from yumen.plugin import Channel, EngineRef, Host, Lint, Plugin, Rule

if TYPE_CHECKING:
    from yumen.policy.bundle import Instance
    from yumen.view import View

READY_S = 5.0
OPERATE_S = 60.0
SEAT = "seat"


class Seat:
    """An exchange's place in a process. Its end is that of the exchange, of which nobody else tells."""

    __slots__ = ("_filters", "conversation", "known", "number")

    def __init__(self, conversation: Conversation) -> None:
        self.conversation = conversation
        self.number = conversation.seat()
        # Whether the process has heard of it.
        self.known = False
        self._filters = 0

    def filter(self) -> int:
        """A number for a stream filter."""
        self._filters += 1
        return self._filters

    def news(self) -> tuple[bool, list[int]]:
        """What the process is to hear with an order: whether the exchange is new to it, and which others have ended."""
        return not self.known, list(self.conversation.ended_seats)

    def heard(self, gone: list[int]) -> None:
        """An order is on its way with that news; until then the next one has to bring it."""
        self.known = True
        for _ in gone:
            self.conversation.ended_seats.popleft()

    def __del__(self) -> None:
        if self.known:
            self.conversation.ended_seats.append(self.number)


class Proxy(AwaitedPlugin):
    """Stands for the plugin of an instance. The plugin itself is in the process; what policy asks of it before the start
    is answered by another one here, which is never started.
    """

    def __init__(self, instance: Instance) -> None:
        super().__init__(instance.config)
        self._instance = instance
        self._keeper: Keeper | None = None

    @cached_property
    def _here(self) -> Plugin[Any]:
        return self._instance.plugin_class(self._instance.config)

    def rules(self) -> Sequence[Rule]:
        return self._here.rules()

    def lint(self) -> Sequence[Lint]:
        return self._here.lint()

    def engines(self) -> Sequence[EngineRef]:
        return self._here.engines()

    def headers(self) -> Collection[str]:
        return self._here.headers()

    def judge(self, exchange: Exchange, finding: Finding) -> Decision | None:
        return self._here.judge(exchange, finding)

    @property
    def pid(self) -> int | None:
        """The process that holds the plugin at the moment, for those who look."""
        return None if self._keeper is None else self._keeper.pid

    async def start(self, host: Host) -> None:
        """Start the process. Error: `CannotStart`."""
        self._keeper = Keeper(self._instance, host)
        self._told_time = self._keeper.told_time
        self._host = host
        await self._keeper.start()

    async def stop(self) -> None:
        if self._keeper is not None:
            await self._keeper.stop()

    async def ready(self) -> str:
        try:
            async with asyncio.timeout(READY_S):
                told = await self._conversation().ask(lambda number: Tell(number, time=self.time()))
        except (ProcessGone, TimeoutError):
            return "its process has ended and is being started again"
        return told.reason if isinstance(told, Told) else ""

    def _conversation(self) -> Conversation:
        if self._keeper is None:
            raise ProcessGone
        return self._keeper.current()

    def time(self) -> tuple[float, float] | None:
        """What goes with an order where the clock is not the machine's."""
        return (self._host.now(), self._host.monotonic()) if self._told_time else None

    def seat_of(self, view: View) -> Seat:
        """An exchange's place in the process. Error: `ProcessGone` where that began in another one."""
        conversation = self._conversation()
        seat: Seat | None = view.state.get(SEAT)
        if seat is None:
            seat = view.state[SEAT] = Seat(conversation)
        elif seat.conversation is not conversation:
            raise ProcessGone("the process that this exchange began with has ended, and what it knew of it")
        return seat

    async def _hook(self, hook: ExchangeHook | Literal["whole"], exchange: Exchange) -> tuple[View, Done]:
        view = cast("View", exchange)
        seat = self.seat_of(view)
        fresh, gone = seat.news()

        def order(number: int) -> Hook:
            return Hook(number, hook, seat.number, fresh, gone, seen(view, hook != "on_request"), self.time())

        done = await seat.conversation.ask(order, view, lambda: seat.heard(gone))
        if not isinstance(done, Done):
            seat.conversation.give_up("nonsense: another hook's result")
            raise ProcessGone
        return view, done

    async def _run(self, hook: ExchangeHook, exchange: Exchange) -> Decision | None:
        return apply(*await self._hook(hook, exchange))

    async def _tell(self, operation: Operation | None, erasure: Erasure | None) -> int:
        told = await self._conversation().ask(lambda number: Tell(number, operation, erasure, self.time()))
        return told.number if isinstance(told, Told) else 0

    async def _look(
        self, action: str | None, arguments: Mapping[str, str], call: AdminCall | None
    ) -> Mapping[str, Any]:
        actor = "" if call is None else call.actor
        may = [right for right in get_args(Right) if call is not None and call.may(right)]
        try:
            async with asyncio.timeout(OPERATE_S):
                told = await self._conversation().ask(
                    lambda number: Look(number, action, dict(arguments), actor, may, self.time()), call
                )
        except PluginRaised as error:
            if error.code == "ledger_unavailable":
                raise Problem("ledger_unavailable") from None
            raise
        shown = told.shown if isinstance(told, Told) else b"{}"
        return msgspec.json.decode(shown, type=dict[str, Any])


async def _on_request(self: Proxy, exchange: Exchange) -> Decision | None:
    return await self._run("on_request", exchange)


async def _on_send(self: Proxy, exchange: Exchange) -> Decision | None:
    return await self._run("on_send", exchange)


async def _on_response(self: Proxy, exchange: Exchange) -> Decision | None:
    return await self._run("on_response", exchange)


async def _on_complete(self: Proxy, exchange: Exchange) -> None:
    await self._run("on_complete", exchange)


async def _on_operation(self: Proxy, operation: Operation) -> None:
    await self._tell(operation, None)


async def _on_erase(self: Proxy, erasure: Erasure) -> int:
    return await self._tell(None, erasure)


async def _inspect(self: Proxy, query: Mapping[str, str]) -> Mapping[str, Any] | Download:
    return await self._look(None, query, None)


async def _operate(self: Proxy, call: AdminCall) -> Mapping[str, Any]:
    return await self._look(call.action, call.arguments, call)


def _stream(self: Proxy, exchange: Exchange, channel: Channel) -> AwaitedFilter:
    return ProxyFilter(self, cast("View", exchange), channel)


async def _awaited_whole(self: Proxy, exchange: Exchange) -> bool:
    view, done = await self._hook("whole", exchange)
    apply(view, done)
    return done.whole


HOOKS: dict[str, Any] = {
    "on_request": _on_request,
    "on_send": _on_send,
    "on_response": _on_response,
    "on_complete": _on_complete,
    "on_operation": _on_operation,
    "on_erase": _on_erase,
    "inspect": _inspect,
    "operate": _operate,
    "stream": _stream,
}
assert set(get_args(ExchangeHook)) < set(HOOKS)


class ProxyFilter(AwaitedFilter):
    """Stands for a stream filter of the plugin, which begins when its first piece is there."""

    def __init__(self, proxy: Proxy, view: View, channel: Channel) -> None:
        super().__init__()
        self._proxy = proxy
        self._view = view
        self._channel = channel
        self._number = 0

    async def ask(self, text: str, *, last: bool) -> tuple[str | Block, str]:
        """See `AwaitedFilter`. Errors: as of a hook."""
        view, seat = self._view, self._proxy.seat_of(self._view)
        if not self._number:
            self._number = seat.filter()

        fresh, gone = (False, []) if self.opened else seat.news()

        def order(number: int) -> Feed:
            opening = None if self.opened else Opening(self._channel, fresh, gone, seen(view, True))
            return Feed(number, seat.number, self._number, text, last, opening, self._proxy.time())

        try:
            fed = await seat.conversation.ask(order, view, None if self.opened else lambda: seat.heard(gone))
        except Exception as error:
            self.opened = self.opened or getattr(error, "begun", False)
            raise
        if not isinstance(fed, Fed):
            seat.conversation.give_up("nonsense: another hook's result")
            raise ProcessGone
        if not self.opened:
            self.opened = True
            self.absent, self.hold_max = fed.hold_max is None, fed.hold_max or 0
        return passed(view, fed), fed.masked


def _proxy_class(plugin_class: type[Plugin[Any]]) -> type[Proxy]:
    """A proxy with the hooks that a class has, and no other: the core asks nobody who has none."""
    hooks = {name: hook for name, hook in HOOKS.items() if getattr(plugin_class, name) is not getattr(Plugin, name)}
    if plugin_class.whole is not Plugin.whole:
        hooks["awaited_whole"] = _awaited_whole
    return type(f"Isolated{plugin_class.__name__}", (Proxy,), {**hooks, "manifest": plugin_class.manifest})


def isolated(instance: Instance) -> Plugin[Any]:
    """The proxy of an instance whose policy says `isolation: process`."""
    return _proxy_class(instance.plugin_class)(instance)
