"""The flow check: proves, route by route, that raw text reaches no store and no remote engine.

It rests on what the core enforces: a plugin that sees the masked form is never handed raw text, and a remote engine is
asked only after the route's masking plugin has run. What it checks is that nothing in the policy can switch that off.
"""

from __future__ import annotations

from yumen.plugin import Plugin
from yumen.policy.bundle import EngineSpec, Instance, Route, RulePolicy
from yumen.policy.reader import Path, Source


def check(gateway: Source, routes: list[Route], engines: dict[str, EngineSpec]) -> None:
    """Note in `gateway` where a route lets raw text out."""
    for index, route in enumerate(routes):
        engine = engines.get(route.engine)
        if engine is not None:
            _Route(gateway, ("routes", index, "chain"), route, engine).check(engines)
            for detour in {engines[name].name: engines[name] for name in route.detours if name in engines}.values():
                _Route(gateway, ("routes", index, "chain"), route, detour).check_egress()


class _Route:
    def __init__(self, gateway: Source, place: Path, route: Route, engine: EngineSpec) -> None:
        self.gateway = gateway
        self.place = place
        self.route = route
        self.engine = engine
        self.chain = [instance for instance in route.chain if instance.mode != "off"]
        self.masking = [instance for instance in self.chain if instance.manifest.masks]

    def check(self, engines: dict[str, EngineSpec]) -> None:
        """Every rule of the check."""
        if len(self.masking) > 1:
            names = ", ".join(instance.name for instance in self.masking)
            self._wrong("flow.two-masking", f"several plugins mask on one route: {names}", "keep one of them")
        for instance in self.masking:
            if instance.rules and all(rule.mode == "off" for rule in instance.rules.values()):
                fix = 'leave a rule on, or say `mode: "off"` of the whole file'
                self._wrong("flow.nothing-masked", f"`{instance.name}` masks, and all of its rules are off", fix)
        for instance in self.chain:
            self._check_manifest(instance)
            self._check_store(instance)
            self._check_asked(instance, engines)
        self._check_edits()
        self._check_asking()
        self.check_egress()

    def _check_manifest(self, instance: Instance) -> None:
        if instance.manifest.masks and instance.manifest.sees != "raw":
            self._wrong(
                "flow.masks-sees-masked", f"`{instance.name}` masks but does not see raw text", "use another plugin"
            )

    def _check_store(self, instance: Instance) -> None:
        manifest = instance.manifest
        if self.route.accept_raw or manifest.stores == "nothing":
            return
        if manifest.stores == "raw":
            what = f"raw text reaches a store: client -> {instance.name} (stores raw)"
            self._wrong("flow.raw-store", what, "remove the plugin, or say why under `accept_raw:`")
        elif manifest.sees == "raw":
            what = f"`{instance.name}` sees raw text and stores what it calls masked"
            self._wrong(
                "flow.store-sees-raw", what, "use a plugin that sees masked text, or say why under `accept_raw:`"
            )

    def _check_asking(self) -> None:
        """Who stands before the engine stands last, so that a chain reads as it runs."""
        for place, instance in enumerate(self.chain):
            if instance.plugin_class.on_ask is Plugin.on_ask:
                continue
            if place < len(self.chain) - 1:
                what = f"`{instance.name}` stands before the engine, and `{self.chain[-1].name}` behind it"
                self._wrong("flow.not-last", what, f"put `{instance.name}` at the end of the chain")
            if instance.manifest.sees == "masked" and not self.masking:
                what = f"`{instance.name}` works on masked text, and nothing masks on this route"
                self._wrong("flow.unmasked-ask", what, "add a masking plugin in front of it, or take it out")

    def _check_asked(self, instance: Instance, engines: dict[str, EngineSpec]) -> None:
        """What a plugin sees it may hand to an engine that it asks for itself."""
        if self.route.accept_raw or instance.manifest.sees != "raw":
            return
        for name in instance.engines:
            if name in engines and engines[name].egress == "remote":
                what = f"raw text could leave: client -> {instance.name} -> engine {name} (remote)"
                fix = "let the plugin ask an engine with `egress: local`, or say why under `accept_raw:`"
                self._wrong("flow.raw-engine", what, fix)

    def _check_edits(self) -> None:
        masked = False
        for instance in self.chain:
            manifest = instance.manifest
            if manifest.masks:
                masked = True
            elif manifest.mutates and manifest.sees == "raw" and masked:
                what = f"`{instance.name}` edits raw text after it has been masked"
                self._wrong("flow.raw-edit-after-masking", what, f"put it in front of `{self.masking[0].name}`")
            elif manifest.mutates and manifest.sees == "masked" and not masked:
                what = f"`{instance.name}` edits masked text where there is none yet"
                fix = (
                    f"put it behind `{self.masking[0].name}`" if self.masking else "add a masking plugin in front of it"
                )
                self._wrong("flow.masked-edit-before-masking", what, fix)
            elif masked and manifest.sees == "masked" and _lets_raw_pass(self.masking[0]) and _acts(instance):
                what = f"`{instance.name}` works on masked text, and what `{self.masking[0].name}` masks is in shadow"
                fix = f"put it in front of `{self.masking[0].name}`, or let that enforce"
                self._wrong("flow.behind-shadow", what, fix)

    def check_egress(self) -> None:
        """Whether raw text could reach the engine."""
        if self.engine.egress != "remote" or self.route.accept_raw:
            return
        gaps = [gap for instance in self.masking[:1] for gap in self._gaps(instance)]
        if self.masking and not gaps:
            return
        path = ["client"]
        for instance in self.chain:
            noted = f" ({', '.join(gaps)})" if instance in self.masking[:1] and gaps else ""
            path.append(instance.name + noted)
        what = f"raw text could leave: {' -> '.join([*path, f'engine {self.engine.name} (remote)'])}"
        fix = (
            "let the masking plugin enforce on the whole route" if self.masking else "add a masking plugin to the chain"
        )
        of_rule = " of the rule" if gaps and all(gap.startswith("rules.") for gap in gaps) else ""
        self._wrong("flow.raw-egress", what, f"{fix}, or say why under `accept_raw:`{of_rule}")

    def _gaps(self, instance: Instance) -> list[str]:
        """What could keep a masking plugin from running, as its policy says it."""
        match = instance.match
        gaps = []
        if instance.mode != "enforce":
            gaps.append(f"mode: {instance.mode}")
        if instance.on_error != "closed":
            gaps.append(f"on_error: {instance.on_error}")
        if instance.on_unsupported != "reject":
            gaps.append(f"on_unsupported: {instance.on_unsupported}")
        if "*" not in match.tenants:
            gaps.append("match.tenants")
        if "*" not in match.models and not set(self.route.models) <= set(match.models):
            gaps.append("match.models")
        if "*" not in match.routes and self.route.id not in match.routes:
            gaps.append("match.routes")
        if set(match.directions) != {"request", "reply"}:
            gaps.append("match.directions")
        gaps += [f"rules.{rule.id}.mode: shadow" for rule in _in_shadow(instance) if not rule.accept_raw]
        return gaps

    def _wrong(self, code: str, what: str, fix: str) -> None:
        self.gateway.wrong(self.place, code, f"route `{self.route.id}`: {what}", fix)


def _lets_raw_pass(instance: Instance) -> bool:
    """Whether the engine may get text of a masking instance raw, so that there is no masked form of what comes back."""
    return instance.mode == "shadow" or bool(_in_shadow(instance))


def _acts(instance: Instance) -> bool:
    """Whether an instance edits, or looks at replies."""
    plugin = instance.plugin_class
    looks = plugin.on_response is not Plugin.on_response or plugin.stream is not Plugin.stream
    return instance.manifest.mutates or looks


def _in_shadow(instance: Instance) -> list[RulePolicy]:
    """The rules of an instance that are in shadow by themselves."""
    return [rule for rule in instance.quiet if rule.mode == "shadow"]
