"""Where recorded exchanges are run again: the plugins of a bundle, without engines, without a log and without metrics.

Plugins that store something are not run: a replay must write into nobody's ledger, cache or vault. They are taken to do what
the record says that they did. The engines of routes are not asked. An engine that a plugin asks for decides what the plugin
finds, so it is loaded where it is local; nothing is asked of a remote one.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import structlog

from yumen.chain import Chain
from yumen.digest import Hmac
from yumen.engine import Engine
from yumen.errors import CannotStart, Problem, Unsupported
from yumen.exchange import Decision, Trace
from yumen.foreign import contained, interrupted, pass_on
from yumen.forms import ExchangeState
from yumen.operators import Erasure
from yumen.parts import Unasked
from yumen.plugin import Metrics, Plugin
from yumen.policy.bundle import Bundle, EngineSpec, Instance, Route
from yumen.settings import Secret
from yumen.state import Store
from yumen.step import Hook, Step
from yumen.store.memory import MemoryStore
from yumen.subject import session_id, subject_id
from yumen.target import Target
from yumen.telemetry import error_name
from yumen.view import View

if TYPE_CHECKING:
    from yumen.policy.replay.rerun import Rerun

DIGEST_MACS_MAX = 4096
MadeT = TypeVar("MadeT")


def _drop(*_: Any) -> NoReturn:
    raise structlog.DropEvent


# Takes whatever a plugin logs, and says nothing.
SILENT: Any = structlog.wrap_logger(
    None, processors=[_drop], wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
)


class ReplayClock:
    """Stands where the record stands that is being run."""

    def __init__(self) -> None:
        self._now = self._latest = self._passed = 0.0

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._passed

    def set(self, moment: float) -> None:
        """Go to a moment, in seconds since the epoch. One that lies behind does not turn the other clock back."""
        self._now = moment
        if moment > self._latest:
            self._passed += moment - self._latest if self._latest else 0.0
            self._latest = moment

    def forget(self) -> None:
        """Another process begins, whose first moment may lie anywhere."""
        self._latest = 0.0


class NoMetrics:
    """Counts nothing."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        pass

    def gauge(self, name: str, value: float, **labels: str) -> None:
        pass

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        pass


class ReplayHost:
    """See `yumen.plugin.Host`."""

    def __init__(
        self, stage: Stage, name: str, disabled: frozenset[str] = frozenset(), engines: tuple[str, ...] = ()
    ) -> None:
        self.instance = name
        self.data_dir = stage.data_dir
        # Every process is replayed for itself.
        self.workers = 1
        self.store: Store = stage.store.namespaced(name)
        self.metrics: Metrics = NoMetrics()
        self.disabled = disabled
        self.live = False
        self.now = stage.clock.now
        self.monotonic = stage.clock.monotonic
        self.secret = stage.secret.derive
        self.log = SILENT
        self._secret = stage.secret
        self._engines = {one: stage.engines[one] for one in engines}

    def subject_id(self, tenant: str, value: str) -> str:
        """See `yumen.plugin.Host`."""
        return subject_id(self._secret, tenant, value)

    def session_id(self, tenant: str, app: str, value: str) -> str:
        """See `yumen.plugin.Host`."""
        return session_id(self._secret, tenant, app, value)

    def engine(self, name: str) -> Engine[Any]:
        """See `yumen.plugin.Host`."""
        return self._engines[name]

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        """Nobody is erased in a replay, which keeps nothing."""
        return {}


def not_run(instance: Instance) -> bool:
    """Whether a plugin is taken to do what it did: what it has stored, and the headers that it reads, are not on record."""
    return instance.manifest.stores != "nothing" or bool(instance.headers)


class ReplayStep(Step):
    """A plugin whose hooks are asked first, and then what was found once and cannot be found again.

    Hooks are called as `Step` calls them, but for the time that they take: how fast one was is a fact of that day, and none
    of the policy.
    """

    def __init__(self, instance: Instance, plugin: Plugin[Any], stage: Stage) -> None:
        super().__init__(instance, plugin)
        self.not_run = not_run(instance)
        self.judges = type(plugin).judge is not Plugin.judge
        self._stage = stage

    async def call(self, hook: Hook, exchange: ExchangeState, view: View) -> Decision | None:
        """One hook, or what the record says of a plugin that is not run."""
        rerun = self._stage.running
        assert rerun is not None
        before = len(exchange.findings)
        decision: Decision | None = None
        if hook in self.hooks and not self.not_run:
            try:
                decision, edits = self.committed(await contained(self.hooks[hook](view)), view)
            except BaseException as error:  # a plugin may raise anything; what it means is policy
                interrupted(error)
                self.raised(hook, exchange, view, 0.0, error)
                return None
            decision = self.finished(hook, exchange, view, 0.0, decision, edits)
        return rerun.called(self, hook, view, before, decision)

    def failed(self, hook: Hook, exchange: ExchangeState, started: float, error: BaseException, shadow: bool) -> None:
        """As in a chain, but nobody is told beside the replay."""
        unsupported = isinstance(error, Unsupported)
        action = self.instance.on_unsupported if unsupported else self.instance.on_error
        kind = "unsupported" if unsupported else "fault"
        exchange.trace.append(Trace(self.name, hook, 0.0, kind, error_name(error), 0, shadow))
        ends = not shadow and action not in ("open", "warn", "skip")
        assert self._stage.running is not None
        self._stage.running.failed(self, kind, ends=ends)
        if ends:
            raise Problem("unsupported_payload" if unsupported else "plugin_fault")


class Stage:
    """A bundle, ready to run recorded exchanges. Times come from `clock`; `running` is the exchange under way."""

    def __init__(self, bundle: Bundle, secret: Secret, data_dir: Path) -> None:
        self.bundle = bundle
        self.secret = secret
        self.data_dir = data_dir
        self.clock = ReplayClock()
        self.store = MemoryStore(self.clock.monotonic, now=self.clock.now)
        self.running: Rerun | None = None
        # Chains by route: whole ones, and those without the plugins that are not run.
        self._whole: dict[str, Chain] = {}
        self._run: dict[str, Chain] = {}
        self.not_run = frozenset(one.name for route in bundle.routes for one in route.chain if not_run(one))
        self._plugins: list[Plugin[Any]] = []
        # Those that plugins ask for.
        self.engines: dict[str, Engine[Any]] = {}
        self._digest_macs: dict[str, Hmac] = {}

    async def start(self) -> None:
        """Start the plugins. Error: `CannotStart`."""
        steps: dict[str, ReplayStep] = {}
        for route in self.bundle.routes:
            for instance in route.chain:
                if instance.mode != "off" and instance.name not in steps:
                    steps[instance.name] = await self._step(instance)
            chain = [steps[instance.name] for instance in route.chain if instance.mode != "off"]
            self._whole[route.id] = self._chain(route, chain)
            self._run[route.id] = self._chain(route, [step for step in chain if not step.not_run])

    async def _step(self, instance: Instance) -> ReplayStep:
        plugin: Plugin[Any] = _made(lambda: instance.plugin_class(instance.config), f"plugin {instance.name}")
        if not not_run(instance):
            for name in instance.engines:
                if name not in self.engines:
                    self.engines[name] = await self._engine(name)
            host = ReplayHost(self, instance.name, instance.disabled, instance.engines)
            await _started(plugin.start(host), f"plugin {instance.name}")
            self._plugins.append(plugin)
        return ReplayStep(instance, plugin, self)

    async def _engine(self, name: str) -> Engine[Any]:
        spec = self.bundle.engines[name]
        engine: Engine[Any] = Unasked() if spec.egress == "remote" else _engine_of(spec)
        await _started(engine.load(ReplayHost(self, name)), f"engine {name}")
        return engine

    def _chain(self, route: Route, steps: list[ReplayStep]) -> Chain:
        # None is ever loaded: what an engine would have answered is not asked again.
        every = [self.bundle.engines[name] for name in (route.engine, *route.detours)]
        own, *others = (Target(spec.name, _engine_of(spec), spec.egress) for spec in every)
        detours = {target.name: target for target in others}
        return Chain(route, list[Step](steps), own.engine, own.egress, self.bundle.limits, detours)

    def chain(self, route: str, decided_by: str) -> Chain:
        """The chain of a route, with the plugins that are not run where one of them decided about the exchange once."""
        return (self._whole if decided_by in self.not_run else self._run)[route]

    async def renew(self) -> None:
        """Another process: nothing is counted yet, and no plugin remembers anything."""
        await self._stop_plugins()
        self.store.clear()
        self.clock.forget()
        await self.start()

    async def stop(self) -> None:
        """Stop the plugins, and then the engines."""
        await self._stop_plugins()
        engines, self.engines = self.engines, {}
        for engine in engines.values():
            await _stopped(engine.close())

    async def _stop_plugins(self) -> None:
        plugins, self._plugins = self._plugins, []
        for plugin in reversed(plugins):
            await _stopped(plugin.stop())

    def digest_mac(self, tenant: str) -> Hmac:
        """What the core digests texts of a tenant with."""
        mac = self._digest_macs.get(tenant)
        if mac is None:
            if len(self._digest_macs) >= DIGEST_MACS_MAX:
                self._digest_macs.clear()
            mac = self._digest_macs[tenant] = Hmac(self.secret.derive("digest", tenant))
        return mac


def _engine_of(spec: EngineSpec) -> Engine[Any]:
    return _made(lambda: spec.engine_class(spec.config), f"engine {spec.name}")


def _made(make: Callable[[], MadeT], what: str) -> MadeT:
    """A plugin or engine. Error: `CannotStart`."""
    try:
        return make()
    except BaseException as error:  # a plugin may raise anything
        interrupted(error)
        raise _cannot(error, what) from None


async def _started(starting: Awaitable[None], what: str) -> None:
    try:
        await contained(starting)
    except BaseException as error:  # as above
        interrupted(error)
        pass_on(error)
        raise _cannot(error, what) from None


def _cannot(error: BaseException, what: str) -> CannotStart:
    why = str(error) if isinstance(error, CannotStart) else error_name(error)
    return CannotStart(f"{what} does not start for a replay: {why}")


async def _stopped(stopping: Awaitable[None]) -> None:
    try:
        await contained(stopping)
    except BaseException as error:  # a plugin may raise anything; there is nothing that it could spoil here
        interrupted(error)
        pass_on(error)
        SILENT.error("stop_failed", error=error_name(error))
