"""Runs the cases of a bundle, and says what they come to."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from yumen.policy.bundle import Bundle
from yumen.policy.testing.coverage import cover
from yumen.policy.testing.harness import Harness
from yumen.policy.testing.mutation import mutate
from yumen.policy.testing.records import read_records
from yumen.policy.testing.report import Report, Result, Status
from yumen.policy.testing.trial import Trial, run_case
from yumen.policy.testing.verdict import Condition
from yumen.settings import Settings

# Told what is being done, how much of it is done, and how much there is.
Progress = Callable[[str, int, int], None]


async def run_cases(
    bundle: Bundle,
    settings: Settings | None = None,
    *,
    chosen: re.Pattern[str] | None = None,
    values: bool = False,
    mutated: bool = False,
    progress: Progress = lambda what, done, total: None,
) -> Report:
    """Run a bundle's test cases, those alone whose names match `chosen`. Error: `CannotStart`.

    `values` puts texts of the cases into the report; `mutated` also switches off one rule at a time, where all cases pass.
    The loop is busy meanwhile, and metrics and logs are this process's: a server lets another process do it.
    """
    started = time.perf_counter()
    cases = [one for one in bundle.cases if chosen is None or chosen.search(one.case.name)]
    async with Harness(bundle, settings) as harness:
        trials: list[Trial] = []
        for index, placed in enumerate(cases):
            progress("cases", index, len(cases))
            trials.append(await run_case(harness, placed))
        read_records(harness, trials)
        results = [_result(trial, values) for trial in trials]
        counted = [trial for trial in trials if not trial.placed.case.todo and not trial.conditions]
        failed = sum(result.status == "failed" for result in results)
        mutation = await mutate(harness, counted, progress) if mutated and not failed else None
    return Report(
        bundle=bundle.name,
        hash=bundle.hash,
        passed=sum(result.status == "passed" for result in results),
        failed=failed,
        todo=sum(bool(result.todo) for result in results),
        seconds=round(time.perf_counter() - started, 3),
        cases=results,
        coverage=cover(bundle, counted),
        mutation=mutation,
    )


def _result(trial: Trial, values: bool) -> Result:
    placed = trial.placed
    status: Status = "failed" if trial.conditions else "passed"
    if placed.case.todo:
        status = "unfinished" if trial.conditions else "ready"
    conditions = trial.conditions if values else [Condition(one.name, one.why) for one in trial.conditions]
    return Result(
        name=placed.case.name,
        file=placed.file,
        line=placed.line,
        owner=placed.owner,
        status=status,
        todo=placed.case.todo,
        seconds=round(trial.seconds, 6),
        exchanges=trial.exchanges,
        conditions=conditions,
    )
