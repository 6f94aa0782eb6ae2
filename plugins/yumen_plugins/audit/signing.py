"""The key that signs the ledger, and how it is replaced.

`signing.json` in the data directory holds the private key, for its owner alone. `ledger/keys/<number>.note` holds a
statement for each key there ever was: a signed note under the name `yumen-ledger/<gateway>` with the lines

    yumen ledger key 1
    <gateway: 16 hexadecimal digits of the SHA-256 of the first public key>
    <number, from 1>
    <the public key, base64>
    <the public key before it, or ->
    <time>
    <log> <size> <root, base64>       for every log, what it had come to

signed by the new key and the one before it, which is then destroyed. So whoever trusts one key of a gateway knows them all,
and whoever steals one cannot sign what lies before it: the statement says what that was.
"""

from __future__ import annotations

import base64
import contextlib
import fcntl
import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from yumen import CannotStart, plain_content
from yumen_plugins.audit.log import note
from yumen_plugins.audit.log.note import Checkpoint
from yumen_plugins.audit.log.tiles import sync_folder, write_whole

FILE, KEYS = "signing.json", "keys"
TITLE = "yumen ledger key 1"
NAME = "yumen-ledger"
NONE = "-"
STATEMENT_BYTES_MAX, KEYS_BYTES_MAX = 1 << 20, 4096


class Era(NamedTuple):
    """One key of a gateway: since when it signs, and what each log had come to by then (size and root, by name)."""

    number: int
    public: bytes
    since: str
    heads: Mapping[str, tuple[int, bytes]]


class _Pair(msgspec.Struct):
    public: bytes
    private: bytes


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    """`coming` is there while a key is being replaced, so that a crash loses neither."""

    version: int
    current: _Pair
    coming: _Pair | None = None


class KeyChain:
    """The keys of one gateway, from their statements. Error: ValueError where they do not hold, in a sentence."""

    def __init__(self, statements: Sequence[bytes]) -> None:
        self.eras: list[Era] = []
        self.statements = list(statements)
        self.gateway = ""
        for number, content in enumerate(statements, 1):
            self._add(number, content)
        if not self.eras:
            raise ValueError("no statement says which key signs")

    def _add(self, number: int, content: bytes) -> None:
        parsed = note.parse_note(content)
        lines = parsed.text.split("\n")[:-1] if parsed else []
        if parsed is None or len(lines) < 6 or lines[0] != TITLE or lines[2] != str(number):
            raise ValueError(f"statement {number} has not the form of one")
        public, before = note.decoded(lines[3]), self.eras[-1].public if self.eras else None
        if public is None or lines[4] != (encoded(before) if before else NONE):
            raise ValueError(f"statement {number} does not follow the one before it")
        gateway = gateway_of(public) if before is None else self.gateway
        signers = [public] if before is None else [before, public]
        if lines[1] != gateway or not all(parsed.signed_by(f"{NAME}/{gateway}", signer) for signer in signers):
            raise ValueError(f"statement {number} is not signed by the keys that it names")
        self.gateway = gateway
        self.eras.append(Era(number, public, lines[5], dict(_heads(number, lines[6:]))))

    @classmethod
    def read(cls, ledger: Path) -> KeyChain:
        """The chain in a ledger's folder. Errors: OSError; ValueError, where there is none, too."""
        folder = ledger / KEYS
        names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
        count = sum(name.endswith(".note") for name in names)
        return cls([_statement(folder, number) for number in range(1, count + 1)])

    @property
    def verifiers(self) -> list[str]:
        """The public keys as people hand them over, the first one first."""
        return [note.verifier_key(f"{NAME}/{self.gateway}", era.public) for era in self.eras]

    def origin(self, log: str) -> str:
        """The origin of a log, which is also the name under which its checkpoints are signed."""
        return f"{NAME}/{self.gateway}/{log}"

    def era_of(self, content: bytes, log: str) -> tuple[Era, Checkpoint] | None:
        """A checkpoint of a log and the key that signed it, or None where none of the gateway's did."""
        for era in reversed(self.eras):
            found = note.opened(content, self.origin(log), [era.public])
            if found is not None:
                return era, found
        return None

    def trusts(self, public: bytes) -> bool:
        """Whether a key that somebody trusts is among them."""
        return any(era.public == public for era in self.eras)


class Signing:
    """The gateway's signing key as it is now; see `Signer` in log/appender.py. One for each process."""

    def __init__(self, chain: KeyChain, private: bytes) -> None:
        self.chain = chain
        self._private = Ed25519PrivateKey.from_private_bytes(private)
        self.era = chain.eras[-1]

    @property
    def statement(self) -> bytes:
        """The statement of the key that signs now."""
        return self.chain.statements[-1]

    def sign(self, checkpoint: Checkpoint) -> bytes:
        """The note of a checkpoint."""
        text = checkpoint.text()
        line = note.signature_line(
            checkpoint.origin, note.key_id_of(checkpoint.origin, self.era.public), self._private.sign(text.encode())
        )
        return f"{text}\n{line}".encode()

    def holds(self, content: bytes, origin: str) -> bool:
        """Whether a note is a checkpoint of this origin under one of the gateway's keys."""
        return note.opened(content, origin, [era.public for era in reversed(self.chain.eras)]) is not None

    @classmethod
    def open(cls, data_dir: Path, ledger: Path, now: Callable[[], str]) -> Signing:
        """Read the key, or make the first one. Error: `CannotStart`."""
        try:
            with _locked(data_dir):
                content = _read(data_dir)
                if content is None or not (ledger / KEYS / "1.note").is_file():
                    content = _first(data_dir, ledger, now(), content)
                chain = KeyChain.read(ledger)
                content = _finished(data_dir, content, chain)
        except OSError as error:
            raise CannotStart(
                f"cannot use {data_dir / FILE}: {error.strerror}; make it readable and writable"
            ) from None
        except ValueError as error:
            raise CannotStart(
                f"the keys of {ledger} do not hold: {error}; restore {ledger / KEYS} and {FILE}"
            ) from None
        if chain.eras[-1].public != content.current.public:
            raise CannotStart(f"{data_dir / FILE} is not the key that {ledger / KEYS} ends with; restore both")
        return cls(chain, content.current.private)


def current_public(data_dir: Path) -> bytes | None:
    """The public key with which a gateway signs now, or None where it has none that can be read."""
    try:
        content = _read(data_dir)
    except (OSError, ValueError):
        return None
    return content.current.public if content is not None else None


def stamp(data_dir: Path) -> tuple[int, int]:
    """What tells one state of the key's file from another. Error: OSError."""
    status = (data_dir / FILE).stat()
    return status.st_ino, status.st_mtime_ns


def replace_key(data_dir: Path, ledger: Path, heads: Mapping[str, tuple[int, bytes]], now: str) -> KeyChain:
    """Make a new key, have the old one vouch for it and for what the logs have come to, and destroy the old one.

    Errors: OSError; ValueError where there is no key, or the statements do not hold.
    """
    with _locked(data_dir):
        content = _read(data_dir)
        if content is None:
            raise ValueError("there is no key yet; start the gateway once")
        chain = KeyChain.read(ledger)
        content = _finished(data_dir, content, chain)
        old, new = content.current, _generated()
        _write(data_dir, msgspec.structs.replace(content, coming=new))
        logs = [f"{log} {size} {encoded(root)}" for log, (size, root) in sorted(heads.items())]
        number = len(chain.eras) + 1
        lines = [TITLE, chain.gateway, str(number), encoded(new.public), encoded(old.public), now, *logs]
        _state(ledger, number, lines, chain.gateway, [old.private, new.private])
        _write(data_dir, _Content(1, new))
        return KeyChain.read(ledger)


def gateway_of(public: bytes) -> str:
    """A gateway's name for itself: it is made of its first key, so no other can have it."""
    return hashlib.sha256(public).hexdigest()[:16]


def encoded(value: bytes) -> str:
    """Base64."""
    return base64.b64encode(value).decode()


def _first(data_dir: Path, ledger: Path, now: str, content: _Content | None) -> _Content:
    """Make the first key, or go on where making it was interrupted."""
    if any(ledger.glob(f"{KEYS}/*.note")) or any(ledger.glob("*/*/journal")):
        raise ValueError(f"{data_dir / FILE if content is None else ledger / KEYS} is gone")
    content = content or _Content(1, _generated())
    _write(data_dir, content)
    public, gateway = content.current.public, gateway_of(content.current.public)
    lines = [TITLE, gateway, "1", encoded(public), NONE, now]
    for path in (ledger, ledger / KEYS):
        path.mkdir(mode=0o700, exist_ok=True)
    _state(ledger, 1, lines, gateway, [content.current.private])
    sync_folder(ledger)
    return content


def _finished(data_dir: Path, content: _Content, chain: KeyChain) -> _Content:
    """Go on where replacing a key was interrupted: it has happened once there is a statement."""
    if content.coming is None:
        return content
    content = _Content(1, content.coming if chain.eras[-1].public == content.coming.public else content.current)
    _write(data_dir, content)
    return content


def _state(ledger: Path, number: int, lines: list[str], gateway: str, privates: list[bytes]) -> None:
    keys = [(f"{NAME}/{gateway}", Ed25519PrivateKey.from_private_bytes(private)) for private in privates]
    path = ledger / KEYS / f"{number}.note"
    write_whole(path, note.sign("\n".join(lines) + "\n", keys))
    _sync(path)


def _statement(folder: Path, number: int) -> bytes:
    try:
        return plain_content(folder / f"{number}.note", STATEMENT_BYTES_MAX)
    except FileNotFoundError:
        raise ValueError(f"statement {number} is not there") from None


def _heads(number: int, lines: Sequence[str]) -> Iterator[tuple[str, tuple[int, bytes]]]:
    for line in lines:
        log, _, rest = line.partition(" ")
        size, _, root = rest.partition(" ")
        value = note.decoded(root)
        if value is None or not note.SIZE.fullmatch(size):
            raise ValueError(f"statement {number} does not say what a log had come to")
        yield log, (int(size), value)


def _generated() -> _Pair:
    key = Ed25519PrivateKey.generate()
    return _Pair(key.public_key().public_bytes_raw(), key.private_bytes_raw())


def _read(data_dir: Path) -> _Content | None:
    try:
        content = msgspec.json.decode(plain_content(data_dir / FILE, KEYS_BYTES_MAX), type=_Content)
        if _belong(content.current) and (content.coming is None or _belong(content.coming)):
            return content
    except FileNotFoundError:
        return None
    except (msgspec.MsgspecError, ValueError, RecursionError):
        pass  # the library's message could quote the file
    raise ValueError(f"{FILE} is not a key file")


def _belong(pair: _Pair) -> bool:
    """Whether the public key is that of the private one. Error: ValueError where that is none."""
    return Ed25519PrivateKey.from_private_bytes(pair.private).public_key().public_bytes_raw() == pair.public


def _write(data_dir: Path, content: _Content) -> None:
    path = data_dir / FILE
    write_whole(path, msgspec.json.encode(content))
    _sync(path)


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
    sync_folder(path.parent)


@contextlib.contextmanager
def _locked(data_dir: Path) -> Iterator[None]:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(data_dir / "signing.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
