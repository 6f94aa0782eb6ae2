"""What is sealed opens under its own key and for its own place only, and is in the form that is written down."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.subjects.rings import ANNA, LI_NA, ROOT

from yumen_plugins.audit.subjects import DoesNotOpen, KeyringUnavailable
from yumen_plugins.audit.subjects.sealing import SubjectKey, Wrapping

ID, MATERIAL = "0123456789abcdef", bytes(range(64))
KEY = SubjectKey(ID, "default", LI_NA, MATERIAL)
OTHER = SubjectKey(ID, "default", LI_NA, b"o" * 64)
NAMESAKE = SubjectKey("0123456789abcdee", "default", LI_NA, MATERIAL)
TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"])) | st.sampled_from(
    ["", "我的快递到哪了？电话13812345678", "Where is my parcel? My phone is 13812345678", "𠮷野家 👩‍👩‍👧"]
)


@given(TEXTS, st.binary(max_size=64))
def test_what_is_sealed_comes_back(text: str, bound: bytes) -> None:
    """Any text, in any language, opens to itself, and two seals of the same text have nothing in common to compare."""
    first, second = (KEY.seal(text.encode(), bound) for _ in range(2))
    assert KEY.open(first, bound).decode() == KEY.open(second, bound).decode() == text
    assert first[1:13] != second[1:13]


@given(TEXTS, st.binary(max_size=64), st.binary(max_size=64))
def test_it_opens_nowhere_else(text: str, bound: bytes, elsewhere: bytes) -> None:
    """Not for another exchange, not under another key, and not under a key that only has another id."""
    sealed = KEY.seal(text.encode(), bound)
    attempts = [(OTHER, bound), (NAMESAKE, bound)] + ([(KEY, elsewhere)] if elsewhere != bound else [])
    for key, place in attempts:
        with pytest.raises(DoesNotOpen):
            key.open(sealed, place)


@given(TEXTS, st.data())
def test_a_changed_bit_is_noticed(text: str, data: st.DataObject) -> None:
    """Wherever it is: in the version, the nonce, the text or the tag; and so is an end that was cut off."""
    sealed = bytearray(KEY.seal(text.encode(), b"x"))
    bit = data.draw(st.integers(0, 8 * len(sealed) - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DoesNotOpen):
        KEY.open(bytes(sealed), b"x")
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(DoesNotOpen):
        KEY.open(bytes(sealed[: data.draw(st.integers(0, len(sealed) - 1))]), b"x")


def test_the_form_is_the_one_written_down() -> None:
    """Somebody with the key and the description, but without this code, opens what it sealed."""
    sealed = KEY.seal("身份证".encode(), b"exchange")
    bound = b"\x01" + bytes.fromhex(ID) + b"exchange"
    assert sealed[:1] == b"\x01"
    assert AESGCM(MATERIAL[:32]).decrypt(sealed[1:13], sealed[13:], bound).decode() == "身份证"
    assert len(sealed) == 1 + 12 + len("身份证".encode()) + 16


@pytest.mark.parametrize("value", ["13812345678", "李娜", "li.na@example.com", "\ud800"])
def test_a_digest_is_keyed_by_the_salt(value: str) -> None:
    """It is an HMAC-SHA256 under the salt, cut to 128 bits, so that without the salt no list of phones finds the phone."""
    expected = hmac.digest(MATERIAL[32:], value.encode("utf-8", "surrogatepass"), hashlib.sha256)[:16].hex()
    assert KEY.digest(value) == f"hmac:{expected}"
    assert OTHER.digest(value) != KEY.digest(value)


def hkdf(info: bytes) -> bytes:
    """RFC 5869 for 32 bytes without a salt, by hand."""
    extracted = hmac.digest(bytes(32), ROOT, hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def test_a_key_is_wrapped_as_written_down() -> None:
    """The gateway's secret and the description are enough to open a stored key after the end of this program."""
    key, wrapped = Wrapping(ROOT).new("default", LI_NA)
    named = b"".join(len(part).to_bytes(4, "big") + part.encode() for part in (key.id, "default", LI_NA))
    wrapping = AESGCM(hkdf(b"yumen subject key" + bytes.fromhex(key.id)))
    material = wrapping.decrypt(wrapped[1:13], wrapped[13:], b"\x01" + named)
    assert SubjectKey(key.id, "default", LI_NA, material).open(key.seal(b"a", b"b"), b"b") == b"a"
    assert len(material) == 64


def test_a_wrapped_key_is_of_one_subject_and_one_secret() -> None:
    """Who can write the file cannot give somebody's key to another subject, tenant or id, nor bring one of his own."""
    wrapping = Wrapping(ROOT)
    key, wrapped = wrapping.new("default", LI_NA)
    assert wrapping.unwrap(key.id, "default", LI_NA, wrapped).open(key.seal(b"a", b"b"), b"b") == b"a"
    others = [(ID, "default", LI_NA), (key.id, "shop", LI_NA), (key.id, "default", ANNA)]
    attempts = [(wrapping, *name) for name in others]
    for by, key_id, tenant, who in [*attempts, (Wrapping(b"s" * 32), key.id, "default", LI_NA)]:
        with pytest.raises(KeyringUnavailable, match="was changed"):
            by.unwrap(key_id, tenant, who, wrapped)


def test_a_short_root_is_refused() -> None:
    """A secret that could be guessed wraps nothing."""
    with pytest.raises(ValueError, match="at least 32"):
        Wrapping(b"short")
