"""`yumen policy test`: run a bundle's test cases, and say what they do not reach."""

from __future__ import annotations

import asyncio
import os
import re
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import click
import msgspec

from yumen.cli.policy.test_report import Bar, Wanted, found_wrong, show
from yumen.errors import CannotStart, Diagnostic, PolicyError
from yumen.policy.folder import read_folder
from yumen.policy.load import compile_folder
from yumen.policy.testing.junit import junit
from yumen.policy.testing.runner import run_cases
from yumen.policy.trusted import folders
from yumen.policy.watch import Look, look
from yumen.settings import Settings
from yumen.telemetry import configure_logging

LOOK_EVERY_S = 0.3
NO_ENV = "a variable that is not set can be given for one run: --env NAME=VALUE"


@click.command()
@click.argument("bundle", required=False)
@click.option("--run", "pattern", metavar="REGEX", help="Run the cases whose names match.")
@click.option("--var-values", "values", is_flag=True, help="Show the values of conditions that fail.")
@click.option("--coverage", is_flag=True, help="List the rules that no case reaches.")
@click.option("--threshold", type=click.FloatRange(0, 100), help="Percent of the rules that must be reached.")
@click.option("--mutate", "mutated", is_flag=True, help="List the rules whose loss no case notices.")
@click.option("--fail-on-empty", is_flag=True, help="Fail where there is no case.")
@click.option("--watch", is_flag=True, help="Run again whenever a file changes; Ctrl-C ends.")
@click.option("--junit", "junit_file", type=click.Path(path_type=Path), help="Write a JUnit report to this file.")
@click.option("--env", "pairs", multiple=True, metavar="NAME=VALUE", help="Set a variable for this run; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def test(
    settings: Settings, bundle: str | None, pattern: str | None, values: bool, coverage: bool, threshold: float | None,
    mutated: bool, fail_on_empty: bool, watch: bool, junit_file: Path | None, pairs: tuple[str, ...], as_json: bool,
) -> None:  # fmt: skip
    """Run the test cases of BUNDLE, a folder or an installed bundle's name.

    Exit status: 0 all pass, 1 they could not be run, 2 a case failed or something else that was asked for does not hold.
    """
    configure_logging(os.environ.get("YUMEN_LOG_LEVEL") or "critical")
    wanted = Wanted(
        chosen=_pattern(pattern), values=values, coverage=coverage or threshold is not None, threshold=threshold,
        mutated=mutated, fail_on_empty=fail_on_empty, as_json=as_json, junit=junit_file,
    )  # fmt: skip
    env = {**os.environ, **_env(pairs)}
    name = bundle or settings.policies
    if watch:
        with suppress(KeyboardInterrupt):
            _watch(name, lambda: once(settings, name, env, wanted))
        return
    status = once(settings, name, env, wanted)
    if status:
        raise SystemExit(status)


def once(settings: Settings, name: str, env: dict[str, str], wanted: Wanted) -> int:
    """Compile the bundle, run its cases and show what came of them; the exit status. Error: `CannotStart`."""
    try:
        folder = read_folder(name)
    except PolicyError as error:
        raise CannotStart(str(error)) from None
    bundle, diagnostics = compile_folder(folder, env)
    if bundle is None:
        _refuse(diagnostics, wanted)
        return 2
    with Bar(shown=not wanted.as_json) as bar:
        running = run_cases(
            bundle, settings, chosen=wanted.chosen, values=wanted.values, mutated=wanted.mutated, progress=bar
        )
        report = asyncio.run(running)
    if wanted.junit is not None:
        try:
            wanted.junit.write_bytes(junit(report))
        except OSError as error:
            raise CannotStart(f"cannot write {wanted.junit}: {error.strerror}") from None
    wrong = found_wrong(report, wanted)
    show(report, wanted, wrong)
    return 2 if wrong else 0


def _refuse(diagnostics: list[Diagnostic], wanted: Wanted) -> None:
    """A bundle that does not hold has no cases to run."""
    if wanted.as_json:
        click.echo(msgspec.json.encode({"ok": False, "wrong": ["the bundle is refused"], "diagnostics": diagnostics}))
        return
    for diagnostic in diagnostics:
        click.echo(str(diagnostic))
    if any(diagnostic.code == "policy.env" for diagnostic in diagnostics):
        click.echo(NO_ENV, err=True)


def _watch(name: str, run: Callable[[], int]) -> None:
    """Run whenever something has changed since the last run began."""
    while True:
        before = _look(name)
        click.clear()
        try:
            run()
        except CannotStart as error:
            click.echo(f"yumen: {error}", err=True)
        click.echo("Waiting for a change; Ctrl-C ends.", err=True)
        while _look(name) == before:
            time.sleep(LOOK_EVERY_S)


def _look(name: str) -> Look:
    """The state of the bundle's files and of those that it extends; without a folder there are none."""
    try:
        return look(folders(read_folder(name)))
    except PolicyError:
        return {}


def _pattern(pattern: str | None) -> re.Pattern[str] | None:
    try:
        return None if pattern is None else re.compile(pattern)
    except re.error as error:
        raise CannotStart(f"--run is not a regular expression: {error}") from None


def _env(pairs: tuple[str, ...]) -> dict[str, str]:
    env = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise CannotStart("--env takes NAME=VALUE")
        env[name] = value
    return env
