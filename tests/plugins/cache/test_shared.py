"""The shared tier on a real server: what comes back, what never does, and what stands there."""

from __future__ import annotations

import asyncio
import os
import time
import zlib
from collections.abc import AsyncIterator, Coroutine
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.cache.shared_kit import be_patient, digest, entry, failures, key, tier
from tests.redis_server import RedisServer

from yumen import Answer, Delta, Kept
from yumen.store.redis import RedisStore
from yumen.testing import UnitHost
from yumen_plugins.cache.config import CacheConfig
from yumen_plugins.cache.entry import Entry, packed
from yumen_plugins.cache.keys import Keys
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.shared import envelope
from yumen_plugins.cache.shared.envelope import GROUP, TENANT, closed, opened

SEAL = Seal(b"k" * 32)
OTHER_SEAL = Seal(b"o" * 32)
WHOSE = b"w" * 40
NAME = "e:" + "ab" * 16 + ":" + "cd" * 24


def sealed(content: bytes, seal: Seal = SEAL, name: str = NAME) -> bytes:
    """Any content, as an entry's is."""
    head = seal.sealed(WHOSE, f"{name} head".encode())
    return head + seal.sealed(content, f"{name} body ".encode() + head)


def at_once(opening: Coroutine[Any, Any, Entry]) -> Entry:
    """The entry of a value so short that no thread is needed."""
    try:
        opening.send(None)
    except StopIteration as finished:
        assert isinstance(finished.value, Entry)
        return finished.value
    raise AssertionError("a short value was opened in a thread")


@pytest.fixture
async def store(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisStore]:
    """A key space of an empty server."""
    be_patient(monkeypatch)
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("cache")
    await made.close()


KEPT = [
    Kept(b'{"choices": []}', (b"{}", '{"delta": "你好"}'.encode()), 5),
    Kept(answer=Answer(["word", "词"]), deltas=(Delta("w"), Delta("ord", 1, finish_reason="stop"))),
    Kept(os.urandom(3 << 20)),
    Kept(b"the same words " * 200_000),
]


@pytest.mark.parametrize("kept", KEPT, ids=["small", "neutral", "megabytes of noise", "megabytes of words"])
async def test_two_processes_see_each_other_s_entries(store: RedisStore, kept: Kept) -> None:
    """What one process kept another one finds, as it was, whatever its form and length."""
    one, two = tier(store), tier(store)
    given_entry = Entry(kept, "acme", "s" * 32, "policy", time.time(), 60.0, "问", b"c", b"v" * 8)
    assert await two.get("tenant:acme", key(1)) is None
    one.put("tenant:acme", key(1), given_entry)
    await one.flush()
    assert await two.get("tenant:acme", key(1)) == given_entry
    assert failures(one) == failures(two) == {}
    await one.close()
    await two.close()


async def test_what_stands_in_the_store_says_nothing(store: RedisStore, redis_server: RedisServer) -> None:
    """Neither names nor values hold a tenant, a subject or a word of a reply, compressed or not."""
    shared = tier(store, compress_above=50)
    for number, body in enumerate((b"short", b"a much longer reply " * 100)):
        shared.put("tenant:acme-bank", key(number), entry(body, tenant="acme-bank", subject="subject-of-somebody"))
        shared.put("share:siblings", key(number), entry(body, tenant="acme-bank", subject="subject-of-somebody"))
    await shared.close()
    everything = redis_server.everything()
    assert everything.count(b"yumen:cache:") == 4
    for word in (b"acme", b"somebody", b"siblings", b"short", b"longer", key(0), b"policy"):
        assert word not in everything


async def test_entries_end_by_themselves(store: RedisStore, redis_server: RedisServer) -> None:
    """An entry lives in the store as long as it may be given, and one that was stored earlier so much shorter."""
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry(ttl_s=100))
    shared.put("tenant:acme", key(2), entry(ttl_s=100, stored_at=time.time() - 60))
    shared.put("tenant:acme", key(3), entry(ttl_s=100, stored_at=time.time() - 100))
    await shared.close()
    with redis_server.client() as client:
        lives = sorted(int(client.pttl(name)) for name in client.scan_iter())
    assert len(lives) == 2
    assert 0 < lives[0] <= 40_000 < lives[1] <= 100_000


async def test_one_that_ended_is_not_given(store: RedisStore, redis_server: RedisServer) -> None:
    """Whoever makes an entry live longer in the store does not have it given longer; it goes."""
    moment = [time.time()]
    shared = tier(store, now=lambda: moment[0])
    shared.put("tenant:acme", key(1), entry(ttl_s=100, stored_at=moment[0]))
    await shared.flush()
    with redis_server.client() as client:
        (name,) = client.scan_iter()
        client.persist(name)
        moment[0] += 99
        assert await shared.get("tenant:acme", key(1)) is not None
        moment[0] += 1
        assert await shared.get("tenant:acme", key(1)) is None
        await shared.flush()
        assert client.dbsize() == 0
    assert failures(shared) == {"expired": 1}
    await shared.close()


async def test_one_from_the_future_waits(store: RedisStore, redis_server: RedisServer) -> None:
    """An entry of a machine whose clock is ahead is not given before its time, and not lost either."""
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry(stored_at=time.time() + 300))
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is None
    await shared.close()
    assert failures(shared) == {"future": 1}
    with redis_server.client() as client:
        assert client.dbsize() == 1


async def test_a_copy_is_nobody_s(store: RedisStore, redis_server: RedisServer) -> None:
    """An entry that somebody copies to another tenant's place, another key's or a group's is never given, and goes."""
    shared = tier(store)
    own = entry()
    for space in ("tenant:acme", "tenant:other", "share:acme", "share:other"):
        shared.put(space, key(1), own)
        shared.put(space, key(2), own)
    await shared.flush()
    with redis_server.client() as client:
        names = sorted(client.scan_iter())
        values = {name: client.get(name) or b"" for name in names}
        assert len(names) == 8
        for source in names:
            client.flushall()
            for target in names:
                client.set(target, values[source])
            found = 0
            for space in ("tenant:acme", "tenant:other", "share:acme", "share:other"):
                for number in (1, 2):
                    found += await shared.get(space, key(number)) is not None
            await shared.flush()
            assert found == 1
            assert list(client.scan_iter()) == [source]
    assert failures(shared) == {"corrupt": 56}
    await shared.close()


async def test_another_gateway_s_entries_stay_apart(store: RedisStore) -> None:
    """A gateway with another secret finds nothing, and leaves alone what it does not find."""
    one, two = tier(store), tier(store, secret=b"another secret")
    one.put("tenant:acme", key(1), entry())
    await one.flush()
    assert await two.get("tenant:acme", key(1)) is None
    assert failures(two) == {}
    assert await one.get("tenant:acme", key(1)) is not None
    await one.close()
    await two.close()


@pytest.mark.parametrize("compress_above", [0, 1 << 20], ids=["compressed", "plain"])
@given(data=st.data())
def test_no_damage_yields_an_entry(compress_above: int, data: st.DataObject) -> None:
    """A value of which a bit was flipped, a byte cut, added or moved, or two were mixed, opens to nothing."""
    value = closed(SEAL, NAME, WHOSE, packed(entry(b"reply " * 30)), compress_above)
    second = closed(SEAL, NAME, WHOSE, packed(entry(b"other " * 30)), compress_above)
    place = data.draw(st.integers(0, len(value) - 1))
    kind = data.draw(st.sampled_from(["flip", "cut", "short", "longer", "swap", "heads", "mix"]))
    damaged = {
        "flip": value[:place] + bytes([value[place] ^ data.draw(st.integers(1, 255))]) + value[place + 1 :],
        "cut": value[:place] + value[place + 1 :],
        "short": value[:place],
        "longer": value + data.draw(st.binary(min_size=1, max_size=40)),
        "swap": value[place:] + value[:place],
        "heads": second[: envelope.HEAD_BYTES] + value[envelope.HEAD_BYTES :],
        "mix": value[:place] + second[place:],
    }[kind]
    if damaged not in (value, second):
        with pytest.raises(ValueError, match=r"sealed|entry"):
            at_once(opened(SEAL, NAME, damaged))
    assert at_once(opened(SEAL, NAME, value)).kept.body == b"reply " * 30


@given(
    name=st.text(st.sampled_from("eg:0123456789abcdef\x00 电"), max_size=90).filter(lambda name: name != NAME),
    seal=st.sampled_from([SEAL, OTHER_SEAL]),
)
def test_nothing_opens_elsewhere(name: str, seal: Seal) -> None:
    """Under any other name, and with any other key, a value is no entry."""
    value = closed(SEAL, NAME, WHOSE, packed(entry()), 10)
    with pytest.raises(ValueError, match="sealed"):
        at_once(opened(seal, name, value))
    with pytest.raises(ValueError, match="sealed"):
        at_once(opened(OTHER_SEAL, NAME, value))


@given(garbage=st.binary(max_size=300))
def test_garbage_is_no_entry(garbage: bytes) -> None:
    """Whatever was sealed, and whatever was not, opens to an entry only if it is one."""
    for value in (garbage, sealed(garbage), sealed(b"\x00" + garbage), sealed(b"\x01" + garbage),
                  sealed(b"\x01" + zlib.compress(garbage))):  # fmt: skip
        with pytest.raises(ValueError, match=r"sealed|entry|expand"):
            at_once(opened(SEAL, NAME, value))


@given(first=st.tuples(st.text(max_size=8), st.binary(max_size=24)), second=st.tuples(st.text(max_size=8), st.binary()))
def test_no_two_places_have_one_name(first: tuple[str, bytes], second: tuple[str, bytes]) -> None:
    """Spaces and keys, however they are made up, never meet in one name."""
    shared = envelope.Spaces(lambda space: SEAL, lambda word: digest(word)[:16].hex())
    names = [shared.of(space).name(own) for space, own in (first, second)]
    assert (names[0] == names[1]) == (first == second)


async def test_compression_goes_no_further_than_an_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that expands without end is no entry, and not expanded; nor is one with something behind its end."""
    monkeypatch.setattr(envelope, "PACKED_BYTES_MAX", 100_000)
    fits = packed(entry(b"x" * 90_000))
    assert (await opened(SEAL, NAME, closed(SEAL, NAME, WHOSE, fits, 10))).kept.body == b"x" * 90_000
    bomb = zlib.compress(packed(entry(b"x" * (10 << 20))))
    for content in (bomb, zlib.compress(fits)[:-1], zlib.compress(fits) + b"x", b""):
        with pytest.raises(ValueError, match="expand"):
            await opened(SEAL, NAME, sealed(b"\x01" + content))


async def test_what_is_damaged_in_the_store_goes(store: RedisStore, redis_server: RedisServer) -> None:
    """An entry that cannot be used is a miss, is counted and removed; so is what is of another kind or form."""
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    with redis_server.client() as client:
        (name,) = client.scan_iter()
        whole = client.get(name)
        assert isinstance(whole, bytes)
        place = name.removeprefix(b"yumen:cache:")
        seal = Seal(digest(f"seal {place.decode().split(':')[1]}"))
        later_form = sealed(b"\x00" + msgspec.msgpack.encode((999, entry())), seal, place.decode())
        for damaged in (whole[:-1], b"", b"x", whole + whole, later_form):
            client.set(name, damaged)
            assert await shared.get("tenant:acme", key(1)) is None
            await shared.flush()
            assert client.dbsize() == 0
        client.rpush(name, whole)
        assert await shared.get("tenant:acme", key(1)) is None
        await shared.flush()
        assert client.dbsize() == 0
        client.set(name, whole)
        assert await shared.get("tenant:acme", key(1)) is not None
    assert failures(shared) == {"corrupt": 6}
    await shared.close()


async def test_what_came_meanwhile_is_not_removed(store: RedisStore, redis_server: RedisServer) -> None:
    """A new entry under a name that held a damaged one stays."""
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    with redis_server.client() as client:
        (name,) = client.scan_iter()
        client.set(name, b"damaged")
    assert await shared.get("tenant:acme", key(1)) is None
    shared.put("tenant:acme", key(1), entry(b"new"))
    await shared.flush()
    found = await shared.get("tenant:acme", key(1))
    assert found is not None
    assert found.kept.body == b"new"
    await shared.close()


async def test_reading_is_one_round_trip(store: RedisStore, redis_server: RedisServer) -> None:
    """A hit asks the server once, and so do many who want the same entry at the same time."""
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry())
    await shared.flush()
    with redis_server.client() as client:
        for readers in (1, 500):
            client.config_resetstat()
            found = await asyncio.gather(*(shared.get("tenant:acme", key(1)) for _ in range(readers)))
            assert None not in found
            calls = {name: stat["calls"] for name, stat in client.info("commandstats").items()}
            asked = {name: count for name, count in calls.items() if "config" not in name}
            assert asked == {"cmdstat_get": 1}
    await shared.close()


def test_spaces_are_called_as_the_keys_call_them() -> None:
    """A purge finds a tenant's entries under the name that its exchanges have for them."""
    keys = Keys(UnitHost(), CacheConfig(share={"siblings": ("north", "south")}))
    assert keys.space("acme") == f"{TENANT}acme"
    assert keys.space("north") == keys.space("south") == f"{GROUP}siblings"
    shared = envelope.Spaces(lambda space: SEAL, keys.name)
    for space in ("tenant:acme", "share:siblings"):
        assert len(shared.whose("acme", "s", 1.0)) == len(WHOSE)
        name = shared.of(space).name(b"k" * 24)
        assert shared.around(name).prefix == shared.of(space).prefix
