"""What engines and stores may see now that they did not see before, or do not see any more."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from yumen.policy.bundle import EngineSpec, Instance, Route
from yumen.policy.diff.side import Change, Effect, Side, covers
from yumen.policy.reader import Place


class Gap(msgspec.Struct, frozen=True):
    """A way in which text may pass a masking plugin unmasked, in words, and where policy says so; `why` is its reason."""

    what: str
    place: Place
    why: str = ""

    @property
    def full(self) -> str:
        """The words with the reason."""
        return f'{self.what} ("{self.why}")' if self.why else self.what


class _View:
    """One route of one bundle: what its engine and its stores get."""

    def __init__(self, side: Side, route: Route) -> None:
        self.side = side
        self.route = route
        chain = [instance for instance in route.chain if instance.mode != "off"]
        self.masking = next((instance for instance in chain if instance.manifest.masks), None)
        self.engine: EngineSpec = side.bundle.engines[route.engine]
        self.masked = self.masking is not None and self.masking.mode == "enforce"
        self.gaps = {gap.what: gap for gap in self._gaps()}
        self.stores = {one.name: self._stores(one) for one in chain if one.manifest.stores != "nothing"}

    def place(self, *below: str | int) -> Place:
        return self.side.gateway.place(self.side.route_path(self.route.id, *below))

    def why_raw(self) -> Gap:
        """Why the engine gets raw text, where no masking plugin enforces."""
        shadowed = self.masking
        if shadowed is not None:
            return Gap(f"{shadowed.name} is in shadow", self.side.source(shadowed).place(("mode",)))
        off = next((one for one in self.route.chain if one.manifest.masks), None)
        if off is not None:
            return Gap(f"{off.name} is off", self.side.source(off).place(("mode",)))
        return Gap("no plugin of the chain masks", self.place("chain"))

    def rules(self) -> dict[str, str]:
        """The rules of the enforcing masking plugin and their modes."""
        if self.masking is None or not self.masked:
            return {}
        return {rule.id: rule.mode for rule in self.masking.rules.values()}

    def _gaps(self) -> Iterator[Gap]:
        instance = self.masking
        if instance is None or not self.masked:
            return
        source, name = self.side.source(instance), instance.name
        if instance.on_error == "open":
            yield Gap(f"everything when {name} fails", source.place(("on_error",)))
        if instance.on_unsupported != "reject":
            yield Gap(f"what {name} cannot read", source.place(("on_unsupported",)))
        yield from self._unmatched(instance)
        for rule in instance.rules.values():
            if rule.mode == "shadow":
                what = f"what {rule.id} finds, a rule in shadow"
                yield Gap(what, self.side.rule_place(instance, rule), rule.accept_raw)

    def _unmatched(self, instance: Instance) -> Iterator[Gap]:
        source, match = self.side.source(instance), instance.match
        if not covers(match.tenants, ("*",)):
            yield Gap(f"what is not of tenants {', '.join(match.tenants)}", source.place(("match", "tenants")))
        if not covers(match.models, self.route.models):
            yield Gap(f"what is not for models {', '.join(match.models)}", source.place(("match", "models")))
        if not covers(match.routes, (self.route.id,)):
            yield Gap(f"everything: {instance.name} does not match this route", source.place(("match", "routes")))
        if "request" not in match.directions:
            yield Gap(f"requests: {instance.name} looks at replies only", source.place(("match", "directions")))

    def _stores(self, instance: Instance) -> str:
        if instance.manifest.stores == "raw" or instance.manifest.sees == "raw":
            return "raw text"
        return "masked text" if self.masking is not None else "keyed digests"


def compare_flow(old: Side, new: Side) -> Iterator[Change]:
    """Flow changes, route by route, in the order of the new bundle."""
    before = {route.id: route for route in old.bundle.routes}
    for route in new.bundle.routes:
        now = _View(new, route)
        if route.id in before:
            yield from _Compared(_View(old, before[route.id]), now).changes()
        else:
            yield from _added(now)


def _added(now: _View) -> Iterator[Change]:
    """What a route that was not there before shows to whom."""
    engine, remote = now.engine, now.engine.egress == "remote"
    form = "masked text" if now.masked else "raw text"
    but = f", and unmasked {'; '.join(gap.full for gap in now.gaps.values())}" if now.gaps else ""
    effect: Effect = "loosened" if remote and (but or not now.masked) else "none"
    what = f"engine {engine.name} ({engine.egress}) gets {form}{but}"
    yield now.side.change("flow", "added", effect, f"route {now.route.id}", what, now.place("engine"))
    yield from _accepted(None, now)
    for name, form in now.stores.items():
        effect = "loosened" if form == "raw text" else "none"
        yield now.side.change(
            "flow", "added", effect, f"route {now.route.id}", f"{name} keeps {form}", now.place("chain")
        )


def _accepted(then: _View | None, now: _View) -> Iterator[Change]:
    before, reason = then.route.accept_raw if then else "", now.route.accept_raw
    subject = f"route {now.route.id}"
    if reason and not before:
        what = f'raw text may leave and be stored: accept_raw "{reason}"'
        yield now.side.change("flow", "added", "loosened", subject, what, now.place("accept_raw"))
    elif before and not reason and then is not None:
        what = f'raw text may no more leave or be stored: accept_raw "{before}" is gone'
        yield then.side.change("flow", "removed", "tightened", subject, what, then.place("accept_raw"))
    elif before != reason:
        what = f'why raw text may pass: "{before}" -> "{reason}"'
        yield now.side.change("flow", "changed", "none", subject, what, now.place("accept_raw"))


class _Compared:
    """One route in both bundles."""

    def __init__(self, then: _View, now: _View) -> None:
        self.then = then
        self.now = now
        self.subject = f"route {now.route.id}"
        self.whom = f"engine {now.engine.name} ({now.engine.egress})"

    def changes(self) -> Iterator[Change]:
        yield from self._egress()
        yield from _accepted(self.then, self.now)
        yield from self._form()
        yield from self._gaps()
        yield from self._coverage()
        yield from self._stores()

    def _egress(self) -> Iterator[Change]:
        then, now = self.then.engine, self.now.engine
        if (then.name, then.egress) == (now.name, now.egress):
            return
        effect: Effect = "none"
        if then.egress != now.egress:
            effect = "loosened" if now.egress == "remote" else "tightened"
        elif now.egress == "remote":
            effect = "unsure"
        what = f"texts go to {self.whom} and not to engine {then.name} ({then.egress})"
        same = then.name == now.name
        place = self.now.side.gateway.place(("engines", now.name, "egress")) if same else self.now.place("engine")
        yield self.now.side.change("flow", "changed", effect, self.subject, what, place)

    def _form(self) -> Iterator[Change]:
        if self.then.masked and not self.now.masked:
            gap = self.now.why_raw()
            what = f"{self.whom} gets raw text where it got masked text: {gap.what}"
            yield self.now.side.change("flow", "changed", "loosened", self.subject, what, gap.place)
        elif self.now.masked and not self.then.masked:
            assert self.now.masking is not None
            what = f"{self.whom} gets masked text where it got raw text: {self.now.masking.name} masks"
            place = self.now.side.source(self.now.masking).place(("plugin",))
            yield self.now.side.change("flow", "changed", "tightened", self.subject, what, place)

    def _gaps(self) -> Iterator[Change]:
        # Where one side gets everything raw, its form has said so already.
        then = self.then.gaps if self.now.masked else {}
        for what, gap in self.now.gaps.items():
            if what not in self.then.gaps:
                effect: Effect = "loosened" if self.then.masked else "none"
                said = f"{self.whom} may get unmasked {gap.full}"
                yield self.now.side.change("flow", "added", effect, self.subject, said, gap.place)
        for what, gap in then.items():
            if what not in self.now.gaps:
                said = f"{self.whom} gets no more unmasked {gap.full}"
                yield self.then.side.change("flow", "removed", "tightened", self.subject, said, gap.place)

    def _coverage(self) -> Iterator[Change]:
        """Rules of the masking plugins that are gone or off, whose values so reach engine and stores as they are."""
        if not (self.then.masked and self.now.masked):
            return
        then, now = self.then.rules(), self.now.rules()
        lost = [rule for rule, mode in then.items() if mode != "off" and now.get(rule, "off") == "off"]
        won = [rule for rule, mode in now.items() if mode != "off" and then.get(rule, "off") == "off"]
        if lost:
            yield self._found(lost, "is not masked any more, for engine and stores", "loosened")
        if won:
            yield self._found(won, "is masked now, for engine and stores", "tightened")

    def _found(self, rules: list[str], what: str, effect: Effect) -> Change:
        masking = self.now.masking
        assert masking is not None
        finds = "finds" if len(rules) == 1 else "find"
        known = masking.rules.get(rules[0])
        side = self.now.side
        place = side.rule_place(masking, known) if known is not None else side.source(masking).place(("config",))
        return side.change("flow", "changed", effect, self.subject, f"what {', '.join(rules)} {finds} {what}", place)

    def _stores(self) -> Iterator[Change]:
        then, now, place = self.then.stores, self.now.stores, self.now.place("chain")
        change = self.now.side.change
        for name, form in now.items():
            before = then.get(name)
            if before is None:
                effect: Effect = "loosened" if form == "raw text" else "none"
                yield change("flow", "added", effect, self.subject, f"{name} keeps {form}", place)
            elif before != form:
                # Masked text is more than a digest of it, and what one wants of a ledger: who reads this has to say.
                effect = "loosened" if form == "raw text" else "tightened" if before == "raw text" else "unsure"
                what = f"{name} keeps {form} where it kept {before}"
                yield change("flow", "changed", effect, self.subject, what, place)
        for name, form in then.items():
            if name not in now:
                what = f"{name}, which kept {form}, keeps nothing any more"
                yield change("flow", "removed", "none", self.subject, what, place)
