"""The store in memory, against a model so simple that it cannot be wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from yumen import Change, Drop, Push, Put, Store
from yumen.store.memory import ENTRY_BYTES, ITEM_BYTES, OTHER_KIND, MemoryStore

Value = bytes | int | list[bytes]

KEYS = st.sampled_from(["a", "b", "c", "d", "电话", "键" * 20])
VALUES = st.binary(max_size=40)
TTLS = st.sampled_from([0.5, 1.0, 3.0, 10.0])
ENTRIES_MAX = 4
BYTES_MAX = 4 * ENTRY_BYTES


def now_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run something that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        return finished.value
    raise AssertionError("the memory store waited for something")


async def listed(store: Store, prefix: str) -> list[str]:
    """All keys that begin so."""
    return [key async for key in store.keys(prefix)]


class Clock:
    def __init__(self) -> None:
        self.time = 1000.0

    def __call__(self) -> float:
        return self.time


class AgainstAModel(RuleBasedStateMachine):
    """The model keeps a list, least recently used first, and scans it all every time."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.store = MemoryStore(self.clock, entries_max=ENTRIES_MAX, bytes_max=BYTES_MAX)
        self.model: list[tuple[str, Value, float, int]] = []

    def _expire(self) -> None:
        self.model = [entry for entry in self.model if entry[2] > self.clock.time]

    def _take(self, key: str) -> tuple[str, Value, float, int] | None:
        self._expire()
        for index, entry in enumerate(self.model):
            if entry[0] == key:
                return self.model.pop(index)
        return None

    def _put(self, key: str, value: Value, ttl_s: float) -> None:
        self._take(key)
        size = len(key) + ENTRY_BYTES
        if isinstance(value, list):
            size += sum(len(item) + ITEM_BYTES for item in value)
        elif isinstance(value, bytes):
            size += len(value)
        if size > BYTES_MAX:
            return
        while len(self.model) >= ENTRIES_MAX or sum(entry[3] for entry in self.model) + size > BYTES_MAX:
            self.model.pop(0)
        self.model.append((key, value, self.clock.time + ttl_s, size))

    @rule(seconds=st.sampled_from([0.0, 0.25, 1.0, 2.0, 20.0]))
    def wait(self, seconds: float) -> None:
        self.clock.time += seconds

    @rule(key=KEYS, value=VALUES, ttl_s=TTLS)
    def set(self, key: str, value: bytes, ttl_s: float) -> None:
        now_of(self.store.set(key, value, ttl_s))
        self._put(key, value, ttl_s)

    @rule(key=KEYS)
    def set_what_is_too_large(self, key: str) -> None:
        now_of(self.store.set(key, b"x" * BYTES_MAX, 1.0))
        self._take(key)

    @rule(key=KEYS)
    def delete(self, key: str) -> None:
        now_of(self.store.delete(key))
        self._take(key)

    @rule(key=KEYS)
    def get(self, key: str) -> None:
        entry = self._take(key)
        if entry is not None:
            self.model.append(entry)
        if entry is not None and isinstance(entry[1], list):
            with pytest.raises(ValueError, match=OTHER_KIND):
                now_of(self.store.get(key))
            return
        expected = None if entry is None else entry[1] if isinstance(entry[1], bytes) else str(entry[1]).encode()
        assert now_of(self.store.get(key)) == expected

    @rule(key=KEYS, value=st.binary(max_size=2 * ENTRY_BYTES), ttl_s=TTLS, keep=st.integers(1, 4))
    def append(self, key: str, value: bytes, ttl_s: float, keep: int) -> None:
        entry = self._take(key)
        if entry is not None and not isinstance(entry[1], list):
            self.model.append(entry)
            with pytest.raises(ValueError, match=OTHER_KIND):
                now_of(self.store.append(key, value, ttl_s, keep))
            return
        items = [*(entry[1] if entry is not None and isinstance(entry[1], list) else []), value][-keep:]
        while len(key) + ENTRY_BYTES + sum(len(item) + ITEM_BYTES for item in items) > BYTES_MAX:
            items.pop(0)
        self._put(key, items, ttl_s)
        now_of(self.store.append(key, value, ttl_s, keep))

    @rule(key=KEYS, start=st.integers(0, 5))
    def items(self, key: str, start: int) -> None:
        entry = self._take(key)
        if entry is not None:
            self.model.append(entry)
        if entry is not None and not isinstance(entry[1], list):
            with pytest.raises(ValueError, match=OTHER_KIND):
                now_of(self.store.items(key, start))
            return
        held = [] if entry is None or not isinstance(entry[1], list) else entry[1]
        assert now_of(self.store.items(key, start)) == held[start:]

    @rule(key=KEYS, value=VALUES, ttl_s=TTLS)
    def take(self, key: str, value: bytes, ttl_s: float) -> None:
        entry = self._take(key)
        if entry is None:
            self._put(key, value, ttl_s)
        else:
            self.model.append(entry)
        assert now_of(self.store.take(key, value, ttl_s)) == (entry is None)

    @rule(keys=st.lists(KEYS, max_size=3), length=st.integers(1, 50))
    def peek(self, keys: list[str], length: int) -> None:
        self._expire()
        held = {entry[0]: entry[1] for entry in self.model if not isinstance(entry[1], list)}
        values = [held.get(key, b"") for key in keys]
        expected = [(value if isinstance(value, bytes) else str(value).encode())[:length] for value in values]
        assert now_of(self.store.peek(keys, length)) == expected

    @rule(prefix=st.sampled_from(["", "a", "电", "键键", "nothing"]))
    def keys(self, prefix: str) -> None:
        self._expire()
        expected = sorted(entry[0] for entry in self.model if entry[0].startswith(prefix))
        assert sorted(now_of(listed(self.store, prefix))) == expected

    @rule(keys=st.tuples(KEYS, KEYS, KEYS), value=VALUES, ttl_s=TTLS)
    def together(self, keys: tuple[str, str, str], value: bytes, ttl_s: float) -> None:
        one, two, three = keys
        self._put(one, value, ttl_s)
        self._take(two)
        self._take(three)
        self._put(three, [value], ttl_s)
        changes: list[Change] = [Put(one, value, ttl_s), Drop(two), Drop(three), Push(three, value, ttl_s, 2)]
        now_of(self.store.together(changes))

    @rule(key=KEYS, amount=st.integers(-5, 5), ttl_s=TTLS)
    def add(self, key: str, amount: int, ttl_s: float) -> None:
        entry = self._take(key)
        if entry is None:
            self._put(key, amount, ttl_s)
            assert now_of(self.store.add(key, amount, ttl_s)) == amount
        elif isinstance(entry[1], list):
            self.model.append(entry)
            with pytest.raises(ValueError, match=OTHER_KIND):
                now_of(self.store.add(key, amount, ttl_s))
        elif isinstance(entry[1], int) or entry[1].strip().isdigit():
            total = int(entry[1]) + amount
            self.model.append((key, total, entry[2], entry[3]))
            assert now_of(self.store.add(key, amount, ttl_s)) == total
        else:
            self.model.append(entry)
            with pytest.raises(ValueError, match=r"invalid literal|null byte"):
                now_of(self.store.add(key, amount, ttl_s))

    @invariant()
    def stays_within_bounds(self) -> None:
        assert len(self.store._entries) <= ENTRIES_MAX
        assert self.store._bytes == sum(entry.size for entry in self.store._entries.values()) <= BYTES_MAX
        assert len(self.store._ends) <= 2 * ENTRIES_MAX + 65


AgainstAModel.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_behaves_like_the_model = AgainstAModel.TestCase


def test_is_a_store() -> None:
    """The class fulfils the protocol that plugins are promised, and says that it is not shared."""
    store: Store = MemoryStore()
    assert store.shared is False


async def test_key_spaces_are_apart_and_lasting() -> None:
    """Two plugin instances never meet in one key, and the same name leads to the same space again."""
    store = MemoryStore()
    await store.namespaced("limits").set("key", b"mine", 60)
    assert await store.namespaced("cache").get("key") is None
    assert await store.get("key") is None
    assert await store.namespaced("limits").get("key") == b"mine"


async def test_one_space_cannot_push_entries_out_of_another() -> None:
    """A cache that overflows must not make rate counters forget."""
    store = MemoryStore(entries_max=10)
    await store.namespaced("limits").add("count", 7, 60)
    for number in range(1000):
        await store.namespaced("cache").set(f"答案{number}", b"x", 60)
    assert await store.namespaced("limits").add("count", 1, 60) == 8


async def test_a_counter_lives_from_its_first_use() -> None:
    """Later additions do not prolong a counter, so a window that began ends."""
    clock = Clock()
    store = MemoryStore(clock)
    assert await store.add("n", 1, 10) == 1
    clock.time += 9
    assert await store.add("n", 1, 10) == 2
    clock.time += 1
    assert await store.add("n", 1, 10) == 1


async def test_what_expired_makes_room_before_anything_alive_does() -> None:
    """A live entry is never dropped while a dead one still takes its place."""
    clock = Clock()
    store = MemoryStore(clock, entries_max=3)
    await store.set("old but alive", b"1", 100)
    await store.set("dead", b"2", 1)
    await store.set("young", b"3", 100)
    clock.time += 2
    await store.set("new", b"4", 100)
    assert [await store.get(key) for key in ("old but alive", "dead", "young", "new")] == [b"1", None, b"3", b"4"]


async def test_a_list_lives_from_its_last_use_and_is_counted_in_bytes() -> None:
    """Appending renews the whole list; where the space is full, the list's own oldest items go, and never all others."""
    clock = Clock()
    store = MemoryStore(clock, bytes_max=3 * ENTRY_BYTES)
    await store.append("list", b"a", 10, 100)
    clock.time += 9
    await store.append("list", b"b", 10, 100)
    clock.time += 9
    assert await store.items("list") == [b"a", b"b"]
    await store.append("list", b"c" * (2 * ENTRY_BYTES - ITEM_BYTES - 4), 10, 100)
    assert await store.items("list") == [b"c" * (2 * ENTRY_BYTES - ITEM_BYTES - 4)]
    await store.append("list", b"d" * 3 * ENTRY_BYTES, 10, 100)
    assert len(await store.items("list")) == 1
    with pytest.raises(ValueError, match="at least one"):
        await store.append("list", b"", 10, 0)


@pytest.mark.parametrize("ttl_s", [0, -1, float("nan")])
async def test_a_time_to_live_is_positive(ttl_s: float) -> None:
    """Nothing is kept for ever by a slip."""
    store = MemoryStore()
    with pytest.raises(ValueError, match="time to live"):
        await store.set("key", b"", ttl_s)
    with pytest.raises(ValueError, match="time to live"):
        await store.add("key", 1, ttl_s)


async def test_overwriting_does_not_let_the_heap_of_ends_grow() -> None:
    """Memory stays bounded under a key that is written again and again."""
    store = MemoryStore()
    for _ in range(10_000):
        await store.set("同一个", b"value", 3600)
        await asyncio.sleep(0)
    assert len(store._ends) < 100


def test_clearing_forgets_every_key_space_and_keeps_it() -> None:
    """A key space that somebody holds is empty afterwards, whole again in its bounds, and still the same one."""
    store = MemoryStore(Clock(), entries_max=ENTRIES_MAX, bytes_max=BYTES_MAX)
    space = store.namespaced("one")
    for one in (store, space):
        now_of(one.set("a", b"x" * 10, 5))
        now_of(one.add("b", 1, 5))
    store.clear()
    assert [now_of(one.get(key)) for one in (store, space) for key in "ab"] == [None] * 4
    for key in "abc":
        now_of(space.set(key, b"x", 5))
    assert [now_of(space.get(key)) for key in "abc"] == [b"x"] * 3
    assert store.namespaced("one") is space


async def test_what_is_too_large_to_keep_is_not_taken() -> None:
    """Nobody is told to have taken what the store did not keep: the next one would be told so, too."""
    store = MemoryStore(bytes_max=2 * ENTRY_BYTES)
    assert await store.take("lock", b"x" * 2 * ENTRY_BYTES, 5) is False
    assert await store.get("lock") is None
    assert await store.take("lock", b"x", 5) is True


async def test_the_store_may_change_while_its_keys_are_told() -> None:
    """Keys that go meanwhile are passed over, keys that come break nothing."""
    store = MemoryStore()
    for number in range(4):
        await store.set(f"键{number}", b"", 60)
    seen: list[str] = []
    async for key in store.keys("键"):
        seen.append(key)
        await store.delete("键2")
        await store.set(f"键new{len(seen)}", b"", 60)
    assert seen == ["键0", "键1", "键3"]
