"""Keys in memory: a bounded number, and none of them longer than it is known not to be erased."""

from __future__ import annotations

import threading
from collections import OrderedDict
from weakref import WeakValueDictionary

from yumen_plugins.audit.subjects.sealing import SubjectKey


class Cache:
    """The keys in use that were asked for last. For any thread; nobody waits here for a disk."""

    def __init__(self, keys_max: int) -> None:
        self._keys_max = keys_max
        self._lock = threading.Lock()
        self._current: OrderedDict[tuple[str, str], SubjectKey] = OrderedDict()
        # Every key that anybody in this process still holds, so that none outlives its erasure.
        self._held: WeakValueDictionary[str, SubjectKey] = WeakValueDictionary()

    def get(self, tenant: str, subject: str) -> SubjectKey | None:
        """The key in use, where it is here."""
        with self._lock:
            key = self._current.get((tenant, subject))
            if key is not None:
                self._current.move_to_end((tenant, subject))
            return key

    def by_id(self, key_id: str) -> SubjectKey | None:
        """Any key that somebody in this process holds."""
        with self._lock:
            return self._held.get(key_id)

    def put(self, key: SubjectKey, *, current: bool) -> SubjectKey:
        """Keep a key, as the one in use if it is; returns the object that stands for it in this process."""
        with self._lock:
            key = self._held.setdefault(key.id, key)
            if current:
                self._current[key.tenant, key.subject] = key
                self._current.move_to_end((key.tenant, key.subject))
                if len(self._current) > self._keys_max:
                    self._current.popitem(last=False)
            return key

    def drop(self, key: SubjectKey) -> None:
        """No longer the one in use."""
        with self._lock:
            if self._current.get((key.tenant, key.subject)) is key:
                del self._current[key.tenant, key.subject]

    def forget(self, key_id: str) -> None:
        """Make a key unusable, whoever holds it."""
        with self._lock:
            key = self._held.pop(key_id, None)
        if key is not None:
            key.forget()
            self.drop(key)

    def __len__(self) -> int:
        return len(self._current)
