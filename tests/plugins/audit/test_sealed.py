"""Texts are sealed for whom they are about: nobody reads them from the files, and once erased nobody at all."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tests.kit import saying
from tests.plugins.audit.ledgers import (
    ADMIN,
    EXCHANGE,
    OPERATION,
    call,
    hold_together,
    host,
    keyring,
    problems,
    records,
    say,
    started,
    until,
    yumen_audit,
)

from yumen.testing import completion
from yumen_plugins.audit import Audit

ALICE, BOB = "user-17", "用户-18"
SAID = "my order is late, 订单迟到"


def subject(data_dir: Path, name: str) -> str:
    """The digest by which the core knows somebody."""
    return host(data_dir).subject_id("tenant", name)


def request_text(data_dir: Path, who: str) -> list[str | None]:
    """What readers are shown of the texts of requests about somebody, None where they stay sealed."""
    about = subject(data_dir, who)
    found = [one for one in records(data_dir, EXCHANGE, texts=True) if one["subject"] == about]
    return [one["request"][-1].get("text") for one in found]


def contents(data_dir: Path) -> bytes:
    return b"".join(path.read_bytes() for path in data_dir.rglob("*") if path.is_file())


async def two(data_dir: Path) -> None:
    """Somebody says something twice, and somebody else once."""
    plugin = await started(data_dir)
    for name in (ALICE, ALICE, BOB):
        assert (await say(plugin, SAID, subject=subject(data_dir, name))).status == 200
    await plugin.stop()


async def test_no_text_can_be_read_in_any_file(tmp_path: Path) -> None:
    """Neither what was said, nor who was named, nor what the engine answered stands in any byte of the data directory."""
    await two(tmp_path)
    content = contents(tmp_path)
    for secret in (SAID, "订单迟到", ALICE, BOB, f"re: {SAID}"):
        assert secret.encode() not in content
        assert json.dumps(secret)[1:-1].encode() not in content
    assert request_text(tmp_path, ALICE) == [SAID, SAID]


async def test_show_opens_what_the_keys_open(tmp_path: Path) -> None:
    """Where the data directory is at hand, the command shows the masked texts; in a copy without it they stay sealed."""
    await two(tmp_path / "data")
    receipt = records(tmp_path / "data", EXCHANGE)[0]["receipt"]
    shown = yumen_audit(tmp_path / "data", "show", receipt, "--json")
    assert json.loads(shown.stdout.splitlines()[0])["request"][-1]["text"] == SAID
    copy = yumen_audit(tmp_path / "elsewhere", "show", receipt, "--json", "--ledger", str(tmp_path / "data" / "ledger"))
    assert copy.exit_code == 0, copy.output
    assert json.loads(copy.stdout.splitlines()[0])["request"][-1]["sealed"] is True
    assert "订单" not in copy.stdout


@pytest.mark.parametrize("running", [True, False])
async def test_erased_by_command_nobody_reads_it_again(tmp_path: Path, running: bool) -> None:
    """Records, chain and proofs stay; the texts and whatever could be recognised by a digest are gone, others' stay."""
    await two(tmp_path)
    before = records(tmp_path, EXCHANGE)
    clock = host(tmp_path, live=True)
    plugin = await started(clock) if running else None
    erased = await asyncio.to_thread(yumen_audit, tmp_path, "erase", "--tenant", "tenant", "--subject", ALICE, "--json")
    assert erased.exit_code == 0, erased.output
    said = json.loads(erased.stdout)
    assert (said["erased"], said["subject"]) == (1, subject(tmp_path, ALICE))
    assert request_text(tmp_path, ALICE) == [None, None]
    assert request_text(tmp_path, BOB) == [SAID]
    assert records(tmp_path, EXCHANGE) == before
    if plugin is not None:
        await until(lambda: clock.told)
        await until(lambda: any(one["operation"] == "subject_forgotten" for one in records(tmp_path, OPERATION)))
        assert (clock.told[0].tenant, clock.told[0].subject) == ("tenant", said["subject"])
        # Whoever is forgotten and comes back is somebody new.
        await say(plugin, "回来了", subject=said["subject"])
        await plugin.stop()
        assert request_text(tmp_path, ALICE) == [None, None, "回来了"]
    found = [one for one in records(tmp_path, OPERATION) if one["operation"] == "subject_erased"]
    assert [(one["receipt"], one["details"]["subject"]) for one in found] == [(said["receipt"], said["subject"])]
    assert ALICE not in str(records(tmp_path))
    assert problems(tmp_path) == []


async def test_erased_by_an_operator_nobody_reads_it_again(tmp_path: Path) -> None:
    """Through the admin API likewise; the answer says what the other plugins forgot."""
    plugin = await started(host(tmp_path, live=True))
    await say(plugin, SAID, subject=subject(tmp_path, ALICE))
    answer = await plugin.operate(call("erase", tenant="tenant", subject=ALICE))
    assert (answer["erased"], answer["forgotten"]) == (1, {"anonymize": 3})
    await plugin.stop()
    assert request_text(tmp_path, ALICE) == [None]
    done = {one["operation"]: one for one in records(tmp_path, OPERATION)}
    assert done["subject_erased"]["receipt"] == answer["receipt"]
    assert done["subject_forgotten"]["details"]["forgotten.anonymize"] == "3"


@pytest.mark.parametrize("texts", ["masked", "digest", "none"])
async def test_somebody_is_erased_while_an_exchange_is_under_way(tmp_path: Path, texts: str) -> None:
    """The exchange ends well and is on record; its texts open by no key that was destroyed."""
    plugin = await started(tmp_path, texts=texts)
    about = subject(tmp_path, ALICE)

    async def erase() -> None:
        await asyncio.to_thread(plugin._keys.erase, "tenant", about, ADMIN)

    engine = saying(erase, completion("好"))
    assert (await say(plugin, SAID, subject=about, engine=engine)).status == 200
    await plugin.stop()
    (found,) = records(tmp_path, EXCHANGE)
    keys = keyring(tmp_path)
    (erasure,) = keys.erasures()
    keys.close()
    assert found.get("sealed", {}).get("key") not in erasure.ids
    assert request_text(tmp_path, ALICE) == ([SAID] if texts == "masked" else [None])
    hold_together(tmp_path)


async def test_a_tenant_with_too_many_subjects_is_refused(tmp_path: Path) -> None:
    """Whom no key can be made for is not served unrecorded: no engine is asked, and others of the tenant go on."""
    plugin = await started(tmp_path, subjects_max=2)
    for name in (ALICE, BOB):
        assert (await say(plugin, SAID, subject=subject(tmp_path, name))).status == 200
    engine = saying(completion("x"))
    outcome = await say(plugin, SAID, subject=subject(tmp_path, "third"), engine=engine)
    assert (outcome.status, outcome.code, engine.requests) == (503, "ledger_unavailable", [])
    assert (await say(plugin, SAID, subject=subject(tmp_path, ALICE))).status == 200
    await plugin.stop()
    assert len(records(tmp_path, EXCHANGE)) == 3


async def test_digests_are_the_subjects_own(tmp_path: Path) -> None:
    """The same text of two people has two digests, and after an erasure another one: nothing links them."""
    digests = []
    for _ in range(2):
        plugin = await started(tmp_path, texts="digest")
        for name in (ALICE, ALICE, BOB):
            await say(plugin, SAID, subject=subject(tmp_path, name))
        await plugin.stop()
        digests = [one["request"][-1]["digest"] for one in records(tmp_path, EXCHANGE)]
        yumen_audit(tmp_path, "erase", "--tenant", "tenant", "--subject", ALICE)
    assert digests[0] == digests[1] != digests[2]
    assert digests[3] == digests[4] != digests[0]
    assert digests[5] == digests[2]


async def test_a_hold_wins(tmp_path: Path) -> None:
    """Neither command nor operator erases what a hold covers; both attempts are on record, and releasing it lets them."""
    await two(tmp_path)
    held = yumen_audit(tmp_path, "hold", "--tenant", "tenant", "--subject", ALICE, "--reason", "case 2026/17", "--json")
    assert held.exit_code == 0, held.output
    hold = json.loads(held.stdout)["hold"]
    for whom in (("--subject", ALICE), ("--everybody",)):
        assert yumen_audit(tmp_path, "erase", "--tenant", "tenant", *whom).exit_code == 2
    plugin = await started(host(tmp_path, live=True))
    with pytest.raises(ValueError, match=hold):
        await plugin.operate(call("erase", tenant="tenant", subject=ALICE))
    await plugin.stop()
    assert request_text(tmp_path, ALICE) == [SAID, SAID]
    refused = [one for one in records(tmp_path, OPERATION) if one["operation"] == "erasure_refused"]
    assert [(one["actor"], one["details"]["hold"]) for one in refused] == [
        ("cli", hold),
        ("cli", hold),
        (ADMIN, hold),
    ]
    assert hold in yumen_audit(tmp_path, "holds").stdout
    assert yumen_audit(tmp_path, "release", hold).exit_code == 0
    assert yumen_audit(tmp_path, "release", hold).exit_code == 1
    assert yumen_audit(tmp_path, "erase", "--tenant", "tenant", "--everybody").exit_code == 0
    assert request_text(tmp_path, ALICE) == [None, None]
    assert request_text(tmp_path, BOB) == [None]
    assert problems(tmp_path) == []


async def test_erasures_that_no_gateway_saw_are_repeated(tmp_path: Path) -> None:
    """Other plugins hear of them when the next process starts, but not of those that are older than what they may keep."""
    await two(tmp_path)
    yumen_audit(tmp_path, "erase", "--tenant", "tenant", "--subject", ALICE)
    for days, told in ((0, 1), (30, 1), (32, 0)):
        clock = host(tmp_path, live=True)
        clock.ahead(days * 86_400.0)
        plugin: Audit = await started(clock)
        await asyncio.sleep(0.2)
        await plugin.stop()
        assert len(clock.told) == told, days
