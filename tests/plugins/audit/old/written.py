"""Ledgers of version 1: the one that its last writer left here, and such as nobody wrote, with the right codes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
from tests.plugins.audit.ledgers import host

from yumen import Hmac, Secret
from yumen.testing import UnitHost
from yumen_plugins.audit.folder import old_folders
from yumen_plugins.audit.old.chain import START, head_start
from yumen_plugins.audit.old.verify import Wrong, verify_writer

DATA = Path(__file__).parent / "data"

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


def copied(folder: Path) -> Path:
    """The data directory that version 1 left, as an operator who upgrades has it."""
    shutil.copytree(DATA, folder)
    return folder


def mac_of(data_dir: Path) -> Hmac:
    """The key of the codes of a data directory's ledger."""
    return Hmac(Secret((data_dir / "secret").read_bytes()).derive("ledger"))


def lines_of(writer: Path) -> list[bytes]:
    """The lines of all segments of a writer."""
    return [line for path in sorted(writer.glob("*.log")) for line in path.read_bytes().splitlines(keepends=True)]


def body(members: dict[str, Any]) -> bytes:
    """The rest of a record behind its number."""
    return msgspec.json.encode(members)[1:]


def seal(mac: Hmac, before: bytes, rest: bytes) -> tuple[bytes, bytes]:
    """A line of this object, which follows the code before it; and its own code."""
    code = mac(before + b'",' + rest[1:])
    return b'{"mac":"' + code.hex().encode() + b'",' + rest[1:] + b"\n", code


def sealed(data_dir: Path, bodies: list[bytes], writer: str = "0123abcd", head: bytes | None = None) -> Path:
    """A ledger of one segment with these records behind its header, whatever they are, written with the right key.

    Each body is the rest of an object behind `seq`, whose number the records get in turn.
    """
    folder = data_dir / "ledger" / writer
    folder.mkdir(parents=True)
    host(data_dir)
    mac = Hmac(UnitHost(root=b"s" * 32).secret("ledger"))
    header = (
        b'"time":"2026-11-24T02:12:06.882210Z","kind":"header","version":1,"writer":"%s","segment":1}' % writer.encode()
    )
    code, lines = START, []
    for seq, rest in enumerate([header, *bodies]):
        line, code = seal(mac, code, b'{"seq":%d,' % seq + rest)
        lines.append(line)
    (folder / "00000001.log").write_bytes(b"".join(lines))
    covered = b'{"segment":1,"seq":%d,"code":"%s"}' % (len(lines), code.hex().encode())
    line, _ = seal(mac, head_start(mac, writer), head or covered)
    (folder / "head").write_bytes(line.ljust(256))
    return folder


def old_problems(data_dir: Path) -> list[Wrong]:
    """What is wrong with the writers of version 1."""
    return [
        wrong for writer in old_folders(data_dir / "ledger") for wrong in verify_writer(writer, mac_of(data_dir)).wrong
    ]
