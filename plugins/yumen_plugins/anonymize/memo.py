"""What was found in texts that come again: every turn of a conversation brings all the earlier ones.

It holds places and rules and never a text: a text is known by a digest under the key of its tenant, so nobody else's is
found and nobody can try texts out.
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Hashable

TEXTS_MAX, PLACES_MAX = 20_000, 64
# A shorter text is read faster than it is recognised, and what comes alone has not come before.
TEXTS_MIN, CHARS_MIN = 4, 64

Place = tuple[int, int, int, bool]


class Memo:
    """Bounded; the least recently used goes first. A place is a rule's number, start, end, and whether it is sure."""

    def __init__(self) -> None:
        self._known: OrderedDict[Hashable, tuple[Place, ...]] = OrderedDict()

    @staticmethod
    def digest(key: bytes, text: str) -> bytes:
        """What stands for a text of a tenant."""
        return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), key=key, digest_size=16).digest()

    def get(self, digest: Hashable) -> tuple[Place, ...] | None:
        """The places, or None where the text is not known."""
        places = self._known.get(digest)
        if places is not None:
            self._known.move_to_end(digest)
        return places

    def put(self, digest: Hashable, places: tuple[Place, ...]) -> None:
        """Remember a text, unless it has too many places."""
        if len(places) > PLACES_MAX:
            return
        self._known[digest] = places
        if len(self._known) > TEXTS_MAX:
            self._known.popitem(last=False)
