"""What somebody does to a ledger who means harm: without a key, or with one that was stolen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from tests.plugins.audit.proving.histories import History

from yumen_plugins.audit.log import note as notes
from yumen_plugins.audit.log.appender import HEAD_BYTES, Appender
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import frame, frames, journals
from yumen_plugins.audit.log.merkle import Frontier, leaf_hash
from yumen_plugins.audit.log.note import Checkpoint


class Thief:
    """Signs with a key that it has, whatever it is given."""

    def __init__(self, private: bytes | None = None) -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(private) if private else Ed25519PrivateKey.generate()

    def sign(self, checkpoint: Checkpoint) -> bytes:
        return notes.sign(checkpoint.text(), [(checkpoint.origin, self.key)])

    def holds(self, note: bytes, origin: str) -> bool:
        return True


def stolen(data: Path) -> Thief:
    """Somebody who has copied the key that signs now."""
    content = msgspec.json.decode((data / "signing.json").read_bytes())
    return Thief(msgspec.convert(content["current"]["private"], bytes))


def entries_of(log: Path) -> list[bytes]:
    return [entry for _, entry in LogFiles(log).entries()]


def rewrite_tiles(log: Path, entries: Sequence[bytes]) -> None:
    """Make bundles and tiles say these entries, all of them consistently; journals and heads stay as they are."""
    other = log.with_name("other")
    appender = Appender(other, "other", Thief(), journal_bytes=1 << 30)
    appender.append(entries)
    appender.close()
    shutil.copytree(other / "tile", log / "tile", dirs_exist_ok=True)
    shutil.rmtree(other)


def rewrite_journal(log: Path, entries: Sequence[bytes]) -> None:
    """Make the last journal say these entries, with sums that fit; the signatures stay as they are."""
    first, path = journals(log)[-1]
    found = list(frames(path.read_bytes()))
    left, content = list(entries[first:]), b""
    for one in found:
        content += frame(one.first, left[: len(one.entries)], one.note)
        left = left[len(one.entries) :]
    path.write_bytes(content)


def remake(log: Path, origin: str, entries: Sequence[bytes], signer: Thief, batch: int = 50) -> None:
    """Make a log wholly anew, signed by whoever does it."""
    shutil.rmtree(log, ignore_errors=True)
    appender = Appender(log, origin, signer, journal_bytes=1 << 14)
    for start in range(0, len(entries), batch):
        appender.append(entries[start : start + batch])
        appender.sync()
    appender.publish()
    appender.close()


def cut_journal(log: Path, batches: int) -> None:
    """Cut batches off the end, so that what is left is whole."""
    path = journals(log)[-1][1]
    content = path.read_bytes()
    path.write_bytes(content[: list(frames(content))[-1 - batches].end])


def put_head(log: Path, content: bytes) -> None:
    (log / "head").write_bytes(content.ljust(HEAD_BYTES))


def tree_of(origin: str, entries: Sequence[bytes]) -> Checkpoint:
    tree = Frontier()
    tree.extend([leaf_hash(entry) for entry in entries])
    return Checkpoint(origin, tree.size, tree.root())


def made(data: Path, log: str, count: int, batch: int = 20, journal_bytes: int = 1 << 14) -> History:
    """A ledger of one log that has ended."""
    history = History(data, journal_bytes=journal_bytes)
    history.start(log)
    history.exchanges(log, count, batch=batch)
    history.checkpoint(log)
    history.stop(log)
    assert history.verified().found == []
    return history


def edited_all(entries: Sequence[bytes]) -> list[bytes]:
    """Every exchange with another outcome, of the same length."""
    return [entry.replace(b'"ok"', b'"OK"') for entry in entries]
