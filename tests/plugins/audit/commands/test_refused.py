"""Commands that come to nothing leave the ledger in order, and what commands write is for their user alone."""

from __future__ import annotations

import os
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


def test_what_cannot_be_compared_does_not_hold(ledger: Path, tmp_path: Path) -> None:
    """A witness that is mistyped, empty or no file is no witness that agrees; a key that cannot be read names no reason."""
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "round").symlink_to("round")
    (tmp_path / "no-text").write_bytes(b"\xff13812345678")
    (tmp_path / "nothing").touch()
    told = {"nonesuch": "No such file", "empty": "no checkpoint", "pipe": "not a file", "round": "symbolic links"}
    for name, says in told.items():
        compared = yumen_audit(ledger, "verify", "--against", str(tmp_path / name))
        assert (compared.exit_code, says in compared.output, "; name " in compared.output) == (1, True, True), name
    for name, says in (("no-text", "is not text"), ("nothing", "names 0 gateways"), ("round", "symbolic links")):
        trusted = yumen_audit(ledger, "verify", "--key", str(tmp_path / name))
        assert (trusted.exit_code, says in trusted.output) == (1, True), name
    (log,) = (tmp_path / "ledger").glob("*/forever/checkpoint")
    assert yumen_audit(ledger, "verify", "--against", str(log)).exit_code == 0


@pytest.mark.timeout(60)
def test_a_pipe_is_no_secret(ledger: Path) -> None:
    """A command does not wait for whoever writes to what stands in the place of the gateway's secret."""
    (ledger / "secret").unlink(missing_ok=True)
    os.mkfifo(ledger / "secret")
    shown = yumen_audit(ledger, "show")
    assert (shown.exit_code, "secret: this is not a file; run" in shown.output) == (1, True)


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
