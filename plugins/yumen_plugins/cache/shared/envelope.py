"""How an entry stands in the store: under which name, and in what.

A name is `e:<space>:<key>`, for groups of tenants `g:<space>:<key>`: `<space>` is a keyed digest of the space's name, and
`<key>` the entry's key, both in hexadecimal. A value has two parts, each sealed for its name under the space's own key:

1. its head, so that a purge need not read all: digests of tenant and subject (16 bytes each), and when it was stored
   (seconds since the epoch, an IEEE 754 double, big endian);
2. one byte, 0 or 1, and the packed entry, with 1 compressed (zlib, RFC 1950); sealed for this head, too.

So what stands under another name, in another space or behind another head does not open.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import struct
import zlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from yumen_plugins.cache.entry import Entry, Purge, unpacked
from yumen_plugins.cache.sealing import NONCE_BYTES, Seal

OWN, SHARED = "e:", "g:"
# How the name of a space begins; see `yumen_plugins.cache.keys`.
TENANT, GROUP = "tenant:", "share:"
PLAIN, COMPRESSED = b"\x00", b"\x01"
# A packed entry. What is longer is not kept, and what claims to be is no entry.
PACKED_BYTES_MAX = 64 << 20
# As the store has it; it would not keep more than 16 MiB.
SEALED_BYTES_MAX = 15 << 20
SPACES_MAX = 1_000
NAME = re.compile(r"([eg]:([0-9a-f]{16,64}):)[0-9a-f]{1,512}")
WHOSE = struct.Struct(">16s16sd")
TAG_BYTES = 16
HEAD_BYTES = NONCE_BYTES + WHOSE.size + TAG_BYTES
# Opening and sealing more than this takes so long that the event loop should not wait for it.
THREAD_ABOVE = 32 << 10
# Replies are words, which the quickest level makes small already.
LEVEL = 1


class Space(NamedTuple):
    """What the names of a space's entries begin with, and what its entries are sealed with."""

    prefix: str
    seal: Seal

    def name(self, key: bytes) -> str:
        """The name of an entry."""
        return self.prefix + key.hex()


class Spaces:
    """Knows the spaces that were used last, at most `SPACES_MAX` of them.

    `seals` gives the seal of a space by its digest, and `name` digests a word with a key, in hexadecimal.
    """

    def __init__(self, seals: Callable[[str], Seal], name: Callable[[str], str]) -> None:
        self.of = lru_cache(SPACES_MAX)(self._of)
        self._seals = lru_cache(SPACES_MAX)(seals)
        self._name = name

    def around(self, name: str) -> Space:
        """The space of an entry's name. Error: ValueError where it is no such name."""
        match = NAME.fullmatch(name)
        if match is None:
            raise ValueError("this is not the name of an entry")
        return Space(match[1], self._seals(match[2]))

    def whose(self, tenant: str, subject: str, stored_at: float) -> bytes:
        """What the head of an entry says."""
        return WHOSE.pack(self._tenant(tenant), self._subject(subject), stored_at)

    def taker(self, purge: Purge) -> Callable[[str, bytes], bool]:
        """Tells, of the name and head of a value, whether a purge takes it. What does not open may be anybody's: it does."""
        tenant = self._tenant(purge.tenant) if purge.tenant else None
        subject = self._subject(purge.subject) if purge.subject else None

        def takes(name: str, head: bytes) -> bool:
            try:
                content = self.around(name).seal.opened(head, _head_place(name))
            except ValueError:
                return True
            of_tenant, of_subject, stored_at = WHOSE.unpack(content)
            return stored_at < purge.before and tenant in (None, of_tenant) and subject in (None, of_subject)

        return takes

    def _tenant(self, tenant: str) -> bytes:
        return hashlib.sha256(self._name(f"whose tenant:{tenant}").encode()).digest()[:16]

    def _subject(self, subject: str) -> bytes:
        return hashlib.sha256(self._name(f"whose subject:{subject}").encode()).digest()[:16]

    def _of(self, space: str) -> Space:
        """A space by its own name."""
        digest = self._name(space)
        kind = SHARED if space.startswith(GROUP) else OWN
        return Space(f"{kind}{digest}:", self._seals(digest))


def closed(seal: Seal, name: str, whose: bytes, packed: bytes, compress_above: int) -> bytes:
    """A packed entry as it stands in the store."""
    head = seal.sealed(whose, _head_place(name))
    content = PLAIN + packed
    if len(packed) > compress_above:
        smaller = zlib.compress(packed, LEVEL)
        if len(smaller) < len(packed):
            content = COMPRESSED + smaller
    return head + seal.sealed(content, _body_place(name, head))


async def opened(seal: Seal, name: str, value: bytes) -> Entry:
    """The entry. Error: ValueError for anything else."""
    if len(value) > THREAD_ABOVE:
        return await asyncio.to_thread(_opened, seal, name, value)
    return _opened(seal, name, value)


def _opened(seal: Seal, name: str, value: bytes) -> Entry:
    content = seal.opened(value[HEAD_BYTES:], _body_place(name, value[:HEAD_BYTES]))
    if content[:1] == COMPRESSED:
        return unpacked(_expanded(memoryview(content)[1:]))
    if content[:1] == PLAIN:
        return unpacked(content[1:])
    raise ValueError("this is sealed in a form that is not known")


def _head_place(name: str) -> bytes:
    return f"{name} head".encode()


def _body_place(name: str, head: bytes) -> bytes:
    return f"{name} body ".encode() + head


def _expanded(data: memoryview) -> bytes:
    """What was compressed, of which no more is ever made than an entry may have."""
    engine = zlib.decompressobj()
    try:
        expanded = engine.decompress(data, PACKED_BYTES_MAX + 1)
    except zlib.error:
        raise ValueError("this cannot be expanded") from None
    if not engine.eof or engine.unused_data or len(expanded) > PACKED_BYTES_MAX:
        raise ValueError("this expands to no entry")
    return expanded
