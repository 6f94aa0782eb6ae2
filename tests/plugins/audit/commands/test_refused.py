"""Commands that come to nothing leave the ledger in order, and what commands write is for their user alone."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from tests.plugins.audit.ledgers import host, records, say, started, yumen_audit

WHO = "用户 17"


@pytest.fixture
async def ledger(tmp_path: Path) -> Path:
    """A data directory with one exchange about somebody."""
    where = host(tmp_path)
    plugin = await started(where)
    await say(plugin, "你好", subject=where.subject_id("tenant", WHO))
    await plugin.stop()
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ("hold", "--tenant", "tenant", "--subject", WHO, "--reason", " "),
        ("hold", "--tenant", "tenant", "--subject", WHO, "--reason", "案件", "--until", "2020-01-01"),
        ("release", "nonesuch"),
    ],
    ids=str,
)
def test_what_is_refused_is_no_crash(ledger: Path, arguments: tuple[str, ...]) -> None:
    """The process that was asked for something impossible ended in order, and no auditor has to ask who killed it."""
    refused = yumen_audit(ledger, *arguments)
    assert refused.exit_code == 1
    assert records(ledger)[-1]["kind"] == "stop"
    assert "killed" not in yumen_audit(ledger, "verify").output


def test_what_is_exported_is_for_its_user_alone(ledger: Path, tmp_path: Path) -> None:
    """Texts that were sealed in the ledger do not lie open beside it."""
    for form in ("jsonl", "ocsf", "cef"):
        out = tmp_path / f"out.{form}"
        assert yumen_audit(ledger, "export", "--format", form, "--texts", "--out", str(out)).exit_code == 0
        assert stat.S_IMODE(out.stat().st_mode) == 0o600
    assert "你好" in (tmp_path / "out.jsonl").read_text()


def test_erasing_nobody_says_so(ledger: Path) -> None:
    """A name with a slip in it is not taken for somebody who has been erased."""
    assert "no key to destroy" in yumen_audit(ledger, "erase", "--tenant", "tenant", "--subject", "用户17").output
    assert "no key to destroy" not in yumen_audit(ledger, "erase", "--tenant", "tenant", "--subject", WHO).output
