"""What shadow would have done is told beside what was done."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests import ledgers
from tests.policy.recording import START, Gateway, ledger_records, quiet, report, write_bundle, yumen

from yumen.policy.shadow import shadow_report

__all__ = ["quiet"]
VERB = ("policy", "shadow-report")
ANONYMIZE = """version: 1
plugin: anonymize
rules:
  email: {mode: shadow}
config: {detect: [cn.mobile, email]}
"""
LIMITS = """version: 1
plugin: limits
rules:
  body_bytes: {mode: shadow}
config: {body_bytes: 300, requests_per_minute: 3, concurrent: 0}
"""


async def recorded(folder: Path, *texts: str, limits: str = LIMITS, anonymize: str = ANONYMIZE, **more: Any) -> Path:
    """A data directory with a ledger of these exchanges, a second apart."""
    bundle = write_bundle(folder / "bundle", limits=limits, anonymize=anonymize)
    async with Gateway(bundle, folder / "data") as gateway:
        for text in texts:
            await gateway.ask(text, wait=1, **more)
    return folder / "data"


def rows(told: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(row["plugin"], row["rule"]): row for row in told["rows"]}


@pytest.fixture
async def data_dir(tmp_path: Path) -> Path:
    """Five exchanges: nothing, a mail, two mails and a phone, a long one, and a long one that the rate limit stops."""
    mails = "我的邮箱 li.na@example.com, and wang@example.com, 13812345678"
    return await recorded(tmp_path, "hello", "to li.na@example.com", mails, "长" * 400, "长" * 400)


def test_rules_in_shadow(data_dir: Path) -> None:
    """Blocks, edits and findings are counted by rule, and what came of the exchanges stands beside them."""
    told = report(data_dir, *VERB)
    assert told["exchanges"] == 5
    assert set(rows(told)) == {("anonymize", "email"), ("limits", "body_bytes")}
    mail = rows(told)["anonymize", "email"]
    assert (mail["found"], mail["findings"], mail["would_edit"], mail["would_block"]) == (2, 3, 2, 0)
    assert mail["outcomes"] == {"ok": 2}
    long = rows(told)["limits", "body_bytes"]
    assert (long["would_block"], long["blocked_anyway"], long["found"]) == (2, 2, 0)
    assert long["outcomes"] == {"rate_limited": 2}
    records = ledger_records(data_dir)
    assert mail["ids"] == [records[1]["id"], records[2]["id"]]
    assert (mail["first"], mail["last"]) == (records[1]["time"], records[2]["time"])


def test_as_a_table(data_dir: Path) -> None:
    """People are told the same in words, and no value."""
    out = yumen(data_dir, *VERB).stdout
    assert "found 3 in 2" in out
    assert "blocked 2, 2 of them ended with an error anyway" in out
    assert "40.0 %" in out
    assert "example.com" not in out


async def test_a_whole_instance_in_shadow(tmp_path: Path) -> None:
    """Of an instance in shadow every rule has its row."""
    folder = await recorded(
        tmp_path,
        "长" * 400,
        "x 13812345678",
        limits=LIMITS.replace("rules:\n  body_bytes: {mode: shadow}", "mode: shadow"),
        anonymize="version: 1\nplugin: anonymize\nmode: shadow\n",
    )
    told = rows(report(folder, *VERB))
    assert told["limits", "body_bytes"]["would_block"] == 1
    assert told["limits", "body_bytes"]["blocked_anyway"] == 0
    assert (told["anonymize", "cn.mobile"]["found"], told["anonymize", "cn.mobile"]["would_edit"]) == (1, 1)


async def test_nothing_in_shadow(tmp_path: Path) -> None:
    """Where nothing is in shadow, that is said."""
    enforcing = "version: 1\nplugin: %s\n"
    folder = await recorded(
        tmp_path, "to li.na@example.com", limits=enforcing % "limits", anonymize=enforcing % "anonymize"
    )
    assert "nothing in shadow found anything" in yumen(folder, *VERB).stdout
    assert report(folder, *VERB)["rows"] == []


def test_which_exchanges(data_dir: Path) -> None:
    """Time and tenant choose exchanges; a moment that is none is refused."""
    assert report(data_dir, *VERB, "--tenant", "别人")["exchanges"] == 0
    assert report(data_dir, *VERB, "--since", "2200-01-01")["exchanges"] == 0
    told = report(data_dir, *VERB, "--until", "2023-11-14T22:14:03Z", "--tenant", "t1")
    assert START == 1_700_000_040.0  # 22:14:00; the first exchange came a second later
    assert told["exchanges"] == 2
    assert yumen(data_dir, *VERB, "--since", "soon").exit_code == 2


def test_a_ledger_that_does_not_hold(data_dir: Path) -> None:
    """Of a ledger that was changed nothing is told but that; where there is none, that is said."""
    (journal,) = ledgers.journals(data_dir)
    journal.write_bytes(journal.read_bytes().replace(b'"outcome":"ok"', b'"outcome":"no"', 1))
    result = yumen(data_dir, *VERB)
    assert result.exit_code == 2
    assert "body_bytes" not in result.output
    assert yumen(data_dir / "nowhere", *VERB).exit_code == 1


CALLS = st.fixed_dictionaries(
    {
        "plugin": st.sampled_from(["a", "b"]),
        "hook": st.sampled_from(["on_request", "stream"]),
        "decision": st.sampled_from(["allow", "block", "fault"]),
    },
    optional={"reason": st.sampled_from(["", "r"]), "edits": st.integers(0, 2), "shadow": st.booleans()},
)
FINDINGS = st.fixed_dictionaries(
    {"plugin": st.sampled_from(["a", "b"]), "rule": st.sampled_from(["r", "s"])}, optional={"shadow": st.booleans()}
)
RECORDS = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(["exchange", "start"]),
        "id": st.just("1"),
        "time": st.sampled_from(["2026-01-01", "2026-01-02"]),
        "policy": st.just("p"),
        "outcome": st.sampled_from(["ok", "policy_blocked"]),
        "findings": st.lists(FINDINGS, max_size=3),
        "trace": st.lists(CALLS, max_size=3),
    }
)


@given(st.lists(RECORDS, max_size=6))
def test_the_sums(records: list[dict[str, Any]]) -> None:
    """No row counts more exchanges than there are, its outcomes add up to them, and nothing that enforced is in it."""
    told = shadow_report(records)
    exchanges = [one for one in records if one["kind"] == "exchange"]
    assert told.exchanges == len(exchanges)
    shadows = sum(one.get("shadow", False) for record in exchanges for one in record["findings"])
    assert sum(row.findings for row in told.rows) == shadows
    for row in told.rows:
        assert 0 < row.exchanges <= told.exchanges
        assert sum(row.outcomes.values()) == row.exchanges
        assert row.found <= row.exchanges
        assert row.blocked_anyway <= row.would_block
