"""Puts figures beside what controls ask for. It says what is on record, never that something is fulfilled."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from yumen_plugins.audit.report.figures import Figures, RuleSeen
from yumen_plugins.audit.report.frameworks.form import (
    DAYS_OF_MONTHS,
    Control,
    Evidence,
    Intact,
    Kept,
    Operations,
    Outcomes,
    Recorded,
    Rules,
    Sent,
    Versions,
    Words,
)

# `shown`: on record. `nothing`: nothing on record. `look`: on record, and somebody has to look at it.
State = Literal["shown", "nothing", "look"]
DAY_S = 86_400.0
MASKED = ("masked",)

# By rule id, or a pattern of ids as a policy writes it, what the policy cites.
Cites = Mapping[str, Sequence[str]]


class Verification(msgspec.Struct, frozen=True, kw_only=True):
    """What verifying the ledger said. `report` shows it at the top.

    `integrity`, `continuity` and `completeness` are what was found, a line each; where `ok`, notes that
    do not make it wrong. `keys` are the public keys or their fingerprints, `logs` a line each: name, size, root hash.
    `checked_at` is RFC 3339 in UTC.
    """

    ok: bool
    integrity: list[str] = []
    continuity: list[str] = []
    completeness: list[str] = []
    keys: list[str] = []
    checked_at: str = ""
    logs: list[str] = []

    @property
    def found(self) -> list[str]:
        """All that was found."""
        return [*self.integrity, *self.continuity, *self.completeness]


class Point(msgspec.Struct, frozen=True):
    """One piece of evidence as the report shows it: a sentence, how it stands, and the rules that it is about."""

    text: str
    state: State
    rules: tuple[tuple[str, RuleSeen], ...] = ()


def assess(control: Control, figures: Figures, verification: Verification, cites: Cites, now: float) -> list[Point]:
    """Every piece of evidence of a control, in its order. `now` is in seconds since the epoch."""
    return [_point(evidence, control, figures, verification, cites, now) for evidence in control.evidence]


def state_of(points: Iterable[Point]) -> State:
    """How a control stands: whether somebody has to look, else whether anything is on record."""
    states = {point.state for point in points}
    return "look" if "look" in states else "shown" if "shown" in states else "nothing"


def serves(cite: str, beginnings: Iterable[str]) -> bool:
    """Whether a citation is of one of these, or a part of it: `PIPL Art. 51(3)` is of `PIPL Art. 51`, not of `… 5`."""
    return any(cite.startswith(start) and not cite[len(start) : len(start) + 1].isalnum() for start in beginnings)


def _point(
    evidence: Evidence, control: Control, figures: Figures, verification: Verification, cites: Cites, now: float
) -> Point:
    match evidence:
        case Rules():
            return _rules(evidence, control, figures, cites)
        case Operations():
            return _operations(evidence, figures)
        case Outcomes():
            return _outcomes(evidence, figures)
        case Kept():
            return _kept(evidence.months, figures, now)
        case Recorded():
            return _recorded(figures)
        case Intact():
            return _intact(figures, verification)
        case Sent():
            return _sent(figures)
        case Words():
            return _words(figures)
        case Versions():
            return _versions(figures)


def _rules(evidence: Rules, control: Control, figures: Figures, cites: Cites) -> Point:
    cited = [name for name, said in cites.items() if any(serves(cite, control.cites) for cite in said)]
    patterns = (*evidence.patterns, *cited)
    found = [
        (name, rule)
        for name, rule in sorted(figures.rules.items())
        if any(fnmatchcase(name, pattern) for pattern in patterns)
        or any(category in rule.categories for category in evidence.categories)
    ]
    if not found:
        return Point(
            "No rule that serves this noticed or decided anything. It may be that there was nothing.", "nothing"
        )
    findings, decisions, shadow = (
        sum(getattr(rule, name) for _, rule in found) for name in ("findings", "decisions", "findings_shadow")
    )
    text = f"Rules that serve this: {len(found):,}. Findings: {findings:,}; decisions: {decisions:,}"
    shadow += sum(rule.decisions_shadow for _, rule in found)
    # What a rule in shadow noticed was let pass as it was.
    only_shadow = not findings and not decisions
    text += f"; in shadow, so that nothing came of it: {shadow:,}." if shadow else "."
    return Point(text, "look" if only_shadow else "shown", tuple(found))


def _operations(evidence: Operations, figures: Figures) -> Point:
    found = {name: seen for name, seen in figures.operations.items() if _fits(name, evidence.patterns)}
    if not found:
        return Point(f"Operations on record, {evidence.what}: none.", "nothing")
    parts = ", ".join(f"{name} {seen.count:,}" for name, seen in sorted(found.items()))
    return Point(f"Operations on record, {evidence.what}: {parts}.", "shown")


def _outcomes(evidence: Outcomes, figures: Figures) -> Point:
    found = {name: count for name, count in figures.outcomes.items() if _fits(name, evidence.names)}
    text = f"Exchanges {evidence.what}: {sum(found.values()):,} of {figures.exchanges.count:,}."
    return Point(text, "shown" if found else "nothing")


def _kept(months: int, figures: Figures, now: float) -> Point:
    logs = [log for log in figures.logs.values() if log.exchanges]
    if not logs:
        return Point("There is no record of an exchange, so nothing shows how long they are kept.", "nothing")
    reach = max(int((now - figures.oldest) // DAY_S), 0)
    text = f"Exchanges in the ledger reach back {_n(reach, 'day')}. "
    least = min((log.keep_days for log in logs if log.keep_days is not None), default=None)
    text += (
        "Nothing deletes these records." if least is None else f"The shortest class keeps them for {_n(least, 'day')}."
    )
    dropped = figures.kinds.get("retention", 0)
    if dropped:
        text += f" Statements about records that were dropped: {dropped:,}."
    if not months:
        return Point(text, "shown")
    days = DAYS_OF_MONTHS[months]
    text += f" {months} months are asked for, which can be {days:,} days."
    if least is not None and least < days:
        return Point(f"{text} That is longer than records are kept.", "look")
    if reach < days:
        return Point(f"{text} Records do not reach back so far: is the gateway younger?", "look")
    return Point(text, "shown")


def _recorded(figures: Figures) -> Point:
    if not figures.exchanges.count:
        return Point("No exchange is on record in this time.", "nothing")
    operations = sum(seen.count for seen in figures.operations.values())
    text = f"Recorded: {_n(figures.exchanges.count, 'exchange')}, {_n(operations, 'operation')}."
    failures = figures.kinds.get("failure", 0)
    if failures or figures.unreadable:
        text += f" Times when the ledger could not be written: {failures:,}. Records without a time: {figures.unreadable:,}."
    return Point(text, "look" if failures or figures.unreadable else "shown")


def _intact(figures: Figures, verification: Verification) -> Point:
    found = len(verification.found)
    if not verification.ok:
        return Point(f"The ledger does NOT hold: {_n(found, 'line')} at the top of this report.", "look")
    recoveries = figures.kinds.get("recovery", 0)
    text = f"The ledger was verified and holds ({_n(len(verification.logs), 'log')})."
    if found:
        text += f" Verifying it left {_n(found, 'note')}, at the end of this report."
    if recoveries:
        text += f" Recoveries after a crash, on record: {recoveries:,}."
    return Point(text, "shown")


def _sent(figures: Figures) -> Point:
    if not figures.sent:
        return Point("No engine was sent anything, or records are older than their note of it.", "nothing")
    local, remote = (_forms(figures, egress) for egress in ("local", "remote"))
    raw = sum(seen.count for (egress, form), seen in figures.sent.items() if egress == "remote" and form not in MASKED)
    text = f"To engines on this machine: {local}. To engines elsewhere: {remote}."
    if figures.accepted:
        accepted = sum(seen.count for seen in figures.accepted.values())
        text += f" A reason for raw text stood in the policy of {_n(accepted, 'exchange')}."
    return Point(text, "look" if raw else "shown")


def _forms(figures: Figures, wanted: str) -> str:
    forms = {form: seen.count for (egress, form), seen in figures.sent.items() if egress == wanted}
    return ", ".join(f"{form} {count:,}" for form, count in sorted(forms.items())) or "nothing"


def _words(figures: Figures) -> Point:
    if not figures.words:
        return Point("No exchange is on record in this time.", "nothing")
    names = {
        "text": "as masked text that can be read",
        "sealed": "as sealed text that was not opened",
        "digest": "as keyed digests",
        "none": "not at all",
    }
    parts = [f"{names[form]} {figures.words[form]:,}" for form in names if form in figures.words]
    return Point(f"What was written is kept, by exchanges: {', '.join(parts)}.", "shown")


def _versions(figures: Figures) -> Point:
    if not figures.policies:
        return Point("No exchange is on record in this time.", "nothing")
    return Point(f"Exchanges ran under {_n(len(figures.policies), 'version')} of the policy, listed below.", "shown")


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _n(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"
