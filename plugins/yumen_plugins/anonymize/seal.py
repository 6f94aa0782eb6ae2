"""Encrypted values: the way back for whoever has the secret, and for nobody else.

`[LABEL~…]` holds, in base64url without padding (RFC 4648, section 5), a nonce of 12 random bytes and what AES-256-GCM-SIV
(RFC 8452) makes of the value: no two are alike, even of one value, and a nonce that came twice would give away no more than
that. Tenant and label are authenticated with it: under another tenant's name or another label it does not open.
"""

from __future__ import annotations

import os
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCMSIV

NONCE_BYTES, KEY_BYTES = 12, 32
SEALED = re.compile(r"\[(?P<label>[A-Z0-9_]{1,64})~(?P<data>[A-Za-z0-9_-]{38,})\]")


def sealed(value: str, label: str, key: bytes, tenant: str) -> str:
    """A value, encrypted under a key of 32 bytes."""
    nonce = os.urandom(NONCE_BYTES)
    data = AESGCMSIV(key).encrypt(nonce, value.encode("utf-8", "surrogatepass"), _bound(tenant, label))
    return f"[{label}~{urlsafe_b64encode(nonce + data).rstrip(b'=').decode()}]"


def opened(token: str, key: bytes, tenant: str) -> str:
    """The value of `[LABEL~…]`.

    Error: ValueError where it is none, was changed, or belongs to another key or tenant; which of these is not said.
    """
    match = SEALED.fullmatch(token)
    try:
        if match is None:
            raise ValueError("form")
        data = urlsafe_b64decode(match["data"] + "=" * (-len(match["data"]) % 4))
        # Base64 has several spellings of some bytes, and only one is what was written.
        if urlsafe_b64encode(data).rstrip(b"=").decode() != match["data"]:
            raise ValueError("spelling")
        plain = AESGCMSIV(key).decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], _bound(tenant, match["label"]))
    except (ValueError, Error, InvalidTag):
        raise ValueError("this is no value that was encrypted for this tenant with this key") from None
    return plain.decode("utf-8", "surrogatepass")


def _bound(tenant: str, label: str) -> bytes:
    """What is authenticated beside the value; a label has no NUL in it."""
    return f"{label}\x00{tenant}".encode("utf-8", "surrogatepass")
