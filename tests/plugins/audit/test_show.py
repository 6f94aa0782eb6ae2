"""`yumen audit show`: the newest records, one of them, and what happened to it and why."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.audit.ledgers import EXCHANGE, OPERATION, record, records, started, yumen_audit
from tests.plugins.audit.old.written import OLD, body, sealed

from yumen import Operation
from yumen.policy.load import load_bundle
from yumen_plugins.audit.record import moment

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


def written(data_dir: Path, *bodies: dict[str, Any]) -> None:
    """A ledger with these records."""

    async def write() -> None:
        plugin = await started(data_dir)
        for one in bodies:
            await plugin._writer.append(dict(one))
        await plugin.stop()

    asyncio.run(write())


def test_the_newest_come_last(tmp_path: Path) -> None:
    """The last so many by time, whichever order they were written in; of the same time, those that were written last."""
    times = ["05", "01", "04", "04", "02", "04"]
    bodies = [{**OLD, "id": str(place), "time": f"2026-11-24T00:00:{time}.000000Z"} for place, time in enumerate(times)]
    written(tmp_path, *bodies)
    shown = yumen_audit(tmp_path, "show", "--last", "3", "--json").stdout.splitlines()
    assert [json.loads(line)["id"] for line in shown] == ["3", "5", "0"]


def test_json_is_the_record_that_was_written(tmp_path: Path) -> None:
    """What a program gets has every member of the record, in its order, and nothing else."""
    written(tmp_path, {**OLD, "model": "模型"})
    (found,) = records(tmp_path, EXCHANGE)
    shown = yumen_audit(tmp_path, "show", OLD["id"], "--json").stdout
    assert json.loads(shown) == found
    assert list(json.loads(shown)) == ["seq", *OLD]
    assert "模型" in shown


def test_an_old_line_is_shown_as_it_was_written(tmp_path: Path) -> None:
    """A record of version 1 comes with its code, so that it can be verified once more."""
    folder = sealed(tmp_path, [body({**OLD, "model": "模型"})])
    line = (folder / "00000001.log").read_bytes().splitlines()[1]
    assert json.loads(yumen_audit(tmp_path, "show", OLD["id"], "--json").stdout_bytes) == json.loads(line)


def test_filters_choose(tmp_path: Path) -> None:
    """By tenant, rule, category, outcome, route, subject, decision and time; one that fits nothing shows nothing."""
    other = {**OLD, "id": "other", "tenant": "acme", "outcome": "policy_blocked", "findings": [], "route": "talk"}
    other |= {"subject": "ab" * 16, "trace": [{**OLD["trace"][0], "decision": "block", "reason": "cn.id_card"}]}
    written(tmp_path, OLD, other)
    chosen = {
        ("--tenant", "acme"): "other",
        ("--rule", "cn.mobile"): OLD["id"],
        ("--rule", "cn.id_card"): "other",
        ("--type", "pii"): OLD["id"],
        ("--outcome", "policy_blocked"): "other",
        ("--route", "talk"): "other",
        ("--subject", "ab" * 16): "other",
        ("--decision", "block"): "other",
    }
    for arguments, expected in chosen.items():
        shown = yumen_audit(tmp_path, "show", *arguments, "--json")
        assert [json.loads(line)["id"] for line in shown.stdout.splitlines()] == [expected], arguments
    assert len(yumen_audit(tmp_path, "show", "--since", "2026-11-24", "--json").stdout.splitlines()) == 2
    assert yumen_audit(tmp_path, "show", "--until", "2026-11-24").exit_code == 1
    assert yumen_audit(tmp_path, "show", "--since", "soon").exit_code == 1


async def test_a_receipt_finds_everything_of_it(tmp_path: Path) -> None:
    """An intent comes with its exchange, and an operation is found by its own."""
    (receipt,) = await record(tmp_path, ["你好"])
    plugin = await started(tmp_path)
    intent = {"kind": "intent", "id": "0" * 32, "receipt": receipt, "time": moment(0.0)}
    await plugin._writer.append(intent)
    done = await plugin.note(Operation(kind="policy_loaded", actor="start", at=0.5, details={"new": "ab"}))
    await plugin.stop()
    shown = await asyncio.to_thread(yumen_audit, tmp_path, "show", receipt, "--json")
    assert [json.loads(line)["kind"] for line in shown.stdout.splitlines()] == ["intent", EXCHANGE]
    assert receipt in yumen_audit(tmp_path, "show", receipt).stdout
    found = json.loads(yumen_audit(tmp_path, "show", done, "--json").stdout)
    assert (found["kind"], found["operation"]) == (OPERATION, "policy_loaded")
    assert "version" in yumen_audit(tmp_path, "show", "--kind", "start").stdout


def test_an_exchange_is_explained_by_the_bundle_it_ran_under(tmp_path: Path, bundle: Path) -> None:
    """`--policies` says by which bundle; where that is another one than it ran under, this is said."""
    policy = load_bundle(str(bundle)).hash[:12]
    written(tmp_path, {**OLD, "path": "/v1/chat/completions", "policy": policy})
    shown = yumen_audit(tmp_path, "show", OLD["receipt"], "--explain", "--policies", str(bundle))
    assert shown.exit_code == 0, shown.output
    assert "it ran under" not in shown.stdout
    assert "gateway.yaml:5" in shown.stdout
    by_default = yumen_audit(tmp_path, "show", OLD["receipt"], "--explain", YUMEN_POLICIES=str(bundle))
    assert by_default.stdout == shown.stdout
    (bundle / "gateway.yaml").write_text(GATEWAY.replace("id: chat", "id: talk"))
    other = yumen_audit(tmp_path, "show", OLD["receipt"], "--explain", "--policies", str(bundle))
    assert f"it ran under policy {policy}" in other.stdout


def test_an_explanation_is_data_for_programs(tmp_path: Path, bundle: Path) -> None:
    """With `--json` the same stands in one object, and no text of the exchange."""
    written(tmp_path, OLD)
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
    written(tmp_path, OLD, {**OLD, "id": "wrong", "findings": "many"})
    result = yumen_audit(tmp_path, "show", *arguments)
    assert (result.exit_code, result.stdout) == (1, "")
    assert says in result.stderr
