"""Check digits of numbers, written from their standards and not from the detectors."""

from __future__ import annotations

import binascii
import hashlib

BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
USCC = "0123456789ABCDEFGHJKLMNPQRTUWXY"


def luhn(body: str) -> str:
    """The last digit of a card number (ISO/IEC 7812-1, annex B)."""
    total = 0
    for place, char in enumerate(reversed(body)):
        digit = int(char) * (2 if place % 2 == 0 else 1)
        total += digit - 9 if digit > 9 else digit
    return str(-total % 10)


def mod11_2(body: str) -> str:
    """The last character of an ID card of mainland China (GB 11643, ISO 7064 MOD 11-2)."""
    total = sum(int(char) * (2 ** (17 - place) % 11) for place, char in enumerate(body))
    return "10X98765432"[total % 11]


def uscc(body: str) -> str:
    """The last character of a unified social credit code (GB 32100)."""
    total = sum(USCC.index(char) * pow(3, place, 31) for place, char in enumerate(body))
    return USCC[-total % 31]


def vin(body: str) -> str:
    """A vehicle's number with its check digit in the ninth place (GB 16735, 49 CFR 565); `body` has any character there."""
    values = dict(
        zip("ABCDEFGHJKLMNPRSTUVWXYZ", (1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 7, 9, *range(2, 10)), strict=True)
    )
    weights = (8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2)
    total = sum(
        weight * values.get(char, int(char) if char.isdigit() else 0)
        for char, weight in zip(body, weights, strict=True)
    )
    return body[:8] + "0123456789X"[total % 11] + body[9:]


def hkid(letters: str, digits: str) -> str:
    """The character in brackets of a Hong Kong identity card; one or two letters, six digits."""
    values = [36] * (2 - len(letters)) + [ord(char) - 55 for char in letters] + [int(char) for char in digits]
    total = sum(value * weight for value, weight in zip(values, range(9, 1, -1), strict=True))
    return "0123456789A"[-total % 11]


def twid(letter: str, body: str) -> str:
    """The last digit of a Taiwan identity card; a letter, eight digits."""
    number = "ABCDEFGHJKLMNPQRSTUVXYWZIO".index(letter) + 10
    total = number // 10 + number % 10 * 9 + sum(int(char) * (8 - place) for place, char in enumerate(body))
    return str(-total % 10)


def iban(country: str, account: str) -> str:
    """An IBAN with its two check digits (ISO 13616, ISO 7064 MOD 97-10)."""
    digits = "".join(str(int(char, 36)) for char in account + country + "00")
    return f"{country}{98 - int(digits) % 97:02d}{account}"


def routing(body: str) -> str:
    """The last digit of an ABA routing number."""
    return str(-sum(int(char) * weight for char, weight in zip(body, (3, 7, 1, 3, 7, 1, 3, 7), strict=True)) % 10)


def nhs(body: str) -> str | None:
    """The last digit of an NHS number; None where there is none for these nine digits."""
    check = -sum(int(char) * (10 - place) for place, char in enumerate(body)) % 11
    return None if check == 10 else str(check)


def base58check(version: int, payload: bytes) -> str:
    """A Bitcoin or TRON address of the old form."""
    data = bytes([version]) + payload
    data += hashlib.sha256(hashlib.sha256(data).digest()).digest()[:4]
    number, out = int.from_bytes(data, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = BASE58[rest] + out
    return "1" * (len(data) - len(data.lstrip(b"\0"))) + out


def bech32(human: str, payload: bytes) -> str:
    """A segwit address of version 0 (BIP 173)."""
    number = int.from_bytes(payload, "big")
    bits = len(payload) * 8
    padded, groups = number << (-bits % 5), (bits + 4) // 5
    data = [0, *(padded >> 5 * place & 31 for place in range(groups - 1, -1, -1))]
    values = [ord(char) >> 5 for char in human] + [0] + [ord(char) & 31 for char in human] + data
    check = _polymod([*values, 0, 0, 0, 0, 0, 0]) ^ 1
    data += [check >> 5 * (5 - place) & 31 for place in range(6)]
    return human + "1" + "".join(BECH32[value] for value in data)


def _polymod(values: list[int]) -> int:
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, generator in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= generator if top >> bit & 1 else 0
    return check


def crc62(body: str) -> str:
    """The six characters at the end of a token of GitHub or npm: CRC-32 in base 62."""
    number, out = binascii.crc32(body.encode()), ""
    for _ in range(6):
        number, rest = divmod(number, 62)
        out = BASE62[rest] + out
    return out
