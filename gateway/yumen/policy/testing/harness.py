"""Exchanges through the real chain of a bundle, in process: no server, no network, no waiting, and nothing left behind.

Everything between a request's bytes and its reply's is the data plane's own. Only three things stand in for others: the
engines of routes answer by a script, the clock stands still, and whoever sends says who he is instead of showing a key.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import shutil
import tempfile
from collections.abc import Collection, Iterable
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

from yumen.chain import Chain
from yumen.dataplane import SESSION_HEADER, DataPlane, Doorkeeper
from yumen.dialects import Payload
from yumen.errors import CannotStart
from yumen.exchange import Principal
from yumen.forms import ExchangeState
from yumen.keyfile import Entry
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, Instance
from yumen.policy.testing.clock import FakeClock
from yumen.policy.testing.outcome import Outcome
from yumen.policy.testing.script import Script, scripted
from yumen.runtime import Runtime
from yumen.settings import SECRET_BYTES, Secret, Settings

# Pseudonyms and digests are made with it, so that they are the same in every run. It protects nothing.
SECRET = hashlib.sha256(b"yumen policy test").digest()[:SECRET_BYTES]
# In memory where there is room: the texts of tests need not touch a disk, and a ledger syncs every record.
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder with a random name is made in it
ROOM_BYTES = 1 << 30
# How fast this machine is must not decide a test, so no timeout of a plugin or stream is shorter.
PATIENCE_MS = 30_000
# Where the id of an exchange is noted for whoever sends it: who leaves at once is not told it. Ids only, since tasks that a
# plugin begins keep their context, and must lead to no text.
OPENED: ContextVar[list[str] | None] = ContextVar("opened", default=None)
PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


class Door:
    """Lets in whom it was told to."""

    def __init__(self) -> None:
        self.entry = Entry(id="test", hash="", tenant="test", app="test")

    def authenticate(self, headers: Iterable[tuple[bytes, bytes]]) -> Entry:
        """See `yumen.dataplane.Doorkeeper`."""
        return self.entry


class Plane(DataPlane):
    """The data plane, keeping the exchanges that it opens."""

    def __init__(self, runtime: Runtime, keys: Doorkeeper, secret: Secret, clock: FakeClock) -> None:
        super().__init__(runtime, keys, secret, now=clock.now, ids=self._next_id)
        self.opened: dict[str, ExchangeState] = {}
        self._clock = clock
        self._numbers = 0

    def _next_id(self) -> str:
        """32 hexadecimal digits that say when, and which; the last eight put the exchange into every sample of shadow."""
        self._numbers += 1
        return f"{int(self._clock.now() * 1000) & 0xFFFFFFFFFFFF:012x}{self._numbers:012x}00000000"

    def open(
        self, exchange_id: str, received_at: float, principal: Principal, payload: Payload, chain: Chain, bundle: Bundle
    ) -> ExchangeState:
        exchange = super().open(exchange_id, received_at, principal, payload, chain, bundle)
        self.opened[exchange_id] = exchange
        if (opened := OPENED.get()) is not None:
            opened.append(exchange_id)
        return exchange


class Harness:
    """A bundle at work in a data directory of its own; `async with` starts and stops it. Error: `CannotStart`.

    `script` says what the engines answer, `clock` what time it is. The engines of routes are not loaded, so neither models
    nor upstreams need to be there. A local engine that a plugin asks for is part of what decides, and is loaded; a remote
    one fails when it is asked. The timeouts of plugins are raised to what no slow machine reaches, but for the instances
    named in `timed`.
    """

    def __init__(self, bundle: Bundle, settings: Settings | None = None, *, timed: Collection[str] = ()) -> None:
        self.bundle = patient(bundle, timed)
        self.clock = FakeClock()
        self.script = Script()
        self._callers: set[Caller] = set()
        self._settings = settings or Settings()

    def make_parts(self, secret: Secret) -> Parts:
        """What plugins and engines are started from."""
        engines = {
            name: scripted(self.script, spec.engine_class.manifest.dialects)
            for name, spec in self.bundle.engines.items()
        }
        return Parts(self.settings, secret, clock=self.clock, engines=engines, live=False)

    async def __aenter__(self) -> Harness:
        self._make_folder()
        self.settings = msgspec.structs.replace(self._settings, data_dir=self.data_dir, workers=1)
        secret = Secret(SECRET)
        self.parts = self.make_parts(secret)
        self._door = Door()
        try:
            self.runtime = await self.start(self.bundle)
        except BaseException:
            self._folder.cleanup()
            raise
        self._plane = Plane(self.runtime, self._door, secret, self.clock)
        return self

    def _make_folder(self) -> None:
        chosen = "TMPDIR" in os.environ or not _room(MEMORY)
        try:
            self._folder = tempfile.TemporaryDirectory(prefix="yumen-test-", dir=None if chosen else MEMORY)
            self.data_dir = Path(self._folder.name)
            (self.data_dir / "secret").write_bytes(SECRET)
        except OSError as error:
            raise CannotStart(f"cannot make a temporary folder: {error.strerror}; name one with TMPDIR") from None

    async def __aexit__(self, *_: object) -> None:
        try:
            await self.runtime.stop()
        finally:
            self._folder.cleanup()

    async def start(self, bundle: Bundle) -> Runtime:
        """Another bundle with the same engines, started beside; `use` puts it to work. Error: `CannotStart`."""
        runtime = Runtime(bundle, self.parts)
        await runtime.start()
        return runtime

    @property
    def departed(self) -> int:
        """Of how many exchanges under way it is settled which engine they go to."""
        return sum(bool(exchange.engine_identity) for exchange in self._plane.opened.values())

    def chain(self, route: str) -> Chain:
        """The chain of a route, as exchanges run through it now."""
        return self._plane.runtime.chains[route]

    def use(self, runtime: Runtime) -> None:
        """Run what follows on another bundle."""
        self._plane.runtime = runtime

    def reset(self) -> None:
        """Begin anew: nothing counted or cached, and the clock at its beginning. What plugins keep in themselves stays."""
        self.parts.store.clear()
        self.clock.reset()
        self.script.reset()
        self._plane.opened.clear()

    def leave(self) -> None:
        """Have the callers of all exchanges under way leave."""
        for caller in self._callers:
            caller.gone.set()

    async def send(
        self,
        path: str,
        body: bytes,
        principal: Principal,
        session: str = "",
        subject: str = "",
        headers: Iterable[tuple[bytes, bytes]] = (),
        frames: int | None = None,
    ) -> Outcome:
        """One exchange, from the first byte to the last. `subject` goes into every header that names one in some route.

        With `frames` the caller leaves when that many pieces of the reply's body have come.
        """
        self._door.entry = Entry(
            id=principal.key_id, hash="", tenant=principal.tenant, app=principal.app, trusted=principal.trusted
        )
        raw_path = quote(path, safe=PRINTABLE)
        length = (b"content-length", str(len(body)).encode())
        named = [*headers, *([(SESSION_HEADER, session.encode())] if session else [])]
        if subject:
            sources = (route.subject for route in self._plane.runtime.bundle.routes)
            told = {source.header for source in sources if source is not None and source.header}
            named += [(name.encode(), subject.encode()) for name in sorted(told)]
        scope = {"type": "http", "method": "POST", "raw_path": raw_path.encode(), "client": ("127.0.0.1", 0),
                 "headers": [(b"content-type", b"application/json"), length, *named]}  # fmt: skip
        caller = Caller(body, frames)
        self._callers.add(caller)
        opened: list[str] = []
        before = OPENED.set(opened)
        try:
            await self._plane(scope, caller.receive, caller.send)
        finally:
            OPENED.reset(before)
            self._callers.discard(caller)
            exchange_id = opened[0] if opened else ""
            exchange = self._plane.opened.pop(exchange_id, None)
            given = self.script.given.pop(exchange_id, None)
        replied = {name.decode(): value.decode() for name, value in caller.headers}
        return Outcome(raw_path, caller.status, replied, b"".join(caller.parts), exchange, given)


class Caller:
    """The other end of an ASGI connection."""

    def __init__(self, body: bytes, frames: int | None = None) -> None:
        self._body: bytes | None = body
        self._frames = frames
        self.gone = asyncio.Event()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        if frames == 0:
            self.gone.set()

    async def receive(self) -> dict[str, Any]:
        """The request; then nothing for as long as somebody listens, or until the caller leaves."""
        if self._body is None:
            await self.gone.wait()
            return {"type": "http.disconnect"}
        body, self._body = self._body, None
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(self, message: dict[str, Any]) -> None:
        """What comes back. A connection that is closed takes what is written to it."""
        if self.gone.is_set():
            return
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message["headers"]
        else:
            self.parts.append(message["body"])
            if len(self.parts) == self._frames:
                self.gone.set()


def _room(folder: Path) -> bool:
    """Whether a data directory may grow there."""
    try:
        return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= ROOM_BYTES
    except OSError:
        return False


def patient(bundle: Bundle, timed: Collection[str] = ()) -> Bundle:
    """The bundle with timeouts that no slow machine reaches, but for the instances that are `timed`.

    A scripted engine never takes any time.
    """
    slow = {
        name: msgspec.structs.replace(instance, timeout_ms=max(PATIENCE_MS, instance.timeout_ms))
        for name, instance in bundle.instances.items()
        if name not in timed
    }
    limits = msgspec.structs.replace(bundle.limits, stream_ms=max(PATIENCE_MS, bundle.limits.stream_ms))
    return msgspec.structs.replace(with_instances(bundle, slow), limits=limits)


def with_instances(bundle: Bundle, instances: dict[str, Instance]) -> Bundle:
    """The bundle with some of its instances replaced by others of the same names."""
    routes = tuple(
        msgspec.structs.replace(route, chain=tuple(instances.get(one.name, one) for one in route.chain))
        for route in bundle.routes
    )
    return msgspec.structs.replace(bundle, routes=routes, instances={**bundle.instances, **instances}, _found={})
