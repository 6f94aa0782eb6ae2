"""What stands in the place of a file that a plugin keeps: it is refused, never waited for, and never a fault of its own."""

from __future__ import annotations

import base64
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yumen import CannotStart
from yumen_plugins.anomaly.words.wordfile import WordFileError, read_words
from yumen_plugins.audit.log.appender import Appender
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import journal_path
from yumen_plugins.audit.log.tiles import ENTRIES, full_indices
from yumen_plugins.audit.signing import KEYS, Signing
from yumen_plugins.audit.sinks.cursor import Cursor
from yumen_plugins.audit.sinks.target import Refused
from yumen_plugins.cache.marks.file import MarksFile

LOG = "0123abcd/forever"


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


ODD: dict[str, Callable[[Path], object]] = {
    "a pipe": os.mkfifo,
    "a device without end": lambda path: path.symlink_to("/dev/zero"),
    "a folder": Path.mkdir,
    "a link in a circle": lambda path: path.symlink_to(path.name),
    "what is larger than memory": large,
}


def signing(data_dir: Path) -> Signing:
    return Signing.open(data_dir, data_dir / "ledger", lambda: "2026-11-24T00:00:00.000000Z")


def appender(data_dir: Path) -> Appender:
    key = signing(data_dir)
    return Appender(data_dir / "log", key.chain.origin(LOG), key)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("odd", ODD)
def test_nothing_odd_is_waited_for(tmp_path: Path, odd: str) -> None:
    """A pipe would hold the plugin, and with it the gateway, for as long as nobody writes to it."""
    log = appender(tmp_path)
    log.close()
    put = ODD[odd]
    journal, key = journal_path(log.folder, 0), tmp_path / "signing.json"
    for path in (journal, key, tmp_path / "ledger" / KEYS / "2.note", *(tmp_path / one for one in ("purges", "words"))):
        path.unlink(missing_ok=True)
        put(path)
    (tmp_path / "sinks").mkdir()
    put(Cursor(tmp_path, "out").path)
    with pytest.raises(CannotStart, match=r"signing\.json: .*; make it readable"):
        signing(tmp_path)
    with pytest.raises(OSError, match="journal"):
        LogFiles(log.folder)
    with pytest.raises(Refused, match="cursor unreadable"):
        Cursor(tmp_path, "out").read()
    marks = MarksFile(tmp_path, lambda: 0.0)
    with pytest.raises(OSError, match="purges"):
        marks.look()
    with contextlib.suppress(OSError):
        marks.tidy()
    with pytest.raises(WordFileError):
        read_words([tmp_path / "words"])


def halves(content: bytes, private: bytes) -> bytes:
    found = msgspec.json.decode(content)
    found["current"]["private"] = base64.b64encode(private).decode()
    return msgspec.json.encode(found)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content.replace(b'"version"', b'"\xff\xfe"'),
        lambda content: b"[" * 4000,
        lambda content: halves(content, b"\0" * 31),
        lambda content: halves(content, Ed25519PrivateKey.generate().private_bytes_raw()),
    ],
    ids=["empty", "no text", "deep", "too short", "of another pair"],
)
def test_a_signing_key_that_is_none(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    """What cannot sign in the name of the ledger's last key is refused before anything is signed with it."""
    signing(tmp_path)
    path = tmp_path / "signing.json"
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(CannotStart, match=r"signing\.json is not a key file; restore"):
        signing(tmp_path)


def test_names_in_other_digits(tmp_path: Path) -> None:
    """Of names that are none of ours nothing is counted, whatever Unicode takes for a digit; the log goes on."""
    log = appender(tmp_path)
    log.append([b"one"])
    log.sync()
    log.publish()
    for folder in (log.folder / "tile" / "0" / "000.p", log.folder / "tile" / ENTRIES / "x²²²"):
        folder.mkdir(exist_ok=True)
        (folder / "²").touch()
        (folder / "²²²").touch()
    log.append([b"two"])
    log.sync()
    log.publish()
    assert list(full_indices(log.folder, ENTRIES)) == []
    log.close()
    assert LogFiles(log.folder).size == 2
