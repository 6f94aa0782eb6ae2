"""Holds plugins and engines against the version and hash that a bundle pins, before any of their code is imported."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from yumen import registry
from yumen.policy.files import Pin
from yumen.policy.inherit import GATEWAY
from yumen.policy.reader import Path, Source
from yumen.policy.shape import build
from yumen.provenance import NoHash, Provenance


class Pinned(NamedTuple):
    """What stands under `pin:`, at `path` of a file, of a plugin or engine of this name."""

    kind: str
    name: object
    path: Path
    written: Any


def refused(policies: Mapping[str, Source], env: Mapping[str, str]) -> frozenset[str]:
    """The distributions of which nothing may be imported, since what a file pins of one is not what is installed.

    `policies` are the files of a bundle by name. What is wrong is noted in the file. A pin that cannot be read, or has
    nothing to be held against, refuses as well. One of an engine that is not available (`when_env`) does not count.
    """
    return frozenset(
        owner
        for file, source in policies.items()
        for pinned in _pinned(file, source.data, env)
        if not _holds(source, pinned, env)
        for owner in owners(pinned.kind, pinned.name)
    )


def owners(kind: str, name: object) -> frozenset[str]:
    """The distributions that offer a plugin or engine, from metadata."""
    return frozenset(one.distribution for one in registry.listings(kind) if one.name == name)


def available(engine: Mapping[str, Any], env: Mapping[str, str]) -> bool:
    """Whether the variable is set on which an engine of a policy file depends, if it does."""
    name = engine.get("when_env")
    return not isinstance(name, str) or not name or bool(env.get(name))


def _pinned(file: str, data: Any, env: Mapping[str, str]) -> Iterator[Pinned]:
    if not isinstance(data, dict):
        return
    if file != GATEWAY:
        if "pin" in data:
            yield Pinned("plugin", data.get("plugin"), ("pin",), data["pin"])
        return
    engines = data.get("engines")
    for name, engine in engines.items() if isinstance(engines, dict) else ():
        if isinstance(engine, dict) and "pin" in engine and available(engine, env):
            yield Pinned("engine", engine.get("adapter"), ("engines", name, "pin"), engine["pin"])


def _holds(source: Source, pinned: Pinned, env: Mapping[str, str]) -> bool:
    before = len(source.diagnostics)
    kind, name, path, written = pinned
    pin = build(source, path, source.resolve(path, written, env), Pin)
    if pin is None or len(source.diagnostics) > before or not isinstance(name, str):
        return False
    try:
        found = registry.provenance(kind, name)
    except registry.RegistryError as error:
        source.wrong(path, "policy.pin", f"{error}, so nothing proves what it is", "install what is pinned")
        return False
    who = f"{kind} `{name}` of {found.distribution}"
    if pin.version and pin.version != found.version:
        what = f"{who} is installed in version {found.version}, not {pin.version}"
        fix = "install the pinned version, or look at this one and pin it"
        source.wrong((*path, "version"), "policy.pin", what, fix)
    elif pin.sha256:
        _check_hash(source, (*path, "sha256"), who, pin.sha256, found)
    return len(source.diagnostics) == before


def _check_hash(source: Source, path: Path, who: str, wanted: str, found: Provenance) -> None:
    try:
        actual = found.sha256()
    except NoHash as error:
        fix = "install it from a wheel, into a clean environment, and restart"
        source.wrong(path, "policy.pin", f"{who} has no hash: {error}".replace(";", ","), fix)
        return
    if actual != wanted:
        what = f"{who} {found.version} has the hash {actual}, not the pinned one"
        fix = "find out what has changed, then install what was pinned, or look at this one and pin it"
        source.wrong(path, "policy.pin", what, fix)
    elif unlike := found.unlike():
        what = f"what Python keeps compiled of {who} is not of its file {unlike}"
        source.wrong(path, "policy.pin", what, "remove its `__pycache__`, and find out who wrote it")
