"""A report for people outside the house: the same controls, and of all figures only those that have noise.

No exact number, no name of a tenant, a log, an operator or a rule that was not named beforehand, and no moment is in it:
whether a control has evidence would itself tell something, so what is said of controls depends on no record.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from fractions import Fraction
from typing import Any

import msgspec

from yumen_plugins.audit.privacy import Budget, Release, release
from yumen_plugins.audit.report.assess import Verification
from yumen_plugins.audit.report.figures import Record
from yumen_plugins.audit.report.frameworks import Framework
from yumen_plugins.audit.report.html import Element, tag
from yumen_plugins.audit.report.page import About, asked_by, finished, framework_of, head, notes
from yumen_plugins.audit.report.sections import counts_table

OUTCOMES = (
    "ok",
    "client_disconnect",
    "engine_rejected",
    "policy_blocked",
    "rate_limited",
    "payload_too_large",
    "unsupported_payload",
    "plugin_fault",
    "engine_unavailable",
    "engine_timeout",
    "ledger_unavailable",
)
OTHER = "other"
# An exchange counts for so many rules at most: what one exchange changes in all cells together.
RULES_MAX = 3


class Shared(msgspec.Struct, frozen=True):
    """One table of a report for others: its caption, the head of its names, and its numbers."""

    caption: str
    head: str
    release: Release


class Counts(msgspec.Struct, frozen=True):
    """Exact counts of whole months, which never leave the house: by outcome, and by rule that found something."""

    dataset: str
    months: tuple[str, str]
    rules: tuple[str, ...]
    outcomes: Counter[str]
    found: Counter[str]


def count(
    records: Iterable[tuple[str, Record]], *, dataset: str, months: tuple[str, str], rules: Sequence[str]
) -> Counts:
    """Count exchanges of the months from the first to the last, each as `2026-11`.

    `dataset` is a tenant, whose exchanges alone are counted, or `*`. `rules` are all those of the policy: one that is not
    among them is not counted. An exchange counts for the first three of its rules, in alphabetical order.
    """
    counts = Counts(dataset, months, tuple(sorted(set(rules))), Counter(), Counter())
    for _, record in records:
        if record.get("kind") != "exchange" or (dataset != "*" and record.get("tenant") != dataset):
            continue
        if not months[0] <= str(record.get("time"))[:7] <= months[1]:
            continue
        outcome = record.get("outcome")
        counts.outcomes[outcome if outcome in OUTCOMES else OTHER] += 1
        counts.found.update(_rules_of(record, counts.rules))
    return counts


def share(
    counts: Counts, budget: Budget, *, epsilon: Fraction = Fraction(1, 10), now: float | None = None
) -> list[Shared]:
    """Release counts, by outcome and by rule, each for `epsilon`. The unit of privacy is the exchange.

    Write `release.details` of each into the ledger before anybody sees a number. Errors: those of `release`.
    """
    asked: dict[str, Any] = {"dataset": counts.dataset, "months": counts.months, "epsilon": epsilon, "now": now}
    by_outcome = release(budget, counts.outcomes, query="outcomes/1", cells=(*OUTCOMES, OTHER), **asked)
    tables = [Shared("How exchanges ended", "outcome", by_outcome)]
    if counts.rules:
        by_rule = release(budget, counts.found, query="rules/1", cells=counts.rules, sensitivity=RULES_MAX, **asked)
        tables.append(Shared(f"Exchanges in which a rule found something ({RULES_MAX} rules at most)", "rule", by_rule))
    return tables


def build_shared(framework: str, tables: Sequence[Shared], verification: Verification, about: About) -> str:
    """The report as HTML. Error: `CannotStart` for a framework that is none."""
    asked = framework_of(framework)
    body = tag(
        "main",
        *head(asked, verification, about, {}),
        _banner(verification),
        tag("h2", "Figures"),
        *(part for one in tables for part in _table(one)),
        *(() if tables else (tag("p", "No figure was released.", class_="none"),)),
        tag("h2", "Controls", class_="page"),
        tag("p", "What is asked for, and what the gateway does not show. Evidence stands in the full report."),
        *_controls(asked),
    )
    return finished(asked, verification, about, body)


def _rules_of(record: Record, named: Sequence[str]) -> list[str]:
    findings = record.get("findings")
    found = [one.get("rule") for one in findings if isinstance(one, dict)] if isinstance(findings, list) else []
    return [rule for rule in named if rule in found][:RULES_MAX]


def _banner(verification: Verification) -> Element:
    if verification.ok:
        return tag("p", "The ledger was verified: it holds.", class_="holds")
    return tag(
        "p", tag("strong", "THE LEDGER DOES NOT HOLD. No number below can be relied on."), class_="wrong", role="alert"
    )


def _table(one: Shared) -> Iterator[Element]:
    yield counts_table(one.caption, one.head, one.release.values)
    yield tag("p", one.release.sentence, class_="note")
    yield tag(
        "p",
        f"ε = {one.release.epsilon}. What is protected is one exchange, not all exchanges of one person.",
        class_="note",
    )


def _controls(framework: Framework) -> Iterator[Element]:
    for control in framework.controls:
        yield tag("section", *asked_by(framework, control), *notes(control), class_="control")
