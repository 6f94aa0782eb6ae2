"""Cursors: how far a query has come, sealed, so that nobody can read or make one.

A bounded search may stop at a record that the asker may not see; the cursor must not say where. It is sealed under a key of
the index and bound to the filters of its query: base64url(01 || nonce[12] || AES-256-GCM(time_us[8] || place[8])), see NIST
SP 800-38D.
"""

from __future__ import annotations

import base64
import binascii
import secrets
import struct

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from yumen_plugins.audit.index.query import Query

KEY_BYTES = 32
NONCE_BYTES = 12
FORM = b"\1"
# A multiple of three, so that each cursor has one spelling.
SEALED_BYTES = 1 + NONCE_BYTES + 16 + 16
# Time in microseconds since 1970, and place: what rows are ordered by.
Bound = tuple[int, int]
_BOUND = struct.Struct(">qq")


def seal(key: bytes, query: Query, bound: Bound) -> str:
    """The cursor of this query behind what stands there."""
    nonce = secrets.token_bytes(NONCE_BYTES)
    sealed = FORM + nonce + AESGCM(key).encrypt(nonce, _BOUND.pack(*bound), _about(query))
    return base64.urlsafe_b64encode(sealed).decode()


def unseal(key: bytes, query: Query) -> Bound:
    """Where the cursor of this query stands. Error: `ValueError`, the same whatever is wrong."""
    try:
        sealed = base64.b64decode(query.cursor, b"-_", validate=True)
        if len(sealed) == SEALED_BYTES and sealed.startswith(FORM):
            nonce, rest = sealed[1 : 1 + NONCE_BYTES], sealed[1 + NONCE_BYTES :]
            time_us, place = _BOUND.unpack(AESGCM(key).decrypt(nonce, rest, _about(query)))
            return time_us, place
    except (binascii.Error, ValueError, InvalidTag):
        pass
    raise ValueError(
        "this cursor is not of this query, or the index has been made anew since; leave it out to begin again"
    )


def _about(query: Query) -> bytes:
    # Not the times: those that are relative move from page to page.
    return msgspec.json.encode(query.filters(), order="deterministic")
