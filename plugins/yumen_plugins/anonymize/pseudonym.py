"""Pseudonyms, and what they stand for.

A pseudonym is `<LABEL_` and ten characters and `>`: all are closed and of one length, so none is the beginning of another.
The characters, its code, are an HMAC over kind and canonical value. Under a key of the tenant the same value has the same
pseudonym in every message, turn and restart of one tenant, and another one in every other tenant; under a key of a session
or of an exchange it is the same as far as that one goes.

What a pseudonym stands for is known from this very request, and from what the vault keeps of its session or tenant: whoever
writes a pseudonym that is neither's gets nothing for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from yumen import Hmac
from yumen_plugins.anonymize.detector import label_of
from yumen_plugins.anonymize.hits import Hit

# Crockford's alphabet, lower case: no i, l, o, u to be misread.
ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
PAIRS = tuple(first + second for first in ALPHABET for second in ALPHABET)
LENGTH = 10
LABEL_MAX = 24
TOKEN = re.compile(rf"<([A-Za-z][A-Za-z0-9_]{{0,{LABEL_MAX - 1}}})_([{ALPHABET}]{{{LENGTH}}})>")
TOKEN_MAX = LABEL_MAX + LENGTH + 3
# What of a value's HMAC tells it from others with the same code.
TAG_BYTES = 16


@dataclass(frozen=True, slots=True)
class Entry:
    """What a code stands for: the label and the value as the client first wrote it.

    `tag` tells its value from any other. `old` is one that the vault will soon forget unless it is kept anew.
    """

    label: str
    written: str
    tag: bytes
    old: bool = False


NOTHING_KNOWN: dict[str, Entry] = {}


def code(mac: Hmac, kind: str, value: str, attempt: int = 0) -> str:
    """Ten characters, 50 bits, for one value."""
    return _spelt(mac(f"{kind}\x00{value}\x00{attempt}".encode("utf-8", "surrogatepass")))


def _spelt(digest: bytes) -> str:
    number = int.from_bytes(digest[:8], "big")
    return (
        PAIRS[number & 1023]
        + PAIRS[number >> 10 & 1023]
        + PAIRS[number >> 20 & 1023]
        + PAIRS[number >> 30 & 1023]
        + PAIRS[number >> 40 & 1023]
    )


class Pseudonyms:
    """The pseudonyms of one exchange, under the key of whatever they are to be the same within.

    `known` is what the vault has, by code. `restores` are the rules whose values may be given back, all where it is None; of
    the others nothing is kept. `values` is everything that can be restored, by code; `fresh` is what of it the vault is to
    keep: what is new, and what was about to be forgotten and is still in use. Whoever has kept it clears it.
    """

    __slots__ = ("_codes", "_restores", "_taken", "fresh", "mac", "values")

    def __init__(
        self, mac: Hmac, known: Mapping[str, Entry] = NOTHING_KNOWN, restores: frozenset[str] | None = None
    ) -> None:
        self.mac = mac
        self.values: dict[str, Entry] = dict(known)
        if known and restores is not None:
            # The vault may hold what an earlier policy let restore.
            labels = {label_of(rule) for rule in restores}
            self.values = {code: entry for code, entry in known.items() if entry.label in labels}
        self.fresh: dict[str, Entry] = {}
        self._restores = restores
        self._codes: dict[tuple[str, str], str] = {}
        # Codes that stand for something which is not restored, with their values' tags.
        self._taken: dict[str, bytes] = {}

    def token(self, hit: Hit, written: str) -> str:
        """The pseudonym of a value."""
        detector = hit.detector
        label = detector.label
        identity = (detector.id, detector.canonical(hit.value))
        known = self._codes.get(identity)
        if known is None:
            known = self._codes[identity] = self._new(identity, label, written)
        return f"<{label}_{known}>"

    def _new(self, identity: tuple[str, str], label: str, written: str) -> str:
        kind, value = identity
        tag = self.mac(f"{kind}\x00{value}".encode("utf-8", "surrogatepass"))[:TAG_BYTES]
        attempt = 0
        made = code(self.mac, kind, value)
        # 50 bits do collide, once in a very great while: never restore another's value.
        while self._of_another(made, tag):
            attempt += 1
            made = code(self.mac, kind, value, attempt)
        if self._restores is not None and kind not in self._restores:
            self._taken[made] = tag
        elif made not in self.values:
            self.values[made] = self.fresh[made] = Entry(label, written, tag)
        else:
            self._use(made, self.values[made])
        return made

    def _of_another(self, made: str, tag: bytes) -> bool:
        entry = self.values.get(made)
        if entry is not None:
            return entry.tag != tag
        return self._taken.get(made, tag) != tag

    def _use(self, made: str, entry: Entry) -> None:
        if entry.old:
            self.values[made] = self.fresh[made] = Entry(entry.label, entry.written, entry.tag)

    def written(self, made: str) -> str | None:
        """What a code stands for, or None where nobody may know."""
        entry = self.values.get(made)
        if entry is None:
            return None
        self._use(made, entry)
        return entry.written

    def value(self, match: re.Match[str]) -> str | None:
        """What a match of `TOKEN` stands for, or None where it is none that may be restored."""
        entry = self.values.get(match[2])
        if entry is None or entry.label != match[1].upper():
            return None
        return self.written(match[2])
