"""`yumen plugins check`: whether a plugin does what the contract and its own manifest say."""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import click
import msgspec
from rich.table import Table
from rich.text import Text

from yumen.cli.plain import plain
from yumen.plugin import Plugin
from yumen.screen import display
from yumen.testing.conformance import CHECKS, Example, Report, examine
from yumen.testing.conformance.finding import examples_in, find
from yumen.testing.conformance.running import abandoned

# How long all checks of one plugin may take; those that wait have limits of their own.
HANG_S = 900.0
# It is written to when Python itself may stand still, and when a check has it lead elsewhere.
STDERR = 2


@click.command()
@click.argument("words", nargs=-1, metavar="PLUGIN...", required=False)
@click.option("--policies", metavar="BUNDLE", help="Check with what this bundle says to the plugin.")
@click.option("--only", metavar="ID", multiple=True, help="Run this check only; repeatable.")
@click.option("--list", "listing", is_flag=True, help="Print every check, and run none.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def check(words: tuple[str, ...], policies: str | None, only: tuple[str, ...], listing: bool, as_json: bool) -> None:
    """Check plugins: by name, all of a package, or the class at module:Class, in this process.

    Whatever is checked is imported and runs. Exit status: 0 fine, 1 could not run, 2 something fails.
    """
    if listing:
        display(_listed())
        return
    if not words:
        raise click.UsageError("name a plugin, a package, or module:Class")
    if unknown := [one for one in only if one not in CHECKS]:
        raise click.UsageError(f"there is no check `{unknown[0]}`; `--list` prints them")
    plugins = [plugin for word in words for plugin in find(word)]
    reports = [_examined(plugin, examples_in(policies, plugin) if policies else (), only) for plugin in plugins]
    ok = all(one.ok for one in reports)
    if as_json:
        click.echo(msgspec.json.encode({"ok": ok, "plugins": reports}).decode())
    else:
        _show(reports)
    if abandoned:
        _leave(0 if ok else 2)
    if not ok:
        raise SystemExit(2)


def _leave(code: int) -> NoReturn:
    """End at once, where Python would wait for a thread that does not end."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _examined(plugin: type[Plugin[Any]], examples: Sequence[Example], only: tuple[str, ...]) -> Report:
    """Checked; where it blocks the event loop for good, this process says at which line, and ends with 1."""
    stderr = os.dup(STDERR)
    faulthandler.dump_traceback_later(HANG_S, exit=True, file=stderr)
    try:
        return examine(plugin, examples, only)
    finally:
        faulthandler.cancel_dump_traceback_later()
        os.close(stderr)


def _listed() -> Table:
    table = Table("check", "the rule", "what to do")
    for one in CHECKS.values():
        table.add_row(*map(Text, (one.id, one.rule, one.mend)))
    return table


def _show(reports: Sequence[Report]) -> None:
    for report in reports:
        table = Table("check", "verdict", "what", title=Text(plain(f"{report.plugin} {report.version}")))
        for one in report.verdicts:
            table.add_row(*map(Text, (one.id, one.verdict, plain(one.what))))
        display(table)
        for one in report.verdicts:
            if one.verdict == "fails":
                click.echo(
                    plain(f"{report.plugin}: {one.id} fails: {one.what}. The rule: {one.rule} What to do: {one.mend}")
                )
        for cost in report.costs:
            click.echo(f"{cost.hook}: p50 {cost.p50_ms:g} ms, p99 {cost.p99_ms:g} ms, of {cost.calls}")
