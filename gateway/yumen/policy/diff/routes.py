"""Routes, engines and limits: what is served, by whom, and how much of it."""

from __future__ import annotations

from collections.abc import Iterator

from yumen.policy.bundle import Instance, Limits, Route, SubjectSource
from yumen.policy.diff.configs import compare_values
from yumen.policy.diff.side import Change, Effect, Side

# A limit that protects nobody: how long a stream is silent before it says that it is still there.
NEUTRAL_LIMITS = frozenset({"keepalive_ms"})


def compare_routes(old: Side, new: Side) -> Iterator[Change]:
    """Routes that came, went or changed, and whether their order did: the first that fits takes a request."""
    before = {route.id: route for route in old.bundle.routes}
    after = {route.id: route for route in new.bundle.routes}
    for route in after.values():
        subject = f"route {route.id}"
        if route.id not in before:
            place = new.gateway.place(new.route_path(route.id))
            yield new.change("routes", "added", "unsure", subject, _outline(route), place)
        else:
            yield from _compare_route(old, new, before[route.id], route)
    for route in before.values():
        if route.id not in after:
            place = old.gateway.place(old.route_path(route.id))
            yield old.change("routes", "removed", "unsure", f"route {route.id}", _outline(route), place)
    common = [name for name in before if name in after]
    order = [name for name in after if name in before]
    if common != order:
        what = f"tried in the order {', '.join(order)}, and not {', '.join(common)}"
        yield new.change("routes", "changed", "unsure", "routes", what, new.gateway.place(("routes",)))


def _outline(route: Route) -> str:
    chain = " ".join(instance.name for instance in route.chain) or "nothing"
    engines = " or ".join((route.engine, *route.detours))
    return f"{' '.join(route.paths)} for models {' '.join(route.models)} through {chain} to {engines}"


def _compare_route(old: Side, new: Side, then: Route, now: Route) -> Iterator[Change]:
    subject, path = f"route {now.id}", new.route_path(now.id)
    for name, before, after in (("paths", then.paths, now.paths), ("models", then.models, now.models)):
        if set(before) != set(after):
            what = f"{name} {' '.join(before)} -> {' '.join(after)}"
            place = new.gateway.place((*path, "match", name))
            yield new.change("routes", "changed", "unsure", subject, what, place)
    if then.engine != now.engine:
        what = f"engine {then.engine} -> {now.engine}"
        yield new.change("routes", "changed", "unsure", subject, what, new.gateway.place((*path, "engine")))
    yield from _compare_chain(old, new, then, now)
    if then.timeout_ms != now.timeout_ms:
        what = f"timeout_ms {then.timeout_ms} -> {now.timeout_ms}"
        yield new.change("routes", "changed", "none", subject, what, new.gateway.place((*path, "timeout_ms")))
    if then.subject != now.subject:
        what = f"whom requests are about is said by {_named(then.subject)} -> {_named(now.subject)}"
        place = new.gateway.place((*path, "subject") if now.subject else path)
        yield new.change("routes", "changed", "unsure", subject, what, place)


def _named(source: SubjectSource | None) -> str:
    if source is None:
        return "nothing"
    return " or ".join(
        filter(None, (source.header and f"header {source.header}", source.field and f"field {source.field}"))
    )


def _compare_chain(old: Side, new: Side, then: Route, now: Route) -> Iterator[Change]:
    subject = f"route {now.id}"
    before = [instance.name for instance in then.chain]
    after = [instance.name for instance in now.chain]
    place = new.gateway.place(new.route_path(now.id, "chain"))
    for instance in now.chain:
        if instance.name not in before:
            what = f"{instance.name} stands in the chain"
            yield new.change("routes", "added", _weight(instance, "tightened"), subject, what, place)
    for instance in then.chain:
        if instance.name not in after:
            what = f"{instance.name} does not stand in the chain any more"
            yield new.change("routes", "removed", _weight(instance, "loosened"), subject, what, place)
    common, order = [name for name in before if name in after], [name for name in after if name in before]
    if common != order:
        what = f"order {' '.join(common)} -> {' '.join(order)}"
        yield new.change("routes", "changed", "unsure", subject, what, place)


def _weight(instance: Instance, effect: Effect) -> Effect:
    """What it means that an instance comes or goes: nothing, where it only watched."""
    return effect if instance.mode == "enforce" else "none"


def compare_engines(old: Side, new: Side) -> Iterator[Change]:
    """Engines that routes use."""
    before, after = old.bundle.engines, new.bundle.engines
    for name, engine in after.items():
        subject, path = f"engine {name}", ("engines", name)
        if name not in before:
            what = f"{engine.adapter}, {engine.egress}"
            place = new.gateway.place(path, key=True)
            yield new.change("engines", "added", "none", subject, what, place)
            continue
        then = before[name]
        for knob, was, now in (("adapter", then.adapter, engine.adapter), ("egress", then.egress, engine.egress)):
            if was != now:
                place = new.gateway.place((*path, knob))
                yield new.change("engines", "changed", "unsure", subject, f"{knob} {was} -> {now}", place)
        if then.adapter == engine.adapter:
            whose = (old, old.gateway, then.config), (new, new.gateway, engine.config)
            yield from compare_values("engines", subject, *whose, path)
    for name, engine in before.items():
        if name not in after:
            place = old.gateway.place(("engines", name), key=True)
            yield old.change(
                "engines", "removed", "none", f"engine {name}", f"{engine.adapter}, {engine.egress}", place
            )


def compare_limits(old: Side, new: Side) -> Iterator[Change]:
    """The core's limits: a higher one is looser."""
    for name in Limits.__struct_fields__:
        was, now = getattr(old.bundle.limits, name), getattr(new.bundle.limits, name)
        if was != now:
            effect: Effect = "none" if name in NEUTRAL_LIMITS else "loosened" if now > was else "tightened"
            place = new.gateway.place(("limits", name))
            yield new.change("limits", "changed", effect, name, f"{was} -> {now}", place)
