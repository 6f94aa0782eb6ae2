"""What makes a token sure: checksums, encodings, and that it is no placeholder."""

from __future__ import annotations

import binascii
import hashlib
import json
import re
import zlib
from base64 import b64decode, urlsafe_b64decode

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
# What documentation writes where a secret would stand.
PLACE = re.compile(
    r"x{4}|\*{3}|\.\.\.|(?<![a-z])(?:your|my|the)?[_\-]?(?:token|api|key|secret|password)s?[_\-](?:here|goes"
    r"|value)|your[_\-]|"
    r"(?<![a-z])your(?:api|key|token|secret|pass)|placeholder|redacted|replace[_\-]?(?:me|with|this)|change[_\-]?me|"
    r"insert[_\-]|[_\-]here(?![a-z])|put[_\-]|<[a-z]|dummy"
)
# What stands in an armoured key besides the key: the lines around it, headers, escaped line breaks.
MARKS = re.compile(r"-----[^-]{0,64}-----|---- [^-]{0,64} ----|(?<![A-Za-z-])[A-Za-z-]{1,30}+: [^\n\\]*+|\\[nrt]")
ENCODED = re.compile(r"[A-Za-z0-9+/=]+")
SAME = re.compile(r"(.)\1{9}")
# A token of random characters has more different ones than this at its end.
TAIL, DIFFERENT_MIN = 24, 6


def credible(value: str) -> bool:
    """No placeholder: `sk-xxxxxxxx`, `ghp_your_token_here`, one character over and over."""
    return (
        len(set(value[-TAIL:])) >= DIFFERENT_MIN and PLACE.search(value.lower()) is None and SAME.search(value) is None
    )


def mixed(value: str) -> bool:
    """No placeholder, and neither a word nor a number: letters and digits both."""
    return credible(value) and any("0" <= char <= "9" for char in value) and not value.replace("-", "").isdigit()


def crc_base62(data: str) -> str:
    """CRC-32 of a text in six digits of base 62, as GitHub and npm write it at the end of their tokens."""
    rest, out = zlib.crc32(data.encode()), ""
    for _ in range(6):
        rest, digit = divmod(rest, 62)
        out = BASE62[digit] + out
    return out


def crc62(value: str) -> bool:
    """A token whose last six characters are the checksum of what stands between them and the prefix."""
    body = value.partition("_")[2]
    return credible(value) and body[-6:] == crc_base62(body[:-6])


def crc_grafana(data: str) -> str:
    """CRC-32 of a text, its bytes in hexadecimal with the lowest first: the end of Grafana's tokens."""
    return zlib.crc32(data.encode()).to_bytes(4, "little").hex()


def grafana(value: str) -> bool:
    """A service account token with a right checksum."""
    body, _, check = value.rpartition("_")
    return credible(value) and check == crc_grafana(body)


def decoded(value: str) -> bytes:
    """Base64 of either alphabet, padded or not; nothing where it is none."""
    plain = value.rstrip("=").replace("+", "-").replace("/", "_")
    try:
        return urlsafe_b64decode(plain + "=" * (-len(plain) % 4))
    except (binascii.Error, ValueError):
        return b""


def jwt(value: str) -> bool:
    """RFC 7515: the header is JSON and names an algorithm."""
    try:
        header = json.loads(decoded(value.partition(".")[0]))
    except (ValueError, RecursionError):
        return False
    return isinstance(header, dict) and isinstance(header.get("alg"), str)


def basic(value: str) -> bool:
    """RFC 7617: `user:password` in base64."""
    try:
        return b":" in b64decode(value + "=" * (-len(value) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False


def snowflake(value: str) -> bool:
    """A token of Discord: its first part is the number of its owner in base64."""
    return decoded(value.partition(".")[0]).isdigit()


def bech32(value: str) -> bool:
    """BIP 173: the checksum of a bech32 string, all of one case."""
    text = value.lower()
    if value not in (text, value.upper()):
        return False
    prefix, _, data = text.rpartition("1")
    if not prefix or any(char not in BECH32 for char in data):
        return False
    values = [ord(char) >> 5 for char in prefix] + [0] + [ord(char) & 31 for char in prefix]
    return _polymod(values + [BECH32.index(char) for char in data]) == 1


def _polymod(values: list[int]) -> int:
    total = 1
    for value in values:
        top = total >> 25
        total = (total & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            if top >> bit & 1:
                total ^= generator
    return total


def base58(value: str) -> bytes:
    """What Base58Check holds, without its checksum: two rounds of SHA-256, the first four bytes. Nothing where it fails."""
    number = 0
    for char in value:
        number = number * 58 + BASE58.index(char)
    data = number.to_bytes((number.bit_length() + 7) // 8, "big")
    body, check = data[:-4], data[-4:]
    return body if hashlib.sha256(hashlib.sha256(body).digest()).digest()[:4] == check else b""


def wallet(value: str) -> bool:
    """A private key of Bitcoin (version 80 hex, 32 bytes and perhaps 01), or an extended one of BIP 32 (78 bytes)."""
    body = base58(value)
    return (len(body) in (33, 34) and body[0] in (0x80, 0xEF)) or len(body) == 78


def azure_storage(value: str) -> bool:
    """64 bytes in base64."""
    return len(decoded(value)) == 64


def armoured(value: str) -> bool:
    """A key between its lines and not the dots that stand for one: at least 48 characters of base64."""
    body = MARKS.sub("", value)
    return "..." not in body and sum(map(len, ENCODED.findall(body))) >= 48
