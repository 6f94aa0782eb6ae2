"""The only reader of entry points.

Discovery reads metadata and imports nothing: an installed plugin that no bundle names never runs, not even its import.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from importlib.metadata import EntryPoint, EntryPoints, distributions, entry_points
from pathlib import Path
from typing import Any

import msgspec

from yumen import importing
from yumen.engine import Engine, EngineManifest
from yumen.fitness import unfit
from yumen.plugin import Manifest, Plugin
from yumen.provenance import OWN, Provenance, Stamp, identity, module_file, normalized
from yumen.telemetry import warn
from yumen.versions import Verdict, verdict

GROUPS = {
    "plugin": "yumen.plugins",
    "engine": "yumen.engines",
    "command": "yumen.commands",
    "bundle": "yumen.bundles",
    "ledger": "yumen.ledgers",
    "evaluator": "yumen.evaluators",
}
# The folders that are imported from, each with the time of its last change.
PathState = tuple[tuple[str, int], ...]
# What this process has imported, or tried to, by kind, name and target: wherever it lies now, this is what runs.
_imported: dict[tuple[str, str, str], Provenance] = {}
# What the files of each distribution were before anything of it was imported.
_stamps: dict[str, dict[Path, Stamp]] = {}


class RegistryError(Exception):
    """What is named is not installed, or does not hold what its entry point promises; the message says what to do."""


class Listing(msgspec.Struct, frozen=True):
    """An installed plugin, engine, command or bundle, as its metadata describes it."""

    name: str
    distribution: str
    version: str
    target: str


def listings(kind: str) -> Sequence[Listing]:
    """Everything of one kind that is installed, sorted by name."""
    return _listings(kind, _path_state())


@lru_cache(64)
def _listings(kind: str, _: PathState) -> tuple[Listing, ...]:
    found = {(one.name, one.distribution): one for one in map(_listing, _points(kind))}
    return tuple(found[key] for key in sorted(found))


def owner(module: str) -> str:
    """The distribution whose plugin or engine a module belongs to; empty where none does, or it might be one of several."""
    offered = [one for kind in ("plugin", "engine") for one in listings(kind)]
    packages = {one: one.target.partition(":")[0] for one in offered}
    owners = {one.distribution for one in offered if f"{module}.".startswith(f"{packages[one]}.")}
    if not owners:
        root = module.partition(".")[0]
        owners = {one.distribution for one in offered if packages[one].partition(".")[0] == root}
    return owners.pop() if len(owners) == 1 else ""


def _listing(point: EntryPoint) -> Listing:
    return Listing(point.name, *identity(point.dist), point.value)


def names(kind: str) -> list[str]:
    """The names of one kind."""
    return sorted({listing.name for listing in listings(kind)})


@lru_cache(256)
def load_plugin(name: str) -> type[Plugin[Any]]:
    """Import a plugin's class. Error: `RegistryError`."""
    loaded = _load("plugin", name, Plugin, Manifest)
    assert issubclass(loaded, Plugin)
    return loaded


@lru_cache(256)
def load_engine(name: str) -> type[Engine[Any]]:
    """Import an engine's class. Error: `RegistryError`."""
    loaded = _load("engine", name, Engine, EngineManifest)
    assert issubclass(loaded, Engine)
    return loaded


# Classes that no distribution has to offer, by name.
_given: dict[str, type[Plugin[Any]] | type[Engine[Any]]] = {}


@contextmanager
def given(*classes: type[Plugin[Any]] | type[Engine[Any]]) -> Iterator[None]:
    """Have classes found under their manifests' names, installed or not, for as long as this lasts. For tests."""
    before = dict(_given)
    _give({**before, **{one.manifest.name: one for one in classes}})
    try:
        yield
    finally:
        _give(before)


def _give(classes: dict[str, type[Plugin[Any]] | type[Engine[Any]]]) -> None:
    _given.clear()
    _given.update(classes)
    load_plugin.cache_clear()
    load_engine.cache_clear()


def load_command(name: str) -> Any:
    """Import a command of the command line. Error: `RegistryError`."""
    return _import("command", _one("command", name))


def load_ledger(name: str) -> Any:
    """Import what opens a ledger; see `yumen.ledger`. Error: `RegistryError`."""
    return _import("ledger", _one("ledger", name))


def evaluator_state(name: str) -> str:
    """Why what evaluates rules cannot run here, or empty. It is a function without arguments that says so."""
    try:
        return str(_import("evaluator", _one("evaluator", name))())
    except (Exception, SystemExit) as error:  # whatever it is, it does not run
        return f"it cannot be asked: {type(error).__name__}"


def bundle_folder(name: str) -> Path | None:
    """The folder of an installed bundle; None where there is none of this name. No package is imported, nor one around it.

    Error: `RegistryError` where the bundle's package has gone.
    """
    if name not in names("bundle"):
        return None
    file = module_file(_one("bundle", name).value)
    if not file:
        raise RegistryError(f"the package of the bundle `{name}` is not there; install it again")
    return Path(file).parent


def provenance(kind: str, name: str) -> Provenance:
    """Where a plugin or engine comes from, or came from where this process has imported it already.

    Nothing is imported. Error: `RegistryError`.
    """
    point = _one(kind, name)
    return _imported.get((kind, name, point.value)) or Provenance(point, _stamps.get(_distribution(point)))


def who(kind: str, name: str) -> str:
    """A plugin or engine with the distribution that offers it, as a sentence names it."""
    owners = sorted({one.distribution for one in listings(kind) if one.name == name and one.distribution})
    of = f" of {', '.join(owners)}" if owners and name not in _given else ""
    return f"{kind} `{name}`{of}"


def forget() -> None:
    """Take what is imported next for something new. For tests, which install one name in many places."""
    _imported.clear()
    _stamps.clear()
    load_plugin.cache_clear()
    load_engine.cache_clear()


def api_warning(kind: str, owner: Any) -> Verdict | None:
    """What is to be said of the API version that a loaded class is written for, if anything."""
    found = verdict(owner.manifest.api)
    return Verdict(True, f"{kind} `{owner.manifest.name}` {found.what}", found.fix) if found.what else None


def _load(kind: str, name: str, base: type, manifest_type: type[msgspec.Struct]) -> type:
    given = _given.get(name)
    if given is not None and issubclass(given, base):
        return given
    point = _one(kind, name)
    # What lies on disk now is what is imported, and stays so for as long as this process lives.
    noted = _imported.setdefault((kind, name, point.value), provenance(kind, name))
    _stamps.setdefault(_distribution(point), {}).update(noted.stamps)
    loaded = _import(kind, point)
    if wrong := unfit(loaded, name, base, manifest_type):
        raise RegistryError(f"{_who(kind, point)} {wrong}")
    owner: type = loaded
    return owner


def _one(kind: str, name: str) -> EntryPoint:
    """The entry point of a name. Error: `RegistryError` where there is none, or which one it is would be chance."""
    points = {(point.value, _distribution(point)): point for point in _points(kind) if point.name == name}
    if not points:
        raise RegistryError(f"no {kind} `{name}` is installed")
    if len(points) > 1:
        owners = sorted({owner for _, owner in points})
        if OWN in owners:
            others = ", ".join(owner for owner in owners if owner != OWN) or OWN
            raise RegistryError(f"{others} offers the {kind} `{name}`, which is the name of a built-in one")
        raise RegistryError(f"several distributions offer the {kind} `{name}`: {', '.join(owners)}")
    point = next(iter(points.values()))
    if not point.pattern.match(point.value):
        raise RegistryError(f"{_who(kind, point)} has an entry point that can lead nowhere")
    installed = _installations(identity(point.dist)[0], _path_state()) if point.dist is not None else ()
    if len({version for version, _ in installed}) > 1:
        where = ", ".join(f"{version} in {folder}" for version, folder in installed)
        raise RegistryError(f"{_who(kind, point)} is installed more than once: {where}")
    return point


@lru_cache(64)
def _installations(distribution: str, _: PathState) -> tuple[tuple[str, str], ...]:
    """Version and folder of every installation of a distribution: where several are, the path decides which is imported."""
    found = {str(one.locate_file("")): one.version for one in distributions(name=distribution)}
    return tuple((version, folder) for folder, version in found.items())


def _points(kind: str) -> tuple[EntryPoint, ...]:
    """What is installed now. Reading that takes 20 ms with a hundred distributions; installing changes a folder's time."""
    return _read_points(_path_state())[GROUPS[kind]]


def _path_state() -> PathState:
    return tuple((path, _changed_at(path)) for path in sys.path)


@lru_cache(16)
def _read_points(_: PathState) -> Mapping[str, tuple[EntryPoint, ...]]:
    """All groups at once: finding one takes as long as finding all."""
    found: Any  # of another type from Python 3.12 on, which selects as the older one does
    try:
        found = entry_points()
    except Exception:  # one of them is written as nobody can read it
        found = EntryPoints(_readable_points())
    return {group: tuple(found.select(group=group)) for group in GROUPS.values()}


def _readable_points() -> Iterator[EntryPoint]:
    """What `entry_points` finds, without the distributions that it fails on, which are named."""
    seen: set[str] = set()
    for one in distributions():
        where = str(one.locate_file(""))
        try:
            name = normalized(one.name)
            points = () if name in seen else tuple(one.entry_points)
        except Exception as error:
            warn(
                "entry_points_unreadable",
                f"a distribution in {where} cannot be read: {importing.reason(error)}",
                folder=where,
            )
            continue
        seen.add(name)
        yield from points


def _changed_at(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return 0


def _import(kind: str, point: EntryPoint) -> Any:
    who = _who(kind, point)
    try:
        return importing.run(point.load, who)
    except importing.ImportFailed as error:
        raise RegistryError(f"{who} {error}") from None


def _who(kind: str, point: EntryPoint) -> str:
    return f"{kind} `{point.name}` of {_distribution(point)}"


def _distribution(point: EntryPoint) -> str:
    return identity(point.dist)[0] or "an unknown distribution"
