"""Reading what version 1 wrote through the framework's door: what holds comes out, and nothing crashes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.plugins.audit.ledgers import yumen_audit
from tests.plugins.audit.old.written import OLD, body, copied, lines_of, old_problems, sealed

from yumen import Finding, LedgerReader, Settings, Trace
from yumen.ledger import open_ledger
from yumen_plugins.audit.entries import decode
from yumen_plugins.audit.folder import old_folders
from yumen_plugins.audit.old import verify
from yumen_plugins.audit.shape import PROMISED


def reader(data_dir: Path, secret: Path | None = None) -> LedgerReader:
    return open_ledger(data_dir / "ledger", Settings(data_dir=data_dir), secret)


def quiet(size: int) -> None:
    """Nobody watches."""


def test_records_come_in_their_order_and_are_counted(tmp_path: Path) -> None:
    """Every record of every segment, each once, as it was written; and every byte is told of."""
    data_dir = copied(tmp_path / "data")
    found, sizes = reader(data_dir), list[int]()
    read = list(found.records(sizes.append))
    (writer,) = old_folders(data_dir / "ledger")
    for one, line in zip(read, lines_of(writer), strict=True):
        assert decode(line).items() <= one.items()
    assert sum(sizes) == found.total_bytes
    assert found.wrong == found.verify(quiet) == []


def test_a_line_that_does_not_hold_is_left_out_and_named(tmp_path: Path) -> None:
    """What somebody changed is no record for anybody, and one pass gives the others and says where."""
    data_dir = copied(tmp_path / "data")
    (writer,) = old_folders(data_dir / "ledger")
    path = sorted(writer.glob("*.log"))[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(b'"ok"', b'"OK"'), *lines[4:]]))
    found = reader(data_dir)
    seqs = [one["seq"] for one in found.records(quiet)]
    assert seqs == [seq for seq in range(14) if seq != 3]
    (wrong,) = found.wrong
    assert "00000001.log:4" in wrong
    assert "changed: record 3" in wrong
    assert found.verify(quiet) == [wrong]


def test_with_another_secret_nothing_is_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not the secret gets nothing, and a bounded account of it."""
    monkeypatch.setattr(verify, "WRONG_MAX", 3)
    data_dir = copied(tmp_path / "data")
    secret = tmp_path / "other"
    secret.write_bytes(b"w" * 32)
    found = reader(data_dir, secret)
    assert list(found.records(quiet)) == []
    assert 3 <= len(found.wrong) <= 4
    assert yumen_audit(data_dir, "verify", "--secret", str(secret)).exit_code == 2


def test_members_that_it_lacks_are_empty(tmp_path: Path) -> None:
    """What an earlier version wrote stays a ledger: it holds, and is shown and explained."""
    bodies = [body({"time": OLD["time"], "kind": kind}) for kind in ("start", "stop")]
    sealed(tmp_path, [bodies[0], body(OLD), bodies[1]])
    assert old_problems(tmp_path) == []
    exchange = next(one for one in reader(tmp_path).records(quiet) if one["kind"] == "exchange")
    assert {name: exchange[name] for name in OLD} == OLD
    assert set(PROMISED) <= set(exchange)
    assert exchange["path"] == ""
    assert msgspec.convert(exchange["findings"], list[Finding])[0].shadow is False
    assert msgspec.convert(exchange["trace"], list[Trace])[0].edits == 1
    assert yumen_audit(tmp_path, "verify").exit_code == 0
    assert "cn.mobile" in yumen_audit(tmp_path, "show").stdout
    assert "我的快递到哪了" in yumen_audit(tmp_path, "show", OLD["receipt"]).stdout
    explained = yumen_audit(tmp_path, "show", OLD["id"], "--explain")
    assert explained.exit_code == 0
    assert "cn.mobile" in explained.stdout


ODD: list[Any] = [
    None,
    True,
    -1,
    1 << 70,
    1.5,
    "\x1b[2J[/x] \\[/y] :smile:\u202e",
    "x" * 10_000,
    [],
    ["x"],
    {},
    {"a": [{}]},
]


@pytest.mark.parametrize("value", ODD, ids=lambda value: repr(value)[:20])
def test_members_of_any_type_crash_nothing(tmp_path: Path, value: Any) -> None:
    """Whatever stands in the place of each member, reader and commands go on; and records have the types they promise."""
    deep = {
        "findings": [value],
        "trace": [{"plugin": value}],
        "request": [{"text": value}],
        "timings_ms": {"total": value},
    }
    changed = [{**OLD, name: value} for name in OLD] + [{**OLD, name: inner} for name, inner in deep.items()]
    operation = {"kind": "operation", "time": "t", "operation": "o", "actor": "a", "details": {}}
    changed += [{**operation, name: value} for name in operation] + [{**operation, "details": {"x": value}}]
    changed += [{"kind": "start", "broken": value}, {"kind": "header", "segment": value, "writer": value}]
    sealed(tmp_path, [body({**one, "id": one.get("id", "x")}) for one in changed])
    found = reader(tmp_path)
    for one in found.records(quiet):
        if one["kind"] == "exchange":
            assert all(type(one[name]) is kind for name, kind in PROMISED.items())
            msgspec.convert(one["findings"], list[Finding])
            msgspec.convert(one["trace"], list[Trace])
    wrong = found.wrong
    assert found.verify(quiet) == wrong
    for arguments in (
        ("verify",), ("verify", "--json"), ("show",), ("show", "--json"), ("show", OLD["id"]), ("show", "--operations"),
        ("show", OLD["id"], "--explain"), ("show", OLD["receipt"], "--explain", "--json"),
    ):  # fmt: skip
        result = yumen_audit(tmp_path, *arguments)
        assert isinstance(result.exception, SystemExit | None), (arguments, result.exception)
        assert result.exit_code in (0, 1, 2)
        assert "--json" in arguments or not set("\x1b\u202e") & set(result.stdout)


@pytest.mark.parametrize(
    "rest",
    [b'"kind":"start"}}', b'"kind":"sta\xff"}', b'"seq":2,"kind":"exchange","kind":"stop"}', b'"kind":[]}', b'"x":1}']
    + [b'"kind":"exchange","findings":' + bracket * 100_000 + b"}" for bracket in (b"[", b'{"a":')]
    + [b'"kind":"exchange","x":' + b"[" * 900 + b"]" * 900 + b"}", b'"kind":"stop","seq":' + b"9" * 5000 + b"}"],
    ids=lambda rest: repr(rest[:24]),
)
def test_sealed_lines_that_are_no_records_crash_nothing(tmp_path: Path, rest: bytes) -> None:
    """A line that was written with the key and is no record of ours is named where it matters, and the rest is read."""
    sealed(tmp_path, [body(OLD), rest, body(OLD)])
    found = reader(tmp_path)
    assert [one["seq"] for one in found.records(quiet) if one.get("id") == OLD["id"]] == [1, 3]
    for arguments in (("verify",), ("show",), ("show", "--json"), ("show", OLD["id"])):
        assert isinstance(yumen_audit(tmp_path, *arguments).exception, SystemExit | None)


@pytest.mark.parametrize("head", [b'{"segment":"x","seq":[]}', b'{"x":1}', b'{"segment":1,"seq":1e99}', b"{]}"])
def test_a_sealed_head_of_any_form_crashes_nothing(tmp_path: Path, head: bytes) -> None:
    """A head that was written with the key and is none is said not to hold, or covers nothing."""
    sealed(tmp_path, [body(OLD)], head=head)
    found = reader(tmp_path)
    assert len(list(found.records(quiet))) == 2
    assert all("head" in line for line in found.wrong)
