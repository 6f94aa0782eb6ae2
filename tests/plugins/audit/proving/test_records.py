"""What records say of processes, of what was sent and of what was dropped is held against each other."""

from __future__ import annotations

import base64
import json
import re
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.plugins.audit.proving.attacks import made
from tests.plugins.audit.proving.histories import DAY, FOREVER, KEEP, WRITER, History, codes, exchange, intent

from yumen import Hmac, Secret
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.old.verify import verify_writer
from yumen_plugins.audit.proving.report import CODES

PAGE = Path(__file__).parents[4] / "docs" / "ledger-verify.md"
OLD = Path(__file__).parents[1] / "old" / "data"


def written(data: Path, log: str, *batches: list[dict[str, Any]]) -> History:
    """A ledger of one log that holds these records."""
    history = History(data)
    history.start(log)
    for bodies in batches:
        history.write(log, *bodies)
    history.stop(log)
    return history


def found(history: History, **options: Any) -> list[tuple[str, str, int]]:
    return [(one.severity, one.code, one.seq) for one in history.verified(**options).found]


def test_an_intent_without_an_outcome_is_wrong(tmp_path: Path) -> None:
    """Unless its process was killed or could not write: then the outcome may have been lost, and that is said."""
    open_one = intent(exchange(FOREVER, remote=True))
    assert found(written(tmp_path / "1", FOREVER, [open_one])) == [("wrong", "intent-open", 1)]
    failed = written(tmp_path / "2", FOREVER, [open_one], [{"kind": "failure", "note": "OSError"}])
    assert found(failed) == [("note", "failure", 2), ("note", "intent-open", 1)]
    killed = History(tmp_path / "3")
    killed.start(FOREVER)
    killed.write(FOREVER, open_one)
    killed.kill(FOREVER)
    assert found(killed) == [("note", "no-stop", 1), ("note", "intent-open", 1)]
    killed.start(FOREVER)
    killed.stop(FOREVER)
    assert found(killed) == [("note", "killed", 2), ("note", "intent-open", 1)]


def test_what_left_must_have_been_announced(tmp_path: Path) -> None:
    """An exchange with a remote engine has its intent before it, in whichever log of its writer."""
    body = exchange(FOREVER, remote=True)
    assert found(written(tmp_path / "1", FOREVER, [body])) == [("wrong", "egress-unannounced", 1)]
    late = written(tmp_path / "2", FOREVER, [body, intent(body)])
    assert found(late) == [("wrong", "intent-open", 2), ("wrong", "egress-unannounced", 1)]
    refused = written(tmp_path / "3", FOREVER, [{**body, "outcome": "ledger_unavailable"}])
    assert found(refused) == [("note", "egress-unannounced", 1)]
    across = written(tmp_path / "4", FOREVER, [intent(body)])
    across.start(KEEP)
    across.write(KEEP, body)
    across.stop(KEEP)
    assert found(across) == []


def test_parts_stand_right_before_their_record(tmp_path: Path) -> None:
    """As many as it says, wherever a bundle ends between them."""
    part, whole = {"kind": "part", "data": "e30="}, exchange(FOREVER)
    for before in (0, 252, 253, 254, 255):
        fill = [exchange(FOREVER) for _ in range(before)]
        history = written(tmp_path / f"{before}", FOREVER, [*fill, part, part, part, {**whole, "parts": 3}])
        history.start(FOREVER)
        history.exchanges(FOREVER, 300, batch=100)
        history.stop(FOREVER)
        assert found(history) == []
        lacks = written(tmp_path / f"{before}-", FOREVER, [*fill, part, part, {**whole, "parts": 3}])
        assert found(lacks) == [("wrong", "parts", 3 + before)]
    assert found(written(tmp_path / "more", FOREVER, [part, whole])) == [("wrong", "form", 2)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"seq": 7, "kind": "operation"}, "sequence"),
        ({"kind": "exchange", "egress": 1}, "form"),
        ({"kind": "exchange", "time": "yesterday"}, "form"),
        ({"kind": "start", "log": "8d0eb8ae/keep-5d", "key": 1}, "form"),
        ({"kind": "start", "log": FOREVER, "key": 2}, "key"),
        ({"kind": "key", "number": 2, "statement": "", "before": ""}, "key"),
        ({"kind": "checkpoint", "note": "none"}, "signature"),
        ({"kind": "retention", "first": 0, "end": 3, "root": ""}, "retention"),
        (
            {"kind": "start", "log": FOREVER, "key": 1, "broken": ["00000000/forever: its journal is gone"]},
            "found-broken",
        ),
    ],
)
def test_a_record_of_the_gateway_may_be_wrong_all_the_same(tmp_path: Path, body: dict[str, Any], code: str) -> None:
    """Signed as it is, it is named by its number, and nothing of its content is repeated but what a start found broken."""
    report = written(tmp_path, FOREVER, [body]).verified()
    assert (code, 1) in [(one.code, one.seq) for one in report.wrong]
    assert "yesterday" not in msgspec.json.encode(report).decode()


def test_kinds_and_members_that_are_newer_are_fine(tmp_path: Path) -> None:
    """A later version may add them, with types of its own."""
    assert (
        found(
            written(tmp_path, FOREVER, [{"kind": "新的", "egress": [1], "parts": "x"}, {**exchange(FOREVER), "x": 1}])
        )
        == []
    )


def test_what_is_missing_must_have_been_dropped(tmp_path: Path) -> None:
    """A bundle may go after its days, and a statement says so: which, when, and the root over what they were."""
    history = made(tmp_path, KEEP, 1100, batch=100)
    bundles = history.ledger / KEEP / "tile" / "entries"
    shutil.copytree(bundles, tmp_path / "bundles")
    history.drop(KEEP, 2)
    report = history.verified()
    assert [(one.code, one.file) for one in report.wrong] == [("bundle-missing", f"{KEEP}/tile/entries/000")]
    assert "records 0 to 511" in report.wrong[0].what
    shutil.copytree(tmp_path / "bundles", bundles, dirs_exist_ok=True)
    history.start(KEEP)
    history.at += 190 * DAY
    history.state(KEEP, 256)
    history.stop(KEEP)
    history.drop(KEEP, 2)
    report = history.verified()
    assert [(one.code, one.file) for one in report.wrong] == [("bundle-missing", f"{KEEP}/tile/entries/001")]
    history.start(KEEP)
    history.write(KEEP, {**statement(history), "first": 256, "end": 512, "root": root(history, 256, 512)})
    history.stop(KEEP)
    report = history.verified()
    assert (report.ok, report.logs[0].dropped) == (True, 512)


def statement(history: History) -> dict[str, Any]:
    return {"kind": "retention", "days": 183, "from": history.now(), "to": "2026-11-18T11:06:43.000000Z"}


def root(history: History, first: int, end: int) -> str:
    return base64.b64encode(LogFiles(history.ledger / KEEP).subtree(first, end)).decode()


def test_a_statement_must_be_true(tmp_path: Path) -> None:
    """About other records than those that were there it counts for nothing; nor does retention excuse a missing tile."""
    history = made(tmp_path, KEEP, 700, batch=100)
    history.start(KEEP)
    history.at += 190 * DAY
    history.state(KEEP, 512, root=root(history, 0, 256))
    history.stop(KEEP)
    history.drop(KEEP, 2)
    assert sorted(codes(history.verified())) == ["bundle-missing", "retention"]
    other = made(tmp_path / "other", KEEP, 700, batch=100)
    other.start(KEEP)
    other.at += 190 * DAY
    other.state(KEEP, 512)
    other.stop(KEEP)
    assert [one.code for one in other.verified().completeness] == ["dropped", "not-dropped"]
    other.drop(KEEP, 2)
    assert other.verified().ok
    (other.ledger / KEEP / "tile" / "0" / "001").unlink()
    assert "tile-missing" in codes(other.verified())


def test_nothing_is_dropped_before_its_time(tmp_path: Path) -> None:
    """The name of a log says how long its records are kept; `forever` is for ever."""
    for place, log in enumerate((KEEP, FOREVER)):
        history = made(tmp_path / str(place), log, 700, batch=100)
        history.start(log)
        history.at += 10 * DAY
        history.state(log, 256)
        history.drop(log, 1)
        history.stop(log)
        assert codes(history.verified()) == ["dropped-early"]


def test_writers_of_version_1_are_verified_with_the_secret(tmp_path: Path) -> None:
    """Beside those of version 2, and not without it; what a start says of them must still be so."""
    shutil.copytree(OLD / "ledger", tmp_path / "ledger")
    mac = Hmac(Secret((OLD / "secret").read_bytes()).derive("ledger"))
    (old,) = [path for path in (tmp_path / "ledger").iterdir() if path.name != "keys"]
    head = json.loads((old / "head").read_bytes().rstrip(b" \n"))
    history = History(tmp_path)
    history.start(FOREVER)
    heads = {old.name: {"records": head["seq"], "code": head["code"]}}
    history.write(FOREVER, {"kind": "start", "log": FOREVER, "key": 1, "version_1": heads})
    history.stop(FOREVER)
    assert codes(history.verified()) == ["not-verified"]
    assert verify_writer(old, mac).wrong == []
    report = history.verified(old_mac=mac)
    assert (report.ok, [one.records for one in report.old]) == (True, [head["seq"]])
    path = old / "00000001.log"
    whole = path.read_bytes()
    path.write_bytes(whole.replace(b'"ok"', b'"OK"', 1))
    assert set(codes(history.verified(old_mac=mac))) == {"old"}
    path.write_bytes(whole)
    history.start(FOREVER)
    for records, code in ((head["seq"], "0" * 64), (head["seq"] + 5, head["code"])):
        heads = {old.name: {"records": records, "code": code}}
        history.write(FOREVER, {"kind": "start", "log": FOREVER, "key": 1, "version_1": heads})
    assert codes(history.verified(old_mac=mac)) == ["old", "tail-missing"]
    shutil.rmtree(old)
    assert [(one.code, one.file) for one in history.verified(old_mac=mac).wrong] == [("log-missing", old.name)]


def test_a_report_is_json(tmp_path: Path) -> None:
    """With everything in it that the three lists hold, and where each thing is."""
    history = made(tmp_path, FOREVER, 30)
    (history.ledger / WRITER / "forever" / "head").unlink()
    report = json.loads(msgspec.json.encode(history.verified()))
    assert (report["ok"], report["gateway"]) == (False, history.chain.gateway)
    (one,) = report["integrity"]
    assert (one["file"], one["code"], one["severity"]) == (f"{FOREVER}/head", "head-missing", "wrong")
    assert report["logs"][0]["kinds"] == {"start": 1, "exchange": 30, "checkpoint": 1, "stop": 1}


def test_every_code_is_documented() -> None:
    """docs/ledger-verify.md has each in the table of its list, and no others."""
    tables = re.split(r"^##+ ", PAGE.read_text(), flags=re.MULTILINE)
    for part in ("integrity", "continuity", "completeness"):
        (table,) = [one for one in tables if one.lower().startswith(part)]
        documented = re.findall(r"^\| `([a-z-]+)`", table, re.MULTILINE)
        assert sorted(documented) == sorted(code for code, (where, _) in CODES.items() if where == part)
