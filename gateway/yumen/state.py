"""What outlives an exchange: the store that plugins share, and its counters."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec

Reading: TypeAlias = tuple[float, ...]


class Series(msgspec.Struct, frozen=True):
    """One thing that is counted for everybody in a scope: how it changes, and what is read after the change.

    | kind | a change | a reading |
    |---|---|---|
    | `sum` | an amount; a negative one gives back, newest first, never below 0 | for each window, what was added in it |
    | `distinct` | a member: the 64 bits of a digest | for each window, how many members were seen in it |
    | `usual` | an amount | this slot's sum; mean and standard deviation of complete slots; how many those are |
    | `recent` | the 64 bits of a digest | those kept before this one, the oldest first |
    | `until` | a moment in seconds, which takes the place of the last one; 0 clears | that moment, or 0.0 |

    `windows_s`: sliding windows of 1 to 86,400 seconds; for `usual` exactly one, the length of a slot; none for `recent`
    and `until`. `keep`: how many `recent` keeps. How exact each of them is, and how long it is kept: docs/store.md.
    """

    name: str
    kind: Literal["sum", "distinct", "usual", "recent", "until"] = "sum"
    windows_s: tuple[int, ...] = ()
    keep: int = 16


class Scope(msgspec.Struct, frozen=True):
    """Whose counters: a key's, a tenant's, an address's. In memory those of at most `keys_max`, the most recently used."""

    name: str
    series: tuple[Series, ...]
    keys_max: int = 100_000


class Entry(NamedTuple):
    """Changes for one of a scope (by its index), who is an id or a digest and never text; None leaves a series as it is."""

    scope: int
    who: str
    changes: tuple[float | int | None, ...]


class Counters(Protocol):
    """Counters of the scopes that were asked for. Where the store cannot be reached: `yumen.store.StoreError`."""

    async def count(self, entries: Sequence[Entry]) -> list[tuple[Reading, ...]]:
        """Make all changes at once, in one round trip, and read: for each entry, for each series of its scope."""
        ...

    async def wait_s(self, scope: int, who: str, series: int, limit: float) -> int:
        """Whole seconds, at least 1, until a `sum` has room for one more in its first window, if nothing comes before.

        `limit` is what the window may hold, at least 1.
        """
        ...


class Put(NamedTuple):
    """Keep a value for so many seconds; see `Store.set`."""

    key: str
    value: bytes
    ttl_s: float


class Push(NamedTuple):
    """Add to the end of a list; see `Store.append`."""

    key: str
    value: bytes
    ttl_s: float
    keep: int


class Drop(NamedTuple):
    """Forget a key."""

    key: str


Change: TypeAlias = Put | Push | Drop


class Store(Protocol):
    """Shared state. Keys are made by the plugin and must hold no raw text; values are bytes.

    A key holds a value, a counter or a list, and is used as what it is: ValueError otherwise. Where the store cannot be
    reached, every operation raises `yumen.store.StoreError`, and the instance's `on_error` decides.
    """

    shared: bool

    async def get(self, key: str) -> bytes | None: ...
    async def set(self, key: str, value: bytes, ttl_s: float) -> None: ...
    async def delete(self, key: str) -> None: ...
    async def add(self, key: str, amount: int, ttl_s: float) -> int:
        """Add to a counter that starts at 0 and lives `ttl_s` seconds from its first use; return the sum."""
        ...

    async def append(self, key: str, value: bytes, ttl_s: float, keep: int) -> None:
        """Add to the end of a list of at most `keep` items, of which the oldest go; all of it lives `ttl_s` seconds more."""
        ...

    async def items(self, key: str, start: int = 0) -> list[bytes]:
        """The items of a list from one on, the oldest first; none where there is no such list."""
        ...

    async def take(self, key: str, value: bytes, ttl_s: float) -> bool:
        """Keep a value where the key holds nothing; whether it held nothing. Of many at once, one is told so."""
        ...

    def keys(self, prefix: str) -> AsyncIterator[str]:
        """The keys that begin so, in no order. One that comes or goes meanwhile may be among them or not, or twice."""
        ...

    async def peek(self, keys: Sequence[str], length: int) -> list[bytes]:
        """The first bytes of values, at most `length` of each, in one round trip; empty where a key holds no value."""
        ...

    async def together(self, changes: Sequence[Change]) -> None:
        """Make changes in their order, in one round trip; another's operation may come between two of them."""
        ...

    def counters(self, name: str, scopes: Sequence[Scope]) -> Counters:
        """Counters over sliding windows. The same name leads to the same ones; a series that changes begins anew.

        Error: ValueError for what cannot be counted.
        """
        ...
