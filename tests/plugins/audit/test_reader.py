"""Reading a ledger through the framework's door: what holds comes out, what does not is named, and nothing crashes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.plugins.audit.ledgers import ROOT, only_writer, problems, record, sealed, segments, started, yumen_audit

from yumen import CannotStart, Finding, LedgerReader, Settings, Trace
from yumen.ledger import open_ledger
from yumen_plugins.audit import verify
from yumen_plugins.audit.shape import PROMISED

# An exchange as version 0.1.0 wrote it before records had paths, what was sent, and shadow in findings.
OLD: dict[str, Any] = {
    "kind": "exchange", "time": "2026-11-24T02:12:07.065863Z", "id": "01a20b5321196a604dc10af399319bad",
    "receipt": "38fa0445.3fea32d87ce6cfd8c28e388dfcbe43a7", "tenant": "default", "app": "default", "key": "k62ee510ea0",
    "trusted": False, "client": "hmac:012a07fb42016fc7b37185492b0150da", "route": "chat", "dialect": "openai",
    "model": "assistant", "engine": "assistant", "streamed": False, "policy": "351c43460703", "accept_raw": "",
    "outcome": "ok",
    "findings": [
        {"rule": "cn.mobile", "category": "pii", "path": "messages[0].content", "start": 10, "end": 21, "score": 0.9,
         "direction": "request", "plugin": "anonymize"},
    ],
    "trace": [
        {"plugin": "anonymize", "hook": "on_request", "decision": "allow", "reason": "", "edits": 1, "shadow": False,
         "ms": 0.239},
    ],
    "request_bytes": 110, "reply_bytes": 500, "timings_ms": {"engine": 2.108, "total": 3.863},
    "request": [{"path": "messages[0].content", "kind": "message", "chars": 32, "role": "user", "text": "我的快递到哪了？"}],
    "status": 200, "finish_reason": "stop", "usage": {"input_tokens": 7, "output_tokens": 32}, "reply": [],
}  # fmt: skip


def reader(data_dir: Path, folder: Path | None = None, secret: Path | None = None) -> LedgerReader:
    return open_ledger(folder or data_dir / "ledger", Settings(data_dir=data_dir), secret)


def quiet(size: int) -> None:
    """Nobody watches."""


def body(members: dict[str, Any]) -> bytes:
    return msgspec.json.encode(members)[1:]


async def test_records_come_in_their_order_and_are_counted(tmp_path: Path) -> None:
    """Every record of every segment and writer, each once, as it was written; and every byte is told of."""
    first, second = await started(tmp_path), await started(tmp_path)
    await second.stop()
    await first.stop()
    await record(tmp_path, [f"text {number} 你好" for number in range(30)], segment_bytes=4096)
    found = reader(tmp_path)
    sizes: list[int] = []
    read = list(found.records(sizes.append))
    folders = sorted((tmp_path / "ledger").iterdir())
    paths = [path for folder in folders for path in sorted(folder.glob("*.log"))]
    assert len(paths) > 5
    assert read == [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]
    assert sum(sizes) == found.total_bytes == sum(path.stat().st_size for path in paths)
    assert found.wrong == []
    assert found.verify(quiet) == []


async def test_a_line_that_does_not_hold_is_left_out_and_named(tmp_path: Path) -> None:
    """What somebody changed is no record for anybody, and one pass gives the others and says where."""
    await record(tmp_path, ["one", "二", "three"])
    path = segments(tmp_path)[0]
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:3], lines[3].replace(b'"ok"', b'"OK"'), *lines[4:]]))
    found = reader(tmp_path)
    seqs = [one["seq"] for one in found.records(quiet)]
    assert seqs == [0, 1, 2, 4, 5]
    (wrong,) = found.wrong
    assert "00000001.log:4: changed: record 3" in wrong
    assert found.verify(quiet) == [wrong]
    path.write_bytes(b"".join(lines))
    assert found.verify(quiet) == found.wrong == []


async def test_with_another_secret_nothing_is_a_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever has not the secret gets nothing, and a bounded account of it."""
    monkeypatch.setattr(verify, "WRONG_MAX", 3)
    await record(tmp_path, ["one", "two", "three"])
    secret = tmp_path / "other"
    secret.write_bytes(b"w" * 32)
    found = reader(tmp_path, secret=secret)
    assert list(found.records(quiet)) == []
    assert len(found.wrong) == 4
    assert found.wrong[3].endswith("4 more things are wrong")
    result = yumen_audit(tmp_path, "verify", "--secret", str(secret))
    assert result.exit_code == 2
    assert "7 wrong" in result.stdout


async def test_a_copy_is_read_with_a_copy_of_the_secret(tmp_path: Path) -> None:
    """An auditor who has the ledger and the secret needs no data directory; without the secret it says what to do."""
    await record(tmp_path / "data", ["one"])
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data" / "ledger", copy)
    secret = tmp_path / "secret"
    secret.write_bytes(ROOT)
    elsewhere = tmp_path / "elsewhere"
    assert "exchange" in [one["kind"] for one in reader(elsewhere, copy, secret).records(quiet)]
    with pytest.raises(CannotStart, match="name it with --secret"):
        reader(elsewhere, copy)
    assert not elsewhere.exists()
    secret.write_bytes(b"short")
    with pytest.raises(CannotStart, match="not 32 bytes long"):
        reader(elsewhere, copy, secret)


@pytest.mark.parametrize("what", ["nothing", "empty", "other files", "one writer", "data"])
async def test_what_is_no_ledger_is_not_opened(tmp_path: Path, what: str) -> None:
    """A folder that holds no writer's files is nobody's ledger, and that is said before anything is read."""
    await record(tmp_path, ["one"])
    folder = tmp_path / what
    if what == "one writer":
        folder = only_writer(tmp_path)
    elif what == "data":
        folder = tmp_path
    elif what != "nothing":
        folder.mkdir()
    if what == "other files":
        (folder / "w").mkdir()
        (folder / "w" / "notes.log").write_text("x")
    with pytest.raises(CannotStart, match=r"no ledger|is it the folder"):
        reader(tmp_path, folder)


def test_an_older_ledger_is_read_verified_and_shown(tmp_path: Path) -> None:
    """What an earlier version wrote stays a ledger: it holds, and members that it lacks are empty for the reader."""
    bodies = [body({"time": OLD["time"], "kind": kind}) for kind in ("start", "stop")]
    sealed(tmp_path, [bodies[0], body(OLD), bodies[1]])
    assert problems(tmp_path) == []
    found = reader(tmp_path)
    exchange = next(one for one in found.records(quiet) if one["kind"] == "exchange")
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


def test_a_newer_kind_of_record_is_no_fault(tmp_path: Path) -> None:
    """A ledger with records of a kind that this version does not know holds, and they are handed on."""
    sealed(tmp_path, [body({"time": "2027-01-01T00:00:00.000000Z", "kind": "checkpoint", "root": {"size": 5}})])
    found = reader(tmp_path)
    assert [one["kind"] for one in found.records(quiet)] == ["header", "checkpoint"]
    assert found.wrong == []


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


async def test_a_ledger_that_is_written_meanwhile_can_be_read(tmp_path: Path) -> None:
    """What had been acknowledged when reading began comes out, and a running gateway is no fault."""
    plugin = await started(tmp_path)
    await plugin._writer.append({"kind": "exchange", "id": "a"})
    found = reader(tmp_path)
    reading = found.records(quiet)
    assert next(reading)["kind"] == "header"
    await plugin._writer.append({"kind": "exchange", "id": "b"})
    assert "a" in [one.get("id") for one in reading]
    assert found.wrong == []
    await plugin.stop()
