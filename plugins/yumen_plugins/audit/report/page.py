"""The evidence report as one HTML document."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from yumen import CannotStart
from yumen_plugins.audit.report import sections
from yumen_plugins.audit.report.assess import Cites, Point, State, Verification, assess, state_of
from yumen_plugins.audit.report.figures import Figures
from yumen_plugins.audit.report.frameworks import FRAMEWORKS, Framework
from yumen_plugins.audit.report.frameworks.form import Control
from yumen_plugins.audit.report.html import Element, page, table, tag
from yumen_plugins.audit.report.style import with_running_head

STATES: dict[State, str] = {"shown": "on record", "nothing": "nothing on record", "look": "look into it"}
RULES_SHOWN = 40
WRONG_SHOWN = 100
LIMITS = (
    "It lists what a gateway recorded. It is no audit, no certificate and no legal advice. What it says of laws is a "
    "summary, to be read by a lawyer before it is used.",
    "It covers traffic that passed through the gateway on routes with the plugin audit, and nothing else.",
    "“On record” does not say that a duty is fulfilled, nor “nothing on record” that it is broken.",
    "Times are those of the machine, in UTC.",
)


class About(msgspec.Struct, frozen=True, kw_only=True):
    """How a report came to be: the command, the time that was asked for (in words), when it was made (epoch seconds)."""

    made_at: float
    command: str = ""
    period: str = "everything in the ledger"
    title: str = ""


def build(
    framework: str,
    figures: Figures,
    verification: Verification,
    *,
    title: str = "",
    command: str = "",
    period: str = "everything in the ledger",
    cites: Cites | None = None,
    now: float | None = None,
) -> str:
    """The report as HTML. `cites` says by rule id (or pattern of ids) what the policy cites for it; `now` is epoch seconds.

    Error: `CannotStart` for a framework that is none.
    """
    asked = framework_of(framework)
    about = About(made_at=time.time() if now is None else now, command=command, period=period, title=title)
    assessed = [
        (control, assess(control, figures, verification, cites or {}, about.made_at)) for control in asked.controls
    ]
    body = tag(
        "main",
        *head(asked, verification, about, {"Records": _reach(figures)}),
        banner(verification),
        *_reading(),
        _summary(assessed),
        tag("h2", "Controls", class_="page"),
        *(_control(asked, control, points) for control, points in assessed),
        *sections.all_of(figures),
        *ledger(verification),
    )
    return finished(asked, verification, about, body)


def framework_of(name: str) -> Framework:
    """A framework by its name. Error: `CannotStart`."""
    if name not in FRAMEWORKS:
        raise CannotStart(f"there is no framework of that name; choose one of {', '.join(FRAMEWORKS)}")
    return FRAMEWORKS[name]


def fingerprint(verification: Verification) -> str:
    """What tells one state of a ledger from another: 32 digits of a SHA-256 over its keys and the heads of its logs."""
    content = repr((sorted(verification.keys), sorted(verification.logs)))
    return hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:32]


def finished(framework: Framework, verification: Verification, about: About, body: Element) -> str:
    """The document, with a running head for paper."""
    running = f"Yumen evidence {framework.id} - ledger {fingerprint(verification)} - {moment(about.made_at)}"
    return page(title_of(framework, about), with_running_head(running), [body])


def title_of(framework: Framework, about: About) -> str:
    """What stands above everything."""
    return about.title or f"Evidence report: {framework.name}"


def banner(verification: Verification) -> Element:
    """Whether the ledger holds, before anything else is said."""
    if verification.ok:
        return tag("p", "The ledger was verified: it holds.", class_="holds")
    lists = (
        ("Integrity: something is not what was written", verification.integrity),
        ("Continuity: something is missing in between, or two histories exist", verification.continuity),
        ("Completeness: something is missing at an end", verification.completeness),
    )
    return tag(
        "div",
        tag("strong", "THE LEDGER DOES NOT HOLD. Nothing below can be relied on until this is explained."),
        *(part for name, wrong in lists if wrong for part in (tag("h3", name), _lines(wrong))),
        class_="wrong",
        role="alert",
    )


def ledger(verification: Verification) -> Iterator[Element]:
    """What was verified, so that somebody else can do it again."""
    yield tag("h2", "The ledger")
    yield tag("p", "A report from the same state of the same ledger has the same fingerprint.")
    rows = [(tag("code", log),) for log in verification.logs[: sections.ROWS_MAX]]
    yield table("Logs: name, size, root hash", ("log",), rows, len(verification.logs) - len(rows))
    yield table("Keys that signed it", ("key",), [(tag("code", key),) for key in verification.keys])
    if verification.ok and verification.found:
        yield tag("h3", "Notes of verification, none of which makes it wrong")
        yield _lines(verification.found)


def moment(at: float) -> str:
    """A moment as RFC 3339 in UTC, to the second."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def head(framework: Framework, verification: Verification, about: About, more: Mapping[str, str]) -> Iterator[Element]:
    """The title, and from what the report was made."""
    yield tag("h1", title_of(framework, about))
    if framework.official:
        yield tag("p", framework.official, class_="official", lang=framework.language)
    facts = {
        "Editions": framework.edition,
        "Time asked about": about.period,
        **more,
        "Ledger fingerprint": fingerprint(verification),
        "Ledger verified": verification.checked_at or "time not known",
        "Report made": moment(about.made_at),
        "Command": about.command or "not given",
    }
    rows = (tag(name, text) for fact in facts.items() for name, text in zip(("dt", "dd"), fact, strict=True))
    yield tag("dl", *rows)


def _reach(figures: Figures) -> str:
    seen = figures.records
    return f"{seen.count:,}, {moment(seen.first)} to {moment(seen.last)}" if seen.count else "none in this time"


def _reading() -> Iterator[Element]:
    yield tag("h2", "How to read this")
    yield tag("ul", *(tag("li", limit) for limit in LIMITS))


def _summary(assessed: Sequence[tuple[Control, list[Point]]]) -> Element:
    rows = [(control.id, control.title, _state(state_of(points))) for control, points in assessed]
    return table("What the ledger shows for each control", ("control", "about", "state"), rows)


def _control(framework: Framework, control: Control, points: Sequence[Point]) -> Element:
    return tag("section", *asked_by(framework, control), *_evidence(points), *notes(control), class_="control")


def asked_by(framework: Framework, control: Control) -> Iterator[Element]:
    """What a control asks for, in words that depend on no record."""
    yield tag("h3", f"{control.id}: {control.title}")
    if control.official:
        yield tag("p", control.official, class_="official", lang=framework.language)
    yield tag("p", control.asks)


def notes(control: Control) -> Iterator[Element]:
    """What Yumen does not show, for one control."""
    said = list(control.notes)
    if control.confirm:
        said.append("No bundle of Yumen cites this: have a lawyer confirm the reference and the summary.")
    yield from (tag("p", f"Not shown: {note}" if note in control.notes else note, class_="note") for note in said)


def _evidence(points: Sequence[Point]) -> Iterator[Element]:
    if not points:
        yield tag("p", "Yumen gives no evidence for this.", class_="none")
        return
    yield tag("ul", *(tag("li", _state(point.state), ": ", point.text) for point in points))
    # A control may name rules more than once.
    rules = {name: rule for point in points for name, rule in point.rules}
    if rules:
        yield sections.rules_table("Rules that serve it", rules, RULES_SHOWN)


def _state(state: State) -> Element:
    return tag("span", STATES[state], class_=f"state {state}")


def _lines(lines: Sequence[str]) -> Element:
    more = len(lines) - WRONG_SHOWN
    rest = (tag("li", f"and {more:,} more"),) if more > 0 else ()
    return tag("ul", *(tag("li", line) for line in lines[:WRONG_SHOWN]), *rest)
