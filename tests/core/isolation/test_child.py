"""The side of the process, run here: it keeps its exchanges apart and in order, and answers whatever its plugin does."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest

from yumen import CannotStart, Erasure, Exchange, Host, Manifest, NoConfig, Plugin, Principal
from yumen.forms import FINDINGS_MAX
from yumen.isolation.child import host as host_module
from yumen.isolation.child.exchange import IsolatedExchange
from yumen.isolation.child.host import Wants
from yumen.isolation.child.serve import Server
from yumen.isolation.wire import (
    HEAD,
    Cancel,
    Done,
    ExchangeHook,
    Given,
    Hook,
    Look,
    Order,
    Passage,
    Raised,
    Refused,
    Report,
    Seen,
    Setup,
    Started,
    Tell,
    Told,
    encode,
    read_report,
    read_want,
)


class Doing(Plugin[NoConfig]):
    """Does what the test says, and notes when its hooks begin and end."""

    manifest: ClassVar[Manifest] = Manifest(name="guest", version="1", sees="raw", admin="guest")

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.wrong: BaseException | None = None
        self.go_on = asyncio.Event()
        self.noted: list[str] = []
        self.forgotten = 0

    async def start(self, host: Host) -> None:
        self.host = host
        if self.wrong is not None:
            raise self.wrong

    async def on_request(self, exchange: Exchange) -> None:
        self.noted.append("begins")
        while not self.go_on.is_set():
            try:
                await self.go_on.wait()
            except asyncio.CancelledError:
                self.noted.append("goes on")
        self.noted.append("ends")

    async def on_complete(self, exchange: Exchange) -> None:
        self.noted.append("completed")

    async def on_erase(self, erasure: Erasure) -> int:
        return self.forgotten

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        raise ValueError(query["what"])


SETUP = Setup(
    module="", qualname="", config=b"", instance="guest", data_dir="/nonexistent", workers=1, live=False, shared=False,
    disabled=(), told_time=False, level=0, path=(), memory_bytes=1 << 30,
)  # fmt: skip
SEEN = Seen(
    "0", 0.0, Principal("t", "a", "k"), "", "", "chat", "openai", "m", "e", "", {}, False, False, "", "", "", "", "", 0, 0,
    0, "", "", "", {}, {}, [], [], {}, False, {}, [Passage("messages[0].content", "user", "message", "你好", 2)], True, None,
)  # fmt: skip


def hook(number: int, name: ExchangeHook = "on_request", *, fresh: bool = False) -> Hook:
    """An order about the one exchange of these tests."""
    return Hook(number, name, 1, fresh, [], SEEN)


class Gateway:
    """The other end of the orders' socket."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._reading = sock.makefile("rb")

    def order(self, *orders: Order) -> None:
        """Send orders, which arrive together."""
        bodies = map(encode, orders)
        self._sock.sendall(b"".join(HEAD.pack(len(body)) + body for body in bodies))

    async def report(self) -> Report:
        """The next one that comes."""
        report: Report = read_report(await asyncio.to_thread(self._read))
        return report

    def _read(self) -> bytes:
        (size,) = HEAD.unpack(self._reading.read(HEAD.size))
        return self._reading.read(size)

    def close(self) -> None:
        """Also where somebody reads."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._reading.close()
        self._sock.close()


@asynccontextmanager
async def served(plugin: Doing) -> AsyncIterator[Gateway]:
    """A plugin as its process serves it."""
    (ours, theirs), (wants, other) = socket.socketpair(), socket.socketpair()
    gateway = Gateway(ours)
    with wants, other:
        serving = asyncio.create_task(Server(plugin, SETUP, theirs, other).run())
        try:
            async with asyncio.timeout(60):
                yield gateway
        finally:
            gateway.close()
            plugin.go_on.set()
            await serving


async def test_a_cancelled_order_leaves_what_it_told(tmp_path: Path) -> None:
    """An order that is cancelled before it begins has told of its exchange all the same, which goes on."""
    plugin = Doing(NoConfig())
    async with served(plugin) as gateway:
        assert await gateway.report() == Started()
        gateway.order(hook(1, fresh=True), Cancel(1))
        assert await gateway.report() == Raised(1, "CancelledError")
        gateway.order(hook(2, "on_complete"))
        assert await gateway.report() == Done(2)
    assert plugin.noted == ["completed"]


async def test_hooks_of_an_exchange_follow_one_another() -> None:
    """A hook waits for every one before it that has not ended, though the one in between was cancelled while it waited."""
    plugin = Doing(NoConfig())
    async with served(plugin) as gateway:
        await gateway.report()
        gateway.order(hook(1, fresh=True), hook(2))
        while not plugin.noted:
            await asyncio.sleep(0.001)
        gateway.order(Cancel(2), Cancel(1), hook(3, "on_complete"))
        cancelled = await gateway.report()
        assert isinstance(cancelled, Raised)
        assert cancelled.id == 2
        while "goes on" not in plugin.noted:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0)
        plugin.go_on.set()
        assert [await gateway.report(), await gateway.report()] == [Done(1), Done(3)]
    assert plugin.noted == ["begins", "goes on", "ends", "completed"]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (ConnectionError("postgres://me:hunter2@db 密码"), "ConnectionError at "),
        (asyncio.CancelledError("hunter2 密码"), "CancelledError at "),
        (SystemExit("hunter2 密码"), "SystemExit at "),
        (CannotStart("give it a key 钥匙"), "give it a key 钥匙"),
    ],
)
async def test_why_it_does_not_start(wrong: BaseException, why: str) -> None:
    """Whatever `start` raises is said at once, and in words only where they are written for operators."""
    plugin = Doing(NoConfig())
    plugin.wrong = wrong
    async with served(plugin) as gateway:
        refused = await gateway.report()
    assert isinstance(refused, Refused)
    assert refused.why.startswith(why)
    assert "hunter2" not in refused.why
    assert "密码" not in refused.why


async def test_it_answers_what_cannot_be_said() -> None:
    """A number, a message or a metric that the gateway could not read is the fault of whoever says it, and is answered."""
    plugin = Doing(NoConfig())
    async with served(plugin) as gateway:
        await gateway.report()
        for number, forgotten in enumerate((-5, 1 << 60, 1 << 80)):
            plugin.forgotten = forgotten
            gateway.order(Tell(number, erasure=Erasure("t", "s")))
            assert isinstance(await gateway.report(), Raised)
        for number, what in enumerate(("odd \ud800", "plain 直白"), 10):
            gateway.order(Look(number, None, {}, "", []))
            plugin.inspect = _failing(what)  # type: ignore[method-assign]
            raised = await gateway.report()
            assert isinstance(raised, Raised)
            assert (raised.id, raised.what) == (number, "" if "odd" in what else what)
        for name, labels in (("x" * 101, 0), ("x", 17)):
            with pytest.raises(ValueError, match="a metric has"):
                plugin.host.metrics.count(name, 1, **{f"label{number}": "v" for number in range(labels)})
        plugin.forgotten = 7
        gateway.order(Tell(20, erasure=Erasure("t", "s")))
        assert await gateway.report() == Told(20, number=7)


def _failing(what: str) -> Any:
    async def inspect(query: Mapping[str, str]) -> Mapping[str, Any]:
        raise ValueError(what)

    return inspect


def test_findings_are_bounded_where_they_are_made() -> None:
    """A plugin that finds something at every character costs what the kept ones cost, and the others are counted."""
    exchange = IsolatedExchange(Doing.manifest, "guest", _no_want)
    exchange.begin(1, SEEN)
    kept = exchange.findings
    for _ in range(FINDINGS_MAX + 500):
        exchange.find("r", category="c", text=exchange.texts[0], end=1)
    done = exchange.end(None)
    assert (len(done.acts), done.dropped) == (FINDINGS_MAX, 500)
    assert exchange.findings is kept
    for wrong in ({"score": float("nan")}, {"start": -1}, {"start": 5, "end": 4}, {"end": 1 << 40}):
        with pytest.raises(ValueError, match=r"of a finding|a finding begins"):
            exchange.find("r", category="c", **wrong)


def _no_want(*_: Any) -> Any:
    raise AssertionError


@pytest.mark.parametrize("late", [True, False])
def test_an_answer_is_to_its_own_question(late: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer that comes too late, or to another question, is never taken for another secret: nothing is asked again."""
    monkeypatch.setattr(host_module, "WANT_S", 0.05 if late else 30.0)
    ours, theirs = socket.socketpair()
    wants = Wants(theirs)

    def answer() -> None:
        with ours.makefile("rb") as reading:
            (size,) = HEAD.unpack(reading.read(HEAD.size))
            want = read_want(reading.read(size))
        given = encode(Given(want.id if late else want.id + 1, b"a"))
        ours.sendall(HEAD.pack(len(given)) + given)

    with ours, theirs:
        if late:
            with pytest.raises(TimeoutError):
                wants.secret("masks", "tenant-a")
            # Nobody reads what it says now.
            with pytest.raises(OSError, match=r"."):
                answer()
        else:
            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(ConnectionAbortedError):
                wants.secret("masks", "tenant-a")
            thread.join()
        with pytest.raises(OSError, match=r"."):
            wants.secret("masks", "租户-b")
