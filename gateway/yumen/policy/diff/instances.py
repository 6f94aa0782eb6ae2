"""Plugin instances, their rules and their configurations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from yumen.exchange import Mode
from yumen.policy.bundle import Instance, RulePolicy
from yumen.policy.diff.configs import compare_values
from yumen.policy.diff.side import Change, Effect, Side, reach, shown
from yumen.policy.reader import Place

STRENGTH: dict[Mode, int] = {"off": 0, "shadow": 1, "enforce": 2}


def compare_instances(old: Side, new: Side) -> Iterator[Change]:
    """Instances that came, went, or are run otherwise."""
    before, after = old.bundle.instances, new.bundle.instances
    for name, now in after.items():
        if name not in before:
            effect: Effect = "tightened" if now.mode == "enforce" and _used(new, now) else "none"
            place = new.source(now).place(("plugin",))
            yield new.change("instances", "added", effect, name, _outline(now), place)
        elif before[name].manifest.name != now.manifest.name:
            what = f"plugin {before[name].manifest.name} -> {now.manifest.name}"
            place = new.source(now).place(("plugin",))
            yield new.change("instances", "changed", "unsure", name, what, place)
        else:
            yield from _knobs(new, before[name], now)
    for name, then in before.items():
        if name not in after:
            effect = "loosened" if then.mode == "enforce" and _used(old, then) else "none"
            yield old.change("instances", "removed", effect, name, _outline(then), old.source(then).place(("plugin",)))


def _used(side: Side, instance: Instance) -> bool:
    return any(instance.name == one.name for route in side.bundle.routes for one in route.chain)


def _outline(instance: Instance) -> str:
    rules = f", rules {' '.join(instance.rules)}" if instance.rules else ""
    return f"plugin {instance.manifest.name}, mode {instance.mode}{rules}"


def _knobs(new: Side, then: Instance, now: Instance) -> Iterator[Change]:
    """What the core owns on an instance that both bundles have."""
    source = new.source(now)

    def change(knob: str, was: object, is_: object, effect: Effect) -> Iterator[Change]:
        if was != is_:
            place = source.place(tuple(knob.split(".")))
            yield new.change("instances", "changed", effect, now.name, f"{knob} {was} -> {is_}", place)

    yield from change("mode", then.mode, now.mode, stricter(STRENGTH[now.mode] - STRENGTH[then.mode]))
    yield from change("sample", then.sample, now.sample, "none")
    yield from change("until", moment(then.until), moment(now.until), _sooner(then.until, now.until))
    yield from change("on_error", then.on_error, now.on_error, "loosened" if now.on_error == "open" else "tightened")
    rejects = (now.on_unsupported == "reject") - (then.on_unsupported == "reject")
    yield from change("on_unsupported", then.on_unsupported, now.on_unsupported, stricter(rejects))
    yield from change("timeout_ms", then.timeout_ms, now.timeout_ms, "unsure")
    apart = (now.isolation == "process") - (then.isolation == "process")
    yield from change("isolation", then.isolation, now.isolation, stricter(apart))
    yield from change("memory_mib", then.memory_mib, now.memory_mib, "unsure")
    for name in ("routes", "tenants", "models"):
        was, is_ = getattr(then.match, name), getattr(now.match, name)
        yield from change(f"match.{name}", " ".join(was), " ".join(is_), reach(was, is_))
    fewer = len(set(now.match.directions)) - len(set(then.match.directions))
    was, is_ = " ".join(sorted(then.match.directions)), " ".join(sorted(now.match.directions))
    yield from change("match.directions", was, is_, stricter(fewer) if fewer else "unsure")
    yield from change("cites", shown("", then.cites), shown("", now.cites), "none")


def stricter(more: int) -> Effect:
    """What a step on a scale means on which more is stricter."""
    return "tightened" if more > 0 else "loosened" if more < 0 else "none"


def moment(seconds: float | None) -> str:
    """A moment as policy files have it, or `never`."""
    if seconds is None:
        return "never"
    return datetime.fromtimestamp(seconds, UTC).isoformat().replace("+00:00", "Z")


def _sooner(was: float | None, now: float | None) -> Effect:
    """What it means that shadow ends at another moment."""
    endless = float("inf")
    before, after = (endless if one is None else one for one in (was, now))
    return "tightened" if after < before else "loosened" if after > before else "none"


def compare_rules(old: Side, new: Side) -> Iterator[Change]:
    """Single rules of instances that both bundles have."""
    for name, now in new.bundle.instances.items():
        then = old.bundle.instances.get(name)
        if then is not None and then.manifest.name == now.manifest.name:
            yield from _Rules(old, new, then, now).changes()


def compare_configs(old: Side, new: Side) -> Iterator[Change]:
    """Configurations of instances that both bundles have."""
    for name, now in new.bundle.instances.items():
        then = old.bundle.instances.get(name)
        if then is not None and then.manifest.name == now.manifest.name:
            placed = (old, old.source(then), then.config), (new, new.source(now), now.config)
            yield from compare_values("configs", name, *placed, ("config",))


class _Rules:
    """The rules of one instance in both bundles."""

    def __init__(self, old: Side, new: Side, then: Instance, now: Instance) -> None:
        self.old = old
        self.new = new
        self.then = then
        self.now = now

    def changes(self) -> Iterator[Change]:
        before, after = self.then.rules, self.now.rules
        for name, rule in after.items():
            if name in before:
                yield from self._rule(before[name], rule)
                continue
            mode = effective(self.now, rule)
            place = Place(rule.file, rule.line) if rule.line else self.new.rule_place(self.now, rule)
            effect: Effect = "tightened" if mode == "enforce" else "none"
            yield self.new.change("rules", "added", effect, self._subject(rule), f"mode {mode}", place)
        for name, rule in before.items():
            if name not in after:
                mode = effective(self.then, rule)
                effect = "loosened" if mode == "enforce" else "none"
                place = Place(rule.file, rule.line) if rule.line else self.old.rule_place(self.then, rule)
                yield self.old.change("rules", "removed", effect, self._subject(rule), f"mode was {mode}", place)

    def _subject(self, rule: RulePolicy) -> str:
        return f"{self.now.name}:{rule.id}"

    def _rule(self, then: RulePolicy, now: RulePolicy) -> Iterator[Change]:
        was, is_ = effective(self.then, then), effective(self.now, now)
        # Where the whole instance changed its mode, its own line has said so.
        if was != is_ and (was, is_) != (self.then.mode, self.now.mode):
            yield self._change(now, "mode", was, is_, stricter(STRENGTH[is_] - STRENGTH[was]))
        if was == is_ == "shadow":
            yield from self._differs(now, "sample", then.sample, now.sample, "none")
            until = moment(then.until), moment(now.until)
            yield from self._differs(now, "until", *until, _sooner(then.until, now.until))
            yield from self._differs(now, "accept_raw", shown("", then.accept_raw), shown("", now.accept_raw), "none")
        if (then.cites, now.cites) != (self.then.cites, self.now.cites):
            yield from self._differs(now, "cites", shown("", then.cites), shown("", now.cites), "none")

    def _differs(self, rule: RulePolicy, knob: str, was: object, is_: object, effect: Effect) -> Iterator[Change]:
        if was != is_:
            yield self._change(rule, knob, was, is_, effect)

    def _change(self, rule: RulePolicy, knob: str, was: object, is_: object, effect: Effect) -> Change:
        place = self.new.rule_place(self.now, rule, knob)
        return self.new.change("rules", "changed", effect, self._subject(rule), f"{knob} {was} -> {is_}", place)


def effective(instance: Instance, rule: RulePolicy) -> Mode:
    """What a rule does in its instance."""
    return min(instance.mode, rule.mode, key=lambda mode: STRENGTH[mode])
