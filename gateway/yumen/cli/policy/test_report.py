"""What `yumen policy test` prints."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import TracebackType
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table

from yumen.cli.plain import plain
from yumen.policy.testing.report import Report, Result
from yumen.screen import display


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    chosen: re.Pattern[str] | None = None
    values: bool = False
    coverage: bool = False
    threshold: float | None = None
    mutated: bool = False
    fail_on_empty: bool = False
    as_json: bool = False
    junit: Path | None = None


class Bar:
    """Progress on standard error, where somebody looks at it."""

    def __init__(self, *, shown: bool) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
        shown = shown and sys.stderr.isatty()
        self._progress = Progress(*columns, console=Console(stderr=True), transient=True, disable=not shown)
        self._task = self._progress.add_task("", total=None)

    def __enter__(self) -> Bar:
        self._progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._progress.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        self._progress.update(self._task, description=what, completed=done, total=total)


def found_wrong(report: Report, wanted: Wanted) -> list[str]:
    """Why the exit status is 2, a sentence each; empty where it is 0."""
    wrong = []
    if report.failed:
        wrong.append(f"{_cases(report.failed)} failed")
    if wanted.fail_on_empty and not report.cases:
        wrong.append("there are no cases")
    covered = report.coverage
    if wanted.threshold is not None and covered.percent < wanted.threshold:
        wrong.append(f"{covered.percent:.1f} % of the rules are reached, and {wanted.threshold:g} % must be")
    if report.mutation is not None and report.mutation.survivors:
        wrong.append(f"no case notices the loss of {_number(len(report.mutation.survivors), 'rule')}")
    return wrong


def show(report: Report, wanted: Wanted, wrong: list[str]) -> None:
    """Print the report: what is wrong line by line, then what it comes to."""
    if wanted.as_json:
        click.echo(msgspec.json.encode(_object(report, wrong)))
        return
    for case in report.cases:
        for line in _lines(case, wanted.values):
            click.echo(plain(line))
    display(_files(report))
    if wanted.coverage:
        _show_coverage(report)
    if report.mutation is not None:
        for lost in report.mutation.survivors:
            click.echo(plain(f"{lost.file}:{lost.line}: {lost}: no case notices its loss"))
        noticed = report.mutation.total - len(report.mutation.survivors)
        click.echo(f"{_number(report.mutation.total, 'rule')} switched off one at a time; cases noticed {noticed}")
    elif wanted.mutated:
        click.echo("no rule was switched off: first let the cases pass")
    ready = sum(case.status == "ready" for case in report.cases)
    todo = f", {report.todo} to do" + (f" ({ready} of them ready)" if ready else "") if report.todo else ""
    click.echo(f"{_cases(len(report.cases))}: {report.passed} passed, {report.failed} failed{todo}")
    for sentence in wrong:
        click.echo(f"yumen: {sentence}", err=True)


def _lines(case: Result, values: bool) -> list[str]:
    """What there is to say about one case; nothing about one that simply passed."""
    here = f"{case.place}: {case.name}: "
    if case.status == "ready":
        return [here + "passes now, remove its todo"]
    if case.todo:
        return [here + f"todo: {case.todo}"]
    lines = []
    for condition in case.conditions:
        lines.append(here + str(condition))
        if values and (condition.expected or condition.actual):
            lines += _value("expected: ", condition.expected) + _value("actual:   ", condition.actual)
    return lines


def _value(title: str, value: str) -> list[str]:
    """A value behind its title, line below line."""
    first, *more = value.split("\n")
    return [f"    {title}{first}", *(" " * (len(title) + 4) + line for line in more)]


def _files(report: Report) -> Table:
    table = Table("file", "cases", "passed", "failed", "to do")
    for file in dict.fromkeys(case.file for case in report.cases):
        statuses = [case.status for case in report.cases if case.file == file]
        passed, failed = statuses.count("passed"), statuses.count("failed")
        counts = (len(statuses), passed, failed, len(statuses) - passed - failed)
        table.add_row(file, *map(str, counts))
    return table


def _show_coverage(report: Report) -> None:
    table = Table("instance", "rules", "reached", "percent")
    for one in report.coverage.instances:
        percent = 100 * one.reached / one.total if one.total else 100.0
        table.add_row(one.instance, str(one.total), str(one.reached), f"{percent:.0f}")
    for one in report.coverage.instances:
        for rule in one.unreached:
            click.echo(plain(f"{rule.file}:{rule.line}: {rule}: no case reaches it"))
    display(table)
    covered = report.coverage
    click.echo(f"{covered.reached} of {_number(covered.total, 'rule')} reached, {covered.percent:.1f} %")


def _object(report: Report, wrong: list[str]) -> dict[str, Any]:
    coverage = {**msgspec.structs.asdict(report.coverage), "percent": round(report.coverage.percent, 1)}
    return {"ok": not wrong, "wrong": wrong, **msgspec.structs.asdict(report), "coverage": coverage}


def _cases(number: int) -> str:
    return _number(number, "case")


def _number(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")
