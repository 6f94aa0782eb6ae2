"""Reading a ledger through the framework's door: what holds comes out, what does not is named, and nothing crashes."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    ROOT,
    host,
    logs,
    only_writer,
    problems,
    record,
    records,
    say,
    started,
    yumen_audit,
)
from tests.plugins.audit.old.written import OLD

from yumen import CannotStart, Finding, LedgerReader, Settings, Trace
from yumen.ledger import open_ledger
from yumen_plugins.audit.entries import encoded
from yumen_plugins.audit.folder import WriterFolder
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.shape import PROMISED
from yumen_plugins.audit.signing import Signing

AT = 1_795_486_326.0


def reader(data_dir: Path, folder: Path | None = None, secret: Path | None = None) -> LedgerReader:
    return open_ledger(folder or data_dir / "ledger", Settings(data_dir=data_dir), secret)


def quiet(size: int) -> None:
    """Nobody watches."""


def written(data_dir: Path, entries: list[bytes]) -> None:
    """A ledger with these entries, whatever they are, signed with the gateway's key."""
    host(data_dir)
    signing = Signing.open(data_dir, data_dir / "ledger", lambda: "2026-11-24T00:00:00.000000Z")
    folder = WriterFolder.take(data_dir / "ledger", signing, lambda: AT, "t")
    log = folder.log("forever")
    log.append(entries)
    log.sync()
    folder.stop()
    folder.close()


async def test_records_come_in_their_order_and_are_counted(tmp_path: Path) -> None:
    """Every record of every log and writer, each once, as it was written; and how far reading has come is told."""
    first, second = await started(tmp_path), await started(tmp_path)
    await second.stop()
    await first.stop()
    await record(tmp_path, [f"text {number} 你好" for number in range(30)], journal_bytes=4096)
    found, sizes = reader(tmp_path), list[int]()
    read = list(found.records(sizes.append))
    assert [one["seq"] for one in read] == [one["seq"] for one in records(tmp_path)]
    for one, stored in zip(read, records(tmp_path, texts=True), strict=True):
        assert stored.items() <= one.items()
    assert found.total_bytes / 2 < sum(sizes) <= found.total_bytes
    assert found.wrong == found.verify(quiet) == []


async def test_what_was_changed_is_no_record(tmp_path: Path) -> None:
    """A log in which anything was changed gives nothing to whoever reads what holds; the others do, and it is named."""
    plugin = await started(tmp_path)
    await say(plugin, "kept")
    await plugin._writer.append({"kind": EXCHANGE, "id": "x", "outcome": "ok"}, "keep-30d")
    await plugin.stop()
    (path,) = (only_writer(tmp_path) / "keep-30d" / "journal").iterdir()
    path.write_bytes(path.read_bytes().replace(b'"ok"', b'"OK"', 1))
    found = reader(tmp_path)
    assert [one["kind"] for one in found.records(quiet)] == ["start", EXCHANGE, "stop"]
    assert any("keep-30d" in wrong for wrong in found.wrong)


async def test_with_another_key_nothing_is_a_record(tmp_path: Path) -> None:
    """Whoever trusts another key gets nothing of a ledger that it did not sign."""
    await record(tmp_path / "a", ["one"])
    await record(tmp_path / "b", ["二"])
    shutil.rmtree(tmp_path / "b" / "ledger")
    shutil.copytree(tmp_path / "a" / "ledger", tmp_path / "b" / "ledger")
    found = reader(tmp_path / "b")
    assert list(found.records(quiet)) == []
    assert found.wrong


async def test_a_copy_is_read_with_a_copy_of_the_secret(tmp_path: Path) -> None:
    """Without the secret it says what to do, and makes nothing where it was pointed at."""
    await record(tmp_path / "data", ["one"])
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "data" / "ledger", copy)
    secret = tmp_path / "secret"
    secret.write_bytes(ROOT)
    elsewhere = tmp_path / "elsewhere"
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
        (folder / "0123abcd").mkdir()
        (folder / "0123abcd" / "notes.txt").write_text("x")
    with pytest.raises(CannotStart, match=r"no ledger|is it the folder"):
        reader(tmp_path, folder)


@pytest.mark.parametrize("what", ["nothing", "file", "junk", "link", "empty"])
def test_hostile_ledgers(tmp_path: Path, what: str) -> None:
    """A ledger that is none, or holds anything, is an exit status of 1 or 2, never a crash."""
    asyncio.run(record(tmp_path / "real", ["one"]))
    host(tmp_path)
    (tmp_path / "signing.json").write_bytes((tmp_path / "real" / "signing.json").read_bytes())
    journal = tmp_path / "ledger" / "0123abcd" / "forever" / "journal"
    if what == "file":
        (tmp_path / "ledger").write_text("x")
    elif what != "nothing":
        journal.mkdir(parents=True)
        path = journal / f"{0:012d}"
        if what == "junk":
            path.write_bytes(b"YMJ1" + bytes(range(256)) * 20)
        elif what == "link":
            path.symlink_to("/etc/passwd")
        elif what == "empty":
            path.write_bytes(b"")
    for command in (("verify",), ("show",), ("export",)):
        result = yumen_audit(tmp_path, *command)
        assert isinstance(result.exception, SystemExit | None), result.exception
        assert "root:" not in result.output
    assert yumen_audit(tmp_path, "verify").exit_code == (1 if what in ("nothing", "file") else 2)


async def test_a_ledger_that_is_written_meanwhile_can_be_read(tmp_path: Path) -> None:
    """What had been acknowledged when reading began comes out, and a running gateway is no fault."""
    plugin = await started(tmp_path)
    await say(plugin, "a")
    found = reader(tmp_path)
    reading = found.records(quiet)
    assert next(reading)["kind"] == "start"
    await say(plugin, "b")
    assert EXCHANGE in [one["kind"] for one in reading]
    assert found.wrong == []
    await plugin.stop()
    assert problems(tmp_path) == []


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
    full = {
        **OLD,
        "subject": "ab" * 16,
        "plugins": {"audit": "2.0.0"},
        "sealed": {"key": "k", "texts": "AA=="},
        "cache": "",
    }
    deep = {
        "findings": [value],
        "trace": [{"plugin": value}],
        "request": [{"text": value}],
        "timings_ms": {"total": value},
    }
    deep |= {"sealed": {"key": value, "texts": value}, "plugins": {"audit": value}, "parts": value}
    changed = [{**full, name: value} for name in full] + [{**full, name: inner} for name, inner in deep.items()]
    operation = {"kind": "operation", "time": "t", "operation": "o", "actor": "a", "details": {}}
    changed += [{**operation, name: value} for name in operation] + [{**operation, "details": {"x": value}}]
    others: dict[str, dict[str, Any]] = {
        "start": {"log": value, "version": value, "key": value, "broken": value, "version_1": value},
        "intent": {"id": value, "egress": value, "sent_bytes": value},
        "checkpoint": {"note": value},
        "key": {"number": value, "statement": value, "before": value},
        "retention": {"first": value, "end": value, "days": value, "kinds": value, "root": value},
        "recovery": {"file": value, "cut_bytes": value},
        "part": {"data": value},
    }
    changed += [{"kind": kind, **members, "time": OLD["time"]} for kind, members in others.items()]
    written(tmp_path, [msgspec.json.encode({"seq": at, "id": "x", **one}) for at, one in enumerate(changed, 1)])
    found = reader(tmp_path)
    for one in found.records(quiet):
        if one["kind"] == EXCHANGE:
            assert all(type(one[name]) is kind for name, kind in PROMISED.items())
            msgspec.convert(one["findings"], list[Finding])
            msgspec.convert(one["trace"], list[Trace])
    assert found.verify(quiet) == found.wrong
    for arguments in (
        ("verify",), ("show",), ("show", "--json"), ("show", OLD["id"]), ("show", "--operations"), ("export",),
        ("show", OLD["id"], "--explain"), ("show", "--kind", "start"), ("export", "--format", "ocsf"),
    ):  # fmt: skip
        result = yumen_audit(tmp_path, *arguments)
        assert isinstance(result.exception, SystemExit | None), (arguments, result.exception)
        assert result.exit_code in (0, 1, 2)
        assert "--json" in arguments or arguments[0] == "export" or not set("\x1b\u202e") & set(result.stdout)


@pytest.mark.parametrize(
    "entry",
    [
        b"",
        b"null",
        b'{"kind":"start"}}',
        b'{"kind":"sta\xff"}',
        b'{"kind":[]}',
        b'{"kind":"exchange","parts":3}',
        b'{"kind":"exchange","parts":-1}',
        b'{"kind":"part","data":"!"}',
        b"[" * 60_000,
        b'{"kind":"exchange","x":' + b"[" * 900 + b"]" * 900 + b"}",
    ],
    ids=lambda entry: repr(entry[:24]),
)
def test_signed_entries_that_are_no_records_crash_nothing(tmp_path: Path, entry: bytes) -> None:
    """An entry that was signed and is no record of ours is passed over or named, and the rest is read."""
    good = encoded({**OLD, "plugins": {}})[0]
    written(tmp_path, [good, entry, good])
    assert len(records(tmp_path, EXCHANGE)) >= 2 or b"parts" in entry
    list(reader(tmp_path).records(quiet))
    for arguments in (("verify",), ("show",), ("show", "--json"), ("show", OLD["id"]), ("export",)):
        assert isinstance(yumen_audit(tmp_path, *arguments).exception, SystemExit | None), arguments


@pytest.mark.parametrize(
    "change", [lambda _: b"", lambda head: head[:100], lambda head: b"{]}".ljust(512)], ids=["empty", "cut", "junk"]
)
def test_a_head_of_any_form_crashes_nothing(tmp_path: Path, change: Callable[[bytes], bytes]) -> None:
    """A head that is none is said to be wrong; show goes on, for whoever looks into it."""
    asyncio.run(record(tmp_path, ["one"]))
    (log,) = logs(tmp_path)
    (log / "head").write_bytes(change((log / "head").read_bytes()))
    assert yumen_audit(tmp_path, "verify").exit_code == 2
    assert yumen_audit(tmp_path, "show").exit_code == 0
    assert LogFiles(log).size == 3


async def test_a_copy_verifies_with_a_public_key_alone(tmp_path: Path) -> None:
    """An auditor needs the files and the key that `yumen audit key` printed; with another gateway's nothing holds."""
    for name in ("data", "other"):
        await record(tmp_path / name, ["你好"])
    copy = str(shutil.copytree(tmp_path / "data" / "ledger", tmp_path / "copy"))
    keys = [yumen_audit(tmp_path / name, "key").stdout.splitlines()[-1] for name in ("data", "other")]
    elsewhere = tmp_path / "elsewhere"
    assert yumen_audit(elsewhere, "verify", copy, "--key", keys[0]).exit_code == 0
    assert yumen_audit(elsewhere, "verify", copy, "--key", keys[1]).exit_code == 2
    assert yumen_audit(elsewhere, "verify", copy).exit_code == 1
    assert yumen_audit(elsewhere, "verify", copy, "--key", "none").exit_code == 1
