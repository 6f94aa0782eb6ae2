"""The figures of a report as tables, whatever framework it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

from yumen_plugins.audit.report.figures import OPERATIONS_SHOWN, Figures, RuleSeen, Seen
from yumen_plugins.audit.report.html import Element, bar, table, tag

ROWS_MAX = 200
DETAILS_CHARS_MAX = 400
RULE_HEADS = ("rule", "findings", "decisions", "findings in shadow", "decisions in shadow", "days active", "categories")
SEEN_HEADS = ("exchanges", "first", "last")


def all_of(figures: Figures) -> Iterator[Element]:
    """Every section, in its order."""
    yield tag("h2", "Figures", class_="page")
    yield from _exchanges(figures)
    yield from _rules(figures)
    yield from _sent(figures)
    yield from _operations(figures)
    yield from _logs(figures)


def rules_table(caption: str, rules: Mapping[str, RuleSeen], most: int) -> Element:
    """What rules did, those that did most first."""
    ranked = sorted(rules.items(), key=lambda one: (-one[1].total, one[0]))
    rows = [
        (
            name or "(no name)",
            rule.findings,
            rule.decisions,
            rule.findings_shadow,
            rule.decisions_shadow,
            rule.days_active,
            ", ".join(sorted(filter(None, rule.categories))),
        )
        for name, rule in ranked[:most]
    ]
    return table(caption, RULE_HEADS, rows, len(ranked) - len(rows))


def counts_table(caption: str, head: str, counts: Mapping[str, int]) -> Element:
    """Names with how often, the largest first, each with a bar for its share of all."""
    ranked = sorted(counts.items(), key=lambda one: (-one[1], one[0]))
    total = sum(max(count, 0) for count in counts.values()) or 1
    rows = []
    for name, count in ranked[:ROWS_MAX]:
        share = max(count, 0) / total
        rows.append((name or "(no name)", count, bar(share, f"{100 * share:.1f} percent")))
    return table(caption, (head, "number", "share"), rows, len(ranked) - len(rows))


def _exchanges(figures: Figures) -> Iterator[Element]:
    yield tag("h3", "Exchanges")
    yield counts_table("How exchanges ended", "outcome", figures.outcomes)
    yield counts_table("Exchanges by tenant", "tenant", figures.tenants)
    yield _seen_table("Versions of the policy", "policy", figures.policies)
    yield _seen_table("Versions of plugins", "plugin", figures.plugins)


def _rules(figures: Figures) -> Iterator[Element]:
    yield tag("h3", "Rules")
    yield tag(
        "p",
        "A finding is something that a rule noticed; a decision ended an exchange. In shadow nothing came of it. Findings "
        "of the category “allowed” were let pass on purpose.",
    )
    yield rules_table("What rules did", figures.rules, ROWS_MAX)
    yield counts_table("Plugins that failed (faults)", "plugin", figures.faults)


def _sent(figures: Figures) -> Iterator[Element]:
    yield tag("h3", "What was sent to engines")
    rows = [
        (f"{egress}, {form}", seen.count, _moment(seen.first), _moment(seen.last))
        for (egress, form), seen in sorted(figures.sent.items())
    ]
    yield table("By place and form", ("egress, form", *SEEN_HEADS), rows)
    accepted = sorted(figures.accepted.items(), key=lambda one: (-one[1].count, one[0]))
    reasons = [
        (route or "(no name)", reason, seen.count, _moment(seen.first), _moment(seen.last))
        for (route, reason), seen in accepted[:ROWS_MAX]
    ]
    yield table(
        "Raw text that the policy lets pass, with its reason",
        ("route", "reason", *SEEN_HEADS),
        reasons,
        len(accepted) - len(reasons),
    )
    yield from _intents(figures)


def _intents(figures: Figures) -> Iterator[Element]:
    """Texts that were about to leave, and whether it is known what came of them."""
    intents = figures.kinds.get("intent", 0)
    yield tag(
        "p",
        f"Before text leaves for an engine elsewhere, an intent is recorded: {intents:,} on record. Without an exchange "
        f"that says what came of it: {figures.undecided_count:,} (still under way, or the process died). Exchanges with an "
        f"engine elsewhere that have no intent: {figures.unannounced:,} (an older ledger has none at all).",
    )
    if figures.pairing_failed:
        yield tag("p", "There were too many to match in memory; ask about a shorter time.", class_="state look")
    if figures.undecided:
        yield tag("p", "Exchanges: ", tag("code", " ".join(figures.undecided)))


def _operations(figures: Figures) -> Iterator[Element]:
    yield tag("h3", "Operations")
    yield _seen_table("What was done to the gateway", "operation", figures.operations, "number")
    done = figures.done[-OPERATIONS_SHOWN:]
    rows = [(_moment(one.at), one.operation, one.actor, _details(one.details)) for one in done]
    total = sum(seen.count for seen in figures.operations.values())
    yield table("The newest operations", ("time", "operation", "actor", "details"), rows, total - len(rows))
    yield counts_table("Records by kind", "kind", figures.kinds)


def _logs(figures: Figures) -> Iterator[Element]:
    yield tag("h3", "Logs and quiet times")
    logs = sorted(figures.logs.items())
    rows = [
        (
            name,
            seen.records.count,
            seen.exchanges,
            _moment(seen.records.first),
            _moment(seen.records.last),
            "for ever" if seen.keep_days is None else f"{seen.keep_days:,} days",
        )
        for name, seen in logs[:ROWS_MAX]
    ]
    heads = ("log", "records", "exchanges", "first", "last", "kept")
    yield table("Logs, one for each process and class", heads, rows, len(logs) - len(rows))
    quiet = [
        (one.log, _moment(one.since), _moment(one.until), f"{one.seconds / 3600:,.1f} hours") for one in figures.quiet
    ]
    yield table(
        "Two hours or more without a record, although the writer had not ended in good order",
        ("log", "since", "until", "for"),
        quiet,
        figures.quiet_count - len(quiet),
    )
    yield tag(
        "p", "A ledger of version 1 has no hourly checkpoints, so that quiet nights are listed here.", class_="note"
    )


def _seen_table(caption: str, head: str, names: Mapping[str, Seen], number: str = "exchanges") -> Element:
    ranked = sorted(names.items(), key=lambda one: (one[1].first, one[0]))
    rows = [
        (name or "(no name)", seen.count, _moment(seen.first), _moment(seen.last)) for name, seen in ranked[:ROWS_MAX]
    ]
    return table(caption, (head, number, "first", "last"), rows, len(ranked) - len(rows))


def _details(details: Mapping[str, str]) -> str:
    text = "  ".join(f"{name}={value}" for name, value in details.items())
    return text if len(text) <= DETAILS_CHARS_MAX else text[:DETAILS_CHARS_MAX] + "…"


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
