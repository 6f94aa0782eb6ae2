"""`yumen audit show`: the newest records, one of them, and what happened to it and why."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.plugins.audit.ledgers import sealed, yumen_audit
from tests.plugins.audit.test_reader import OLD, body

from yumen.policy.load import load_bundle

GATEWAY = """\
version: 1
engines:
  assistant: {adapter: faq, egress: local}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: assistant
    chain: [audit]
"""


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A small bundle."""
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(GATEWAY)
    (folder / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    return folder


def test_the_newest_come_last(tmp_path: Path) -> None:
    """The last so many by time, whichever order they were written in; of the same time, those that were written last."""
    times = ["05", "01", "04", "04", "02", "04"]
    bodies = [body({**OLD, "id": str(place), "time": f"2026-11-24T00:00:{time}Z"}) for place, time in enumerate(times)]
    sealed(tmp_path, bodies)
    shown = yumen_audit(tmp_path, "show", "--last", "3", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in shown] == ["3", "5", "0"]


def test_json_is_the_line_that_was_written(tmp_path: Path) -> None:
    """What a program gets is the very line, code included, so that it can be verified once more."""
    folder = sealed(tmp_path, [body({**OLD, "model": "模型"})])
    line = (folder / "00000001.log").read_bytes().splitlines()[1]
    assert yumen_audit(tmp_path, "show", OLD["id"], "--json").stdout_bytes == line + b"\n"


def test_an_exchange_is_explained_by_the_bundle_it_ran_under(tmp_path: Path, bundle: Path) -> None:
    """`--policies` says by which bundle; where that is another one than it ran under, this is said."""
    policy = load_bundle(str(bundle)).hash[:12]
    sealed(tmp_path, [body({**OLD, "path": "/v1/chat/completions", "policy": policy})])
    shown = yumen_audit(tmp_path, "show", OLD["receipt"], "--explain", "--policies", str(bundle))
    assert shown.exit_code == 0
    assert "it ran under" not in shown.stdout
    assert "gateway.yaml:5" in shown.stdout
    by_default = yumen_audit(tmp_path, "show", OLD["receipt"], "--explain", YUMEN_POLICIES=str(bundle))
    assert by_default.stdout == shown.stdout
    (bundle / "gateway.yaml").write_text(GATEWAY.replace("id: chat", "id: talk"))
    other = yumen_audit(tmp_path, "show", OLD["receipt"], "--explain", "--policies", str(bundle))
    assert f"it ran under policy {policy}" in other.stdout


def test_an_explanation_is_data_for_programs(tmp_path: Path, bundle: Path) -> None:
    """With `--json` the same stands in one object, and no text of the exchange."""
    sealed(tmp_path, [body(OLD)])
    shown = yumen_audit(tmp_path, "show", OLD["id"], "--explain", "--json", "--policies", str(bundle))
    explained = json.loads(shown.stdout)
    assert (explained["id"], explained["outcome"], explained["route"]) == (OLD["id"], "ok", "chat")
    assert "快递" not in shown.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--explain",), "name its receipt or id"),
        (("--explain", "--operations", "x"), "name its receipt or id"),
        (("--explain", "unknown"), "no such record"),
        (("--explain", "wrong"), "cannot be explained"),
        (("--tenant", "nobody"), "no such record"),
    ],
)
def test_what_cannot_be_shown_says_why(tmp_path: Path, arguments: tuple[str, ...], says: str) -> None:
    """A sentence on standard error and exit status 1, whatever is missing or has not the form of an exchange."""
    sealed(tmp_path, [body(OLD), body({**OLD, "id": "wrong", "findings": "many"})])
    result = yumen_audit(tmp_path, "show", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr
