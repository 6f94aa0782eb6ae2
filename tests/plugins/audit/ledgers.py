"""A ledger in a temporary folder, written by the real plugin and looked at from outside."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result
from tests.kit import ScriptedEngine, completion, exchange, request, step
from tests.plugins.host import UnitHost

from yumen import Hmac
from yumen.cli import main
from yumen_plugins.audit import Audit
from yumen_plugins.audit.chain import START, head_start, seal
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


def sealed(data_dir: Path, bodies: list[bytes], writer: str = "0123abcd", head: bytes | None = None) -> Path:
    """A ledger of one segment with these records behind its header, whatever they are, written with the right key.

    Each body is the rest of an object behind `seq`, whose number the records get in turn.
    """
    folder = data_dir / "ledger" / writer
    folder.mkdir(parents=True)
    host(data_dir)
    mac = Hmac(UnitHost(root=ROOT).secret("ledger"))
    header = (
        b'"time":"2026-11-24T02:12:06.882210Z","kind":"header","version":1,"writer":"%s","segment":1}' % writer.encode()
    )
    code, lines = START, []
    for seq, body in enumerate([header, *bodies]):
        line, code = seal(mac, code, b'{"seq":%d,' % seq + body)
        lines.append(line)
    (folder / "00000001.log").write_bytes(b"".join(lines))
    covered = b'{"segment":1,"seq":%d,"code":"%s"}' % (len(lines), code.hex().encode())
    line, _ = seal(mac, head_start(mac, writer), head or covered)
    (folder / "head").write_bytes(line.ljust(256))
    return folder


def problems(data_dir: Path) -> list[Wrong]:
    mac = Hmac(UnitHost(root=ROOT).secret("ledger"))
    return [wrong for writer in writers(data_dir / "ledger") for wrong in verify_writer(writer, mac).wrong]


def yumen_audit(data_dir: Path, *arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["audit", *arguments], env={"YUMEN_DATA": str(data_dir), **env})


def only_writer(data_dir: Path) -> Path:
    (writer,) = writers(data_dir / "ledger")
    return writer


def segments(data_dir: Path) -> list[Path]:
    return sorted(only_writer(data_dir).glob("*.log"))


def records(data_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for path in segments(data_dir) for line in path.read_bytes().splitlines()]
