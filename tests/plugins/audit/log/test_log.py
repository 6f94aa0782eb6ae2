"""Appending to a log, and reading it: by our own code and by an independent implementation of the format."""

from __future__ import annotations

import os
from pathlib import Path

import aics_tlog
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from yumen_plugins.audit.log import note
from yumen_plugins.audit.log.appender import Appender, LogBroken
from yumen_plugins.audit.log.files import LogFiles, Missing
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.log.merkle import verify_consistency, verify_inclusion
from yumen_plugins.audit.log.note import Checkpoint

ORIGIN = "yumen-ledger/0123456789abcdef/8d0eb8ae/forever"


class Key:
    """A signer with one key."""

    def __init__(self) -> None:
        self.private = Ed25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes_raw()

    def sign(self, checkpoint: Checkpoint) -> bytes:
        return note.sign(checkpoint.text(), [(checkpoint.origin, self.private)])

    def holds(self, content: bytes, origin: str) -> bool:
        return note.opened(content, origin, [self.public]) is not None


def entry(number: int) -> bytes:
    return f"记录 {number} ".encode() + b"x" * (number % 700)


def filled(folder: Path, key: Key, size: int, *, batch: int = 37, journal_bytes: int = 8 << 20) -> Appender:
    appender = Appender(folder, ORIGIN, key, journal_bytes=journal_bytes)
    while appender.size < size:
        appender.append([entry(number) for number in range(appender.size, min(size, appender.size + batch))])
        appender.sync()
    return appender


@pytest.mark.parametrize("size", [1, 2, 255, 256, 257, 600, 65_536 + 300])
def test_an_independent_implementation_reads_what_is_published(tmp_path: Path, size: int) -> None:
    """Tiles, bundles and the checkpoint hold for whoever knows only the public formats."""
    key = Key()
    appender = filled(tmp_path / "log", key, size, batch=997, journal_bytes=1 << 20)
    appender.publish()
    appender.close()
    content = (tmp_path / "log" / "checkpoint").read_text()
    verifier = aics_tlog.parse_vkey(note.verifier_key(ORIGIN, key.public))
    assert aics_tlog.verify_note(aics_tlog.parse_note(content), [verifier])
    checkpoint = aics_tlog.parse_checkpoint(aics_tlog.parse_note(content).text)
    assert (checkpoint.origin, checkpoint.size) == (ORIGIN, size)
    reader = aics_tlog.FileSystemTileReader(tmp_path / "log")
    report = aics_tlog.audit_tiles(reader, size, checkpoint.root, entries=True)
    assert report.bundles == -(-size // 256)
    assert aics_tlog.read_entry(reader, size - 1, size) == entry(size - 1)
    assert aics_tlog.tree_root_from_tiles(reader, size) == checkpoint.root


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 1500), st.data())
def test_proofs_hold_in_both_implementations(
    tmp_path_factory: pytest.TempPathFactory, size: int, data: st.DataObject
) -> None:
    """Ours are verified by theirs, theirs by ours, and both are the same."""
    folder = tmp_path_factory.mktemp("log")
    filled(folder, Key(), size, batch=data.draw(st.integers(1, 400)), journal_bytes=1 << 14).close()
    files = LogFiles(folder)
    theirs = aics_tlog.MerkleTree([entry(number) for number in range(size)])
    old, index = data.draw(st.integers(1, size)), data.draw(st.integers(0, size - 1))
    assert files.root() == theirs.root()
    assert files.root(old) == theirs.root(old)
    inclusion, consistency = files.inclusion(index, size), files.consistency(old, size)
    assert inclusion == theirs.inclusion_proof(index, size)
    assert consistency == theirs.consistency_proof(old, size)
    leaf = aics_tlog.leaf_hash(entry(index))
    assert verify_inclusion(leaf, index, size, inclusion, files.root())
    assert verify_consistency(old, files.root(old), size, files.root(), consistency)
    assert list(files.entries()) == [(number, entry(number)) for number in range(size)]
    assert list(files.entries(index)) == [(number, entry(number)) for number in range(index, size)]
    assert files.entry(index) == entry(index)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 200), st.data())
def test_a_proof_that_was_changed_does_not_hold(size: int, data: st.DataObject) -> None:
    """Another leaf, another place, another size, another hash or one hash more or fewer: nothing of it passes."""
    tree = aics_tlog.MerkleTree([entry(number) for number in range(size)])
    index = data.draw(st.integers(0, size - 1))
    leaf, proof, root = aics_tlog.leaf_hash(entry(index)), tree.inclusion_proof(index), tree.root()
    assert verify_inclusion(leaf, index, size, proof, root)
    assert not verify_inclusion(aics_tlog.leaf_hash(b"other"), index, size, proof, root)
    other = data.draw(st.integers(-1, size + 1).filter(lambda one: one != index))
    assert not verify_inclusion(leaf, other, size, proof, root)
    assert not verify_inclusion(leaf, index, size, [*proof, bytes(32)], root)
    if proof:
        assert not verify_inclusion(leaf, index, size, proof[:-1], root)
        at = data.draw(st.integers(0, len(proof) - 1))
        assert not verify_inclusion(leaf, index, size, [*proof[:at], bytes(32), *proof[at + 1 :]], root)
    old = data.draw(st.integers(1, size))
    consistency = tree.consistency_proof(old)
    assert verify_consistency(old, tree.root(old), size, root, consistency)
    assert not verify_consistency(old, bytes(32), size, root, consistency)
    assert not verify_consistency(old, tree.root(old), size, bytes(32), consistency)
    assert not verify_consistency(old, tree.root(old), size, root, [*consistency, bytes(32)])
    assert not verify_consistency(0, tree.root(0), size, root, consistency)


@pytest.mark.parametrize("journal_bytes", [1 << 12, 1 << 16, 8 << 20])
def test_a_log_goes_on_where_it_ended(tmp_path: Path, journal_bytes: int) -> None:
    """Opened again and again, in steps that fill no bundle, it is the same log as one written in one go."""
    key, whole = Key(), filled(tmp_path / "whole", Key(), 1100)
    for size in range(50, 1101, 70):
        filled(tmp_path / "log", key, size, journal_bytes=journal_bytes).close()
    appender = filled(tmp_path / "log", key, 1100, journal_bytes=journal_bytes)
    assert appender.checkpoint.root == whole.checkpoint.root
    assert LogFiles(tmp_path / "log").root() == whole.checkpoint.root
    for one in (appender, whole):
        one.close()


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 400), st.integers(1, 30), st.data())
def test_a_torn_tail_is_cut_and_what_was_acknowledged_stays(
    tmp_path_factory: pytest.TempPathFactory, size: int, batch: int, data: st.DataObject
) -> None:
    """Whatever part of a batch had reached the file when the process died, the log opens with all that was synced."""
    folder, key = tmp_path_factory.mktemp("log"), Key()
    appender = filled(folder, key, size)
    path = journals(folder)[-1][1]
    before = path.stat().st_size
    appender.append([entry(size + number) for number in range(batch)])
    after = path.stat().st_size
    appender.close()
    end = data.draw(st.integers(before, after))
    os.truncate(path, end)
    again = Appender(folder, ORIGIN, key)
    assert again.size == (size + batch if end == after else size)
    assert [cut.size for cut in again.cuts] == ([end - before] if before < end < after else [])
    again.append([b"next"])
    again.sync()
    again.close()
    assert LogFiles(folder).entry(again.size - 1) == b"next"


def test_a_tail_that_had_been_acknowledged_is_missed(tmp_path: Path) -> None:
    """Cut at the end of a batch or within one, it is not taken for what a crash leaves; nothing on disk changes."""
    key = Key()
    filled(tmp_path / "log", key, 100).close()
    path = journals(tmp_path / "log")[-1][1]
    content = path.read_bytes()
    for end in (len(content) - 1, len(content) // 2, 0):
        path.write_bytes(content[:end])
        with pytest.raises(LogBroken, match="had come to record 99"):
            Appender(tmp_path / "log", ORIGIN, key)
        assert path.read_bytes() == content[:end]


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_flipped_bit_goes_unnoticed(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """In the journal or the head, wherever it is: the log does not open."""
    folder, key = tmp_path_factory.mktemp("log"), Key()
    filled(folder, key, 60, batch=20).close()
    path = data.draw(st.sampled_from([journals(folder)[-1][1], folder / "head"]))
    content = bytearray(path.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    with pytest.raises(LogBroken):
        Appender(folder, ORIGIN, key)


def test_a_failed_write_gives_up_what_was_not_acknowledged(tmp_path: Path) -> None:
    """What was synced stays, the rest is cut and said, and the log goes on."""
    key = Key()
    appender = filled(tmp_path / "log", key, 300)
    appender.append([b"not synced"])
    appender.give_up()
    assert [cut.file for cut in appender.cuts] == [f"{0:012d}"]
    again = Appender(tmp_path / "log", ORIGIN, key)
    assert (again.size, again.cuts) == (300, [])
    again.close()


def test_what_was_dropped_is_missing_and_the_rest_is_proven(tmp_path: Path) -> None:
    """Bundles may go; hashes stay, so proofs of the others do too."""
    key = Key()
    filled(tmp_path / "log", key, 1000, journal_bytes=1 << 14).close()
    for number in (0, 1):
        (tmp_path / "log" / "tile" / "entries" / f"{number:03d}").unlink()
    files = LogFiles(tmp_path / "log")
    assert [index for index, _ in files.entries()] == list(range(512, 1000))
    with pytest.raises(Missing):
        files.entry(3)
    leaf = aics_tlog.leaf_hash(entry(700))
    assert verify_inclusion(leaf, 700, 1000, files.inclusion(700, 1000), files.root())
