"""docs/ledger.md promises that a ledger can be read without our code: what it says of bytes and members is true."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import struct
import zlib
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from tests.kit import saying
from tests.plugins.audit.ledgers import (
    EXCHANGE,
    ROOT,
    keyring,
    logs,
    only_writer,
    record,
    records,
    say,
    sealed_texts,
    started,
)

from yumen import Operation
from yumen.testing import completion

PAGE = (Path(__file__).parents[3] / "docs" / "ledger.md").read_text()


async def test_a_journal_is_read_as_the_page_says(tmp_path: Path) -> None:
    """Frames, lengths, CRC and the note behind them; the hashes of RFC 6962; the signature by the key in keys/1.note."""
    await record(tmp_path, ["one", "二"])
    (log,) = logs(tmp_path)
    content = (log / "journal" / f"{0:012d}").read_bytes()
    statement = (tmp_path / "ledger" / "keys" / "1.note").read_text().split("\n")
    gateway, public = statement[1], base64.b64decode(statement[3])
    assert gateway == hashlib.sha256(public).hexdigest()[:16]
    entries, pieces = list[bytes](), list[bytes]()
    while content:
        magic, size, first, count, crc = struct.unpack_from(">4sIQHI", content)
        body, content = content[22 : 22 + size], content[22 + size :]
        assert (magic, first, crc) == (b"YMJ1", len(entries), zlib.crc32(body))
        pieces = []
        while body:
            end = 2 + int.from_bytes(body[:2], "big")
            pieces.append(body[2:end])
            body = body[end:]
        assert len(pieces) == count + 1
        entries += pieces[:-1]
        text, _, signature = pieces[-1].decode().partition("\n\n")
        origin, size_line, root = text.split("\n")
        assert origin == f"yumen-ledger/{gateway}/{only_writer(tmp_path).name}/forever"
        assert (int(size_line), base64.b64decode(root)) == (len(entries), tree([leaf(entry) for entry in entries]))
        dash, name, value = signature.split()
        assert (dash, name) == ("—", origin)
        Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(value)[4:], f"{text}\n".encode())
    head = (log / "head").read_bytes()
    assert len(head) == 512
    assert head.rstrip(b" ") == pieces[-1]


def leaf(entry: bytes) -> bytes:
    return hashlib.sha256(b"\0" + entry).digest()


def tree(leaves: list[bytes]) -> bytes:
    """MTH of RFC 6962, 2.1."""
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\1" + tree(leaves[:split]) + tree(leaves[split:])).digest()


async def test_a_receipt_is_made_as_the_page_says(tmp_path: Path) -> None:
    """From the secret and the id alone."""
    (receipt,) = await record(tmp_path, ["你好"])
    (found,) = records(tmp_path, EXCHANGE)
    key = hmac.digest(ROOT, b"\0\0\0\6ledger", hashlib.sha256)
    made = hmac.digest(key, found["id"].encode(), hashlib.sha256)[:16].hex()
    assert receipt == f"{only_writer(tmp_path).name}.{made}"


async def test_sealed_texts_have_the_form_that_the_page_says(tmp_path: Path) -> None:
    """A version byte, a nonce, and AES-256-GCM of a JSON array, with the key's id and the exchange's as associated data."""
    plugin = await started(tmp_path)
    await say(plugin, "你好", subject="")
    await plugin.stop()
    (found,) = records(tmp_path, EXCHANGE)
    sealed = sealed_texts(found)
    keys = keyring(tmp_path)
    key = keys.by_id(found["sealed"]["key"])
    assert key is not None
    assert sealed[0] == 1
    aead = key._aead
    assert isinstance(aead, AESGCM)
    bound = b"\1" + bytes.fromhex(key.id) + found["id"].encode()
    texts = aead.decrypt(sealed[1:13], sealed[13:], bound).decode()
    keys.close()
    assert "你好" in texts
    assert texts.startswith("[")


async def test_members_are_documented(tmp_path: Path) -> None:
    """Whoever reads records finds each member that is written, and each kind, on the page."""
    plugin = await started(tmp_path, trace="full")
    await say(plugin, "你好", subject="ab" * 16, engine=saying(completion("好")), egress="remote")
    await plugin.on_operation(Operation(kind="policy_loaded", actor="start", at=0.5, details={"new": "ab"}))
    await plugin._writer.with_folder(lambda folder: folder.say("forever", {"kind": "checkpoint", "note": ""}))
    await plugin.stop()
    named = set(re.findall(r"`([a-z_0-9]+)(?::[^`]*)?`", PAGE))
    for one in records(tmp_path):
        assert one["kind"] in named
        assert set(one) - {"seq", "kind"} <= named, set(one) - named


@pytest.mark.parametrize(
    "name", ["policy_loaded", "subject_erased", "erasure_refused", "hold_set", "ledger_key_replaced"]
)
def test_operations_are_documented(name: str) -> None:
    """Whoever looks for what was done finds its name."""
    assert f"`{name}`" in PAGE
