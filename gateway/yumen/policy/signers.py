"""The keys that sign bundles: PEM files, a private one (PKCS#8) for the signer, a public one for everybody else.

    openssl genpkey -algorithm ed25519 -out signer.pem
    openssl pkey -in signer.pem -pubout -out signer.pub.pem

A key's id is the SHA-256 of its SubjectPublicKeyInfo in DER, in hexadecimal.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from yumen.plainfile import plain_file
from yumen.policy.ed25519 import is_public_key

# A key is about 120 bytes of PEM; the rest leaves room for comments.
KEY_BYTES_MAX = 16 << 10
LABEL = re.compile(rb"-----BEGIN ([A-Z0-9 ]{1,64})-----")
MAKE_ONE = "make one with `openssl genpkey -algorithm ed25519`, or with `yumen policy sign --create-key`"
GIVE_PUBLIC = "name the signer's public key, a PEM file that begins with `-----BEGIN PUBLIC KEY-----`"

IN_THE_WAY = ("this file is there already", "leave --create-key out to use it, or name another; nothing is overwritten")


class UnusableKey(Exception):
    """A key file that cannot be used: `what` is wrong with it, and what to do (`fix`). It never quotes the file."""

    def __init__(self, file: str, what: str, fix: str) -> None:
        self.file = file
        self.what = what
        self.fix = fix
        super().__init__(f"{file}: {what}; {fix}")


class PublicKey:
    """A key that is known to be sound, and the file it came from, for messages."""

    def __init__(self, key: Ed25519PublicKey, file: str) -> None:
        """Error: `UnusableKey` for a point under which anybody's signature would hold."""
        if not is_public_key(key.public_bytes(Encoding.Raw, PublicFormat.Raw)):
            what = "this is no key that a signer can hold: it is not a point of the group that Ed25519 signs in"
            raise UnusableKey(file, what, "ask its holder for the key again; do not trust where this came from")
        self._key = key
        self.file = file
        self.id = hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()

    @classmethod
    def from_pem(cls, content: bytes, file: str) -> PublicKey:
        """Read a public key from the content of a PEM file. Error: `UnusableKey`."""
        if any(b"PRIVATE" in label for label in LABEL.findall(content)):
            raise UnusableKey(file, "this is a private key, which only its signer may have", GIVE_PUBLIC)
        _only(content, file, (b"PUBLIC KEY",), GIVE_PUBLIC)
        try:
            key = load_pem_public_key(content)
        except (ValueError, UnsupportedAlgorithm):
            raise UnusableKey(file, "this is not a public key in PEM form", GIVE_PUBLIC) from None
        if not isinstance(key, Ed25519PublicKey):
            raise UnusableKey(file, f"this is {_kind(key)} and not an Ed25519 key", GIVE_PUBLIC)
        return cls(key, file)

    def holds(self, signature: bytes, message: bytes) -> bool:
        """Whether this key made this signature of this message."""
        try:
            self._key.verify(signature, message)
        except InvalidSignature:
            return False
        return True

    def __str__(self) -> str:
        return f"{self.id[:16]} ({self.file})"


def read_public(path: Path) -> PublicKey:
    """Read a public key's file. Error: `UnusableKey`."""
    return PublicKey.from_pem(_read(path, private=False), str(path))


def read_private(path: Path, passphrase: Callable[[], str]) -> Ed25519PrivateKey:
    """Read a private key's file, asking for its passphrase where it has one. Error: `UnusableKey`."""
    content = _read(path, private=True)
    file = str(path)
    label = _only(content, file, (b"PRIVATE KEY", b"ENCRYPTED PRIVATE KEY"), MAKE_ONE)
    password = passphrase().encode() if label == b"ENCRYPTED PRIVATE KEY" else None
    try:
        key = load_pem_private_key(content, password)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        what = "this private key does not open" + (" with that passphrase" if password is not None else "")
        raise UnusableKey(file, what, "try again, or restore it from its backup") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise UnusableKey(file, f"this is {_kind(key)} and not an Ed25519 key", MAKE_ONE)
    return key


def save_key(key: Ed25519PrivateKey, path: Path) -> None:
    """Write a new private key, which its owner alone can read, and beside it the public one. Nothing is overwritten.

    Error: `UnusableKey`.
    """
    public = public_path(path)
    if os.path.lexists(public):
        raise UnusableKey(str(public), *IN_THE_WAY)
    _create(path, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    try:
        _create(public, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)
    except UnusableKey:
        path.unlink()
        raise


def public_path(private: Path) -> Path:
    """Where `save_key` puts the public key: `signer.pub.pem` beside `signer.pem`."""
    return private.with_name(private.name.removesuffix(".pem") + ".pub.pem")


def _read(path: Path, *, private: bool) -> bytes:
    try:
        with plain_file(path) as file:
            if private and os.fstat(file.fileno()).st_mode & 0o077:
                what = "others than its owner can read or change this private key"
                raise UnusableKey(str(path), what, f"run `chmod 600 {path}`, and make a new key if others had it")
            content = file.read(KEY_BYTES_MAX + 1)
    except OSError as error:
        raise UnusableKey(str(path), f"this cannot be read: {error.strerror}", "name a PEM file") from None
    if len(content) > KEY_BYTES_MAX:
        raise UnusableKey(str(path), f"this is larger than {KEY_BYTES_MAX} bytes", "name a PEM file of one key")
    return content


def _create(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(descriptor)
        except BaseException:
            path.unlink()  # half a key is none, and would be in the way of the next attempt
            raise
    except FileExistsError:
        raise UnusableKey(str(path), *IN_THE_WAY) from None
    except OSError as error:
        what = f"this cannot be written: {error.strerror}"
        raise UnusableKey(str(path), what, "name a file in another folder") from None


def _only(content: bytes, file: str, wanted: tuple[bytes, ...], fix: str) -> bytes:
    """The label of the one PEM block: which of several would count is nothing that a reader should have to guess."""
    labels: list[bytes] = LABEL.findall(content)
    if len(labels) > 1:
        raise UnusableKey(file, f"this holds {len(labels)} PEM blocks", "keep one key in one file")
    if not labels or labels[0] not in wanted:
        what = f"this holds no {wanted[0].decode().lower()} in PEM form"
        if labels:
            what = f"this holds `{labels[0].decode()}` and no {wanted[0].decode().lower()}"
        raise UnusableKey(file, what, fix)
    return labels[0]


def _kind(key: object) -> str:
    name = type(key).__name__.removesuffix("PublicKey").removesuffix("PrivateKey")
    return f"a key of kind {name}"
