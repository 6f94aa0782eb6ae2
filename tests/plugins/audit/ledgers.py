"""A ledger in a temporary folder, written by the real plugin and looked at from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from tests.kit import ScriptedEngine, completion, exchange, request, step
from tests.plugins.host import UnitHost

from yumen import Hmac, Settings
from yumen_plugins.audit import Audit
from yumen_plugins.audit.cli import audit as audit_command
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.verify import Wrong, verify_writer, writers

ROOT = b"s" * 32


def host(data_dir: Path) -> UnitHost:
    data_dir.mkdir(exist_ok=True)
    (data_dir / "secret").write_bytes(ROOT)
    return UnitHost(data_dir, ROOT)


async def started(data_dir: Path, **config: Any) -> Audit:
    plugin = Audit(AuditConfig(**config))
    await plugin.start(host(data_dir))
    return plugin


async def record(data_dir: Path, said: list[str], **config: Any) -> list[str]:
    """Run exchanges through a chain with the plugin; return their receipts."""
    plugin = await started(data_dir, **config)
    receipts = []
    for text in said:
        outcome = await exchange([step(plugin)], ScriptedEngine(completion(f"re: {text}")), request(text))
        assert outcome.status == 200
        receipts.append(outcome.exchange.headers["x-audit-receipt"])
    await plugin.stop()
    return receipts


def problems(data_dir: Path) -> list[Wrong]:
    mac = Hmac(UnitHost(root=ROOT).secret("ledger"))
    return [wrong for writer in writers(data_dir / "ledger") for wrong in verify_writer(writer, mac).wrong]


def yumen_audit(data_dir: Path, *arguments: str) -> Result:
    return CliRunner().invoke(audit_command, list(arguments), obj=Settings(data_dir=data_dir))


def only_writer(data_dir: Path) -> Path:
    (writer,) = writers(data_dir / "ledger")
    return writer


def segments(data_dir: Path) -> list[Path]:
    return sorted(only_writer(data_dir).glob("*.log"))


def records(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in segments(data_dir) for line in path.read_bytes().splitlines()]
