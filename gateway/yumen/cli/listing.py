"""What `yumen plugins list` and `yumen engines list` share: where something comes from, and which bundles name it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from rich.table import Table
from rich.text import Text

from yumen import registry
from yumen.cli.plain import plain
from yumen.errors import CannotStart, PolicyError
from yumen.policy import pins
from yumen.policy.folder import read_folder
from yumen.policy.inherit import GATEWAY, TEST
from yumen.provenance import NoHash
from yumen.settings import Settings

HASH_SHOWN = 12
NO_HASH = "none, see below"


class Installed(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is installed, as metadata and files tell; `version` is its distribution's.

    `file` is what importing it would run, `sha256` see `yumen.provenance`, with `no_hash` where there is none; `bundles` are
    those that name it, and `served` says whether the one that YUMEN_POLICIES names is among them.
    """

    name: str
    distribution: str
    version: str
    target: str
    file: str = ""
    sha256: str = ""
    no_hash: str = ""
    bundles: tuple[str, ...] = ()
    served: bool = False


class Uses:
    """Which bundles name which plugins and engines; `problems` says which bundles could not be read."""

    def __init__(self) -> None:
        self.problems: list[str] = []
        # Distributions of which nothing may be imported, since some bundle pins another release.
        self.refused: frozenset[str] = frozenset()
        self.served = ""
        self._bundles: dict[tuple[str, str], list[str]] = {}

    @property
    def names(self) -> frozenset[tuple[str, str]]:
        """What any of the bundles names, as kind and name."""
        return frozenset(self._bundles)

    def of(self, kind: str, name: str) -> tuple[str, ...]:
        """The bundles that name a plugin or engine."""
        return tuple(self._bundles.get((kind, name), ()))

    def add(self, bundle: str) -> None:
        """Read a bundle, and nothing else: none of what it names is imported. Error: `PolicyError` where there is none."""
        sources = {name: one for name, one in read_folder(bundle).composed().items() if not name.endswith(TEST)}
        self.refused |= pins.refused(sources, os.environ)
        for file, source in sources.items():
            for used in set(_named(file, source.data)):
                self._bundles.setdefault(used, [])
                if bundle not in self._bundles[used]:
                    self._bundles[used].append(bundle)


def uses(settings: Settings, policies: Sequence[str] = ()) -> Uses:
    """What the bundles of `policies`, the one that is served, and those that are installed name.

    Error: `CannotStart` where one of `policies` cannot be read.
    """
    found = Uses()
    found.served = settings.policies
    for bundle in dict.fromkeys((*policies, settings.policies, *registry.names("bundle"))):
        try:
            found.add(bundle)
        except (PolicyError, registry.RegistryError) as error:
            if bundle in policies:
                raise CannotStart(str(error)) from None
            found.problems.append(str(error))
    return found


def installed(kind: str, found: Uses) -> list[Installed]:
    """Everything of one kind, sorted by name; nothing is imported."""
    return [_installed(kind, one, found) for one in registry.listings(kind)]


def pinned_otherwise(kind: str, one: Installed, found: Uses) -> str:
    """Why something that a bundle names must not be imported, or empty."""
    if not one.bundles or one.distribution not in found.refused:
        return ""
    return f"a bundle pins {kind} `{one.name}` or another of {one.distribution} to another release; see `policy check`"


def columns(one: Installed) -> dict[str, str]:
    """The cells that every table has, by their heads."""
    bundles = [f"{name} (served)" if one.served and name == one.bundles[0] else name for name in one.bundles]
    return {
        "name": one.name,
        "distribution": one.distribution,
        "version": one.version,
        "bundles": "\n".join(bundles),
        "hash": one.sha256[:HASH_SHOWN] or NO_HASH,
        "file": one.file or one.target,
    }


def without_hash(every: Iterable[Installed]) -> list[str]:
    """A line for each reason why there is no hash, and so no pin of one, with everything that it is the reason for."""
    reasons: dict[str, list[str]] = {}
    for one in every:
        if not one.sha256:
            reasons.setdefault(one.no_hash, []).append(one.name)
    return [plain(f"no hash of {', '.join(names)}: {reason} (docs/versions.md)") for reason, names in reasons.items()]


def table(rows: Sequence[Mapping[str, str]], *heads: str) -> Table:
    """A table of rows by their heads; what packages say of themselves cannot act on a terminal."""
    made = Table(*heads)
    for row in rows:
        made.add_row(*(Text("\n".join(map(plain, row[head].split("\n")))) for head in heads))
    return made


def _installed(kind: str, one: registry.Listing, found: Uses) -> Installed:
    file = sha256 = no_hash = ""
    try:
        from_where = registry.provenance(kind, one.name)
        file = from_where.file
        sha256 = from_where.sha256()
    except (registry.RegistryError, NoHash) as error:
        no_hash = str(error)
    bundles = found.of(kind, one.name)
    served = found.served in bundles
    # The one that is served stands first.
    bundles = tuple(sorted(bundles, key=lambda name: (name != found.served, name)))
    return Installed(
        name=one.name,
        distribution=one.distribution,
        version=one.version,
        target=one.target,
        file=file,
        sha256=sha256,
        no_hash=no_hash,
        bundles=bundles,
        served=served,
    )


def _named(file: str, data: Any) -> Iterator[tuple[str, str]]:
    """The plugins and engines that a policy file names, each with its kind."""
    if not isinstance(data, dict):
        return
    if file == GATEWAY:
        engines = data.get("engines")
        for engine in engines.values() if isinstance(engines, dict) else ():
            if isinstance(engine, dict) and isinstance(engine.get("adapter"), str):
                yield "engine", engine["adapter"]
    elif isinstance(data.get("plugin"), str):
        yield "plugin", data["plugin"]
