"""Loads a policy bundle: reads, checks and compiles it, and says everything that is wrong at once.

The hash is the SHA-256 of the canonical JSON (sorted keys, no spaces) of: the form's version; every document as it was
written, references to the environment unresolved and `tests` left out; for every route the engine that it resolved to, and
that engine's egress; and name and version of every plugin and engine. So it depends neither on comments, order of keys or
files, nor on secrets, and does change with whatever changes what the gateway does.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from yumen import registry
from yumen.errors import Diagnostic, PolicyError
from yumen.policy import flow
from yumen.policy.bundle import Bundle, EngineSpec, Instance, Limits, Route
from yumen.policy.files import EngineFile, GatewayFile, PluginFile, RouteFile
from yumen.policy.reader import Source, read
from yumen.policy.shape import build

GATEWAY = "gateway.yaml"
FILES_MAX = 256
FORM = 1


def load_bundle(path_or_name: str, env: Mapping[str, str] | None = None) -> Bundle:
    """Load a bundle from a folder or by the name of an installed one. Error: `PolicyError` with everything wrong."""
    bundle, diagnostics = check_bundle(path_or_name, env)
    if bundle is None:
        raise PolicyError(diagnostics)
    return bundle


def check_bundle(path_or_name: str, env: Mapping[str, str] | None = None) -> tuple[Bundle | None, list[Diagnostic]]:
    """The compiled bundle, or None, and everything that is wrong or (with a bundle) worth a warning."""
    compiler = Compiler(find(path_or_name), os.environ if env is None else env)
    bundle = compiler.compile()
    wrong = [one for source in compiler.sources.values() for one in source.diagnostics]
    return (None if wrong else bundle), sorted(set(wrong or compiler.warnings))


def find(path_or_name: str) -> Path:
    """The folder of a bundle. Error: `PolicyError` where there is none."""
    folder = Path(path_or_name)
    if not folder.is_dir():
        installed = registry.bundle_folder(path_or_name)
        if installed is None:
            fix = f"name a folder, or one of: {', '.join(registry.names('bundle'))}"
            raise PolicyError([Diagnostic(path_or_name, 1, 1, "bundle.not-found", "there is no such bundle", fix)])
        folder = installed
    return folder


class Compiler:
    """Compiles one folder. Everything that is wrong is collected in the sources it belongs to."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.folder = folder
        self.env = env
        self.sources: dict[str, Source] = {}
        self.warnings: list[Diagnostic] = []
        self.versions: dict[str, str] = {}

    def compile(self) -> Bundle | None:
        """The bundle; it holds only where no source has diagnostics."""
        gateway = self._read_files()
        instances = {}
        for name, source in self.sources.items():
            if name != GATEWAY and (instance := self._instance(name, source)) is not None:
                if instance.name in instances:
                    source.wrong(
                        (), "bundle.duplicate-instance", f"`{instance.name}` stands in another file too", "rename one"
                    )
                instances[instance.name] = instance
        if gateway.diagnostics:  # what could not be read has no form to complain about
            return None
        form = build(gateway, (), gateway.resolve((), _without_engines(gateway.data), self.env), GatewayFile)
        if form is None:
            return None
        engines = self._engines(gateway, form)
        routes = self._routes(gateway, form, instances, engines)
        self._warn_unused(gateway, routes, instances, engines)
        flow.check(gateway, routes, engines)
        return Bundle(
            name=self.folder.name,
            path=str(self.folder),
            hash=self._hash(routes, engines),
            routes=tuple(routes),
            engines={route.engine: engines[route.engine] for route in routes if route.engine in engines},
            instances=instances,
            limits=form.limits,
        )

    def _read_files(self) -> Source:
        names = sorted(path.name for path in self.folder.iterdir() if path.suffix == ".yaml")
        files = [name for name in names if not name.endswith(".test.yaml")][: FILES_MAX + 1]
        for name in files:
            path = self.folder / name
            if path.is_symlink() and self.folder.resolve() not in path.resolve().parents:
                source = self.sources[name] = Source(str(path))
                source.wrong((), "bundle.symlink", "this is a link out of the bundle", "put the file itself here")
            else:
                self.sources[name] = _read(path)
        gateway = self.sources.setdefault(GATEWAY, Source(str(self.folder / GATEWAY)))
        if GATEWAY not in files:
            gateway.wrong((), "bundle.no-gateway", f"there is no {GATEWAY}", "add one; `yumen init` writes a beginning")
        if len(files) > FILES_MAX:
            gateway.wrong((), "bundle.too-many-files", f"there are more than {FILES_MAX} files", "split the bundle")
        return gateway

    def _instance(self, name: str, source: Source) -> Instance | None:
        if source.diagnostics:
            return None
        data = source.resolve((), source.data, self.env)
        form = build(source, (), data, PluginFile)
        if form is None:
            return None
        try:
            plugin_class = registry.load_plugin(form.plugin)
        except registry.RegistryError as error:
            fix = f"install it, or name one of: {', '.join(registry.names('plugin'))}"
            source.wrong(("plugin",), "policy.plugin", str(error), fix)
            return None
        config = self._config(source, ("config",), form.config, plugin_class)
        if config is None:
            return None
        self.versions[f"plugin {form.plugin}"] = plugin_class.manifest.version
        return Instance(
            name=form.name or name.removesuffix(".yaml"),
            plugin_class=plugin_class,
            config=config,
            mode=form.mode,
            on_error=form.on_error,
            on_unsupported=form.on_unsupported,
            timeout_ms=form.timeout_ms,
            match=form.match,
            file=source.file,
            line=source.line(),
        )

    def _config(self, source: Source, path: tuple[str, ...], data: Any, owner: Any) -> msgspec.Struct | None:
        config: msgspec.Struct | None = build(source, path, data, owner.config_type)
        if config is not None:
            try:
                owner(config)
            except Exception as error:  # a plugin's own check of its configuration
                what = f"{owner.manifest.name} refuses this: {source.sentence(path, error)}"
                source.wrong(path, "policy.config", what, "correct it")
        return config

    def _engines(self, gateway: Source, form: GatewayFile) -> dict[str, EngineSpec]:
        engines = {}
        for name in form.engines:
            data = gateway.data["engines"][name]
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
        form = build(gateway, path, own, EngineFile)
        if form is None or (form.when_env and not self.env.get(form.when_env)):
            return None
        try:
            engine_class = registry.load_engine(form.adapter)
        except registry.RegistryError as error:
            fix = f"install it, or name one of: {', '.join(registry.names('engine'))}"
            gateway.wrong((*path, "adapter"), "policy.engine", str(error), fix)
            return None
        rest = {key: value for key, value in data.items() if key not in own}
        config = self._config(gateway, path, gateway.resolve(path, rest, self.env), engine_class)
        if config is None:
            return None
        self.versions[f"engine {form.adapter}"] = engine_class.manifest.version
        return EngineSpec(name=name, adapter=form.adapter, engine_class=engine_class, config=config, egress=form.egress)

    def _routes(
        self, gateway: Source, form: GatewayFile, instances: dict[str, Instance], engines: dict[str, EngineSpec]
    ) -> list[Route]:
        routes: list[Route] = []
        for index, item in enumerate(form.routes):
            path = ("routes", index)
            if item.id in {route.id for route in routes}:
                gateway.wrong(
                    (*path, "id"), "policy.duplicate-route", f"a route `{item.id}` stands above", "rename one"
                )
            chain = self._chain(gateway, path, item, instances, form.limits)
            engine = self._choose(gateway, path, item, engines)
            route = Route(
                id=item.id,
                paths=item.match.paths,
                models=item.match.models,
                engine=engine,
                chain=chain,
                accept_raw=item.accept_raw,
                timeout_ms=item.timeout_ms,
            )
            for earlier in routes:
                if _covered(route.paths, earlier.paths) and _covered(route.models, earlier.models):
                    what = f"the route `{earlier.id}` above takes everything that this one would"
                    gateway.wrong(
                        path, "policy.unreachable-route", what, "put the narrower route first, or remove this one"
                    )
            routes.append(route)
        return routes

    def _chain(
        self,
        gateway: Source,
        path: tuple[str | int, ...],
        item: RouteFile,
        instances: dict[str, Instance],
        limits: Limits,
    ) -> tuple[Instance, ...]:
        chain: list[Instance] = []
        if len(item.chain) > limits.chain_length:
            what = f"the chain has {len(item.chain)} plugins"
            gateway.wrong((*path, "chain"), "policy.chain-length", what, f"use at most {limits.chain_length}")
        for index, name in enumerate(item.chain):
            place = (*path, "chain", index)
            if name not in instances:
                if f"{name}.yaml" not in self.sources:
                    fix = f"add {name}.yaml, or name one of: {', '.join(sorted(instances)) or 'none yet'}"
                    gateway.wrong(place, "policy.unknown-instance", f"there is no plugin instance `{name}`", fix)
            elif instances[name] in chain:
                gateway.wrong(place, "policy.twice-in-chain", f"`{name}` stands in this chain already", "name it once")
            else:
                chain.append(instances[name])
        return tuple(chain)

    def _choose(
        self, gateway: Source, path: tuple[str | int, ...], item: RouteFile, engines: dict[str, EngineSpec]
    ) -> str:
        wanted = (item.engine,) if isinstance(item.engine, str) else item.engine
        declared = gateway.data["engines"]
        for name in wanted:
            if name not in declared:
                fix = f"declare it under `engines:`, or name one of: {', '.join(sorted(declared)) or 'none yet'}"
                gateway.wrong((*path, "engine"), "policy.unknown-engine", f"there is no engine `{name}`", fix)
        available = [name for name in wanted if name in engines]
        if not available and not gateway.diagnostics:
            what = f"no engine of the route `{item.id}` is available"
            gateway.wrong(
                (*path, "engine"), "policy.no-engine", what, "set its `when_env` variable, or add an engine without"
            )
        return available[0] if available else wanted[0] if wanted else ""

    def _warn_unused(
        self, gateway: Source, routes: list[Route], instances: dict[str, Instance], engines: dict[str, EngineSpec]
    ) -> None:
        used = {instance.name for route in routes for instance in route.chain}
        for instance in instances.values():
            if instance.name not in used:
                what = f"no chain names the instance `{instance.name}`"
                self.warnings.append(
                    Diagnostic(instance.file, 1, 1, "warning.unused-instance", what, "add it to a chain")
                )
        named = {name for route in gateway.data["routes"] for name in _listed(route["engine"])}
        for name in gateway.data["engines"]:
            if name not in named:
                line, column = gateway.key_places[("engines", name)]
                what = f"no route names the engine `{name}`"
                self.warnings.append(
                    Diagnostic(gateway.file, line, column, "warning.unused-engine", what, "name or remove it")
                )

    def _hash(self, routes: list[Route], engines: dict[str, EngineSpec]) -> str:
        documents = {
            name: {key: value for key, value in source.data.items() if key != "tests"}
            for name, source in self.sources.items()
            if isinstance(source.data, dict)
        }
        chosen = {route.id: [route.engine, engines[route.engine].egress] for route in routes if route.engine in engines}
        form = {"form": FORM, "documents": documents, "engines": chosen, "versions": self.versions}
        return hashlib.sha256(msgspec.json.encode(form, order="deterministic")).hexdigest()


def _read(path: Path) -> Source:
    try:
        return read(str(path), path.read_bytes())
    except OSError as error:
        source = Source(str(path))
        source.wrong((), "bundle.unreadable", f"this cannot be read: {error.strerror}", "make it a readable file")
        return source


def _without_engines(data: Any) -> Any:
    """The document without what adapters check, whose references to the environment are resolved only when used."""
    if not isinstance(data, dict) or not isinstance(data.get("engines"), dict):
        return data
    return {**data, "engines": {name: {} for name in data["engines"]}}


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _covered(globs: tuple[str, ...], by: tuple[str, ...]) -> bool:
    """Whether everything that the first globs take is taken by the second; sound, not complete."""
    return all(glob in by or "*" in by for glob in globs)
