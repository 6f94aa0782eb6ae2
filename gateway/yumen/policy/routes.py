"""Compiles the routes of a bundle: their chains, their engines, and whether every one of them can be reached.

Engines that plugins ask for are checked here as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from yumen.engine import Engine
from yumen.plugin import EngineRef
from yumen.policy.bundle import EngineSpec, Instance, Limits, Route
from yumen.policy.files import GatewayFile, RouteFile
from yumen.policy.inherit import GATEWAY
from yumen.policy.reader import Path, Source
from yumen.policy.shape import nearest

WILD = frozenset("*?[")
# Globs compared with one another to find routes that nothing is left for; beyond it the rest is taken to be reached.
COMPARED_MAX = 200_000


def compile_routes(
    gateway: Source,
    form: GatewayFile,
    instances: dict[str, Instance],
    engines: dict[str, EngineSpec],
    files: Iterable[str],
    env: Mapping[str, str],
) -> list[Route]:
    """The routes in their order; `files` are the names of all policy files, readable or not.

    One whose `when_env` is not set is left out, and nothing is said about it but that its name is taken.
    """
    known = set(files)
    routes: list[Route] = []
    ids: set[str] = set()
    left = COMPARED_MAX
    for index, item in enumerate(form.routes):
        path: Path = ("routes", index)
        if item.id in ids:
            gateway.wrong((*path, "id"), "policy.duplicate-route", f"a route `{item.id}` stands above", "rename one")
        ids.add(item.id)
        if item.when_env and not env.get(item.when_env):
            continue
        route = Route(
            id=item.id,
            paths=item.match.paths,
            models=item.match.models,
            engine=_choose(gateway, path, item, engines),
            fallback=_fallback(gateway, path, item, engines),
            chain=_chain(gateway, path, item, instances, form.limits, known),
            accept_raw=item.accept_raw,
            timeout_ms=item.timeout_ms,
            subject=item.subject,
            file=gateway.place(path).file,
            line=gateway.place(path).line,
        )
        left -= len(route.paths) * len(route.models) * len(routes)
        takers = _takers(route, routes) if left > 0 else []
        if takers:
            what = f"the route{'s' if len(takers) > 1 else ''} {', '.join(f'`{one}`' for one in takers[:8])} above"
            what += f" take{'' if len(takers) > 1 else 's'} everything that this one would"
            gateway.wrong(path, "policy.unreachable-route", what, "put the narrower route first, or remove this one")
        routes.append(route)
    return routes


def _chain(
    gateway: Source, path: Path, item: RouteFile, instances: dict[str, Instance], limits: Limits, files: set[str]
) -> tuple[Instance, ...]:
    chain: list[Instance] = []
    if len(item.chain) > limits.chain_length:
        what = f"the chain has {len(item.chain)} plugins"
        gateway.wrong((*path, "chain"), "policy.chain-length", what, f"use at most {limits.chain_length}")
    for index, name in enumerate(item.chain):
        place = (*path, "chain", index)
        if name not in instances:
            if f"{name}.yaml" not in files:
                fix = f"add {name}.yaml, or name one of: {', '.join(sorted(instances)) or 'none yet'}"
                what = f"there is no plugin instance `{name[:60]}`"
                stems = {file.removesuffix(".yaml") for file in files} - {"gateway"}
                gateway.wrong(place, "policy.unknown-instance", what, nearest(name, {*instances, *stems}, fix))
        elif instances[name] in chain:
            gateway.wrong(place, "policy.twice-in-chain", f"`{name}` stands in this chain already", "name it once")
        else:
            chain.append(instances[name])
    return tuple(chain)


def _choose(gateway: Source, path: Path, item: RouteFile, engines: dict[str, EngineSpec]) -> str:
    """The first of a route's engines that is available."""
    wanted = (item.engine,) if isinstance(item.engine, str) else item.engine
    declared: dict[str, Any] = gateway.data["engines"]
    for name in wanted:
        _check_declared(gateway, (*path, "engine"), name, declared)
    available = [name for name in wanted if name in engines]
    # One that depends on nothing is missing because of something else, which has been told.
    if not available and not gateway.diagnostics and all(declared[name].get("when_env") for name in wanted):
        what = f"no engine of the route `{item.id}` is available"
        gateway.wrong(
            (*path, "engine"), "policy.no-engine", what, "set its `when_env` variable, or add an engine without"
        )
    return available[0] if available else wanted[0] if wanted else ""


def _fallback(gateway: Source, path: Path, item: RouteFile, engines: dict[str, EngineSpec]) -> str:
    """The engine that a route falls back on; none where that is not available here."""
    name = item.fallback
    if name:
        _check_declared(gateway, (*path, "fallback"), name, gateway.data["engines"])
    return name if name in engines else ""


def _check_declared(gateway: Source, path: Path, name: str, declared: dict[str, Any]) -> None:
    if name not in declared:
        fix = f"declare it under `engines:`, or name one of: {', '.join(sorted(declared)) or 'none yet'}"
        gateway.wrong(path, "policy.unknown-engine", f"there is no engine `{name[:60]}`", nearest(name, declared, fix))


def check_matches(sources: dict[str, Source], instances: dict[str, Instance], ids: list[str]) -> None:
    """Note where an instance's `match.routes` names no route: it would never run, and nobody would notice.

    `ids` are those of all routes that are written down.
    """
    for name, source in sources.items():
        instance = next(
            (one for one in instances.values() if f"{one.name}.yaml" == name or one.file == source.file), None
        )
        for index, glob in enumerate(instance.match.routes if instance else ()):
            if not any(fnmatchcase(one, glob) for one in ids):
                fix = nearest(glob, ids, f"name one of: {', '.join(ids)}")
                source.wrong(
                    ("match", "routes", index), "policy.unknown-route", f"there is no route `{glob[:60]}`", fix
                )


def check_asked(gateway: Source, asked: Iterable[tuple[Source, EngineRef]], engines: dict[str, EngineSpec]) -> None:
    """Note in a plugin's file where it asks for an engine that is not there, or has not the method that it calls."""
    declared: dict[str, Any] = gateway.data["engines"]
    for source, ref in asked:
        path: Path = ("config", *ref.path)
        spec = engines.get(ref.name)
        if ref.name not in declared:
            what = f"there is no engine `{ref.name[:60]}`"
            fix = f"declare it in {GATEWAY}, or name one of: {', '.join(sorted(declared)) or 'none yet'}"
            source.wrong(path, "policy.unknown-engine", what, nearest(ref.name, declared, fix))
        elif spec is not None:
            called = "generate" if ref.calls == "route" else ref.calls
            if getattr(spec.engine_class, called) is getattr(Engine, called):
                what = f"the engine `{ref.name}` has no `{called}`, which this plugin calls"
                source.wrong(path, "policy.engine", what, f"name another; `{spec.adapter}` is not made for that")
        elif not gateway.diagnostics:
            what = f"the engine `{ref.name}` is not available"
            source.wrong(path, "policy.no-engine", what, "set its `when_env` variable, or name one without")


def _takers(route: Route, earlier: list[Route]) -> list[str]:
    """The routes above that between them take everything that a route would; none where something is left to it."""
    takers: list[str] = []
    for path in route.paths:
        for model in route.models:
            taker = next((one for one in earlier if _taken(path, one.paths) and _taken(model, one.models)), None)
            if taker is None:
                return []
            takers += [taker.id] if taker.id not in takers else []
    return takers


def _taken(glob: str, by: tuple[str, ...]) -> bool:
    """Whether everything that a glob takes is taken by one of the others; sound, not complete.

    A `*` of the wider glob takes any text, wildcards of the narrower one too; its `?` and `[…]` might not.
    """
    return any(
        glob == wider or (fnmatchcase(glob, wider) and (not WILD & set(glob) or not WILD - {"*"} & set(wider)))
        for wider in by
    )
