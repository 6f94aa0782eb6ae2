"""`yumen audit report`: what the ledger shows, beside what laws and standards ask for."""

from __future__ import annotations

import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import click

from yumen import CannotStart, Operation, Settings, rule_cites
from yumen_plugins.audit.cli.common import ACTOR, folder_of, old_mac, query_of, recorded, trusted_keys, writing
from yumen_plugins.audit.privacy import Budget
from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.reading import LedgerFolder, unreadable
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.report import FRAMEWORKS, Verification
from yumen_plugins.audit.report import report as write_report
from yumen_plugins.audit.report import report_shared as write_shared

MONTH = "%Y-%m"
PARTS = ("integrity", "continuity", "completeness")
Records = Iterator[tuple[str, dict[str, Any]]]


@click.command()
@click.option("--framework", required=True, type=click.Choice(sorted(FRAMEWORKS)), help="Which law or standard.")
@click.option("--since", default="", help="Not before: RFC 3339, a day, or how long ago (-90d).")
@click.option("--until", default="", help="Before: likewise.")
@click.option(
    "--policies", default="", metavar="BUNDLE", help="Whose rules say what they cite; by default YUMEN_POLICIES."
)
@click.option("--key", default="", help="A public key of the gateway, or a file with it.")
@click.option("--share", is_flag=True, help="For people outside: only numbers with noise (differential privacy).")
@click.option("--epsilon", default="1/10", show_default=True, help="How much of the budget each number costs.")
@click.option("--out", required=True, type=click.Path(path_type=Path, dir_okay=False), help="The HTML file.")
@click.pass_obj
def report(
    settings: Settings,
    /,
    framework: str,
    since: str,
    until: str,
    policies: str,
    key: str,
    share: bool,
    epsilon: str,
    out: Path,
) -> None:
    """Write an HTML report, ready to be printed, with figures from the verified ledger.

    Exit status: 0 written, 1 it could not be, 2 the ledger does not hold; the report says so then.
    """
    folder = folder_of(settings, None)
    (trusted, gateway), mac = trusted_keys(settings, key, folder), old_mac(settings, None)
    period = query_of({"since": since, "until": until})
    cites = rule_cites(settings, policies)
    command = shlex.join(["yumen", *sys.argv[1:]])

    def verified() -> Verification:
        found = verify_ledger(folder, trusted, old_mac=mac, jobs=os.cpu_count() or 1, gateway=gateway)
        lines = {part: [str(one) for one in getattr(found, part) if one.severity == "wrong"] for part in PARTS}
        logs = [f"{one.log}  {one.size}  {one.root}" for one in found.logs]
        return Verification(ok=found.ok, **lines, keys=found.keys, checked_at=moment(time.time()), logs=logs)

    try:
        records = _records(LedgerFolder(folder))
        if share:
            months = _months(period.since_us, period.until_us)
            status = _share(settings, framework, out, records, verified, months, epsilon, sorted(cites), command)
        else:
            status = write_report(
                records,
                verified,
                framework=framework,
                out=out,
                since=_seconds(period.since_us),
                until=_seconds(period.until_us),
                cites=cites,
                command=command,
            )
    except OSError as error:
        raise unreadable(error) from None
    raise SystemExit(status)


def _records(ledger: LedgerFolder) -> Records:
    for log in sorted(ledger.logs()):
        for _, record in ledger.records(log):
            yield log, record


def _share(
    settings: Settings,
    framework: str,
    out: Path,
    records: Records,
    verified: Callable[[], Verification],
    months: tuple[str, str],
    epsilon: str,
    rules: list[str],
    command: str,
) -> int:
    """Numbers with noise: each release is charged, and recorded, before it is shown. Error: `CannotStart`."""
    try:
        share = Fraction(epsilon)
    except (ValueError, ZeroDivisionError):
        raise CannotStart("--epsilon is a number such as 1/10") from None
    budget = Budget(settings.data_dir)
    with writing(settings) as folder:

        def note(details: Mapping[str, str]) -> None:
            operation = Operation(kind="privacy_release", actor=ACTOR, at=time.time(), details=dict(details))
            recorded(settings, folder, operation)

        return write_shared(
            records,
            verified,
            framework=framework,
            out=out,
            budget=budget,
            note=note,
            dataset="*",
            months=months,
            rules=rules,
            epsilon=share,
            command=command,
        )


def _months(since_us: int | None, until_us: int | None) -> tuple[str, str]:
    """The first and the last month, which are shared whole. Error: `CannotStart`."""
    if since_us is None:
        raise CannotStart("say with --since from which month on; whole months are shared")
    until = until_us / 1e6 if until_us is not None else time.time()
    return _month(since_us / 1e6), _month(until - 1)


def _month(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime(MONTH)


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6
