"""Started plugins and engines, shared by all bundles that a process serves one after the other.

A bundle that takes another's place brings mostly the same plugins. What has not changed goes on as it is, with its counters,
its model and its place in the ledger; what has changed is started beside it; what nobody uses any more is stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec
import structlog

from yumen.engine import Engine, EngineError, EngineManifest
from yumen.errors import CannotStart
from yumen.foreign import called, contained, pass_on
from yumen.isolation import isolated
from yumen.operators import Erasure
from yumen.plugin import Metrics, NoConfig, Plugin
from yumen.policy.bundle import EngineSpec, Instance, StoreSpec
from yumen.pool import Pool, Replica
from yumen.provenance import OWN
from yumen.registry import owner
from yumen.settings import Secret, Settings
from yumen.state import Store
from yumen.stopping import Stopping
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore
from yumen.subject import session_id, subject_id
from yumen.telemetry import PluginMetrics, error_name, log, place, wordless
from yumen.tensors.engine import TensorEngine

# After how long whoever starts is named.
SLOW_S = 2.0
# How long a plugin may take to forget somebody.
ERASE_S = 60.0


class Clock(Protocol):
    """Where the time comes from: seconds since the epoch, and seconds that never go back."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class SystemClock:
    """The clock of the machine."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)


class InstanceHost:
    """See `yumen.plugin.Host`."""

    def __init__(
        self,
        parts: Parts,
        instance: str,
        disabled: frozenset[str],
        engines: Mapping[str, Engine[Any]] | None = None,
        store: MemoryStore | RedisStore | None = None,
    ) -> None:
        self._parts = parts
        self.instance = instance
        self.data_dir: Path = parts.settings.data_dir
        self.workers = parts.settings.workers
        self.store: Store = (store or parts.store).namespaced(instance)
        self.metrics: Metrics = parts.metrics(instance)
        self.disabled = disabled
        self.live = parts.live
        self.now = parts.clock.now
        self.monotonic = parts.clock.monotonic
        self.secret = parts.secret.derive
        self._engines = dict(engines or {})

    @property
    def log(self) -> structlog.typing.FilteringBoundLogger:
        bound: structlog.typing.FilteringBoundLogger = log.bind(instance=self.instance)
        return bound

    def subject_id(self, tenant: str, value: str) -> str:
        """See `yumen.plugin.Host`."""
        return subject_id(self._parts.secret, tenant, value)

    def session_id(self, tenant: str, app: str, value: str) -> str:
        """See `yumen.plugin.Host`."""
        return session_id(self._parts.secret, tenant, app, value)

    def engine(self, name: str) -> Engine[Any]:
        """See `yumen.plugin.Host`."""
        return self._engines[name]

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        """See `yumen.plugin.Host`."""
        return await self._parts.erase(erasure, but=self.instance)


class Unasked(Engine[NoConfig]):
    """Stands for a remote engine that a plugin asks for where nothing may leave this machine, and fails."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="unasked", version="1")

    def __init__(self) -> None:
        super().__init__(NoConfig())

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        raise EngineError("remote engines are not asked here")


class Part(msgspec.Struct, eq=False):
    """A started plugin or engine: what makes it the same as another, how many runtimes use it, and how it is stopped."""

    what: str
    identity: tuple[Any, ...]
    made: Any
    stop: Callable[[], Awaitable[None]]
    users: int = 0


class Parts:
    """Starts, shares and stops plugins and engines.

    `clock`, `engines`, `models` and `metrics` serve tests: `engines` takes the place of those that routes name, by name or
    `*`. What plugins ask for is loaded all the same, since it decides what they find, but for what is remote, see `Unasked`,
    and what `models` takes the place of. Where
    exchanges are not `live`, everything is kept in memory, whatever policy says, and plugins know it.
    """

    def __init__(
        self,
        settings: Settings,
        secret: Secret,
        *,
        clock: Clock | None = None,
        engines: dict[str, Engine[Any]] | None = None,
        models: Mapping[str, Engine[Any]] | None = None,
        metrics: Callable[[str], Metrics] = PluginMetrics,
        live: bool = True,
    ) -> None:
        self.settings = settings
        self.secret = secret
        self.clock: Clock = clock or SystemClock()
        self.store = MemoryStore(self.clock.monotonic, now=self.clock.now)
        self._engines = engines or {}
        self._models = models or {}
        self.metrics = metrics
        self.live = live
        self._parts: list[Part] = []
        self._stopping = Stopping()

    async def shared_store(self, spec: StoreSpec | None) -> Part | None:
        """The store that policy names, or None where it is the memory of this process. Error: `CannotStart`."""
        if spec is None or not self.live:
            return None
        identity = ("store", "redis", spec)

        async def start() -> Part:
            store = RedisStore.of(spec.redis)
            await self._begin(store.begin, store.close, "store")
            return Part("store", identity, store, store.close)

        return await self._take(identity, start)

    async def plugin(
        self, instance: Instance, engines: Mapping[str, Part] | None = None, store: Part | None = None
    ) -> Part:
        """A started plugin for an instance, and what it works with; another engine or store makes it another plugin.

        Error: `CannotStart`.
        """
        engines = engines or {}
        identity = (
            "plugin", instance.name, instance.plugin_class, instance.config, instance.disabled, dict(engines), store,
            instance.isolation, instance.memory_mib,
        )  # fmt: skip

        async def start() -> Part:
            apart = instance.isolation == "process"
            plugin: Plugin[Any] = isolated(instance) if apart else instance.plugin_class(instance.config)
            loaded = {name: part.made for name, part in engines.items()}
            made = None if store is None else store.made
            host = InstanceHost(self, instance.name, instance.disabled, loaded, made)
            await self._begin(partial(plugin.start, host), plugin.stop, f"plugin {instance.name}")
            return Part(f"plugin {instance.name}", identity, plugin, plugin.stop)

        return await self._take(identity, start)

    async def engine(self, spec: EngineSpec, *, asked: bool = False) -> Part:
        """A loaded engine; `asked`: for a plugin and not for a route. Error: `CannotStart`."""
        given = self._engines.get(spec.name) or self._engines.get("*")
        if given is not None and asked:
            given = Unasked() if spec.egress == "remote" else self._models.get(spec.name)
        stands_in = type(given) if given is not None else None
        identity = (
            "engine", spec.name, spec.engine_class, spec.config, spec.batch, spec.pool, spec.replicas, stands_in
        )  # fmt: skip

        async def start() -> Part:
            engine: Engine[Any] = given or made(spec)
            host = InstanceHost(self, spec.name, frozenset())
            await self._begin(partial(engine.load, host), engine.close, f"engine {spec.name}")
            return Part(f"engine {spec.name}", identity, engine, engine.close)

        return await self._take(identity, start)

    async def _take(self, identity: tuple[Any, ...], start: Callable[[], Awaitable[Part]]) -> Part:
        # Configurations hold lists, so they can be compared and not hashed.
        part = next((one for one in self._parts if one.identity == identity), None)
        if part is None:
            what = f"{identity[0]} {identity[1]}"
            try:
                part = await start()
            except CannotStart as error:
                raise CannotStart(f"{what}{_of(identity[2])}: {error}") from None
            except BaseException as error:  # a plugin may raise anything
                pass_on(error)
                # Its own words may hold what nobody should read, an address with its password among that.
                raise CannotStart(f"{what}{_of(identity[2])} failed to start: {wordless(error)}") from error
            self._parts.append(part)
        part.users += 1
        return part

    async def _begin(
        self, start: Callable[[], Awaitable[None]], stop: Callable[[], Awaitable[None]], what: str
    ) -> None:
        """Start something; what does not start is stopped, so that nothing it had opened stays."""
        try:
            await _begun(start, what)
        except BaseException:
            await self._stopping.begin(stop, what)
            raise

    async def erase(self, erasure: Erasure, *, but: str = "") -> dict[str, int]:
        """Have every started plugin forget, but those of one instance. Returns what came of it, by instance.

        A plugin that fails to is logged and has -1, and keeps no other from it. Where a reload has left two plugins of one
        instance, what both have forgotten is added up.
        """
        told: dict[str, int] = {}
        for part in [*self._parts]:
            kind, name = part.identity[:2]
            if kind != "plugin" or name == but or type(part.made).on_erase is Plugin.on_erase:
                continue
            forgotten = await _forgotten(part.made, name, erasure)
            before = told.get(name, 0)
            told[name] = -1 if forgotten < 0 or before < 0 else before + forgotten
        return told

    async def give_back(self, part: Part) -> None:
        """Stop a part that nobody uses any more; one that fails to stop is logged."""
        part.users -= 1
        if part.users:
            return
        self._parts.remove(part)
        await self._stopping.begin(part.stop, part.what)

    async def settle(self) -> None:
        """Wait for what was given back and takes long to stop."""
        await self._stopping.settle()


def _of(offered: Any) -> str:
    """Of whose distribution a class is, where it is not the gateway's own."""
    distribution = owner(offered.__module__) if isinstance(offered, type) else ""
    return f" of {distribution}" if distribution not in ("", OWN) else ""


def made(spec: EngineSpec) -> Engine[Any]:
    """An engine as policy has it: one, or a pool of replicas."""

    def one(config: msgspec.Struct) -> Engine[Any]:
        engine: Engine[Any] = spec.engine_class(config)
        if isinstance(engine, TensorEngine):
            engine.batch = spec.batch
        return engine

    if spec.pool is None:
        return one(spec.config)
    replicas = [Replica(replica.name, replica.weight, one(replica.config)) for replica in spec.replicas]
    return Pool(replicas, spec.pool, spec.engine_class.manifest)


async def _begun(start: Callable[[], Awaitable[None]], what: str) -> None:
    """Start something, and name it where that takes long: whoever waits for the gateway wants to know for whom."""
    slow = partial(log.warning, "start_slow", what=what, seconds=SLOW_S)
    naming = asyncio.get_running_loop().call_later(SLOW_S, slow)
    try:
        await called(start)
    finally:
        naming.cancel()


async def _forgotten(plugin: Plugin[Any], name: str, erasure: Erasure) -> int:
    """How many things a plugin has forgotten; -1 where it failed."""
    try:
        async with asyncio.timeout(ERASE_S):
            return await contained(plugin.on_erase(erasure))
    except BaseException as error:  # a plugin may raise anything
        pass_on(error)
        log.error("erase_failed", plugin=name, tenant=erasure.tenant, error=error_name(error), at=place(error))
        return -1
