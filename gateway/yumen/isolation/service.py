"""What a plugin's process may ask of the gateway, and what it tells: the other side of `child/host.py`."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

from yumen.asking import close_stream
from yumen.engine import EngineError, EngineRequest, Native
from yumen.exchange import Answer
from yumen.isolation import engines
from yumen.isolation.rate import PerSecond
from yumen.isolation.wire import Call, Logged, Measured, Raised, Want, encode, raised
from yumen.operators import AdminCall, Erasure
from yumen.plugin import Host
from yumen.state import Change, Counters, Drop, Entry, Push, Put, Scope
from yumen.store import StoreError

if TYPE_CHECKING:
    from yumen.view import View

KEYS_MAX, COUNTERS_MAX = 100_000, 100
# In any second of the machine's clock.
LOGGED_MAX, LOGGED_BYTES_MAX = 1000, 1 << 20
SERIES_MAX = 1000
# What events say themselves.
RESERVED = ("event", "instance", "level", "timestamp")
TOLD = (StoreError, ValueError, PermissionError, KeyError)

About = object
ValueT = TypeVar("ValueT")
Changes = list[tuple[str, str, bytes, float, int]]
Counted = list[tuple[int, str, list[int | float | None]]]


class Service:
    """Does what one process asks, with the host of its instance."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._counters: list[Counters] = []
        self._logged = PerSecond(host.monotonic)
        self._logged_bytes = PerSecond(host.monotonic)
        self._series: set[tuple[str, ...]] = set()
        store = host.store
        self._methods: dict[str, tuple[Any, Callable[..., Awaitable[Any]]]] = {
            "get": (tuple[str], store.get),
            "set": (tuple[str, bytes, float], store.set),
            "delete": (tuple[str], store.delete),
            "add": (tuple[str, int, float], store.add),
            "append": (tuple[str, bytes, float, int], store.append),
            "items": (tuple[str, int], store.items),
            "take": (tuple[str, bytes, float], store.take),
            "peek": (tuple[list[str], int], store.peek),
            "keys": (tuple[str], self._keys),
            "together": (tuple[Changes], self._together),
            "count": (tuple[int, Counted], self._count),
            "wait_s": (tuple[int, int, str, int, float], self._wait_s),
            "erase": (tuple[str, str], self._erase),
            "generate": (tuple[str, EngineRequest], self._generate),
            "infer": (tuple[str, bytes], self._infer),
            "health": (tuple[str], self._health),
        }

    async def call(self, call: Call, about: About) -> Any:
        """Do what the plugin awaits. Errors: what that raises; LookupError and ValidationError for nonsense."""
        if call.method == "record":
            (details,) = msgspec.msgpack.decode(call.arguments, type=tuple[dict[str, str]])
            return await _operating(about).record(**details)
        kind, method = self._methods[call.method]
        return await method(*msgspec.msgpack.decode(call.arguments, type=kind))

    def want(self, want: Want, about: About) -> Any:
        """What the plugin must know at once. Errors: as of `call`."""
        host, words = self._host, want.words
        if want.what == "secret":
            return host.secret(*words)
        if want.what == "subject_id":
            return host.subject_id(*words)
        if want.what == "session_id":
            return host.session_id(*words)
        if want.what == "counters":
            if len(self._counters) >= COUNTERS_MAX:
                raise ValueError(f"there are {COUNTERS_MAX} sets of counters already")
            scopes = msgspec.msgpack.decode(want.blob, type=list[Scope])
            self._counters.append(host.store.counters(words[0], scopes))
            return len(self._counters) - 1
        if want.what == "engine":
            return host.engine(words[0]).manifest
        if want.what == "revision":
            return host.engine(words[0]).revision()
        view = _viewing(about)
        if want.what == "options":
            return dict(view.options)
        if want.what == "clean":
            return view.clean
        return view.canonical(leave_out=words[1:], without=words[0])

    def log(self, logged: Logged) -> None:
        """Write what the plugin logs, up to so many lines and bytes."""
        if self._logged.more_than(LOGGED_MAX) or self._logged_bytes.more_than(LOGGED_BYTES_MAX, len(encode(logged))):
            return
        fields = {name: value for name, value in logged.fields.items() if name not in RESERVED}
        getattr(self._host.log, logged.level)(logged.event, **fields)

    def raised(self, report: Raised) -> None:
        """Log where the plugin has raised what the core logs as a fault; the message it had is not even here."""
        self.log(Logged("warning", "plugin_raised", {"error": raised(report.kind).__name__, "at": report.at}))

    def measure(self, measured: Measured) -> None:
        """Count or measure. Series beyond the limit are left out, and so is, with a line in the log, what is no metric."""
        series = (measured.name, *(f"{label}={value}" for label, value in sorted(measured.labels.items())))
        if series not in self._series:
            if len(self._series) >= SERIES_MAX:
                return
            self._series.add(series)
        try:
            if not measured.name.isidentifier() or not math.isfinite(measured.value):
                raise ValueError("a metric has a name and a number")
            getattr(self._host.metrics, measured.how)(measured.name, measured.value, **measured.labels)
        except Exception as error:  # the library refuses names, labels and amounts in several ways
            self.log(Logged("warning", "plugin_metric_refused", {"error": type(error).__name__}))

    async def _keys(self, prefix: str) -> list[str]:
        keys: list[str] = []
        async for key in self._host.store.keys(prefix):
            if len(keys) >= KEYS_MAX:
                raise StoreError("there are more keys than an isolated plugin may list")
            keys.append(key)
        return keys

    async def _together(self, changes: Changes) -> None:
        made: list[Change] = []
        for kind, key, value, ttl_s, keep in changes:
            if kind == "put":
                made.append(Put(key, value, ttl_s))
            else:
                made.append(Push(key, value, ttl_s, keep) if kind == "push" else Drop(key))
        await self._host.store.together(made)

    async def _count(self, number: int, entries: Counted) -> Any:
        made = [Entry(scope, who, tuple(changes)) for scope, who, changes in entries]
        return await self._counters[number].count(made)

    async def _wait_s(self, number: int, scope: int, who: str, series: int, limit: float) -> int:
        return await self._counters[number].wait_s(scope, who, series, limit)

    async def _erase(self, tenant: str, subject: str) -> dict[str, int]:
        return await self._host.erase(Erasure(tenant, subject))

    async def _generate(self, name: str, request: EngineRequest) -> dict[str, Any]:
        reply = await self._host.engine(name).generate(request)
        if not isinstance(reply, Answer | Native):
            await close_stream(reply, request.exchange_id)
            raise EngineError("the engine streams what was to come whole")
        return {"native": isinstance(reply, Native), "reply": reply}

    async def _infer(self, name: str, batch: bytes) -> bytes:
        return engines.encode(dict(await self._host.engine(name).infer(engines.decode(batch))))

    async def _health(self, name: str) -> str:
        return await self._host.engine(name).health()


def told(error: Exception) -> tuple[str, Any]:
    """An error as the process is told of it: its kind, and what it says where it is one of those that plugins know."""
    if isinstance(error, EngineError):
        return "EngineError", engines.Failed.of(error)
    if isinstance(error, TOLD) and not isinstance(error, msgspec.ValidationError):
        kind = next(one for one in TOLD if isinstance(error, one))
        return kind.__name__, str(error)[:500]
    code = getattr(error, "code", "")
    return ("LedgerUnavailable" if code == "ledger_unavailable" else type(error).__name__), ""


def _viewing(about: About) -> View:
    """Error: RuntimeError where the hook has ended."""
    if about is None or not hasattr(about, "canonical"):
        raise RuntimeError("the hook has ended")
    return about  # type: ignore[return-value]  # nothing else that hooks are about has this


def _operating(about: About) -> AdminCall:
    """Error: RuntimeError where no operator waits."""
    if about is None or not hasattr(about, "record"):
        raise RuntimeError("no operator waits")
    return about  # type: ignore[return-value]  # as above
