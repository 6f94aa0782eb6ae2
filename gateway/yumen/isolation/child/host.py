"""The host of a plugin in its process: what is not here is asked of the gateway."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import msgspec
import structlog

from yumen.engine import Engine
from yumen.isolation.child.engine import IsolatedEngine
from yumen.isolation.engines import Failed
from yumen.isolation.wire import (
    HEAD,
    REPORT_BYTES_MAX,
    Call,
    Dropped,
    Given,
    Logged,
    Measured,
    Report,
    Setup,
    Want,
    Wanted,
    encode,
    raised,
    read_given,
)
from yumen.operators import Erasure
from yumen.plugin import Metrics
from yumen.state import Change, Counters, Entry, Push, Put, Reading, Scope, Store
from yumen.store import StoreError

SECRETS_MAX = 4096
WANT_S = 30.0
FIELDS_MAX, LABELS_MAX, WORD_CHARS, NAME_CHARS = 64, 16, 1000, 100
# How many calls the plugin has under way; the others wait here.
CALLS_MAX = 512
ERRORS: dict[str, type[Exception]] = {
    "StoreError": StoreError, "ValueError": ValueError, "PermissionError": PermissionError, "KeyError": KeyError,
}  # fmt: skip
# The order that is being carried out.
running: ContextVar[int] = ContextVar("running", default=-1)


def failed(given: Given) -> Exception:
    """What the gateway has answered with, as an error."""
    if given.error == "EngineError":
        return msgspec.convert(given.value, Failed).error()
    if given.error in ERRORS:
        return ERRORS[given.error](given.value)
    error = raised(given.error)()
    if given.error == "LedgerUnavailable":
        error.code = "ledger_unavailable"
    return error


class Wants:
    """Asks the gateway what must be known at once; it never waits for this process, so this may wait for it."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(WANT_S)
        self._sock = sock
        # Plugins may have threads.
        self._turn = threading.Lock()
        self._number = 0
        self._secrets: OrderedDict[tuple[str, ...], bytes] = OrderedDict()

    def __call__(self, what: Wanted, hook: int, words: list[str], blob: bytes = b"") -> Any:
        """Ask. Errors: what the gateway says; `OSError` where it does not answer, and ever after."""
        with self._turn:
            self._number += 1
            body = encode(Want(self._number, what, hook, words, blob))
            try:
                self._sock.sendall(HEAD.pack(len(body)) + body)
                (size,) = HEAD.unpack(self._read(HEAD.size))
                given = read_given(self._read(size))
                if given.id != self._number:
                    raise ConnectionAbortedError
            except BaseException:
                # What was not read would be taken for the answer to the next question. The gateway ends this process.
                self._sock.close()
                raise
        if given.error:
            raise failed(given)
        return given.value

    def _read(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._sock.recv(size - len(parts))
            if not part:
                raise ConnectionResetError
            parts += part
        return bytes(parts)

    def secret(self, *words: str) -> bytes:
        """A derived secret; one is asked for once."""
        known = self._secrets.get(words)
        if known is None:
            known = self("secret", -1, list(words))
            while len(self._secrets) >= SECRETS_MAX:
                self._secrets.popitem(last=False)
            self._secrets[words] = known
        return known


class Calls:
    """Sends what the plugin tells, and what it awaits."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._thread = threading.get_ident()
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._number = 0
        self._room = asyncio.Semaphore(CALLS_MAX)

    def tell(self, report: Report) -> None:
        """Send a report, from whichever thread."""
        body = encode(report)
        if threading.get_ident() == self._thread:
            self._send(body)
        else:
            self._loop.call_soon_threadsafe(self._send, body)

    async def __call__(self, method: str, *arguments: Any) -> Any:
        """Have the gateway do something. Errors: what it says."""
        packed = encode(arguments)
        if len(packed) > REPORT_BYTES_MAX - 1000:
            raise ValueError("this is more than an isolated plugin can send")
        async with self._room:
            self._number += 1
            number = self._number
            future = self._waiting[number] = self._loop.create_future()
            try:
                self._send(encode(Call(number, running.get(), method, packed)))
                return await future
            except asyncio.CancelledError:
                self._send(encode(Dropped(number)))
                raise
            finally:
                self._waiting.pop(number, None)

    def given(self, given: Given) -> None:
        """The gateway has answered; nobody may be waiting any more."""
        future = self._waiting.get(given.id)
        if future is None or future.done():
            return
        if given.error:
            future.set_exception(failed(given))
        else:
            future.set_result(given.value)


class IsolatedMetrics:
    """See `yumen.plugin.Metrics`."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._tell("count", name, amount, labels)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._tell("gauge", name, value, labels)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._tell("observe", name, seconds, labels)

    def _tell(self, how: Literal["count", "gauge", "observe"], name: str, value: float, labels: dict[str, str]) -> None:
        if len(name) > NAME_CHARS or len(labels) > LABELS_MAX:
            raise ValueError(f"a metric has a name of {NAME_CHARS} characters and {LABELS_MAX} labels at most")
        cut = {label: str(word)[:NAME_CHARS] for label, word in labels.items()}
        self._calls.tell(Measured(how, name, float(value), cut))


class IsolatedCounters:
    """See `yumen.state.Counters`."""

    def __init__(self, calls: Calls, number: int) -> None:
        self._calls = calls
        self._number = number

    async def count(self, entries: Sequence[Entry]) -> list[tuple[Reading, ...]]:
        made = [(entry.scope, entry.who, list(entry.changes)) for entry in entries]
        read = await self._calls("count", self._number, made)
        return [tuple(tuple(reading) for reading in row) for row in read]

    async def wait_s(self, scope: int, who: str, series: int, limit: float) -> int:
        waiting: int = await self._calls("wait_s", self._number, scope, who, series, limit)
        return waiting


class IsolatedStore:
    """See `yumen.state.Store`; the gateway's, in the instance's own namespace."""

    def __init__(self, calls: Calls, want: Wants, shared: bool) -> None:
        self._calls = calls
        self._want = want
        self.shared = shared

    async def get(self, key: str) -> bytes | None:
        found: bytes | None = await self._calls("get", key)
        return found

    async def set(self, key: str, value: bytes, ttl_s: float) -> None:
        await self._calls("set", key, value, ttl_s)

    async def delete(self, key: str) -> None:
        await self._calls("delete", key)

    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        added: int = await self._calls("add", key, amount, ttl_s)
        return added

    async def append(self, key: str, value: bytes, ttl_s: float, keep: int) -> None:
        await self._calls("append", key, value, ttl_s, keep)

    async def items(self, key: str, start: int = 0) -> list[bytes]:
        items: list[bytes] = await self._calls("items", key, start)
        return items

    async def take(self, key: str, value: bytes, ttl_s: float) -> bool:
        taken: bool = await self._calls("take", key, value, ttl_s)
        return taken

    async def keys(self, prefix: str) -> AsyncIterator[str]:
        for key in await self._calls("keys", prefix):
            yield key

    async def peek(self, keys: Sequence[str], length: int) -> list[bytes]:
        peeked: list[bytes] = await self._calls("peek", list(keys), length)
        return peeked

    async def together(self, changes: Sequence[Change]) -> None:
        await self._calls("together", [_change(change) for change in changes])

    def counters(self, name: str, scopes: Sequence[Scope]) -> Counters:
        return IsolatedCounters(self._calls, self._want("counters", -1, [name], encode(list(scopes))))


def _change(change: Change) -> tuple[str, str, bytes, float, int]:
    if isinstance(change, Put):
        return "put", change.key, change.value, change.ttl_s, 0
    if isinstance(change, Push):
        return "push", change.key, change.value, change.ttl_s, change.keep
    return "drop", change.key, b"", 0.0, 0


class IsolatedHost:
    """See `yumen.plugin.Host`."""

    def __init__(self, setup: Setup, calls: Calls, want: Wants) -> None:
        self.instance = setup.instance
        self.data_dir = Path(setup.data_dir)
        self.workers = setup.workers
        self.live = setup.live
        self.disabled = frozenset(setup.disabled)
        self.store: Store = IsolatedStore(calls, want, setup.shared)
        self.metrics: Metrics = IsolatedMetrics(calls)
        self.time: tuple[float, float] | None = (0.0, 0.0) if setup.told_time else None
        self._calls = calls
        self._want = want
        wrapper = structlog.make_filtering_bound_logger(setup.level)
        self.log: Any = structlog.wrap_logger(None, processors=[self._logged], wrapper_class=wrapper)

    def _logged(self, _: Any, level: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Send what is logged to the gateway, which writes it."""
        name = str(event.pop("event", ""))[:WORD_CHARS]
        fields = {str(key)[:NAME_CHARS]: _field(value) for key, value in list(event.items())[:FIELDS_MAX]}
        known: Any = {"warn": "warning", "exception": "error", "fatal": "critical"}.get(level, level)
        self._calls.tell(Logged(known, name, fields))
        raise structlog.DropEvent

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time() if self.time is None else self.time[0]

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back; the machine's is one for all processes."""
        return time.monotonic() if self.time is None else self.time[1]

    def secret(self, purpose: str, *context: str) -> bytes:
        """See `yumen.plugin.Host`; derived in the gateway, the root of it never comes here."""
        return self._want.secret(purpose, *context)

    def subject_id(self, tenant: str, value: str) -> str:
        """See `yumen.plugin.Host`."""
        return str(self._want("subject_id", -1, [tenant, value]))

    def session_id(self, tenant: str, app: str, value: str) -> str:
        """See `yumen.plugin.Host`."""
        return str(self._want("session_id", -1, [tenant, app, value]))

    def engine(self, name: str) -> Engine[Any]:
        """See `yumen.plugin.Host`; it is asked in the gateway. Error: KeyError."""
        return IsolatedEngine(name, self._calls, self._want)

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        """See `yumen.plugin.Host`."""
        forgotten: dict[str, int] = await self._calls("erase", erasure.tenant, erasure.subject)
        return forgotten


def _field(value: Any) -> str | int | float | bool | None:
    """A value that is logged: as it is where it is small and plain, else its first characters or its kind."""
    if value is None or isinstance(value, bool | float):
        return value
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else "int"
    if isinstance(value, str):
        return value[:WORD_CHARS]
    if isinstance(value, list | tuple | dict | set | frozenset | Path):
        return str(value)[:WORD_CHARS]
    return type(value).__name__
