"""Makes a report from records and writes it: what `yumen audit report` does."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from yumen import CannotStart
from yumen_plugins.audit.privacy import Budget, BudgetSpent
from yumen_plugins.audit.report.assess import Cites, Verification
from yumen_plugins.audit.report.figures import gather
from yumen_plugins.audit.report.page import About, build, framework_of, moment
from yumen_plugins.audit.report.shared import build_shared, count, share

Records = Iterable[tuple[str, dict[str, Any]]]
# Asked when the records have been read to their end, because reading them is what verifies them.
Verify = Callable[[], Verification]

HOLDS, WRONG = 0, 2


def report(
    records: Records,
    verify: Verify,
    *,
    framework: str,
    out: Path,
    since: float | None = None,
    until: float | None = None,
    cites: Cites | None = None,
    command: str = "",
    now: float | None = None,
) -> int:
    """Write the report to a file that only its owner can read, replacing it as a whole.

    `since` and `until` are in seconds since the epoch; None is no limit. Gives the exit status: 0, or 2 where the ledger
    does not hold, which the report says as well. Error: `CannotStart`.
    """
    framework_of(framework)
    at = time.time() if now is None else now
    figures = gather(records, since=since or 0.0, until=float("inf") if until is None else until)
    verification = verify()
    text = build(framework, figures, verification, command=command, period=_period(since, until), cites=cites, now=at)
    _write(out, text)
    return HOLDS if verification.ok else WRONG


def report_shared(
    records: Records,
    verify: Verify,
    *,
    framework: str,
    out: Path,
    budget: Budget,
    note: Callable[[Mapping[str, str]], None],
    dataset: str,
    months: tuple[str, str],
    rules: Sequence[str],
    epsilon: Fraction = Fraction(1, 10),
    command: str = "",
    now: float | None = None,
) -> int:
    """Write the report for people outside: only numbers with noise.

    `note` writes the details of a release into the ledger, and raises where it cannot: then there is no file. The other
    arguments are those of `shared.count` and of `report`, as is what it gives. Where the ledger does not hold, nothing is
    drawn and nothing is charged, and the report says so instead of numbers. Error: `CannotStart`.
    """
    framework_of(framework)
    at = time.time() if now is None else now
    try:
        counts = count(records, dataset=dataset, months=months, rules=rules)
        verification = verify()
        tables = share(counts, budget, epsilon=epsilon, now=at) if verification.ok else []
    except (BudgetSpent, ValueError) as error:
        raise CannotStart(f"this cannot be shared: {error}") from None
    for table in tables:
        note(table.release.details)
    about = About(made_at=at, command=command, period=f"{months[0]} to {months[1]}, whole months")
    _write(out, build_shared(framework, tables, verification, about))
    return HOLDS if verification.ok else WRONG


def _period(since: float | None, until: float | None) -> str:
    if since is None and until is None:
        return "everything in the ledger"
    start = "the beginning" if since is None else moment(since)
    return f"{start} to {'the end' if until is None else moment(until)}"


def _write(path: Path, text: str) -> None:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
                file.flush()
                os.fsync(descriptor)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise CannotStart(f"cannot write {path}: {error.strerror}; name another file with --out") from None
