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
    survivors = await _unnoticed_together(harness, mutants, trials)
    rest = [(lost, bundle) for lost, bundle in mutants if lost not in survivors]
    quiet: list[tuple[RuleAt, list[Trial]]] = []
    for index, (lost, bundle) in enumerate(rest, len(survivors)):
        progress("rules switched off", index, len(mutants))
        nearest = sorted(trials, key=lambda one: (lost.instance, lost.rule) not in one.reached)
        again = await _run(harness, bundle, nearest)
        if again is not None:
            quiet.append((lost, again))
    read_records(harness, [trial for _, again in quiet for trial in again])
    survivors += [lost for lost, again in quiet if not any(trial.conditions for trial in again)]
    order = [lost for lost, _ in mutants]
    return Mutation(
        total=len(mutants),
        survivors=sorted(survivors, key=order.index),
        seconds=round(time.perf_counter() - started, 3),
    )


async def _unnoticed_together(
    harness: Harness, mutants: list[tuple[RuleAt, Bundle]], trials: list[Trial]
) -> list[RuleAt]:
    """The rules that no case reaches, where no case notices the loss of all of them; else none, and each is lost by itself.

    A bundle may well take two hundred detectors and have cases for twenty: a run for each would take minutes.
    """
    reached = {pair for trial in trials for pair in trial.reached}
    lost = [one for one, _ in mutants if (one.instance, one.rule) not in reached]
    instances = {instance.name: instance for instance in used(harness.bundle)}
    for one in lost:
        instances[one.instance] = _lost(instances[one.instance], one.rule)
    again = await _run(harness, with_instances(harness.bundle, instances), trials) if len(lost) > 1 else None
    if again is None:
        return []
    read_records(harness, again)
    return [] if any(trial.conditions for trial in again) else lost


async def _run(harness: Harness, bundle: Bundle, trials: list[Trial]) -> list[Trial] | None:
    """The cases on a mutant, or None as soon as one fails; a plugin that will not start without a rule is noticed too."""
    try:
        runtime = await harness.start(bundle)
    except CannotStart:
        return None
    again: list[Trial] = []
    harness.use(runtime)
    try:
        for trial in trials:
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
        places = [(one.id, one.file, one.line) for one in instance.rules.values() if one.mode == "enforce"]
        for rule, file, line in places if instance.rules else [("", instance.file, instance.line)]:
            without_it = with_instances(bundle, {instance.name: _lost(instance, rule)})
            yield RuleAt(instance=instance.name, rule=rule, file=file, line=line), without_it


def _lost(instance: Instance, rule: str) -> Instance:
    """The instance without a rule, or switched off where none is named."""
    return without(instance, glob.escape(rule)) if rule else msgspec.structs.replace(instance, mode="off")
