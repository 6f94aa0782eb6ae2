"""Pseudonyms, and the way back from them within one exchange.

A pseudonym is `<LABEL_` and ten characters and `>`: all are closed and of one length, so none is the beginning of another.
The characters are an HMAC over kind and canonical value under a key of the tenant: the same value has the same pseudonym in
every message, turn and restart of one tenant, and another one in every other tenant.

The vault of this version is the exchange itself: what a pseudonym stands for is known only while the exchange lasts, only
from this very request, so nobody can ever be given a value that was not in his own request.
"""

from __future__ import annotations

import re

from yumen import Hmac
from yumen_plugins.anonymize.hits import Hit

# Crockford's alphabet, lower case: no i, l, o, u to be misread.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
LENGTH = 10
LABEL_MAX = 24
TOKEN = re.compile(rf"<([A-Za-z][A-Za-z0-9_]{{0,{LABEL_MAX - 1}}})_([{ALPHABET}]{{{LENGTH}}})>")
TOKEN_MAX = LABEL_MAX + LENGTH + 3


def code(mac: Hmac, kind: str, value: str, attempt: int = 0) -> str:
    """Ten characters, 50 bits, for one value."""
    message = f"{kind}\x00{value}\x00{attempt}".encode("utf-8", "surrogatepass")
    number = int.from_bytes(mac(message)[:8], "big")
    return (
        PAIRS[number & 1023]
        + PAIRS[number >> 10 & 1023]
        + PAIRS[number >> 20 & 1023]
        + PAIRS[number >> 30 & 1023]
        + PAIRS[number >> 40 & 1023]
    )


class Pseudonyms:
    """The pseudonyms of one exchange. `values` leads from a code to the label and the value as the client first wrote it."""

    __slots__ = ("_codes", "mac", "values")

    def __init__(self, mac: Hmac) -> None:
        self.mac = mac
        self._codes: dict[tuple[str, str], str] = {}
        self.values: dict[str, tuple[str, str]] = {}

    def token(self, hit: Hit, written: str) -> str:
        """The pseudonym of a value."""
        detector = hit.detector
        label = detector.label
        identity = (detector.id, detector.canonical(hit.value))
        known = self._codes.get(identity)
        if known is None:
            attempt = 0
            known = code(self.mac, *identity)
            while known in self.values:  # 50 bits do collide, once in a very great while: never restore another's value
                attempt += 1
                known = code(self.mac, *identity, attempt)
            self._codes[identity] = known
            self.values[known] = (label, written)
        return f"<{label}_{known}>"

    def value(self, match: re.Match[str]) -> str | None:
        """What a match of `TOKEN` stands for, or None where it is not one of this exchange's."""
        label, written = self.values.get(match[2], ("", ""))
        return written if label and label == match[1].upper() else None
