"""A report shows what is on record beside what is asked for, and says first whether the ledger holds."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.report.evidence import (
    BROKEN,
    CITES,
    GOLDEN,
    HOLDS,
    NOW,
    Record,
    exchange,
    finding,
    golden,
    operation,
    records,
)

from yumen import CannotStart
from yumen_plugins.audit.report import FRAMEWORKS, build, gather, report
from yumen_plugins.audit.report.assess import assess, serves, state_of
from yumen_plugins.audit.report.frameworks.form import DAYS_OF_MONTHS, Control, Kept, Operations, Rules, Sent
from yumen_plugins.audit.report.page import fingerprint

DAY = 86_400.0


def control(*evidence: Any, cites: tuple[str, ...] = ()) -> Control:
    """A control with this evidence."""
    return Control(id="1", title="t", asks="a", evidence=evidence, cites=cites)


def states(evidence: Any, told: list[Record], log: str = "w/forever", **options: Any) -> tuple[str, str]:
    """How one piece of evidence stands, and what is said of it."""
    asked = control(evidence, cites=options.pop("serving", ()))
    figures = gather((log, record) for record in told)
    points = assess(
        asked, figures, options.pop("verification", HOLDS), options.pop("cites", {}), options.pop("now", NOW)
    )
    return state_of(points), points[0].text


@pytest.mark.parametrize("name", list(FRAMEWORKS))
def test_a_report_is_the_one_on_file(name: str) -> None:
    """Whoever changes what a report says sees the change, and makes the files again with the command that is shown."""
    kept = (GOLDEN / f"{name}.html").read_text(encoding="utf-8")
    assert golden(name) == kept, "if this is meant: python -m tests.plugins.audit.report.evidence"


def test_a_ledger_that_does_not_hold_is_said_first(tmp_path: Path) -> None:
    """In red, before any figure, with what is wrong; and the exit status says it to programs."""
    out = tmp_path / "report.html"
    status = report(records(), lambda: BROKEN, framework="gdpr", out=out, now=NOW)
    text = out.read_text(encoding="utf-8")
    assert status == 2
    assert text.index("THE LEDGER DOES NOT HOLD") < text.index("How to read this") < text.index("Controls")
    assert 'class="wrong" role="alert"' in text
    assert "8d0eb8ae/keep-183d:41: changed" in text
    assert "1b2c3d4e/forever: 数据缺失 (missing)" in text
    assert "verified: it holds" not in text


def test_notes_of_verification_are_shown_at_the_end() -> None:
    """What was found and does not make the ledger wrong is not left out, and is not red."""
    noted = HOLDS.__class__(ok=True, continuity=["1b2c3d4e: stopped without saying so (进程中断)"], logs=HOLDS.logs)
    text = build("pci", gather(records()), noted, now=NOW)
    assert "Verifying it left 1 note" in text
    assert text.index("Keys that signed it") < text.index("1b2c3d4e: stopped without saying so (进程中断)")
    assert 'role="alert"' not in text
    assert "Verifying it left" not in build("pci", gather(records()), HOLDS, now=NOW)


def test_a_report_is_made_from_verified_records(tmp_path: Path) -> None:
    """Verification is asked for after the last record has been read, because reading is what verifies."""
    order = []

    def told() -> Iterator[tuple[str, Record]]:
        yield from records()
        order.append("read")

    def verify() -> Any:
        order.append("verified")
        return HOLDS

    out = tmp_path / "报告.html"
    assert report(told(), verify, framework="pipl", out=out, command="yumen audit report", now=NOW) == 0
    assert order == ["read", "verified"]
    assert out.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["报告.html"]


def test_what_cannot_be_written_says_what_to_do(tmp_path: Path) -> None:
    """A folder that is not there, and a framework that is none; nothing is left behind."""
    with pytest.raises(CannotStart, match="--out"):
        report(records(), lambda: HOLDS, framework="pipl", out=tmp_path / "no" / "r.html")
    with pytest.raises(CannotStart, match="choose one of pipl, gdpr, eu-ai-act, hipaa, pci"):
        report(records(), lambda: HOLDS, framework="iso", out=tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_a_report_names_the_time_it_is_about(tmp_path: Path) -> None:
    """Figures are those of the time that was asked about, and the time stands at the top."""
    out = tmp_path / "r.html"
    report(records(), lambda: HOLDS, framework="pipl", out=out, since=NOW - 30 * DAY, until=NOW - 29 * DAY, now=NOW)
    text = out.read_text(encoding="utf-8")
    assert "2026-11-03T08:00:00Z to 2026-11-04T08:00:00Z" in text
    assert "rate_limited" in text
    assert "2026-11-01" not in text.replace("2026-11-01T07", "")


def test_the_fingerprint_is_that_of_the_ledger() -> None:
    """It changes with a log's head or a key, and not with the order or with the figures."""
    turned = HOLDS.__class__(ok=True, keys=HOLDS.keys, logs=HOLDS.logs[::-1])
    grown = HOLDS.__class__(ok=True, keys=HOLDS.keys, logs=["8d0eb8ae/keep-183d 13 aaaa", HOLDS.logs[1]])
    assert fingerprint(turned) == fingerprint(HOLDS) != fingerprint(grown)
    assert re.fullmatch("[0-9a-f]{32}", fingerprint(HOLDS))
    assert build("pci", gather(records()), HOLDS, now=NOW).count(fingerprint(HOLDS)) == 2


def test_rules_serve_what_the_policy_cites() -> None:
    """A rule is evidence where it is named, where its category is, or where the policy cites the control; not otherwise."""
    told = [exchange(1, 1, findings=[finding("cn.mobile"), finding("secret.key", "secret"), finding("x", "anomaly")])]
    assert states(Rules(("cn.*",)), told)[0] == "shown"
    assert states(Rules(categories=("secret",)), told)[0] == "shown"
    assert states(Rules(("email",)), told)[0] == "nothing"
    cites = {"cn.*": ["PIPL Art. 51(3) (去标识化)"]}
    assert states(Rules(), told, serving=("PIPL Art. 51(3)",), cites=cites)[0] == "shown"
    assert states(Rules(), told, serving=("PIPL Art. 5",), cites=cites)[0] == "nothing"


def test_a_rule_in_shadow_alone_is_no_evidence() -> None:
    """What it noticed passed as it was, and somebody has to know that."""
    state, text = states(Rules(("cn.*",)), [exchange(1, 1, findings=[finding("cn.mobile", shadow=True)])])
    assert (state, "in shadow, so that nothing came of it: 1" in text) == ("look", True)


@pytest.mark.parametrize(("form", "state"), [("masked", "shown"), ("partly masked", "look"), ("raw", "look")])
def test_raw_text_that_left_has_to_be_looked_into(form: str, state: str) -> None:
    """To an engine elsewhere; on this machine it is shown and no more."""
    assert states(Sent(), [exchange(1, 1, egress="remote", sent_form=form)])[0] == state
    assert states(Sent(), [exchange(1, 1, egress="local", sent_form=form)])[0] == "shown"


@pytest.mark.parametrize(
    ("log", "days", "state", "said"),
    [
        ("w/forever", 400, "shown", "Nothing deletes"),
        ("w/keep-184d", 400, "shown", "keeps them for 184 days"),
        ("w/keep-183d", 400, "look", "longer than records are kept"),
        ("w/forever", 10, "look", "is the gateway younger?"),
        ("8d0eb8ae", 400, "shown", "Nothing deletes"),
    ],
)
def test_six_months_are_counted_at_their_longest(log: str, days: int, state: str, said: str) -> None:
    """184 days are six months whenever they begin; a younger gateway is said to be one."""
    told = [exchange(1, 1)]
    found, text = states(Kept(6), told, log, now=gather([(log, told[0])]).oldest + days * DAY)
    assert (found, said in text) == (state, True)


def test_the_days_of_months_are_the_most_there_can_be() -> None:
    """Counted over every month of thirty years."""
    from datetime import date

    first = [date(2000 + number // 12, number % 12 + 1, 1) for number in range(12 * 40)]
    for months, days in DAYS_OF_MONTHS.items():
        assert days == max((first[n + months] - first[n]).days for n in range(12 * 30))


def test_operations_are_found_by_name() -> None:
    """An erasure is shown as one; where there is none, that is said."""
    assert states(Operations("erasures", ("*erase*",)), [operation(1, "subject_erased")])[1].endswith(
        "subject_erased 1."
    )
    assert states(Operations("erasures", ("*erase*",)), [operation(1, "policy_loaded")])[0] == "nothing"


@pytest.mark.parametrize(
    ("cite", "start", "it_does"),
    [
        ("PIPL Art. 51(3) (加密)", "PIPL Art. 51(3)", True),
        ("PIPL Art. 51(3) (加密)", "PIPL Art. 51", True),
        ("PIPL Art. 51(3) (加密)", "PIPL Art. 5", False),
        ("PCI DSS v4.0.1 3.3.1.2 (x)", "PCI DSS v4.0.1 3.3.1", True),
        ("PCI DSS v4.0.1 10.5.1", "PCI DSS v4.0.1 10.5.1", True),
    ],
)
def test_a_citation_is_of_the_article_it_names(cite: str, start: str, it_does: bool) -> None:
    """The fifth article is not the fifty-first."""
    assert serves(cite, [start]) is it_does


@pytest.mark.parametrize(
    ("bundle", "names"), [("pipl", "pipl"), ("gdpr", "gdpr eu-ai-act"), ("hipaa", "hipaa"), ("pci", "pci")]
)
def test_every_citation_of_a_bundle_has_a_control(bundle: str, names: str) -> None:
    """What a rule of our bundles says that it serves stands in the report of that law."""
    import yumen_policies

    folder = Path(str(next(iter(yumen_policies.__path__)))) / bundle
    cites = {
        line.strip("- \n")
        for path in folder.glob("*.yaml")
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.match(r"\s+- (GDPR|AI Act|PIPL|Cyber|Data Sec|Network|Generative|GB/T|45 CFR|PCI DSS)", line)
    }
    assert len(cites) > 10
    starts = [start for name in names.split() for one in FRAMEWORKS[name].controls for start in one.cites]
    assert [cite for cite in sorted(cites) if not serves(cite, starts)] == []
    # And the other way round: no control waits for a citation that nobody makes.
    assert [start for start in starts if not any(serves(cite, [start]) for cite in cites)] == []


def test_what_no_bundle_cites_is_marked() -> None:
    """A reference that was not reviewed with a bundle says so, or has no figure of the law and no rules behind it."""
    for framework in FRAMEWORKS.values():
        assert len({one.id for one in framework.controls}) == len(framework.controls)
        for one in framework.controls:
            assert one.cites or one.confirm or one.notes, one.id
            assert not (one.cites and one.confirm), one.id
            text = build(framework.id, gather([]), HOLDS, now=NOW)
            assert ("have a lawyer confirm" in text) == any(each.confirm for each in framework.controls)


def test_a_report_prints(tmp_path: Path) -> None:
    """A browser makes a PDF of it, with several pages of A4."""
    binary = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if binary is None:
        why = "chromium is not installed (apt-get install chromium)"
        if os.environ.get("YUMEN_REQUIRE_SERVICES") == "1":
            pytest.fail(why)
        pytest.skip(why)
    source, target = tmp_path / "r.html", tmp_path / "r.pdf"
    source.write_text(build("pipl", gather(records()), BROKEN, cites=CITES, now=NOW), encoding="utf-8")
    command = [binary, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--no-pdf-header-footer", f"--print-to-pdf={target}", source.as_uri()]
    subprocess.run(command, check=True, timeout=120, capture_output=True)
    printed = target.read_bytes()
    assert printed.startswith(b"%PDF-")
    sizes = re.findall(rb"/MediaBox ?\[0 0 ([0-9.]+) ([0-9.]+)\]", printed)
    assert len(sizes) >= 4
    assert {(round(float(width)), round(float(height))) for width, height in sizes} <= {(595, 842), (596, 842)}
