"""Loads a policy bundle: checks and compiles it, and says everything that is wrong at once.

The hash is the SHA-256 of the canonical JSON (sorted keys, no spaces) of: the form's version; every document as it was
written, with what it inherits, references to the environment unresolved and `tests` left out, `rules` and `config` in their
written order, in which globs are tried; for every instance what the core makes of its knobs and rules; for every route the
engine that it resolved to, and that engine's egress; name and version of every plugin and engine; and the SHA-256 of every
file of lines that is used. So it depends neither
on comments, the order of files or other keys, nor on secrets, and changes with whatever changes what the gateway does.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from yumen import registry
from yumen.batching.config import BatchConfig
from yumen.errors import Diagnostic, PolicyError
from yumen.plugin import EngineRef, Lint, Plugin
from yumen.policy import flow, pins
from yumen.policy.apart import check_isolation
from yumen.policy.bundle import Bundle, EngineSpec, Instance, PlacedCase, ReplicaSpec, Route
from yumen.policy.cases import Case, TestFile
from yumen.policy.files import EngineFile, GatewayFile, PluginFile
from yumen.policy.folder import Folder, read_folder
from yumen.policy.inherit import GATEWAY, TEST
from yumen.policy.members import members
from yumen.policy.reader import Source
from yumen.policy.replicas import compile_config, compile_replicas, made
from yumen.policy.routes import check_asked, check_matches, compile_routes
from yumen.policy.rules import compile_rules, disable, moment, not_shadow
from yumen.policy.shape import build, nearest
from yumen.pool.config import PoolConfig
from yumen.tensors.engine import TensorEngine

FORM = 4
# What is not part of what a bundle does.
UNHASHED = ("tests", "extends")
# Where the order of keys decides: of several globs the first that fits.
ORDERED = ("rules", "config")
# What a plugin's own words about its configuration are filed under; all else is `config`.
LINTS = {"regex": "policy.regex"}
LINT_WARNINGS = {"shadowed-rule": "warning.shadowed-rule"}


def load_bundle(path_or_name: str, env: Mapping[str, str] | None = None) -> Bundle:
    """Load a bundle from a folder or by the name of an installed one. Error: `PolicyError` with everything wrong."""
    bundle, diagnostics = check_bundle(path_or_name, env)
    if bundle is None:
        raise PolicyError(diagnostics)
    return bundle


def check_bundle(path_or_name: str, env: Mapping[str, str] | None = None) -> tuple[Bundle | None, list[Diagnostic]]:
    """The compiled bundle, or None, and everything that is wrong or (with a bundle) worth a warning."""
    return compile_folder(read_folder(path_or_name), env)


def compile_folder(folder: Folder, env: Mapping[str, str] | None = None) -> tuple[Bundle | None, list[Diagnostic]]:
    """The same for a folder that has been read."""
    compiler = Compiler(folder, os.environ if env is None else env)
    bundle = compiler.compile()
    wrong = [one for source in compiler.sources.values() for one in source.diagnostics]
    return (None if wrong else bundle), sorted(set(wrong or compiler.warnings))


class Compiler:
    """Compiles one folder. Everything that is wrong is collected in the sources it belongs to."""

    def __init__(self, folder: Folder, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.sources = folder.composed()
        self.warnings: list[Diagnostic] = []
        self.versions: dict[str, str] = {}
        # Distributions of which nothing may be imported.
        self._refused: frozenset[str] = frozenset()
        # The files of lines that the policy uses, with their digests: what they say is part of what the bundle does.
        self._used_lines: dict[str, str] = {}
        # The engines that plugins ask for, and the files in which they do.
        self._asked: list[tuple[Source, EngineRef]] = []

    def compile(self) -> Bundle | None:
        """The bundle; it holds only where no source has diagnostics."""
        gateway = self.sources[GATEWAY]
        policies = {name: source for name, source in self.sources.items() if not name.endswith(TEST)}
        instances: dict[str, Instance] = {}
        cases: list[PlacedCase] = []
        unreadable = bool(gateway.diagnostics)
        self._refused = pins.refused(policies, self.env)
        for name, source in self.sources.items():
            if name.endswith(TEST):
                cases += self._cases(name, source)
            elif name != GATEWAY and (instance := self._instance(name, source, cases)) is not None:
                if instance.name in instances:
                    source.wrong(
                        (), "bundle.duplicate-instance", f"`{instance.name}` stands in another file too", "rename one"
                    )
                instances[instance.name] = instance
        if unreadable:  # what could not be read has no form to complain about
            return None
        form = build(gateway, (), gateway.resolve((), _without_engines(gateway.data), self.env), GatewayFile)
        engines = self._engines(gateway)
        if form is None:
            return None
        disable(gateway, form.disable, instances)
        check_asked(gateway, self._asked, engines)
        routes = compile_routes(gateway, form, instances, engines, policies, self.env)
        check_matches(policies, instances, [route.id for route in form.routes])
        self._warn_unused(gateway, routes, instances, engines)
        flow.check(gateway, routes, engines)
        used = dict.fromkeys(name for route in routes for name in route.engines)
        return Bundle(
            name=self.folder.path.resolve().name,
            path=str(self.folder.path),
            hash=self._hash(policies, instances, routes, engines),
            routes=tuple(routes),
            engines={name: engines[name] for name in used if name in engines},
            instances=instances,
            limits=form.limits,
            store=form.store,
            cases=tuple(cases),
        )

    def _cases(self, name: str, source: Source) -> list[PlacedCase]:
        form = None if source.diagnostics else build(source, (), source.data, TestFile)
        return _placed(name, source, form.tests) if form is not None else []

    def _instance(self, name: str, source: Source, cases: list[PlacedCase]) -> Instance | None:
        if source.diagnostics:
            return None
        data = self._resolved(source)
        form = build(source, (), data, PluginFile)
        # Whatever else is wrong with the file, what is wrong with the plugin's own configuration is said as well.
        named = data.get("plugin") if isinstance(data, dict) else None
        plugin_class = self._plugin_class(source, named) if isinstance(named, str) else None
        if plugin_class is None:
            return None
        own = data.get("config")
        who = registry.who("plugin", plugin_class.manifest.name)
        config = build(source, ("config",), own, plugin_class.config_type, who) if _is_mapping(own) else None
        plugin: Plugin[Any] | None = None if config is None else made(source, ("config",), plugin_class, config)
        if form is None or config is None or plugin is None:
            return None
        cases += _placed(name, source, form.tests)
        self.versions[f"plugin {form.plugin}"] = plugin_class.manifest.version
        said = members(source, who, plugin)
        if said is None:
            return None
        self._lint(source, said.lints)
        check_isolation(source, form, plugin_class)
        self._asked += [(source, ref) for ref in said.engines]
        if form.mode != "shadow":
            for key in ("sample", "until"):
                if key in source.data:
                    not_shadow(source, (key,), key)
        instance = Instance(
            name=form.name or name.removesuffix(".yaml"),
            plugin_class=plugin_class,
            config=config,
            mode=form.mode,
            sample=form.sample,
            until=moment(source, ("until",), form.until),
            on_error=form.on_error,
            on_unsupported=form.on_unsupported,
            timeout_ms=form.timeout_ms,
            isolation=form.isolation,
            memory_mib=form.memory_mib,
            match=form.match,
            cites=form.cites,
            rules=compile_rules(source, form, said.rules),
            engines=tuple(dict.fromkeys(ref.name for ref in said.engines if ref.calls != "route")),
            detours=tuple(dict.fromkeys(ref.name for ref in said.engines if ref.calls == "route")),
            headers=said.headers,
            file=source.file,
            line=source.place(("plugin",)).line,
        )
        self._warn_over(source, instance)
        return instance

    def _plugin_class(self, source: Source, name: str) -> type[Plugin[Any]] | None:
        if self._refused & pins.owners("plugin", name):
            return None  # a file that pins it says why
        try:
            owner = registry.load_plugin(name)
        except registry.RegistryError as error:
            source.wrong(("plugin",), "policy.plugin", str(error), _install("plugin", name))
            return None
        self._warn_api(source, ("plugin",), "plugin", owner)
        return owner

    def _warn_api(self, source: Source, path: tuple[str | int, ...], kind: str, owner: Any) -> None:
        if (warned := registry.api_warning(kind, owner)) is not None:
            self._warn(source, path, "warning.api-version", warned.what, warned.fix)

    def _resolved(self, source: Source) -> Any:
        """A plugin's file with its references to the environment resolved; cases are taken as they are written."""
        data = source.data
        if not isinstance(data, dict):
            return data
        rest = source.resolve(
            (), {name: value for name, value in data.items() if name != "tests"}, self.env, self._lines
        )
        return {**rest, **({"tests": data["tests"]} if "tests" in data else {})}

    def _lines(self, file: str, name: str) -> bytes | None:
        """A file of lines beside a policy file, in this bundle or in one that it extends."""
        beside = str(Path(file).parent)
        for number, folder in enumerate((self.folder, *self.folder.bases)):
            if str(folder.path) == beside and name in folder.files:
                content = folder.files[name]
                self._used_lines[f"{number}/{name}"] = hashlib.sha256(content).hexdigest()
                return content
        return None

    def _lint(self, source: Source, lints: list[Lint]) -> None:
        """What the plugin itself says about its configuration."""
        for lint in lints:
            path = ("config", *lint.path)
            if lint.wrong:
                source.wrong(path, LINTS.get(lint.code, "policy.config"), lint.what, lint.fix)
            else:
                self._warn(source, path, LINT_WARNINGS.get(lint.code, "warning.config"), lint.what, lint.fix)

    def _warn(self, source: Source, path: tuple[str | int, ...], code: str, what: str, fix: str) -> None:
        self.warnings.append(Diagnostic(*source.place(path), code, what, fix))

    def _warn_over(self, source: Source, instance: Instance) -> None:
        """A shadow phase that has ended is no error: it enforces, as it was told to."""
        now = time.time()
        fix = "remove `mode: shadow` and `until:`"
        if instance.until is not None and instance.until <= now:
            self._warn(
                source, ("until",), "warning.shadow-over", f"`{instance.name}` has left shadow and enforces", fix
            )
        for rule in instance.rules.values():
            if rule.until is not None and rule.until <= now:
                what = f"the rule `{rule.id}` has left shadow and enforces"
                self._warn(source, ("rules", rule.id), "warning.shadow-over", what, fix)

    def _engines(self, gateway: Source) -> dict[str, EngineSpec]:
        engines: dict[str, EngineSpec] = {}
        declared = gateway.data.get("engines") if isinstance(gateway.data, dict) else None
        for name, data in declared.items() if isinstance(declared, dict) else ():
            if not isinstance(data, dict):
                gateway.wrong(
                    ("engines", name), "policy.type", "an engine is a mapping", "write `adapter:` and `egress:`"
                )
            elif (spec := self._engine(gateway, name, data)) is not None:
                engines[name] = spec
        return engines

    def _engine(self, gateway: Source, name: str, data: dict[str, Any]) -> EngineSpec | None:
        path = ("engines", name)
        own = {key: value for key, value in data.items() if key in EngineFile.__struct_fields__}
        available = pins.available(data, self.env)
        # Whatever an engine that is not available has from the environment need not be there.
        pin = gateway.resolve((*path, "pin"), own.get("pin"), self.env) if available else None
        form = build(gateway, path, {**own, "pin": pin}, EngineFile)
        if form is None or not available:
            return None
        if self._refused & pins.owners("engine", form.adapter):
            return None  # as above
        try:
            engine_class = registry.load_engine(form.adapter)
        except registry.RegistryError as error:
            gateway.wrong((*path, "adapter"), "policy.engine", str(error), _install("engine", form.adapter))
            return None
        self._warn_api(gateway, (*path, "adapter"), "engine", engine_class)
        rest = {key: value for key, value in data.items() if key not in own}
        replicas = compile_replicas(gateway, path, form, rest, engine_class, self.env)
        if form.replicas:
            # What they share need not be a whole configuration.
            config = replicas[0].config if replicas else None
        else:
            config = compile_config(gateway, path, rest, engine_class, self.env)
        if config is None:
            return None
        self.versions[f"engine {form.adapter}"] = engine_class.manifest.version
        if form.batch is not None and not issubclass(engine_class, TensorEngine):
            what = f"`{form.adapter}` takes no rows that could run together"
            gateway.wrong((*path, "batch"), "policy.engine", what, "remove it")
        if form.pool is not None and not replicas:
            replicas = (ReplicaSpec(name="0", weight=1.0, config=config),)
        return EngineSpec(
            name=name,
            adapter=form.adapter,
            engine_class=engine_class,
            config=config,
            egress=form.egress,
            batch=form.batch or BatchConfig(),
            pool=form.pool or (PoolConfig() if replicas else None),
            replicas=replicas,
        )

    def _warn_unused(
        self, gateway: Source, routes: list[Route], instances: dict[str, Instance], engines: dict[str, EngineSpec]
    ) -> None:
        # Who extends a bundle cannot tidy it, and need not hear of what it leaves unused.
        own = {source.file for source in self.folder.sources.values()}
        used = {instance.name for route in routes for instance in route.chain}
        for instance in instances.values():
            if instance.name not in used and instance.file in own:
                what = f"no chain names the instance `{instance.name}`"
                self.warnings.append(
                    Diagnostic(instance.file, 1, 1, "warning.unused-instance", what, "add it to a chain")
                )
        named = {
            name for route in gateway.data["routes"] for name in (*_listed(route["engine"]), route.get("fallback"))
        }
        named |= {name for instance in instances.values() for name in (*instance.engines, *instance.detours)}
        for name in gateway.data["engines"]:
            place = gateway.place(("engines", name), key=True)
            if name not in named and place.file in own:
                what = f"no route or plugin names the engine `{name}`"
                self.warnings.append(Diagnostic(*place, "warning.unused-engine", what, "name or remove it"))

    def _hash(
        self,
        policies: dict[str, Source],
        instances: dict[str, Instance],
        routes: list[Route],
        engines: dict[str, EngineSpec],
    ) -> str:
        documents = {
            name: {
                key: msgspec.json.encode(value).decode() if key in ORDERED else value
                for key, value in source.data.items()
                if key not in UNHASHED
            }
            for name, source in policies.items()
            if isinstance(source.data, dict)
        }
        knobs = {
            one.name: [one.mode, one.sample, one.until, one.on_error, one.on_unsupported, one.timeout_ms, one.match,
                       [[rule.id, rule.mode, rule.sample, rule.until, rule.accept_raw] for rule in one.rules.values()]]
            for one in instances.values()
        }  # fmt: skip
        chosen = {
            route.id: [route.engine, engines[route.engine].egress, route.fallback]
            for route in routes
            if route.engine in engines
        }
        form = {
            "form": FORM, "documents": documents, "knobs": knobs, "engines": chosen, "versions": self.versions,
            "lines": self._used_lines,
        }  # fmt: skip
        return hashlib.sha256(msgspec.json.encode(form, order="deterministic")).hexdigest()


def _placed(name: str, source: Source, cases: list[Case]) -> list[PlacedCase]:
    owner = "" if name.endswith(TEST) else name.removesuffix(".yaml")
    return [PlacedCase(case, owner, *source.place(("tests", index))[:2]) for index, case in enumerate(cases)]


def _without_engines(data: Any) -> Any:
    """The document without what adapters check, whose references to the environment are resolved only when used."""
    if not isinstance(data, dict) or not isinstance(data.get("engines"), dict):
        return data
    return {**data, "engines": {name: {} for name in data["engines"]}}


def _install(kind: str, name: str) -> str:
    """What to do about a plugin or engine that cannot be had."""
    known = registry.names(kind)
    if name in known:
        return "repair its installation, or name another"
    return nearest(name, known, f"install it, or name one of: {', '.join(known)}")


def _is_mapping(value: Any) -> bool:
    return value is None or isinstance(value, dict)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
