"""A bundle at work: its plugins started, its engines loaded, a chain per route."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from yumen.chain import Chain
from yumen.engine import Engine
from yumen.foreign import contained, pass_on
from yumen.operators import Erasure, Operation
from yumen.parts import Part, Parts
from yumen.plugin import Plugin
from yumen.policy.bundle import Bundle
from yumen.readiness import Readiness
from yumen.step import Step
from yumen.target import Target
from yumen.telemetry import error_name, log
from yumen.tensors.models import Placement
from yumen.tracing.notes import observe

# What the names of parts that are engines begin with.
ENGINE = "engine "
# How long a policy that was replaced waits for its exchanges, beyond what a stream may take.
RETIRE_S = 3600.0


class Runtime:
    """Started plugins and engines of one bundle. `chains` maps route ids to chains.

    Every exchange stands in it from `enter` to `leave`, so that a runtime which was replaced stops behind the last of them.
    """

    def __init__(self, bundle: Bundle, parts: Parts) -> None:
        self.bundle = bundle
        self.parts = parts
        self.chains: dict[str, Chain] = {}
        self._plugins: dict[str, Part] = {}
        self._engines: dict[str, Part] = {}
        # The engines that plugins ask for.
        self._asked: dict[str, Part] = {}
        self._store: Part | None = None
        self._readiness = Readiness()
        self._exchanges = 0
        self._left = asyncio.Event()
        self._left.set()

    async def start(self) -> None:
        """Load engines and start plugins. Error: `CannotStart`, after giving back what had been started."""
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        bundle = self.bundle
        self._store = await self.parts.shared_store(bundle.store)
        used = {name for route in bundle.routes for name in (route.engine, *route.detours)}
        for name, spec in bundle.engines.items():
            if name in used:
                self._engines[name] = await self.parts.engine(spec)
        steps: dict[str, Step] = {}
        for route in bundle.routes:
            for instance in route.chain:
                if instance.name not in steps and instance.mode != "off":
                    asked = {name: await self._ask(name) for name in instance.engines}
                    part = self._plugins[instance.name] = await self.parts.plugin(instance, asked, self._store)
                    steps[instance.name] = step = Step(instance, part.made)
                    if self.parts.settings.trace:
                        observe(step)
            chain = [steps[instance.name] for instance in route.chain if instance.mode != "off"]
            engine, egress = self._engines[route.engine].made, bundle.engines[route.engine].egress
            detours = {
                name: Target.of(name, self._engines[name].made, bundle.engines[name].egress) for name in route.detours
            }
            self.chains[route.id] = Chain(route, chain, engine, egress, bundle.limits, detours)

    async def _ask(self, name: str) -> Part:
        if name not in self._asked:
            self._asked[name] = await self.parts.engine(self.bundle.engines[name], asked=True)
        return self._asked[name]

    def enter(self) -> None:
        """An exchange begins."""
        self._exchanges += 1
        self._left.clear()

    def leave(self) -> None:
        """An exchange has ended."""
        self._exchanges -= 1
        if not self._exchanges:
            self._left.set()

    @property
    def exchanges(self) -> int:
        """How many exchanges are in it."""
        return self._exchanges

    async def retire(self) -> None:
        """Stop as soon as the last exchange has left; new ones must not come any more. Stops when cancelled, too.

        An exchange that somebody's code keeps from its end for ever does not keep a policy for ever.
        """
        try:
            async with asyncio.timeout(self.bundle.limits.stream_ms / 1000 + RETIRE_S):
                await self._left.wait()
        except TimeoutError:
            log.error("exchanges_left_behind", policy_hash=self.bundle.hash[:12], exchanges=self._exchanges)
        finally:
            await self.stop()

    async def note(self, operation: Operation, *, besides: Runtime | None = None) -> bool:
        """Tell every plugin what was done to the gateway; whether all took it that must (`on_error: closed`).

        Plugins of `besides` are left out: they have been told.
        """
        told = set(map(id, besides._plugins.values())) if besides is not None else set()
        if besides is None:
            log.info("operation", kind=operation.kind, actor=operation.actor, **operation.details)
        taken = True
        for name, part in self._plugins.items():
            if id(part) in told or type(part.made).on_operation is Plugin.on_operation:
                continue
            instance = self.bundle.instances[name]
            try:
                async with asyncio.timeout(instance.timeout_ms / 1000):
                    await contained(part.made.on_operation(operation))
            except BaseException as error:  # a plugin may raise anything
                pass_on(error)
                taken = taken and (instance.on_error == "open" or instance.mode == "shadow")
                log.error("operation_not_taken", plugin=name, kind=operation.kind, error=error_name(error))
        return taken

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        """Have every plugin of this process forget; see `yumen.parts.Parts.erase`. Raises nothing."""
        return await self.parts.erase(erasure)

    def pages(self) -> set[str]:
        """The names below `/admin/` under which operators reach plugins."""
        return {part.made.manifest.admin for part in self._plugins.values()} - {""}

    def reachable(self, page: str) -> dict[str, Plugin[Any]]:
        """The plugins that operators reach under a name below `/admin/`, by instance."""
        plugins = {name: part.made for name, part in self._plugins.items()}
        return {name: plugin for name, plugin in plugins.items() if page and plugin.manifest.admin == page}

    async def ready(self) -> dict[str, str]:
        """What is not ready and why; empty when everything is."""
        questions = {part.what: part.made.ready for part in self._plugins.values()}
        questions |= {part.what: part.made.health for part in self._engine_parts()}
        if self._store is not None:
            questions[self._store.what] = self._store.made.health
        reasons = await self._readiness.reasons(questions)
        return {name: reason for name, reason in reasons.items() if reason}

    def placements(self) -> dict[str, Sequence[Placement] | None]:
        """Where what its engines have loaded really runs, by engine; None of one that cannot say."""
        return {part.what.removeprefix(ENGINE): _placements(part.made) for part in self._engine_parts()}

    def _engine_parts(self) -> list[Part]:
        """Each once, whether routes or plugins ask for it."""
        return list({part.what: part for part in (*self._engines.values(), *self._asked.values())}.values())

    async def stop(self) -> None:
        """Give plugins and engines back, the last started first."""
        store = [] if self._store is None else [self._store]
        await self._readiness.close()
        held = [*store, *self._engines.values(), *self._asked.values(), *self._plugins.values()]
        self._plugins.clear()
        self._asked.clear()
        self._engines.clear()
        self._store = None
        for part in reversed(held):
            await self.parts.give_back(part)
        await self.parts.settle()


def _placements(engine: Engine[Any]) -> Sequence[Placement] | None:
    try:
        # A Struct that is made in Python is not checked by that.
        return msgspec.convert(msgspec.to_builtins(list(engine.placements())), list[Placement])
    except BaseException as error:  # an engine is somebody else's code
        log.warning("placements_unknown", engine=engine.manifest.name, error=error_name(error))
        return None
