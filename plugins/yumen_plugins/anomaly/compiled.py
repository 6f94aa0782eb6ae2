"""The rules of a configuration, read once: what they compare, when they can be asked, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from yumen import EngineRef, Lint, Rule
from yumen_plugins.anomaly.config import AnomalyConfig, RuleConfig
from yumen_plugins.anomaly.facts.clock import Zones
from yumen_plugins.anomaly.facts.fact import Known, Phase
from yumen_plugins.anomaly.facts.windows import seconds
from yumen_plugins.anomaly.language.conditions import Comparison, Expression, leaves
from yumen_plugins.anomaly.language.expression import ExpressionError, parse
from yumen_plugins.anomaly.packs import PACKS
from yumen_plugins.anomaly.then import ON_REPLIES, Then
from yumen_plugins.anomaly.then import parse as parse_then

FACTS = Known()
# Counters keep a moment no longer.
DAYS_MAX = 7
# What refuses whoever is in quarantine, under a name that policy can put in shadow like any other.
QUARANTINE = "quarantine"


class Ready(msgspec.Struct, frozen=True):
    """A rule that holds together. `for_s` and `cooldown_s` are 0 where there is none.

    `grows`: it can be asked while a reply grows, since once it is true it stays so.
    """

    said: RuleConfig
    expression: Expression
    then: Then
    phases: frozenset[Phase]
    for_s: int = 0
    cooldown_s: int = 0
    grows: bool = False

    @property
    def id(self) -> str:
        """Its name."""
        return self.said.id


class Rules:
    """All rules of a configuration, those of its packs too, which begin in shadow. `ready` are those that hold together."""

    def __init__(self, config: AnomalyConfig) -> None:
        self.config = config
        own = [(rule, ("rules", index), False) for index, rule in enumerate(config.rules)]
        packed = [
            (rule, ("packs", index), True) for index, pack in enumerate(config.packs) for rule in PACKS[pack].rules()
        ]  # fmt: skip
        self._said: list[tuple[RuleConfig, tuple[str | int, ...], bool]] = [*own, *packed]
        self.ready: list[Ready] = []
        self.lints: list[Lint] = [*_zones(config)]
        known: set[str] = {QUARANTINE}
        for said, path, _ in self._said:
            if said.id in known:
                what = (
                    f"the rule `{said.id}` stands here twice" if said.id != QUARANTINE else f"`{QUARANTINE}` is taken"
                )
                self.lints.append(Lint((*path, "id"), what, "name it otherwise", wrong=True))
            known.add(said.id)
            ready = self._read(said, path)
            if ready is not None:
                self.ready.append(ready)

    def listed(self) -> list[Rule]:
        """Every rule, as policy can name it."""
        rules = [
            Rule(said.id, said.description or said.when[:200], path, "shadow" if packed else "enforce")
            for said, path, packed in self._said
        ]
        if any(ready.then.action == "quarantine" for ready in self.ready):
            rules.append(Rule(QUARANTINE, "whoever is in quarantine is refused"))
        return list({rule.id: rule for rule in reversed(rules)}.values())[::-1]

    def engines(self) -> list[EngineRef]:
        """The engines that rules send exchanges to."""
        return [
            EngineRef(ready.then.engine, self._path(ready, "then"), "route") for ready in self.ready if ready.then.engine
        ]  # fmt: skip

    def of(self, phase: Phase, without: Iterable[str] = ()) -> list[Ready]:
        """The rules that can be asked then, but for those that are switched off."""
        off = frozenset(without)
        return [ready for ready in self.ready if phase in ready.phases and ready.id not in off]

    def _path(self, ready: Ready, key: str) -> tuple[str | int, ...]:
        path = next(path for said, path, _ in self._said if said is ready.said)
        return (*path, key) if path[0] == "rules" else path

    def _read(self, said: RuleConfig, path: tuple[str | int, ...]) -> Ready | None:
        try:
            expression = parse(said.when, FACTS)
        except ExpressionError as error:
            what = f"rule `{said.id}`, column {error.column} of `when`: {error.what}"
            self.lints.append(Lint((*path, "when"), what, error.fix, code="expression", wrong=True))
            return None
        then = parse_then(said.then)
        phases = phases_of(expression, said, then)
        if phases == {"reply"} and then.action not in ON_REPLIES:
            what = f"rule `{said.id}` reads the reply, and `{then.action}` is about the request"
            fix = f"use one of: {', '.join(sorted(ON_REPLIES))}"
            self.lints.append(Lint((*path, "then"), what, fix, wrong=True))
            return None
        if phases == {"request"} and any(_of_findings(name) for name in expression.facts()):
            what = f"rule `{said.id}` can only know what plugins in front of this one have found"
            self.lints.append(Lint((*path, "when"), what, f"put them in front, or use {', '.join(sorted(ON_REPLIES))}"))
        self.lints += [
            Lint((*path, key), what, f"let it be at most {DAYS_MAX} days", wrong=True) for key, what in _long(said)
        ]
        return Ready(
            said=said,
            expression=expression,
            then=then,
            phases=phases,
            for_s=seconds(said.holds_for) if said.holds_for else 0,
            cooldown_s=seconds(said.cooldown) if said.cooldown else 0,
            grows=not said.holds_for and grows(expression),
        )


def _long(said: RuleConfig) -> list[tuple[str, str]]:
    """The durations of a rule that are longer than counters keep a moment."""
    then = parse_then(said.then)
    lasting = {"for": said.holds_for, "cooldown": said.cooldown}
    lengths = {key: seconds(text) for key, text in lasting.items() if text}
    lengths |= {"then": then.seconds} if then.action in ("quarantine", "throttle") else {}
    return [
        (key, f"`{key}` is longer than can be kept") for key, length in lengths.items() if length > DAYS_MAX * 86_400
    ]


def facts_of(rules: Iterable[Ready]) -> frozenset[str]:
    """Everything that any of these rules reads."""
    return frozenset(fact for rule in rules for fact in rule.expression.facts())


def phases_of(expression: Expression, said: RuleConfig, then: Then) -> frozenset[Phase]:
    """When a condition can be asked: with what the request says, and, where it reads what comes later, once more.

    With `for` it is asked once an exchange, when most is known: asked twice, it would not hold the first time.
    """
    read = [FACTS[name] for name in expression.facts()]
    if any(fact.phase == "reply" for fact in read):
        return frozenset(("reply",))
    if not any(_of_findings(fact.name) for fact in read) or then.action not in ON_REPLIES:
        return frozenset(("request",))
    return frozenset(("reply",)) if said.holds_for else frozenset(("request", "reply"))


def _of_findings(name: str) -> bool:
    """Whether a fact is about this exchange's findings, which can become more."""
    return name.startswith("findings.") and ".per_" not in name


def grows(expression: Expression) -> bool:
    """Whether a condition that a growing reply has made true stays true: it reads no more of it than that words are many."""
    for leaf in leaves(expression.root):
        if leaf.fact.startswith("reply.words."):
            if not (isinstance(leaf, Comparison) and leaf.operator in (">", ">=")):
                return False
        elif FACTS[leaf.fact].phase == "reply" or _of_findings(leaf.fact):
            return False
    return True


def _zones(config: AnomalyConfig) -> Sequence[Lint]:
    fix = "name one of the IANA's, such as `Asia/Shanghai`"
    lints = []
    for path, name in ((("zone",), config.zone), *((("zones", tenant), zone) for tenant, zone in config.zones.items())):
        try:
            Zones(name, {})
        except ValueError as error:
            lints.append(Lint(path, str(error), fix, wrong=True))
    return lints
