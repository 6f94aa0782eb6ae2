"""`Hmac` gives the codes of RFC 2104, and its prepared state is not used up by a call."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import Hmac

# RFC 4231: keys shorter than the digest, of its length, of a block's length and more, and their HMAC-SHA-256.
VECTORS = [
    (b"\x0b" * 20, b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
    (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
    (b"\xaa" * 20, b"\xdd" * 50, "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
    (
        b"\xaa" * 131,
        b"Test Using Larger Than Block-Size Key - Hash Key First",
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
    ),
]


@pytest.mark.parametrize(("key", "message", "code"), VECTORS)
def test_the_rfcs_vectors(key: bytes, message: bytes, code: str) -> None:
    """The published codes come out, also when the same object is asked again."""
    mac = Hmac(key)
    assert mac(message).hex() == code
    assert mac(b"something else").hex() != code
    assert mac(message).hex() == code


@pytest.mark.parametrize("length", [0, 1, 31, 32, 63, 64, 65, 128, 1000])
def test_every_length_of_key(length: int) -> None:
    """Around the block size, where keys are padded or hashed, the codes are those of the standard library."""
    key = bytes(index % 251 for index in range(length))
    assert Hmac(key)(b"message") == hmac.digest(key, b"message", hashlib.sha256)


@given(st.binary(max_size=200), st.binary(max_size=300), st.binary(max_size=300))
def test_any_key_and_messages(key: bytes, first: bytes, second: bytes) -> None:
    """For any key and two messages one after the other, the codes are those of the standard library."""
    mac = Hmac(key)
    assert mac(first) == hmac.digest(key, first, hashlib.sha256)
    assert mac(second) == hmac.digest(key, second, hashlib.sha256)


def test_keys_do_not_share_state() -> None:
    """Two keys used in turn give their own codes."""
    one, other = Hmac(b"one"), Hmac(b"other")
    codes = [mac(b"m") for mac in (one, other, one, other)]
    assert codes[:2] == codes[2:]
    assert codes[0] != codes[1]
