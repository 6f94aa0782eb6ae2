"""Another key signs from now on: while a gateway writes, and while none does."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    OPERATION,
    files,
    hold_together,
    host,
    kinds,
    logs,
    problems,
    record,
    records,
    say,
    started,
    until,
    yumen_audit,
)
from tests.plugins.audit.test_kill import heads

from yumen_plugins.audit import writer
from yumen_plugins.audit.log.note import parse_note, public_of
from yumen_plugins.audit.signing import KEYS, KeyChain, Signing, current_public, replace_key

TIME = "2026-11-24T00:00:00.000000Z"


def rotate(data_dir: Path) -> KeyChain:
    return replace_key(data_dir, data_dir / "ledger", heads(data_dir), TIME)


async def test_a_key_is_replaced_while_the_gateway_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The running process takes it soon, however busy, says so in every log with the statement, and loses no record."""
    monkeypatch.setattr(writer, "TICK_S", 0.02)
    plugin = await started(tmp_path)
    for keep in ("keep-1d", "keep-30d"):
        await plugin._writer.append({"kind": EXCHANGE, "id": keep}, keep)
    stop, written = asyncio.Event(), 0

    async def write() -> None:
        nonlocal written
        while not stop.is_set():
            await say(plugin, "你好")
            written += 1

    # So many that some batch is always under way.
    writing = [asyncio.create_task(write()) for _ in range(8)]
    for number in (2, 3):
        rotate(tmp_path)
        await until(lambda number=number: len(records(tmp_path, "key")) == 3 * (number - 1))  # type: ignore[misc]
    stop.set()
    await asyncio.gather(*writing)
    await plugin.stop()
    chain = KeyChain.read(tmp_path / "ledger")
    assert [era.number for era in chain.eras] == [1, 2, 3]
    for log in logs(tmp_path):
        name = f"{log.parent.name}/{log.name}"
        noted = [one for one in records(tmp_path, "key") if one["before"].split("\n")[0].endswith(name)]
        assert [one["number"] for one in noted] == [2, 3]
        for one in noted:
            assert one["statement"] == (tmp_path / "ledger" / KEYS / f"{one['number']}.note").read_text()
            before = chain.era_of(one["before"].encode(), name)
            assert before is not None
            assert (before[0].number, before[1].size) == (one["number"] - 1, one["seq"])
        newest = chain.era_of((log / "head").read_bytes().rstrip(b" "), name)
        assert newest is not None
        assert newest[0].number == 3
    # Two with no shape of an exchange stand in the other logs.
    assert len(records(tmp_path, EXCHANGE)) == written + 2
    hold_together(tmp_path)


async def test_a_key_is_replaced_while_nobody_writes(tmp_path: Path) -> None:
    """The next process says which key signs from here on before anything else, and starts that follow say nothing more."""
    await record(tmp_path, ["one"])
    rotate(tmp_path)
    rotate(tmp_path)
    await record(tmp_path, ["二"])
    await record(tmp_path, ["three"])
    assert kinds(tmp_path)[3:] == ["key", "start", EXCHANGE, "stop", "start", EXCHANGE, "stop"]
    (noted,) = records(tmp_path, "key")
    assert noted["number"] == 3
    assert [one["key"] for one in records(tmp_path, "start")] == [1, 3, 3]
    assert problems(tmp_path) == []


async def test_the_statement_says_what_each_log_had_come_to(tmp_path: Path) -> None:
    """It is signed by both keys, and names size and root of every log."""
    await record(tmp_path, ["one", "二"])
    expected = heads(tmp_path)
    before = KeyChain.read(tmp_path / "ledger").eras[-1].public
    chain = rotate(tmp_path)
    assert dict(chain.eras[-1].heads) == expected
    statement = parse_note((tmp_path / "ledger" / KEYS / "2.note").read_bytes())
    assert statement is not None
    for public in (before, chain.eras[-1].public):
        assert statement.signed_by(f"yumen-ledger/{chain.gateway}", public)


async def test_the_key_before_is_destroyed(tmp_path: Path) -> None:
    """No file of the data directory holds it any more, so nobody can sign with it again."""
    await record(tmp_path, ["one"])
    old = json.loads((tmp_path / "signing.json").read_text())["current"]["private"]
    assert len(old) > 40
    rotate(tmp_path)
    assert not any(old.encode() in content for content in files(tmp_path).values())
    assert current_public(tmp_path) == KeyChain.read(tmp_path / "ledger").eras[-1].public


async def test_a_key_that_is_replaced_while_a_process_starts_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between reading the key and beginning to write there may be another one: the process takes it all the same."""
    monkeypatch.setattr(writer, "TICK_S", 0.02)
    await record(tmp_path, ["one"])
    real = Signing.open

    def replaced_meanwhile(*arguments: object) -> Signing:
        opened: Signing = real(*arguments)  # type: ignore[arg-type]
        monkeypatch.setattr(Signing, "open", real)
        rotate(tmp_path)
        return opened

    monkeypatch.setattr(Signing, "open", replaced_meanwhile)
    plugin = await started(tmp_path)
    await until(lambda: records(tmp_path, "key"))
    await plugin.stop()
    assert plugin._writer._folder.signing.era.number == 2
    hold_together(tmp_path)


@pytest.mark.parametrize("running", [True, False])
async def test_rotating_by_command(tmp_path: Path, running: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """`yumen audit rotate` makes one key more, records it, and the ledger verifies by either key; `key` prints both."""
    monkeypatch.setattr(writer, "TICK_S", 0.02)
    await record(tmp_path, ["one"])
    plugin = await started(tmp_path) if running else None
    made = await asyncio.to_thread(yumen_audit, tmp_path, "rotate", "--json")
    assert made.exit_code == 0, made.output
    said = json.loads(made.stdout)
    assert said["number"] == 2
    if plugin is not None:
        await until(lambda: plugin._writer._folder.signing.era.number == 2)
        await say(plugin, "你好")
        await plugin.stop()
    (operation,) = records(tmp_path, OPERATION)
    assert (operation["operation"], operation["actor"]) == ("ledger_key_replaced", "cli")
    assert operation["details"]["key"] == said["key"]
    keys = json.loads(yumen_audit(tmp_path, "key", "--json").stdout)["keys"]
    assert [one["number"] for one in keys] == [1, 2]
    assert public_of(keys[1]["key"])[1] == current_public(tmp_path)
    for one in keys:
        assert yumen_audit(tmp_path, "verify", "--key", one["key"]).exit_code == 0, one
    assert problems(tmp_path) == []


async def test_without_a_ledger_there_is_no_key_to_replace(tmp_path: Path) -> None:
    """Where no gateway has ever started, the command says so and makes nothing."""
    host(tmp_path)
    assert yumen_audit(tmp_path, "rotate").exit_code == 1
    assert not (tmp_path / "ledger").exists()
