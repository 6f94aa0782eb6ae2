"""Switches off one rule at a time and runs the cases again: a rule whose loss nobody notices is not tested."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterator

import msgspec

from yumen.errors import CannotStart
from yumen.policy.bundle import Bundle, Instance
from yumen.policy.rules import without
from yumen.policy.testing.coverage import used
from yumen.policy.testing.harness import Harness, with_instances
from yumen.policy.testing.records import read_records
from yumen.policy.testing.report import Mutation, RuleAt
from yumen.policy.testing.trial import Trial, run_case


async def mutate(harness: Harness, trials: list[Trial], progress: Callable[[str, int, int], None]) -> Mutation:
    """Run the cases of these trials, all of which passed, against every mutant of the harness's bundle.

    A mutant differs in one plugin; everything else goes on as it is. It is done with at the first case that fails, and
    those that reached the rule are run first. What only the ledger can tell is read once, at the end.
    """
    started = time.perf_counter()
    mutants = list(mutants_of(harness.bundle))
    quiet: list[tuple[RuleAt, list[Trial]]] = []
    for index, (lost, bundle) in enumerate(mutants):
        progress("rules switched off", index, len(mutants))
        again = await _run(harness, lost, bundle, trials)
        if again is not None:
            quiet.append((lost, again))
    read_records(harness, [trial for _, again in quiet for trial in again])
    survivors = [lost for lost, again in quiet if not any(trial.conditions for trial in again)]
    return Mutation(total=len(mutants), survivors=survivors, seconds=round(time.perf_counter() - started, 3))


async def _run(harness: Harness, lost: RuleAt, bundle: Bundle, trials: list[Trial]) -> list[Trial] | None:
    """The cases on a mutant, or None as soon as one fails; a plugin that will not start without a rule is noticed too."""
    try:
        runtime = await harness.start(bundle)
    except CannotStart:
        return None
    again: list[Trial] = []
    harness.use(runtime)
    try:
        for trial in sorted(trials, key=lambda one: (lost.instance, lost.rule) not in one.reached):
            again.append(await run_case(harness, trial.placed))
            if again[-1].conditions:
                return None
    finally:
        harness.use(harness.runtime)
        await runtime.stop()
    return again


def mutants_of(bundle: Bundle) -> Iterator[tuple[RuleAt, Bundle]]:
    """The bundle without one rule that enforces, for each; an instance that names no rules is lost as a whole."""
    for instance in used(bundle):
        if instance.mode != "enforce":
            continue
        for rule in instance.rules.values():
            if rule.mode == "enforce":
                lost = RuleAt(instance=instance.name, rule=rule.id, file=rule.file, line=rule.line)
                yield lost, _with(bundle, without(instance, glob.escape(rule.id)))
        if not instance.rules:
            lost = RuleAt(instance=instance.name, rule="", file=instance.file, line=instance.line)
            yield lost, _with(bundle, msgspec.structs.replace(instance, mode="off"))


def _with(bundle: Bundle, instance: Instance) -> Bundle:
    return with_instances(bundle, {instance.name: instance})
