"""What was computed of texts that come again: applications repeat themselves, and conversations bring all earlier turns.

A text is known by a digest under a random key of this process, within its tenant. So nothing that is kept can be read or
tried out, and nobody finds what others have sent. What is kept is what was computed alone, which must hold no text.
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

TEXTS_MAX = 10_000
DIGEST_BYTES = 16

ValueT = TypeVar("ValueT")


class Remembered(Generic[ValueT]):
    """Values of texts, for any thread; of at most `texts_max`, the most recently used."""

    def __init__(self, texts_max: int = TEXTS_MAX) -> None:
        self._texts_max = texts_max
        self._key = secrets.token_bytes(32)
        self._lock = threading.Lock()
        self._known: OrderedDict[bytes, ValueT] = OrderedDict()

    def of(self, tenant: str, texts: tuple[str, ...], compute: Callable[[], ValueT]) -> ValueT:
        """What `compute` returned for these very texts of this tenant before, or returns now. Errors: those of `compute`."""
        digest = self._digest(tenant, texts)
        with self._lock:
            if digest in self._known:
                self._known.move_to_end(digest)
                return self._known[digest]
        value = compute()
        with self._lock:
            self._known[digest] = value
            if len(self._known) > self._texts_max:
                self._known.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._known)

    def _digest(self, tenant: str, texts: tuple[str, ...]) -> bytes:
        state = hashlib.blake2b(key=self._key, digest_size=DIGEST_BYTES)
        for part in (tenant, *texts):
            data = part.encode("utf-8", "surrogatepass")
            # With its length in front, no part can pass for the end of another.
            state.update(len(data).to_bytes(8, "big"))
            state.update(data)
        return state.digest()
