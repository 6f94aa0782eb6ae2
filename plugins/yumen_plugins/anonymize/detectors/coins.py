"""Detectors of addresses of cryptocurrencies."""

from __future__ import annotations

import hashlib
import re

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.near import RUN, named

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
RIPPLE58 = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
# What BIP 173 and BIP 350 call the generator, and the two constants that a right checksum ends in.
GENERATOR, CONSTANTS = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3), (1, 0x2BC830A3)
# Version bytes: Bitcoin, its test network, Litecoin, Dogecoin, TRON; and of the XRP ledger.
VERSIONS, RIPPLE_VERSION = frozenset({0x00, 0x05, 0x6F, 0xC4, 0x30, 0x32, 0x1E, 0x16, 0x41}), 0


def base58(value: str, alphabet: str) -> bytes | None:
    """The bytes that a Base58 text of at most 44 characters stands for; None for a character of no such text."""
    number = 0
    for char in value:
        place = alphabet.find(char)
        if place < 0:
            return None
        number = number * 58 + place
    zeros = len(value) - len(value.lstrip(alphabet[0]))
    return bytes(zeros) + number.to_bytes((number.bit_length() + 7) // 8, "big")


def base58check(value: str) -> bool:
    """A version, 20 bytes, and the first four bytes of the SHA-256 of their SHA-256."""
    for alphabet, versions in ((BASE58, VERSIONS), (RIPPLE58, frozenset({RIPPLE_VERSION}))):
        data = base58(value, alphabet)
        if data is None or len(data) != 25 or data[0] not in versions:
            continue
        if hashlib.sha256(hashlib.sha256(data[:21]).digest()).digest()[:4] == data[21:]:
            return True
    return False


def bech32(value: str) -> bool:
    """BIP 173 and 350: the checksum over the prefix and the five-bit values; case may not be mixed."""
    if value != value.lower() and value != value.upper():
        return False
    prefix, _, data = value.lower().rpartition("1")
    checksum = 1
    for number in (
        *(ord(char) >> 5 for char in prefix),
        0,
        *(ord(char) & 31 for char in prefix),
        *(BECH32.index(char) for char in data),
    ):
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ number
        for bit, term in enumerate(GENERATOR):
            if top >> bit & 1:
                checksum ^= term
    return checksum in CONSTANTS


def coin(value: str) -> bool:
    """Whether an address holds: its checksum where it has one that is computed here, else its form."""
    if value[:2] in ("0x", "0X"):
        # The checksum of EIP-55 is in the case of letters and needs Keccak, which no library of ours has.
        return True
    if re.match(r"(?i)(?:bc|tb|ltc|addr)1", value):
        return bech32(value)
    if len(value) == 95 or value.startswith("bitcoincash:"):
        return True
    if len(value) <= 35:
        return base58check(value)
    data = base58(value, BASE58)
    return data is not None and len(data) == 32


def canonical(value: str) -> str:
    """Base58 tells case apart; the other forms do not."""
    return value.lower() if re.match(r"(?i)0x|bc1|tb1|ltc1|addr1|bitcoincash", value) else value


CHAR = "[1-9A-HJ-NP-Za-km-z]"
WALLET = "solana|sol|wallet|钱包|钱包地址|收款地址|充币地址|提币地址"

COINS = (
    Detector(
        id="finance.crypto",
        description="address of a cryptocurrency",
        patterns=(
            rf"(?<![0-9A-Za-z])[13LMDATmn2r]{CHAR}{{24,34}}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])(?i:(?:bc|tb|ltc)1[02-9ac-hj-np-z]{22,71}|addr1[02-9ac-hj-np-z]{50,98})(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])0[xX][0-9A-Fa-f]{40}(?![0-9A-Za-z])",
            r"(?<![0-9A-Za-z])bitcoincash:[qp][02-9ac-hj-np-z]{41}(?![0-9A-Za-z])",
            rf"(?<![0-9A-Za-z])[48][0-9AB]{CHAR}{{93}}(?![0-9A-Za-z])",
            named(rf"(?:{WALLET})(?: address|地址)?", rf"{CHAR}{{43,44}}(?![0-9A-Za-z])"),
        ),
        prefilter=RUN,
        score=0.95,
        validate=coin,
        canonical=canonical,
        context=("bitcoin", "btc", "比特币", "ethereum", "tron", "usdt", "wallet", "钱包", "litecoin", "dogecoin", "ripple"),
        span_max=110,
        examples=(
            "send to 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNa now",
            "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
            "bc1p5cyxnuxmeuwuvkwfem96lqzszd02n6xdcjrs20cac6yqjjwudpxqkedrcr",
            "钱包0x52908400098527886E0F7030069857D2E4169EE7",
            "USDT地址 TR7NHqjeKQxGTCi8q8ZY4pL8otSzgjLj6t",
            "wallet 1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "rHb9CJAWyB4rj91VRWn96DkukG4bwdtyTh",
            "solana address: 7EcDhSYGxXyscszYEp35KHN8vvw3svAuLKTzXwCFLtV",
        ),
        counterexamples=(
            "1A1zP1eP5QGefi2DMPTfTL5SLmv7DivfNb",
            "da39a3ee5e6b4b0d3255bfef95601890afd80709",
            "0x52908400098527886E0F7030069857D2E4169EE7aa",
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ),
    ),
)  # fmt: skip
