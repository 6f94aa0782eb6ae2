"""Golden differences: two bundles go in, what is not the same in them comes out.

A case is a file in `golden-diff/`: sections that begin with `=== old/name.yaml`, `=== new/…` or `=== both/…`, other folders
for what they extend, and one `=== expected`. Dropping a file adds a case. `python -m tests.policy.test_diff` writes the
expectations anew; look at what changed before you commit it.
"""

from __future__ import annotations

import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.policy.recording import AUDIT, GATEWAY, write_bundle, yumen
from tests.policy.test_golden import ENV, sections

from yumen.policy.diff import OPPOSITE, SECTIONS, Change, Side, compare

GOLDEN = Path(__file__).parent / "golden-diff"


def place(folder: Path, case: Path) -> tuple[Path, Path]:
    """Write a case's bundles; return the old one and the new one."""
    for name, content in sections(case).items():
        if name == "expected":
            continue
        owner, _, file = name.partition("/")
        for one in ("old", "new") if owner == "both" else (owner,):
            (folder / one).mkdir(exist_ok=True)
            (folder / one / file).write_text(content)
    return folder / "old", folder / "new"


def shown(folder: Path, change: Change) -> str:
    inherited = f" of {change.inherited}" if change.inherited else ""
    where = f"{Path(change.file).resolve().relative_to(folder)}:{change.line}{inherited}"
    return f"{change.section}: {change.kind}, {change.effect}: {change.subject}: {change.what} ({where})\n"


def outcome(case: Path) -> str:
    """What comparing a case's bundles says."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        old, new = (Side.read(str(path), ENV) for path in place(folder, case))
        return "".join(shown(folder, change) for change in compare(old, new))


CASES = sorted(GOLDEN.glob("*.txt"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden(case: Path) -> None:
    """The outcome is what the case says; `python -m tests.policy.test_diff` writes it anew."""
    assert outcome(case) == sections(case)["expected"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_the_other_way_round(case: Path, tmp_path: Path) -> None:
    """What is looser one way is tighter the other, and a bundle is no different from itself."""
    old, new = (Side.read(str(path), ENV) for path in place(tmp_path, case))
    assert compare(old, old) == compare(new, new) == []
    for section in SECTIONS:
        there = sorted(one.effect for one in compare(old, new) if one.section == section)
        back = sorted(OPPOSITE[one.effect] for one in compare(new, old) if one.section == section)
        # What comes shows something to somebody, and what goes shows nothing.
        assert there == back or section == "flow"


def test_every_section_and_effect_has_a_case() -> None:
    """No kind of change goes without an example of it."""
    said = "".join(sections(case)["expected"] for case in CASES)
    assert {line.split(":")[0] for line in said.splitlines()} == set(SECTIONS)
    assert set(re.findall(r", (loosened|tightened|unsure|none): ", said)) == set(OPPOSITE)


def test_no_secret_is_shown() -> None:
    """Neither a value from the environment nor a credential that somebody wrote down stands in a difference."""
    said = "".join(sections(case)["expected"] for case in CASES)
    assert ENV["SET_SECRET"] not in said
    assert "written-in-clear" not in said


def test_flow_comes_first() -> None:
    """Who may see what is said before anything else."""
    for case in CASES:
        found = [line.split(":")[0] for line in sections(case)["expected"].splitlines()]
        assert found == sorted(found, key=SECTIONS.index), case.name


def test_exit_statuses(tmp_path: Path) -> None:
    """0 is for what does the same, 2 for a difference of the kind asked about, 1 for what cannot be compared."""
    old = write_bundle(tmp_path / "old", "audit, anonymize", anonymize="version: 1\nplugin: anonymize\n")
    new = write_bundle(tmp_path / "new", "audit, anonymize", anonymize="version: 1\nplugin: anonymize\nmode: shadow\n")
    retimed = write_bundle(
        tmp_path / "retimed", "audit, anonymize", anonymize="version: 1\nplugin: anonymize\ntimeout_ms: 7\n"
    )
    wrong = write_bundle(tmp_path / "wrong", "nobody")

    def status(*arguments: str | Path) -> int:
        return yumen(tmp_path, "policy", "diff", *arguments).exit_code

    assert status(old, old) == status("starter", "starter") == 0
    assert status(old, new) == status(old, new, "--fail-on", "loosened") == 2
    assert status(new, old) == 2
    assert status(new, old, "--fail-on", "loosened") == status(new, old, "--fail-on", "unsure") == 0
    assert status(old, retimed, "--fail-on", "unsure") == 2
    assert status(old, retimed, "--fail-on", "loosened") == 0
    assert status(old, wrong) == status(wrong, old) == status(old, tmp_path / "none") == 1
    assert "there is no plugin instance `nobody`" in yumen(tmp_path, "policy", "diff", old, wrong).stderr


def test_as_text_and_as_json(tmp_path: Path) -> None:
    """People get a tree, scripts one object; nothing in them can drive a terminal."""
    old = write_bundle(tmp_path / "old", "audit")
    raw = f'{GATEWAY % "audit"}    accept_raw: "the reason\\e[31m [bold]原因"\n'
    new = write_bundle(tmp_path / "new", "audit", gateway=raw)
    told = yumen(tmp_path, "policy", "diff", old, new).stdout
    assert "flow: 1 loosened" in told
    assert (
        'added, loosened: route chat: raw text may leave and be stored: accept_raw "the reason?[31m [bold]原因"' in told
    )
    assert f"{new}/gateway.yaml:9" in told.replace("\n│       ", "")
    assert "\x1b" not in told
    told = json.loads(yumen(tmp_path, "policy", "diff", old, new, "--json").stdout)
    assert (told["old"]["name"], told["new"]["name"], told["counts"]) == ("old", "new", {"loosened": 1})
    assert told["changes"][0]["section"] == "flow"
    assert "no difference" in yumen(tmp_path, "policy", "diff", old, old).stdout


def test_variables(tmp_path: Path) -> None:
    """The environment decides which engine a route has, for both bundles alike; `--env` sets it for one comparison."""
    first = write_bundle(tmp_path / "one", "audit", gateway=GATEWAY % "audit")
    chosen = GATEWAY.replace("near:", "far: {when_env: SET, adapter: faq, egress: remote}\n  near:")
    either = chosen.replace("engine: near", "engine: [far, near]") % "audit"
    second = write_bundle(tmp_path / "two", "audit", gateway=f"{either}    accept_raw: x\n")
    calm = yumen(tmp_path, "policy", "diff", first, second, "--json").stdout
    stormy = yumen(tmp_path, "policy", "diff", first, second, "--env", "SET=1", "--json").stdout
    assert ("(remote)" in calm, "(remote)" in stormy) == (False, True)
    assert yumen(tmp_path, "policy", "diff", first, second, "--env", "SET").exit_code == 1


KNOBS = st.fixed_dictionaries(
    {
        "mode": st.sampled_from(["enforce", "shadow", "'off'"]),
        "on_error": st.sampled_from(["closed", "open"]),
        "on_unsupported": st.sampled_from(["reject", "warn", "skip"]),
        "timeout_ms": st.integers(1, 3).map(str),
        "match": st.sampled_from(['{tenants: ["*"]}', '{tenants: ["a*"]}', "{tenants: [a1]}", "{models: [x, y]}"]),
        "rules": st.sampled_from(["{}", "{email: {mode: shadow}}", "{email: {mode: 'off'}, ip: {cites: [A]}}"]),
        "config": st.sampled_from(["{}", "{detect: [email, ip]}", "{action: {default: hash}}"]),
    }
)


@given(first=KNOBS, second=KNOBS)
@settings(deadline=None, max_examples=60)
def test_whatever_differs_is_said(first: dict[str, str], second: dict[str, str]) -> None:
    """Two files that say other things are different, each knob that differs is named, and the way back is the opposite."""
    with tempfile.TemporaryDirectory() as name:
        sides = []
        for folder, knobs in (("old", first), ("new", second)):
            said = "".join(f"{knob}: {value}\n" for knob, value in knobs.items())
            said = said if knobs["mode"] != "shadow" else said.replace("{mode: shadow}", "{}")
            bundle = write_bundle(
                Path(name) / folder, "audit, anonymize", audit=AUDIT, anonymize=f"version: 1\nplugin: anonymize\n{said}"
            )
            sides.append(Side.read(str(bundle), {}))
    there, back = compare(*sides), compare(*reversed(sides))
    about = " ".join(change.what for change in there if change.section == "instances")
    for knob in ("mode", "on_error", "on_unsupported", "timeout_ms"):
        assert (f"{knob} " in about) is (first[knob] != second[knob])
    assert ("match." in about) is (first["match"] != second["match"])
    instances = [sorted(one.effect for one in found if one.section == "instances") for found in (there, back)]
    assert instances[0] == sorted(OPPOSITE[effect] for effect in instances[1])
    assert bool(there) is bool(back)
    if first == second:
        assert there == []


if __name__ == "__main__":
    for one in CASES:
        kept = one.read_text().split("=== expected\n")[0]
        one.write_text(f"{kept}=== expected\n{outcome(one)}")
        print(f"wrote {one}")
