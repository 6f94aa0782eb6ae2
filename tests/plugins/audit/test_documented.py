"""docs/ledger.md promises that a ledger can be verified without our code, and shows one: both are true."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.plugins.audit.ledgers import only_writer, record, segments, started
from tests.plugins.audit.test_operations import RELOADED

from yumen import Hmac, Secret
from yumen_plugins.audit.chain import START, head_start, opened

PAGE = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()
(VERIFIER,) = [code for code in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL) if "import hashlib" in code]


def verified(data_dir: Path) -> bool:
    """What the page's own program says."""
    arguments = [sys.executable, "-c", VERIFIER, str(data_dir / "secret"), str(only_writer(data_dir))]
    return subprocess.run(arguments, capture_output=True).returncode == 0


def test_the_documented_verifier_verifies(tmp_path: Path) -> None:
    """The program on the page accepts a ledger with everything in it, and not one of which a byte was changed or cut off."""

    async def write() -> None:
        plugin = await started(tmp_path)
        await plugin.on_operation(RELOADED)
        await plugin.stop()

    asyncio.run(write())
    asyncio.run(record(tmp_path, ["one", "二"], segment_bytes=4096))
    assert verified(tmp_path)
    path = segments(tmp_path)[-1]
    content = path.read_bytes()
    path.write_bytes(content.replace(b'"ok"', b'"OK"', 1))
    assert not verified(tmp_path)
    path.write_bytes(b"".join(content.splitlines(keepends=True)[:-1]))
    assert not verified(tmp_path)


def test_the_documented_lines_hold() -> None:
    """Key, lines, head and receipt on the page belong together, so that whoever writes a verifier can try it with them."""
    key = re.search(r"^key +([0-9a-f]{64})$", PAGE, re.MULTILINE)
    assert key is not None
    assert Secret(bytes(range(32))).derive("ledger").hex() == key[1]
    mac = Hmac(bytes.fromhex(key[1]))
    lines = re.findall(r'^(\{"mac":"[0-9a-f]{64}".*?\})$', PAGE, re.MULTILINE | re.DOTALL)
    # One record is folded on the page: a line break and spaces after a comma are not in the file.
    unfolded = [re.sub(r",\n +", ",", line).encode() for line in lines]
    code, records = START, []
    for seq, line in enumerate(sorted(unfolded, key=lambda line: int(json.loads(line)["seq"]))):
        following = opened(mac, code, line)
        assert following is not None, line
        code = following
        records.append(json.loads(line))
        assert records[-1]["seq"] == seq
    assert [one["kind"] for one in records] == ["header", "start", "operation", "exchange"]
    head = re.search(r"^head +(\{.*\})$", PAGE, re.MULTILINE)
    assert head is not None
    assert opened(mac, head_start(mac, records[0]["writer"]), head[1].encode()) is not None
    exchange = records[-1]
    made = hmac.digest(bytes.fromhex(key[1]), exchange["id"].encode(), hashlib.sha256)[:16].hex()
    assert exchange["receipt"] == f"{records[0]['writer']}.{made}"
    assert f"exchange {exchange['id']} has receipt {exchange['receipt']}" in PAGE


@pytest.mark.parametrize("member", ["path", "egress", "sent_form", "sent_bytes", "raw_chars", "operation", "details"])
def test_members_are_documented(member: str) -> None:
    """Whoever reads records finds each member on the page."""
    assert f"`{member}`" in PAGE
