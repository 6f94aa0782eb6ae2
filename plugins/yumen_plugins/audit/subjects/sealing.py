"""Seals texts under the key of a subject, and such a key under the gateway's secret.

What is sealed, a text or a key, has the form

    version (1 byte, 1) | nonce (12 random bytes) | AES-256-GCM of the plaintext, with its tag of 16 bytes

with the version and what it is bound to as associated data. A text is bound to the id of its key and to what the caller
says, a key to its id, its tenant and its subject, and each key is wrapped under a key of its own:
HKDF-SHA256(root, no salt, "yumen subject key" | id).

Random nonces of 96 bits are safe for 2^32 messages under one key (NIST SP 800-38D, section 8.3). A wrapping key is used
once. Of texts every process counts its own, and adds COUNT_EVERY to the count that stands beside the key before it seals
more; at ROTATE_AT the subject gets its next key. A process that ends takes with it less than COUNT_EVERY that nobody
counted, so 2^32 is passed only where one hot key lives through more than 60,000 ends of processes.

Sources: NIST SP 800-38D; HKDF is RFC 5869.
"""

from __future__ import annotations

import itertools
import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from yumen import Hmac
from yumen_plugins.audit.subjects.errors import DoesNotOpen, Erased, KeyringUnavailable

VERSION = b"\x01"
KEY_BYTES, SALT_BYTES, NONCE_BYTES, TAG_BYTES, ID_BYTES = 32, 32, 12, 16, 8
COUNT_EVERY, ROTATE_AT = 1 << 16, 1 << 28


def seal(aead: AESGCM, plaintext: bytes, bound: bytes) -> bytes:
    """Seal under this key with a new random nonce."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + nonce + aead.encrypt(nonce, plaintext, VERSION + bound)


def unseal(aead: AESGCM, sealed: bytes, bound: bytes) -> bytes:
    """The plaintext. Error: `DoesNotOpen`."""
    if sealed[:1] != VERSION or len(sealed) < 1 + NONCE_BYTES + TAG_BYTES:
        raise DoesNotOpen("this is not sealed in a form that this version knows")
    try:
        return aead.decrypt(sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :], VERSION + bound)
    except InvalidTag:
        raise DoesNotOpen("this was sealed by another key or for another place, or it was changed") from None


class SubjectKey:
    """One key of a subject, and the salt of its digests. Made by the keyring only.

    `id` (16 hexadecimal digits) stands in a record, so that a reader finds this key among all that a subject ever had.
    Ask the keyring for it for every exchange: there its uses are counted. Once the keyring of this process knows that the
    key was destroyed, every method raises `Erased`.
    """

    __slots__ = ("__weakref__", "_aead", "_counter", "_mac", "counted", "id", "subject", "tenant", "used")

    def __init__(self, key_id: str, tenant: str, subject: str, material: bytes) -> None:
        self.id, self.tenant, self.subject = key_id, tenant, subject
        self._aead: AESGCM | None = AESGCM(material[:KEY_BYTES])
        self._mac: Hmac | None = Hmac(material[KEY_BYTES:])
        self._counter = itertools.count(1)
        self.used = self.counted = 0

    def seal(self, plaintext: bytes, bound: bytes) -> bytes:
        """Seal a text; it opens only together with the same `bound`, such as the id of its exchange. Error: `Erased`."""
        if self._aead is None:
            raise self._erased()
        self.used = next(self._counter)
        return seal(self._aead, plaintext, bytes.fromhex(self.id) + bound)

    def open(self, sealed: bytes, bound: bytes) -> bytes:
        """The text again. Errors: `DoesNotOpen`, `Erased`."""
        if self._aead is None:
            raise self._erased()
        return unseal(self._aead, sealed, bytes.fromhex(self.id) + bound)

    def digest(self, value: str) -> str:
        """128 bits of HMAC-SHA256 under the salt: the same for the same value. Error: `Erased`."""
        if self._mac is None:
            raise self._erased()
        return "hmac:" + self._mac(value.encode("utf-8", "surrogatepass"))[:16].hex()

    @property
    def due(self) -> bool:
        """Whether its uses have to be counted in the store before there are more."""
        return self.used - self.counted >= COUNT_EVERY

    def forget(self) -> None:
        """Let go of key and salt. Python gives no way to overwrite them; the memory is free for others from now on."""
        self._aead = self._mac = None

    def _erased(self) -> Erased:
        return Erased(f"the key {self.id} was destroyed; what it sealed stays sealed")


class Wrapping:
    """Wraps keys under the gateway's secret. `root` is at least 32 random bytes that are used for nothing else."""

    def __init__(self, root: bytes) -> None:
        if len(root) < KEY_BYTES:
            raise ValueError(f"a root has at least {KEY_BYTES} bytes")
        self._root = root
        # Tells whether a store was made under the same secret, and nothing else.
        self.check = self._derive(b"yumen subject keyring")[:16]

    def new(self, tenant: str, subject: str) -> tuple[SubjectKey, bytes]:
        """A new key, and the same wrapped."""
        key_id, material = secrets.token_hex(ID_BYTES), secrets.token_bytes(KEY_BYTES + SALT_BYTES)
        wrapped = seal(self._aead(key_id), material, _name(key_id, tenant, subject))
        return SubjectKey(key_id, tenant, subject, material), wrapped

    def unwrap(self, key_id: str, tenant: str, subject: str, wrapped: bytes) -> SubjectKey:
        """The key. Error: `KeyringUnavailable`, where somebody changed what is stored."""
        try:
            material = unseal(self._aead(key_id), wrapped, _name(key_id, tenant, subject))
        # In a file of SQLite a column may hold something of any kind.
        except (DoesNotOpen, TypeError, ValueError, AttributeError):
            raise KeyringUnavailable(
                "a stored key was changed; restore subjects.sqlite from a backup, and repeat erasures since"
            ) from None
        return SubjectKey(key_id, tenant, subject, material)

    def _aead(self, key_id: str) -> AESGCM:
        return AESGCM(self._derive(b"yumen subject key" + bytes.fromhex(key_id)))

    def _derive(self, purpose: bytes) -> bytes:
        return HKDF(SHA256(), KEY_BYTES, None, purpose).derive(self._root)


def _name(*parts: str) -> bytes:
    encoded = (part.encode("utf-8", "surrogatepass") for part in parts)
    return b"".join(len(part).to_bytes(4, "big") + part for part in encoded)
