"""What everybody on a route is shown and keeps, for people: `yumen policy check --explain-flow` draws it.

The flow check (`yumen.policy.flow`) decides; this only tells. Both read the same declarations.
"""

from __future__ import annotations

import msgspec
from rich.markup import escape
from rich.tree import Tree

from yumen.policy.bundle import Bundle, Instance, Route


class Seen(msgspec.Struct, frozen=True):
    """One station of a route: `sees` is the form of texts it is shown, `stores` the form it writes down, in words."""

    who: str
    sees: str
    stores: str = "nothing"
    notes: tuple[str, ...] = ()


class RouteSight(msgspec.Struct, frozen=True):
    """A route and its stations, from the client to the engine."""

    route: str
    paths: tuple[str, ...]
    models: tuple[str, ...]
    accept_raw: str
    stations: tuple[Seen, ...]


def sight(bundle: Bundle) -> list[RouteSight]:
    """What every route shows to whom."""
    return [
        RouteSight(route.id, route.paths, route.models, route.accept_raw, (_client(), *_stations(bundle, route)))
        for route in bundle.routes
    ]


def _client() -> Seen:
    return Seen("client", "raw text, its own")


def _stations(bundle: Bundle, route: Route) -> list[Seen]:
    chain = [instance for instance in route.chain if instance.mode != "off"]
    masking = next((instance for instance in chain if instance.manifest.masks), None)
    stations = [_plugin(instance, masking, chain) for instance in chain]
    # Its own, and those that rules can have asked in its place.
    engines = [bundle.engines[name] for name in (route.engine, *route.detours)]
    sees = _engine_sees(masking)
    return [*stations, *(Seen(f"engine {one.name} ({one.egress})", sees, "its own business") for one in engines)]


def _plugin(instance: Instance, masking: Instance | None, chain: list[Instance]) -> Seen:
    manifest = instance.manifest
    if manifest.sees == "raw":
        sees = "raw text"
    elif masking is None:
        sees = "keyed digests"
    elif chain.index(instance) < chain.index(masking):
        sees = f"keyed digests going down, until {masking.name} has run; masked text coming up"
    else:
        sees = "masked text"
    stores = {"nothing": "nothing", "masked": "masked text", "raw": "raw text"}[manifest.stores]
    if manifest.stores == "masked" and masking is None:
        stores = "keyed digests"
    return Seen(instance.name, sees, stores, tuple(_notes(instance)))


def _notes(instance: Instance) -> list[str]:
    notes = []
    if instance.manifest.masks:
        notes.append("masks")
    if instance.isolation == "process":
        notes.append("in a process of its own")
    if instance.mode == "shadow":
        notes.append("in shadow: what it would do is recorded and not done")
    notes += [f"{knob}: {value}" for knob, value in _loose(instance)]
    for rule in instance.quiet:
        why = f', because "{rule.accept_raw}"' if rule.accept_raw else ""
        notes.append(f"rule {rule.id} is {'off' if rule.mode == 'off' else f'in shadow{why}'}")
    return notes


def _loose(instance: Instance) -> list[tuple[str, str]]:
    knobs = [("on_error", instance.on_error, "closed"), ("on_unsupported", instance.on_unsupported, "reject")]
    return [(name, value) for name, value, strict in knobs if value != strict]


def _engine_sees(masking: Instance | None) -> str:
    if masking is None:
        return "raw text"
    if masking.mode == "shadow":
        return f"raw text: {masking.name} is in shadow"
    quiet = [rule.id for rule in masking.quiet if rule.mode == "shadow"]
    but = f", but what {', '.join(quiet)} would mask" if quiet else ""
    return f"masked text{but}"


def draw(routes: list[RouteSight]) -> list[Tree]:
    """A tree for every route."""
    trees = []
    for route in routes:
        head = f"[bold]route {route.route}[/]  {escape(' '.join(route.paths))}  models {escape(' '.join(route.models))}"
        tree = Tree(head)
        if route.accept_raw:
            tree.add(escape(f'raw text is accepted: "{route.accept_raw}"'))
        for station in route.stations:
            branch = tree.add(
                f"[bold]{escape(station.who)}[/] sees {escape(station.sees)}; stores {escape(station.stores)}"
            )
            for note in station.notes:
                branch.add(escape(note))
        trees.append(tree)
    return trees
