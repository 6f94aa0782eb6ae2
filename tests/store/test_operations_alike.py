"""What plugins that share more than counters need: taking, listing keys, changing together. Both stores, alike."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.redis_server import RedisServer

from yumen import Change, Drop, Push, Put, Scope, Series, Store
from yumen.state import Entry
from yumen.store import StoreError
from yumen.store import redis as redis_module
from yumen.store.memory import MemoryStore
from yumen.store.redis import CONNECTIONS_MAX, SCAN_COUNT, RedisStore

# What means something in a pattern of Redis, and what looks like a bound of a name.
ODD = ["*", "?", "[a]", "[^a]", "\\", "\\*", "a*", "a", "ab", "a:b", "电话", "[", "]", "a-z", "", ":", "{a}"]


@pytest.fixture(params=["memory", "redis"])
async def either(request: pytest.FixtureRequest, redis_server: RedisServer) -> AsyncIterator[Store]:
    """Both stores, which must behave alike."""
    if request.param == "memory":
        yield MemoryStore()
        return
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("one")
    await made.close()


@pytest.fixture
async def store(redis_server: RedisServer) -> AsyncIterator[RedisStore]:
    """A key space of an empty server."""
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("cache")
    await made.close()


async def listed(store: Store, prefix: str) -> list[str]:
    return sorted([key async for key in store.keys(prefix)])


async def test_one_of_many_takes(either: Store) -> None:
    """Of many that would take a key at once exactly one is told so, and its value stands there."""
    took = await asyncio.gather(*(either.take("锁", b"%d" % number, 60) for number in range(4 * CONNECTIONS_MAX)))
    assert took.count(True) == 1
    assert await either.get("锁") == b"%d" % took.index(True)
    await either.delete("锁")
    assert await either.take("锁", b"next", 60) is True


async def test_what_was_taken_is_free_again(either: Store) -> None:
    """Whoever took a key and died does not hold it for ever, and one that renews it does."""
    assert await either.take("lock", b"a", 0.3) is True
    assert await either.take("lock", b"b", 0.3) is False
    await either.set("lock", b"a", 60)
    await asyncio.sleep(0.4)
    assert await either.take("lock", b"b", 0.3) is False
    await either.set("lock", b"a", 0.1)
    await asyncio.sleep(0.2)
    assert await either.take("lock", b"b", 60) is True


async def test_nothing_is_taken_from_another_kind(either: Store) -> None:
    """A key that holds a list or a counter holds something."""
    await either.append("list", b"x", 60, 5)
    await either.add("count", 1, 60)
    assert [await either.take(key, b"", 60) for key in ("list", "count")] == [False, False]
    assert await either.items("list") == [b"x"]


async def test_the_items_from_one_on(either: Store) -> None:
    """Whoever follows a list reads what is new; a place behind its end is empty, one before its beginning an error."""
    for item in (b"0", b"1", b"2"):
        await either.append("list", item, 60, 9)
    assert [await either.items("list", start) for start in (0, 1, 3, 9)] == [[b"0", b"1", b"2"], [b"1", b"2"], [], []]
    with pytest.raises(ValueError, match="0 or more"):
        await either.items("list", -1)


async def test_keys_that_begin_so(either: Store) -> None:
    """A prefix is taken letter by letter, whatever letters mean to the server, and no key is told twice."""
    for key in ODD:
        await either.set(f"{key}x", b"", 60)
    for prefix in ODD:
        assert await listed(either, prefix) == sorted(f"{key}x" for key in ODD if f"{key}x".startswith(prefix))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(st.text(st.sampled_from("*?[]\\^-a:电"), max_size=6).filter(lambda name: not name.startswith("c:"))),
    prefix=st.text(st.sampled_from("*?[]\\^-a:电"), max_size=3),
)
def test_any_keys_that_begin_so(redis_server: RedisServer, names: set[str], prefix: str) -> None:
    """What Redis lists is what begins with the prefix, as Python sees it."""

    async def check() -> None:
        redis_server.clear()
        store = RedisStore.of(redis_server.url)
        space = store.namespaced("one")
        await space.together([Put(name, b"", 60) for name in names])
        assert await listed(space, prefix) == sorted(name for name in names if name.startswith(prefix))
        await store.close()

    asyncio.run(check())


async def test_all_kinds_of_keys_are_told_until_they_end(either: Store) -> None:
    """Values, counters and lists are keys; what expired is none."""
    await either.set("value", b"", 60)
    await either.add("count", 1, 60)
    await either.append("list", b"", 60, 1)
    await either.set("gone", b"", 0.05)
    await asyncio.sleep(0.1)
    assert await listed(either, "") == ["count", "list", "value"]


async def test_counters_are_not_among_the_keys(either: Store) -> None:
    """A plugin that counts finds only the keys that it made itself."""
    await either.set("value", b"", 60)
    counters = either.counters("asked", [Scope("key", (Series("n", windows_s=(60,)),))])
    await counters.count([Entry(0, "who", (1,))])
    assert await listed(either, "") == ["value"]


async def test_keys_never_come_from_another_space(store: RedisStore, redis_server: RedisServer) -> None:
    """Neither a longer name, nor a pattern in a prefix, nor what others put into the server leads out of a space."""
    other = RedisStore.of(redis_server.url)
    await store.set("mine", b"", 60)
    await other.namespaced("cache2").set("not mine", b"", 60)
    await other.namespaced("cach").set("e:not mine", b"", 60)
    await other.set("cach?", b"", 60)
    with redis_server.client() as client:
        client.set(b"yumen:cache:\xff\xfe", b"")
        client.set(b"other:yumen:cache:x", b"")
    assert await listed(store, "") == ["mine"]
    assert await listed(other.namespaced("cach?"), "") == []
    await other.close()


async def test_many_keys_in_small_answers(store: RedisStore) -> None:
    """No answer of the server is about more keys than it may look at, and together they are complete."""
    many = 3 * SCAN_COUNT
    await store.together([Put(f"k{number}", b"", 60) for number in range(many)])
    assert len(set(await listed(store, "k"))) == many


async def test_peeking(either: Store) -> None:
    """Of values the first bytes are told, of counters the first digits, and of all else nothing, in the order asked."""
    await either.set("值", b"\x00value", 60)
    await either.set("short", b"s", 60)
    await either.set("gone", b"gone", 0.05)
    await either.add("count", -1234, 60)
    await either.append("list", b"item", 60, 1)
    await asyncio.sleep(0.1)
    keys = ["值", "gone", "short", "list", "none", "count", "值"]
    assert await either.peek(keys, 3) == [b"\x00va", b"", b"s", b"", b"", b"-12", b"\x00va"]
    assert await either.peek([], 3) == []
    with pytest.raises(ValueError, match="at least 1"):
        await either.peek(keys, 0)


async def test_changes_in_their_order(either: Store) -> None:
    """Later changes see what earlier ones did, and a list keeps as many as it is told."""
    await either.set("old", b"x", 60)
    changes: list[Change] = [Put("a", b"1", 60), Put("a", b"2", 60), Drop("old"), Put("gone", b"", 60), Drop("gone")]
    changes += [Push("列", b"%d" % number, 60, 2) for number in range(4)]
    await either.together(changes)
    assert [await either.get(key) for key in ("a", "old", "gone")] == [b"2", None, None]
    assert await either.items("列") == [b"2", b"3"]
    await either.together([])


async def test_one_wrong_change_does_not_keep_the_others(either: Store) -> None:
    """What cannot be made is told, all else is there, and what is wrong in itself changes nothing."""
    await either.set("value", b"text", 60)
    with pytest.raises(ValueError, match="something else"):
        await either.together([Put("a", b"1", 60), Push("value", b"", 60, 5), Put("b", b"2", 60)])
    assert [await either.get(key) for key in ("a", "b", "value")] == [b"1", b"2", b"text"]
    for wrong in (Put("z", b"", 0), Put("z", b"", float("nan")), Push("z", b"", -1, 1), Push("z", b"", 1, 0)):
        with pytest.raises(ValueError, match=r"time to live|at least one"):
            await either.together([Put("c", b"3", 60), wrong])
    with pytest.raises(ValueError, match="time to live"):
        await either.take("c", b"", 0)
    assert await either.get("c") is None


async def test_together_is_one_round_trip(store: RedisStore, redis_server: RedisServer) -> None:
    """All changes go in one piece, lists too, on a server that has never seen their script; so does peeking."""
    with redis_server.client() as client:
        await store.set("warm", b"", 60)
        client.script_flush()
        before = client.info("stats")["total_reads_processed"]
        client.ping()
        alone = client.info("stats")["total_reads_processed"] - before
        before = client.info("stats")["total_reads_processed"]
        await store.together([Put("a", b"1", 60), Drop("b"), Push("l", b"x", 60, 3), Push("l", b"y", 60, 3)])
        assert client.info("stats")["total_reads_processed"] - before == alone
        before = client.info("stats")["total_reads_processed"]
        await store.peek(["a", "b", "l"] * 20, 5)
        assert client.info("stats")["total_reads_processed"] - before == alone
        assert 0 < int(client.pttl(b"yumen:cache:l")) <= 60_000
        assert 0 < int(client.pttl(b"yumen:cache:a")) <= 60_000


async def test_what_is_too_large_is_not_kept(store: RedisStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A value above the limit takes the old one's place with nothing, takes no key, and is not pushed."""
    monkeypatch.setattr(redis_module, "VALUE_BYTES_MAX", 10)
    await store.set("a", b"old", 60)
    await store.together([Put("a", b"x" * 11, 60), Push("l", b"x" * 11, 60, 3), Push("l", b"x", 60, 3)])
    assert await store.get("a") is None
    assert await store.items("l") == [b"x"]
    assert await store.take("a", b"x" * 11, 60) is False


async def test_a_full_server_is_a_fault_that_names_no_key() -> None:
    """Where the server has no room for a change, the error says so without the key and the value."""
    server = RedisServer()
    server.start()
    store = RedisStore.of(server.url)
    try:
        with server.client() as client:
            client.config_set("maxmemory", "1")
        for failing in (store.together([Put("of-somebody", b"v", 60)]), store.take("of-somebody", b"v", 60),
                        store.together([Push("of-somebody", b"v", 60, 1)])):  # fmt: skip
            with pytest.raises(StoreError, match="refuses") as failed:
                await failing
            assert "somebody" not in str(failed.value)
        server.stop()
        for gone in (store.together([Drop("of-somebody")]), store.take("of-somebody", b"v", 60), listed(store, "of"),
                     store.peek(["of-somebody"], 1)):  # fmt: skip
            with pytest.raises(StoreError) as failed:
                await gone
            assert "somebody" not in str(failed.value)
    finally:
        await store.close()
        server.stop()
