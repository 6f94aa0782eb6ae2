"""The only reader of entry points.

Discovery reads metadata and imports nothing: an installed plugin that no bundle names never runs, not even its import.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from functools import lru_cache
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import msgspec

from yumen.engine import Engine, EngineManifest
from yumen.plugin import API_VERSION, Manifest, Plugin

GROUPS = {
    "plugin": "yumen.plugins",
    "engine": "yumen.engines",
    "command": "yumen.commands",
    "bundle": "yumen.bundles",
    "ledger": "yumen.ledgers",
    "evaluator": "yumen.evaluators",
}


class RegistryError(Exception):
    """What is named is not installed, or does not hold what its entry point promises; the message says what to do."""


class Listing(msgspec.Struct, frozen=True):
    """An installed plugin, engine, command or bundle, as its metadata describes it."""

    name: str
    distribution: str
    version: str
    target: str


def listings(kind: str) -> list[Listing]:
    """Everything of one kind that is installed, sorted by name."""
    found = {
        (point.name, point.dist.name if point.dist else ""): Listing(
            point.name, point.dist.name if point.dist else "", point.dist.version if point.dist else "", point.value
        )
        for point in _points(kind)
    }
    return [found[key] for key in sorted(found)]


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
    except Exception as error:  # whatever it is, it does not run
        return f"it cannot be asked: {type(error).__name__}"


def bundle_folder(name: str) -> Path | None:
    """The folder of an installed bundle, without importing its package; None where there is none of this name."""
    if name not in names("bundle"):
        return None
    try:
        spec = importlib.util.find_spec(_one("bundle", name).value)
    except ModuleNotFoundError:
        raise RegistryError(f"the package of the bundle `{name}` is not there; install it again") from None
    return Path(spec.origin).parent if spec is not None and spec.origin else None


def _load(kind: str, name: str, base: type, manifest_type: type) -> type:
    point = _one(kind, name)
    loaded = _import(kind, point)
    who = f"{kind} `{name}` of {_distribution(point)}"
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise RegistryError(f"{who} is not a subclass of {base.__name__}")
    manifest = getattr(loaded, "manifest", None)
    if not isinstance(manifest, manifest_type):
        raise RegistryError(f"{who} has no manifest")
    if manifest.name != name:  # type: ignore[attr-defined]  # both manifests have a name and an api
        raise RegistryError(f"{who} calls itself otherwise in its manifest")
    if manifest.api != API_VERSION:  # type: ignore[attr-defined]  # as above
        raise RegistryError(f"{who} is written for another API version than {API_VERSION}")
    return loaded


def _one(kind: str, name: str) -> EntryPoint:
    points = {(point.value, _distribution(point)): point for point in _points(kind) if point.name == name}
    if not points:
        raise RegistryError(f"no {kind} `{name}` is installed")
    if len(points) > 1:
        owners = ", ".join(sorted(owner for _, owner in points))
        raise RegistryError(f"several distributions offer the {kind} `{name}`: {owners}")
    return next(iter(points.values()))


def _points(kind: str) -> tuple[EntryPoint, ...]:
    """What is installed now. Reading that takes 20 ms with a hundred distributions; installing changes a folder's time."""
    return _read_points(GROUPS[kind], tuple((path, _changed_at(path)) for path in sys.path))


@lru_cache(64)
def _read_points(group: str, _: tuple[tuple[str, int], ...]) -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=group))


def _changed_at(path: str) -> int:
    try:
        return os.stat(path or ".").st_mtime_ns
    except OSError:
        return 0


def _import(kind: str, point: EntryPoint) -> Any:
    try:
        return point.load()
    except Exception as error:  # importing runs somebody else's code
        raise RegistryError(
            f"{kind} `{point.name}` of {_distribution(point)} cannot be imported: {type(error).__name__}: {error}"
        ) from None


def _distribution(point: EntryPoint) -> str:
    return point.dist.name if point.dist is not None else "an unknown distribution"
