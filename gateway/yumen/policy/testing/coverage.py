"""Which rules of a bundle its cases reach."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from yumen.policy.bundle import Bundle, Instance
from yumen.policy.testing.report import Coverage, InstanceCoverage, RuleAt
from yumen.policy.testing.trial import Trial


def cover(bundle: Bundle, trials: Iterable[Trial]) -> Coverage:
    """What these cases make find, block or act, in shadow or not, against everything that is not switched off."""
    reached = {pair for trial in trials for pair in trial.reached}
    instances = []
    for instance in used(bundle):
        rules = list(rules_of(instance))
        missing = [rule for rule in rules if (rule.instance, rule.rule) not in reached]
        covered = InstanceCoverage(
            instance=instance.name, reached=len(rules) - len(missing), total=len(rules), unreached=missing
        )
        instances.append(covered)
    return Coverage(
        reached=sum(one.reached for one in instances), total=sum(one.total for one in instances), instances=instances
    )


def used(bundle: Bundle) -> list[Instance]:
    """The instances that stand in a chain and are not off, in the order of the chains."""
    found: dict[str, Instance] = {}
    for route in bundle.routes:
        for instance in route.chain:
            if instance.mode != "off":
                found.setdefault(instance.name, instance)
    return list(found.values())


def rules_of(instance: Instance) -> Iterator[RuleAt]:
    """The rules of an instance that are not off, or the instance itself where it names none."""
    for rule in instance.rules.values():
        if rule.mode != "off":
            yield RuleAt(instance=instance.name, rule=rule.id, file=rule.file, line=rule.line)
    if not instance.rules:
        yield RuleAt(instance=instance.name, rule="", file=instance.file, line=instance.line)
