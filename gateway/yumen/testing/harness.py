"""Plugins at work in one process: a whole gateway without a server, with its clock and engines in a test's hand."""

from __future__ import annotations

import asyncio
import logging
import tempfile
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Self

import msgspec
from structlog.testing import capture_logs

from yumen import registry
from yumen.engine import Engine
from yumen.parts import Parts
from yumen.plugin import NoConfig, Plugin
from yumen.policy.bundle import Bundle, Instance
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Harness as Bench
from yumen.settings import Secret, Settings
from yumen.testing.calls import Call
from yumen.testing.engine import RelayingEngine, ScriptedEngine
from yumen.testing.outage import OutageStore
from yumen.testing.outcome import Outcome
from yumen.testing.traces import Sought
from yumen.testing.underway import HELD, Hold, UnderWay
from yumen.testing.watching import (
    CapturedMetrics,
    LogEvents,
    LogLines,
    Record,
    Recorder,
)

RECORDER = Recorder.manifest.name
PATHS = {"chat": ["/v1/*"], "tensors": ["/v2/*"], "apps": ["/apps/*"]}
ENGINE = "engine"
NOTHING: Mapping[str, Any] = MappingProxyType({})


class Used(NamedTuple):
    """A plugin on the chain of a harness: its class, what `config:` says, and the core's knobs (`mode`, `on_error`, …)."""

    plugin: type[Plugin[Any]]
    config: Mapping[str, Any] | msgspec.Struct = NOTHING
    knobs: Mapping[str, Any] = NOTHING


class Harness(Bench):
    """A policy at work; `async with` starts and stops it. Made by `of`, `of_chain` or `policies`.

    `engine` answers for every engine that routes name, and each of `models` for one that a plugin asks, as `infers` tells
    it. `clock` stands still until it is moved. `log` are the events that
    were logged, `metrics` what was measured, `records` what a ledger would have written. `data_dir` is the gateway's.
    """

    def __init__(
        self,
        bundle: Bundle,
        settings: Settings | None = None,
        *,
        live: bool = True,
        real: bool = False,
        workers: int = 1,
        shared: bool = False,
        timed: Collection[str] = (),
        models: Collection[str] = (),
    ) -> None:
        super().__init__(bundle, settings, timed=timed)
        self._timed = timed
        self.models = {name: ScriptedEngine() for name in models}
        self._workers = workers
        self._shared = shared
        self._store: OutageStore | None = None
        self._loaded = bundle
        self._real = real
        self.bundle = _recorded(self.bundle)
        spec = bundle.engines[ENGINE] if real else None
        self.engine = ScriptedEngine() if spec is None else RelayingEngine(spec.engine_class(spec.config))
        self.metrics = CapturedMetrics()
        self.log: LogEvents = []
        self._lines = LogLines()
        self._live = live
        self._held = ExitStack()

    @classmethod
    def of(
        cls, plugin: type[Plugin[Any]], config: Mapping[str, Any] | msgspec.Struct = NOTHING, **knobs: Any
    ) -> Harness:
        """One plugin on every route, as a policy file would have it. See `of_chain`."""
        return cls.of_chain(Used(plugin, config, knobs))

    @classmethod
    def of_chain(
        cls,
        *used: Used,
        egress: Literal["local", "remote"] = "local",
        accept_raw: str = "",
        live: bool = True,
        engines: Collection[str] = (),
        workers: int = 1,
        shared: bool = False,
        redis: str = "",
    ) -> Harness:
        """Plugins in this order, on every route, in front of a local or remote engine; none need be installed.

        A hook may take 30 s, however slow the machine is, and where the knobs name a `timeout_ms`, just that.
        `live` is what `Host.live` says, `engines` further local ones that a plugin may name: see `models`. `workers` is
        how many a plugin is told that there are; with `shared` its store says that they share it, and with `redis`, a
        server's URL, they do: see `another_worker`. Error: `PolicyError`, as for a bundle on disk: a configuration that the
        plugin's schema does not take, or a chain by which raw text would get where it must not.
        """
        adapter = ScriptedEngine.manifest.name
        with tempfile.TemporaryDirectory(prefix="yumen-test-") as folder:
            specs = {name: {"adapter": adapter, "egress": "local"} for name in engines}
            specs[ENGINE] = {"adapter": adapter, "egress": egress}
            _write(Path(folder), used, specs, accept_raw, redis)
            with registry.given(ScriptedEngine, *(one.plugin for one in used)):
                bundle = load_bundle(folder)
        return cls(bundle, live=live, workers=workers, shared=shared, timed=_timed(used), models=engines)

    @classmethod
    def of_engine(
        cls,
        engine: type[Engine[Any]],
        config: Mapping[str, Any] = NOTHING,
        *used: Used,
        egress: Literal["local", "remote"] = "local",
    ) -> Harness:
        """An engine, which need not be installed, behind every route, with these plugins before it.

        `config` is what a policy says of it beside `adapter` and `egress`. `Harness.engine` hands everything on to it, and
        notes what it is asked. Error: `PolicyError`, as for a bundle on disk.
        """
        with tempfile.TemporaryDirectory(prefix="yumen-test-") as folder:
            spec = {**config, "adapter": engine.manifest.name, "egress": egress}
            _write(Path(folder), used, {ENGINE: spec})
            with registry.given(engine, *(one.plugin for one in used)):
                bundle = load_bundle(folder)
        return cls(bundle, real=True, timed=_timed(used))

    @classmethod
    def policies(cls, path_or_name: str | Path, *, settings: Settings | None = None, live: bool = False) -> Harness:
        """A whole bundle: a folder, or the name of an installed one. Error: `PolicyError`.

        Its hooks may take 30 s, even where it says less, as in `yumen policy test`.
        """
        return cls(load_bundle(str(path_or_name)), settings, live=live)

    def again(self) -> Self:
        """Another harness of the same policy, without loading that again; nothing of this one is in it."""
        return type(self)(
            self._loaded, self._settings, live=self._live, real=self._real, workers=self._workers, shared=self._shared,
            timed=self._timed, models=self.models,
        )  # fmt: skip

    def another_worker(self) -> Self:
        """A harness of the same policy beside this started one, as a second worker process: with its clock and store."""
        worker = self.again()
        worker.clock = self.clock
        worker._store = self.store
        return worker

    def make_parts(self, secret: Secret) -> Parts:
        """See `yumen.policy.testing.harness.Harness`."""
        engines: dict[str, Engine[Any]] = {"*": self.engine}
        self.settings = msgspec.structs.replace(self.settings, workers=self._workers)
        parts = Parts(
            self.settings, secret, clock=self.clock, engines=engines, models=self.models, metrics=self.metrics.of,
            live=self._live,
        )  # fmt: skip
        self.store = parts.store = self._store or OutageStore(self.clock, shared=self._shared)
        return parts

    async def __aenter__(self) -> Self:
        self.log = self._held.enter_context(capture_logs())
        logging.getLogger().addHandler(self._lines)
        self._held.callback(logging.getLogger().removeHandler, self._lines)
        try:
            await super().__aenter__()
        except BaseException:
            self._held.close()
            raise
        return self

    async def __aexit__(self, *raised: object) -> None:
        try:
            await super().__aexit__(*raised)
        finally:
            self._held.close()

    def plugin(self, instance: str = "") -> Any:
        """The started plugin of an instance; of the only one, where none is named."""
        started = {step.name: step.plugin for chain in self.runtime.chains.values() for step in chain.steps}
        del started[RECORDER]
        if not instance and len(started) == 1:
            return next(iter(started.values()))
        return started[instance]

    @property
    def records(self) -> Mapping[str, Record]:
        """What a ledger would have written, by the exchange's id, the newest last."""
        recorders = [
            step.plugin
            for chain in self.runtime.chains.values()
            for step in chain.steps
            if isinstance(step.plugin, Recorder)
        ]
        return recorders[0].records

    async def ask(self, call: Call) -> Outcome:
        """One exchange, to its end."""
        before = len(self.engine.requests)
        headers = [(name.encode(), value.encode()) for name, value in call.headers.items()]
        run = await self.send(call.path, call.body, call.caller, call.session, call.subject, headers, call.leaves_after)
        asked = [one for one in self.engine.requests[before:] if run.exchange and one.exchange_id == run.exchange.id]
        given = asked[-1] if asked else None
        outcome = Outcome(run.path, run.status, run.headers, run.body, run.exchange, given)
        outcome.record = self.records.get(run.exchange.id) if run.exchange is not None else None
        return outcome

    @asynccontextmanager
    async def under_way(self, call: Call) -> AsyncIterator[UnderWay]:
        """An exchange that waits at the engine for as long as this lasts, while others are answered.

        Error: AssertionError where it ends before it reaches the engine.
        """
        hold = Hold()
        exchange = asyncio.create_task(self._ask_held(call, hold))
        arriving = asyncio.create_task(hold.arrived.wait())
        try:
            await asyncio.wait([exchange, arriving], return_when=asyncio.FIRST_COMPLETED)
            if exchange.done():
                raise AssertionError(f"expected the exchange to reach the engine\n{exchange.result().told()}")
            yield (one := UnderWay(exchange, hold))
            await one.end()
        finally:
            arriving.cancel()
            exchange.cancel()
            await asyncio.gather(arriving, exchange, return_exceptions=True)

    async def _ask_held(self, call: Call, hold: Hold) -> Outcome:
        HELD.set(hold)
        return await self.ask(call)

    async def reload(self, other: Harness) -> None:
        """Go on under the policy of another harness, which need not be started: what is the same in both goes on as it is.

        Error: `CannotStart`; then this one's policy goes on.
        """
        runtime = await self.start(other.bundle)
        self.use(runtime)
        before, self.runtime = self.runtime, runtime
        await before.stop()

    @contextmanager
    def store_outage(self) -> Iterator[None]:
        """Have the store out of reach for as long as this lasts; one in Redis is not meant."""
        self.store.outage.on = True
        try:
            yield
        finally:
            self.store.outage.on = False

    async def ask_all(self, *calls: Call) -> list[Outcome]:
        """Exchanges one after the other."""
        return [await self.ask(call) for call in calls]

    async def at_every_split(self, call: Call, text: str) -> list[Outcome]:
        """The same streamed exchange for each place at which `text`, the engine's answer, can come in two pieces.

        The first is that in which it comes whole, to compare the others with.
        """
        cuts = [(text,), *((text[:place], text[place:]) for place in range(1, len(text)))]
        outcomes: list[Outcome] = []
        for cut in cuts:
            self.engine.says(*cut)
            outcomes.append(await self.ask(call))
        return outcomes

    def traces_of(self, value: str) -> list[str]:
        """Every place that outlives an exchange in which a raw value stands: log, metrics, records, the store, files.

        It is found as it is and as JSON, Python and addresses escape it, in UTF-8 and UTF-16. A store in Redis is not looked
        into.
        """
        sought = Sought(value)
        return [
            *sought.items("log", self.log),
            *sought.items("logging", self._lines.lines),
            *sought.items("metrics", self.metrics.all),
            *sought.items("records", self.records.values()),
            *sought.spaces(self.parts.store.holding),
            *sought.files(self.data_dir),
        ]

    def assert_no_trace_of(self, *values: str) -> None:
        """None of these stands anywhere that outlives an exchange."""
        for value in values:
            found = self.traces_of(value)
            assert not found, f"a raw value stands in: {', '.join(found)}"


def _recorded(bundle: Bundle) -> Bundle:
    """The bundle with the recorder outermost in every chain."""
    recorder = Instance(name=RECORDER, plugin_class=Recorder, config=NoConfig())
    routes = tuple(msgspec.structs.replace(route, chain=(recorder, *route.chain)) for route in bundle.routes)
    instances = {RECORDER: recorder, **bundle.instances}
    return msgspec.structs.replace(bundle, routes=routes, instances=instances, _found={})


def _timed(used: Sequence[Used]) -> list[str]:
    """The plugins whose timeout a test names, which is then what it tests."""
    return [one.plugin.manifest.name for one in used if "timeout_ms" in one.knobs]


def _write(
    folder: Path, used: Sequence[Used], engines: Mapping[str, Any], accept_raw: str = "", redis: str = ""
) -> None:
    """A bundle of these plugins and engines; JSON is YAML."""
    names = [one.plugin.manifest.name for one in used]
    more = {"accept_raw": accept_raw} if accept_raw else {}
    routes = [
        {"id": route, "match": {"paths": paths}, "engine": ENGINE, "chain": names, **more}
        for route, paths in PATHS.items()
    ]
    gateway = {"version": 1, "engines": engines, "routes": routes, **({"store": {"redis": redis}} if redis else {})}
    (folder / "gateway.yaml").write_bytes(msgspec.json.encode(gateway))
    for one in used:
        config = msgspec.to_builtins(one.config if isinstance(one.config, msgspec.Struct) else dict(one.config))
        file = {"version": 1, "plugin": one.plugin.manifest.name, **one.knobs, **({"config": config} if config else {})}
        (folder / f"{one.plugin.manifest.name}.yaml").write_bytes(msgspec.json.encode(file))
