"""Entries outside of this process are encrypted, and open only where they belong.

AES-256-GCM-SIV (RFC 8452) under a key of this gateway's secret; what an entry is for (its key, its place) is authenticated
with it. So whoever can read the shared store or a file learns nothing, and whoever can write there can neither change an
entry nor put one tenant's in another's place.
"""

from __future__ import annotations

import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

NONCE_BYTES = 12


class Seal:
    """Encrypts under one key of 32 bytes."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESGCMSIV(key)

    def sealed(self, data: bytes, place: bytes) -> bytes:
        """`data`, encrypted for one place."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, data, place)

    def opened(self, data: bytes, place: bytes) -> bytes:
        """What was sealed for this place. Error: ValueError for anything else, whatever is wrong with it."""
        try:
            return self._cipher.decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], place)
        except (InvalidTag, ValueError, OverflowError):
            raise ValueError("this was not sealed for this place") from None
