"""A bundle at work: its plugins started, its engines loaded, a chain per route."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import structlog

from yumen.chain import Chain
from yumen.engine import Engine
from yumen.errors import CannotStart
from yumen.plugin import Metrics, Plugin, Store
from yumen.policy.bundle import Bundle
from yumen.settings import Secret, Settings
from yumen.step import Step
from yumen.store.memory import MemoryStore
from yumen.telemetry import PluginMetrics, log


class InstanceHost:
    """See `yumen.plugin.Host`."""

    def __init__(self, instance: str, settings: Settings, secret: Secret, store: Store) -> None:
        self.instance = instance
        self.data_dir: Path = settings.data_dir
        self.workers = settings.workers
        self.store = store
        self.metrics: Metrics = PluginMetrics(instance)
        self._secret = secret

    @property
    def log(self) -> structlog.typing.FilteringBoundLogger:
        bound: structlog.typing.FilteringBoundLogger = log.bind(instance=self.instance)
        return bound

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def secret(self, purpose: str, *context: str) -> bytes:
        return self._secret.derive(purpose, *context)


class Runtime:
    """Started plugins and engines of one bundle. `chains` maps route ids to chains."""

    def __init__(self, bundle: Bundle, settings: Settings, secret: Secret) -> None:
        self.bundle = bundle
        self.chains: dict[str, Chain] = {}
        self._settings = settings
        self._secret = secret
        self._store = MemoryStore()
        self._plugins: dict[str, Plugin[Any]] = {}
        self._engines: dict[str, Engine[Any]] = {}

    async def start(self) -> None:
        """Load engines and start plugins. Error: `CannotStart`, after stopping again what had been started."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        used = {route.engine for route in self.bundle.routes}
        for name, spec in self.bundle.engines.items():
            if name in used:
                engine: Engine[Any] = spec.engine_class(spec.config)
                await _started(f"engine {name}", engine.load(self._host(name)))
                self._engines[name] = engine
        steps: dict[str, Step] = {}
        for route in self.bundle.routes:
            for instance in route.chain:
                if instance.name not in steps and instance.mode != "off":
                    plugin: Plugin[Any] = instance.plugin_class(instance.config)
                    await _started(f"plugin {instance.name}", plugin.start(self._host(instance.name)))
                    self._plugins[instance.name] = plugin
                    steps[instance.name] = Step(instance, plugin)
            chain = [steps[instance.name] for instance in route.chain if instance.mode != "off"]
            spec = self.bundle.engines[route.engine]
            self.chains[route.id] = Chain(route, chain, self._engines[route.engine], spec.egress, self.bundle.limits)

    def _host(self, instance: str) -> InstanceHost:
        return InstanceHost(instance, self._settings, self._secret, self._store.namespaced(instance))

    async def ready(self) -> dict[str, str]:
        """What is not ready and why; empty when everything is."""
        reasons = {}
        for name, plugin in self._plugins.items():
            reasons[f"plugin {name}"] = await _answer(plugin.ready())
        for name, engine in self._engines.items():
            reasons[f"engine {name}"] = await _answer(engine.health())
        return {name: reason for name, reason in reasons.items() if reason}

    async def stop(self) -> None:
        """Stop plugins and close engines, the last started first; one that fails does not keep the others open."""
        for name, plugin in reversed(self._plugins.items()):
            await _stopped(f"plugin {name}", plugin.stop())
        for name, engine in reversed(self._engines.items()):
            await _stopped(f"engine {name}", engine.close())
        self._plugins.clear()
        self._engines.clear()


async def _started(what: str, starting: Any) -> None:
    try:
        await starting
    except CannotStart as error:
        raise CannotStart(f"{what}: {error}") from None
    except Exception as error:  # a plugin may raise anything
        raise CannotStart(f"{what} failed to start: {type(error).__name__}: {error}") from error


async def _stopped(what: str, stopping: Any) -> None:
    try:
        await stopping
    except Exception as error:  # a plugin may raise anything
        log.error("stop_failed", what=what, error=type(error).__name__)


async def _answer(asking: Any) -> str:
    try:
        return str(await asking)
    except Exception as error:  # a plugin may raise anything
        return f"asking failed with {type(error).__name__}"
