"""Signed notes and checkpoints: https://c2sp.org/signed-note and https://c2sp.org/tlog-checkpoint.

A note is text, an empty line, and signature lines `— <key name> <base64 of key id and signature>`. A checkpoint is a note of
three lines: the log's origin, its size, and the base64 of its root. Signatures are Ed25519.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from yumen_plugins.audit.log.merkle import HASH_BYTES

ED25519 = b"\x01"
DASH = "\u2014"
ID_BYTES, SIGNATURE_BYTES = 4, 64
NOTE_BYTES_MAX, SIGNATURES_MAX = 1 << 20, 64
NAME = re.compile(r"[^\s+]{1,200}")
LINE = re.compile(rf"{DASH} ([^\s+]{{1,200}}) ([A-Za-z0-9+/]+={{0,2}})")
SIZE = re.compile(r"0|[1-9][0-9]{0,18}")


class Signature(NamedTuple):
    """One signature line."""

    name: str
    key_id: bytes
    value: bytes


class Note(NamedTuple):
    """A note that was parsed, of which nothing has been verified."""

    text: str
    signatures: tuple[Signature, ...]

    def signed_by(self, name: str, public: bytes) -> bool:
        """Whether a key signed it under a name."""
        key_id = key_id_of(name, public)
        return any(
            one.name == name and one.key_id == key_id and verified(public, one.value, self.text.encode())
            for one in self.signatures
        )


class Checkpoint(NamedTuple):
    """The head of a tree."""

    origin: str
    size: int
    root: bytes

    def text(self) -> str:
        """The text of its note."""
        return f"{self.origin}\n{self.size}\n{base64.b64encode(self.root).decode()}\n"


@lru_cache(256)
def key_id_of(name: str, public: bytes) -> bytes:
    """The id of an Ed25519 key under a name."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:ID_BYTES]


def verifier_key(name: str, public: bytes) -> str:
    """A public key as people hand it over: `<name>+<id>+<base64>`."""
    return f"{name}+{key_id_of(name, public).hex()}+{base64.b64encode(ED25519 + public).decode()}"


def public_of(verifier: str) -> tuple[str, bytes]:
    """The name and the 32 bytes in a verifier key. Error: ValueError where it is none, or its id is another's."""
    name, _, rest = verifier.strip().partition("+")
    key_id, _, encoded = rest.partition("+")
    key = decoded(encoded)
    if not NAME.fullmatch(name) or key is None or len(key) != 33 or key[:1] != ED25519:
        raise ValueError("that is no verifier key; it looks like NAME+0123abcd+BASE64")
    if key_id_of(name, key[1:]).hex() != key_id:
        raise ValueError("the id in the verifier key is not that of its key and name")
    return name, key[1:]


def sign(text: str, keys: Iterable[tuple[str, Ed25519PrivateKey]]) -> bytes:
    """A note with one signature for each key and its name; `text` ends with a newline."""
    lines = []
    for name, key in keys:
        public = key.public_key().public_bytes_raw()
        lines.append(signature_line(name, key_id_of(name, public), key.sign(text.encode())))
    return f"{text}\n{''.join(lines)}".encode()


def signature_line(name: str, key_id: bytes, value: bytes) -> str:
    """The line of a signature."""
    return f"{DASH} {name} {base64.b64encode(key_id + value).decode()}\n"


def parse_note(content: bytes) -> Note | None:
    """The note, or None where it is none."""
    if len(content) > NOTE_BYTES_MAX:
        return None
    try:
        whole = content.decode("utf-8")
    except UnicodeDecodeError:
        return None
    text, gap, tail = whole.rpartition("\n\n")
    lines = tail.split("\n")
    if not gap or lines.pop() or not 0 < len(lines) <= SIGNATURES_MAX:
        return None
    if any(ord(char) < 32 and char != "\n" for char in text):
        return None
    signatures = []
    for line in lines:
        match = LINE.fullmatch(line)
        value = decoded(match[2]) if match else None
        if match is None or value is None or len(value) <= ID_BYTES:
            return None
        signatures.append(Signature(match[1], value[:ID_BYTES], value[ID_BYTES:]))
    return Note(text + "\n", tuple(signatures))


def checkpoint_of(note: Note | None) -> Checkpoint | None:
    """The checkpoint in a note, or None where it holds none. Nothing of it has been verified."""
    lines = note.text.split("\n") if note else []
    if len(lines) != 4 or not lines[0] or not SIZE.fullmatch(lines[1]):
        return None
    root = decoded(lines[2])
    return Checkpoint(lines[0], int(lines[1]), root) if root is not None and len(root) == HASH_BYTES else None


def opened(content: bytes, origin: str, publics: Iterable[bytes]) -> Checkpoint | None:
    """The checkpoint of a log, signed under the log's own name by one of these keys; or None."""
    note = parse_note(content)
    found = checkpoint_of(note)
    if note is None or found is None or found.origin != origin:
        return None
    return found if any(note.signed_by(origin, public) for public in publics) else None


def verified(public: bytes, signature: bytes, message: bytes) -> bool:
    """Whether an Ed25519 signature holds."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def decoded(text: str) -> bytes | None:
    """What stands in base64, or None where that is not the one way to write it."""
    try:
        value = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return value if base64.b64encode(value).decode() == text else None
