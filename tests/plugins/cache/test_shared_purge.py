"""Purging the shared tier on a real server: what a purge takes is gone, stays gone, and nothing else goes."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Sequence

import pytest
from tests.plugins.cache.shared_kit import be_patient, entry, failures, key, tier
from tests.redis_server import RedisServer

from yumen import Change
from yumen.store import StoreError
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore
from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.shared import Shared, purged, writer
from yumen_plugins.cache.shared.purged import Purged

TENANTS = ("acme", "globex")
SUBJECTS = ("a" * 32, "b" * 32)
AGES_S = (10.0, 300.0)


@pytest.fixture
async def store(redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[RedisStore]:
    """A key space of an empty server."""
    be_patient(monkeypatch)
    redis_server.clear()
    made = RedisStore.of(redis_server.url)
    yield made.namespaced("cache")
    await made.close()


@pytest.fixture
def own() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    server = RedisServer()
    server.start()
    yield server
    server.stop()


def spaces(tenant: str) -> list[str]:
    """Where entries of a tenant may be: its own space, and its group's, before and after policy put it there."""
    return [f"tenant:{tenant}", "share:siblings"]


def name_of(space: str, tenant: str, subject: str, age_s: float) -> bytes:
    return key(f"{space} {tenant} {subject} {age_s}")


ALL = [
    (space, tenant, subject, age_s)
    for tenant in TENANTS
    for space in spaces(tenant)
    for subject in SUBJECTS
    for age_s in AGES_S
]


async def filled(store: RedisStore, now: float) -> Shared:
    """A tier with one entry of each kind."""
    shared = tier(store)
    for space, tenant, subject, age_s in ALL:
        made = entry(tenant=tenant, subject=subject, stored_at=now - age_s)
        shared.put(space, name_of(space, tenant, subject, age_s), made)
    await shared.flush()
    return shared


async def left(shared: Shared) -> list[tuple[str, str, str, float]]:
    return [one for one in ALL if await shared.get(one[0], name_of(*one)) is not None]


@pytest.mark.parametrize("elsewhere", [False, True], ids=["same process", "another process"])
@pytest.mark.parametrize("older_than_s", [None, 0.0, 100.0, 1000.0])
@pytest.mark.parametrize("whose", [("", ""), ("acme", ""), ("acme", SUBJECTS[0]), ("", SUBJECTS[1]), ("nobody", "")])
async def test_a_purge_takes_what_it_says_and_nothing_else(
    store: RedisStore, redis_server: RedisServer, whose: tuple[str, str], older_than_s: float | None, elsewhere: bool
) -> None:
    """By tenant, subject and age, in spaces of one tenant and of a group, whoever wrote it; and it says how many went."""
    now = time.time()
    shared = await filled(store, now)
    purging = tier(store) if elsewhere else shared
    purge = Purge(*whose) if older_than_s is None else Purge(*whose, before=now - older_than_s)
    expected = [one for one in ALL if not purge.takes(one[1], one[2], now - one[3])]
    assert await purging.purge(purge) == len(ALL) - len(expected)
    assert await left(tier(store)) == expected
    with redis_server.client() as client:
        assert client.dbsize() == len(expected)
    await shared.close()
    await purging.close()


async def test_what_waits_to_be_written_goes_too(store: RedisStore, redis_server: RedisServer) -> None:
    """A purge that comes between an exchange's end and the write of its entry takes the entry, and counts it."""
    shared = tier(store)
    for number in range(300):
        shared.put("tenant:acme", key(number), entry())
    shared.put("tenant:globex", key(0), entry(tenant="globex"))
    await asyncio.sleep(0)
    assert await shared.purge(Purge("acme")) == 300
    await shared.close()
    with redis_server.client() as client:
        assert client.dbsize() == 1


async def test_what_was_stored_before_is_not_written_afterwards(store: RedisStore, redis_server: RedisServer) -> None:
    """An older entry that comes late stays away; one that was stored after the purge is kept."""
    moment = [time.time()]
    shared = tier(store, now=lambda: moment[0])
    await shared.purge(Purge("acme", SUBJECTS[0]))
    shared.put("tenant:acme", key(1), entry(subject=SUBJECTS[0], stored_at=moment[0] - 0.001))
    shared.put("tenant:acme", key(2), entry(subject=SUBJECTS[1], stored_at=moment[0] - 0.001))
    shared.put("tenant:acme", key(3), entry(subject=SUBJECTS[0], stored_at=moment[0]))
    await shared.flush()
    assert await shared.get("tenant:acme", key(1)) is None
    assert await shared.get("tenant:acme", key(2)) is not None
    assert await shared.get("tenant:acme", key(3)) is not None
    with redis_server.client() as client:
        assert client.dbsize() == 2
    await shared.close()


@pytest.mark.parametrize("seed", range(8))
async def test_nothing_comes_back_whatever_the_order(store: RedisStore, redis_server: RedisServer, seed: int) -> None:
    """Of entries that are put while purges run, in any interleaving, none that was stored before its purge is left."""
    chance = random.Random(seed)
    shared = tier(store)
    purges: list[Purge] = []
    stored: list[tuple[str, str, float]] = []

    async def put(number: int) -> None:
        tenant, subject = chance.choice(TENANTS), chance.choice(SUBJECTS)
        stored_at = time.time()
        for _ in range(chance.randint(0, 3)):
            await asyncio.sleep(0)
        shared.put(f"tenant:{tenant}", key(number), entry(tenant=tenant, subject=subject, stored_at=stored_at))
        stored.append((tenant, subject, stored_at))

    async def purge() -> None:
        await asyncio.sleep(chance.random() / 50)
        whose = chance.choice([("", ""), ("acme", ""), ("globex", SUBJECTS[0])])
        purges.append(Purge(*whose, before=time.time()))
        await shared.purge(purges[-1])

    await asyncio.gather(*(put(number) if number % 20 else purge() for number in range(200)))
    await shared.flush()
    kept = [one for one in stored if not any(purge.takes(*one) for purge in purges)]
    with redis_server.client() as client:
        # A purge of all that was stored until now may take what came while it ran.
        assert client.dbsize() <= len(kept)
    for number in range(200):
        for tenant in TENANTS:
            found = await shared.get(f"tenant:{tenant}", key(number))
            assert found is None or not any(one.takes(tenant, found.subject, found.stored_at) for one in purges)
    await shared.close()


async def test_what_is_being_read_is_not_given_after_a_purge() -> None:
    """An entry that was on its way when it was purged is a miss."""
    store = Held()
    shared = tier(store)
    shared.put("tenant:acme", key(1), entry(stored_at=time.time() - 1))
    await shared.flush()
    store.holds = True
    reading = asyncio.create_task(shared.get("tenant:acme", key(1)))
    await store.reached.wait()
    await shared.purge(Purge("acme"))
    store.may.set()
    assert await reading is None
    await shared.close()


async def test_a_purge_waits_for_the_batch_under_way() -> None:
    """What is on its way to the store when a purge comes is there before the purge looks for it."""
    store = Held()
    shared = tier(store)
    store.holds = True
    shared.put("tenant:acme", key(1), entry(stored_at=time.time() - 1))
    await store.reached.wait()
    store.holds = False
    purging = asyncio.create_task(shared.purge(Purge("acme")))
    await asyncio.sleep(0.05)
    assert not purging.done()
    store.may.set()
    assert await purging == 1
    assert [name async for name in store.keys("")] == []
    await shared.close()


class Held(MemoryStore):
    """A store of which one operation waits until it may go on: a look with its answer, changes before they are made."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.holds = False
        self.reached = asyncio.Event()
        self.may = asyncio.Event()

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        await self._hold()
        return value

    async def together(self, changes: Sequence[Change]) -> None:
        await self._hold()
        await super().together(changes)

    async def _hold(self) -> None:
        if self.holds:
            self.holds = False
            self.reached.set()
            await self.may.wait()


async def test_entries_that_do_not_open_go(store: RedisStore, redis_server: RedisServer) -> None:
    """What cannot be read may be of the subject: it goes, in the tenant's own space and in those of groups."""
    now = time.time()
    shared = await filled(store, now)
    with redis_server.client() as client:
        names = sorted(client.scan_iter())
        own = [name for name in names if b":e:" in name]
        group = [name for name in names if b":g:" in name]
        assert len(own) == len(group) == 8
        acme = [name for name in own if name.startswith(own[0][:46])]
        other = [name for name in own if name not in acme]
        client.set(group[0], b"damaged")
        moved = client.get(group[1])
        assert isinstance(moved, bytes)
        client.set(group[2], moved)
        client.set(acme[0], b"x")
        client.set(other[0], b"damaged")
        client.set(b"yumen:cache:e:not-a-name", b"x")
        client.set(b"yumen:cache:f:somebody-else's", b"x")
        for tenant in TENANTS:
            await shared.purge(Purge(tenant, "c" * 32))
            assert not client.exists(group[0], group[2])
        # Each purge reads its own tenant's entries alone.
        assert not client.exists(acme[0], other[0])
        assert client.exists(b"yumen:cache:e:not-a-name", b"yumen:cache:f:somebody-else's") == 2
        assert client.dbsize() == 14
        await shared.purge(Purge("", "c" * 32))
        assert client.dbsize() == 13
        assert client.exists(b"yumen:cache:f:somebody-else's") == 1
    await shared.close()


async def test_a_thousand_entries_go_in_few_round_trips(store: RedisStore, redis_server: RedisServer) -> None:
    """A purge of a whole tenant reads none of its entries, one of a subject their heads alone, many at a time."""
    shared = tier(store)
    for start in (0, 500):
        for number in range(start, start + 500):
            shared.put("tenant:acme", key(number), entry())
        await shared.flush()
    with redis_server.client() as client:
        client.config_resetstat()
        assert await shared.purge(Purge("acme", SUBJECTS[0])) == 0
        assert "cmdstat_get" not in client.info("commandstats")
        assert client.info("stats")["total_reads_processed"] < 60
        client.config_resetstat()
        assert await shared.purge(Purge("acme")) == 1000
        calls = {name: stat["calls"] for name, stat in client.info("commandstats").items()}
        assert not {"cmdstat_get", "cmdstat_getrange"} & set(calls)
        assert calls["cmdstat_scan"] <= 8
        assert client.info("stats")["total_reads_processed"] < 60
        assert client.dbsize() == 0
    await shared.close()


async def test_a_purge_says_where_something_may_be_left(own: RedisServer) -> None:
    """A purge that does not reach the store is an error, and holds in this process all the same."""
    clock = [0.0]
    made = RedisStore.of(own.url, lambda: clock[0])
    shared = tier(made.namespaced("cache"))
    shared.put("tenant:acme", key(1), entry(stored_at=time.time() - 1))
    await shared.flush()
    own.hang()
    with pytest.raises(StoreError):
        await shared.purge(Purge("acme"))
    own.go_on()
    clock[0] += 10.0
    for _ in range(100):
        if (await shared.stats())["reachable"]:
            break
        await asyncio.sleep(0.05)
        clock[0] += 10.0
    assert await shared.get("tenant:acme", key(1)) is None
    await shared.flush()
    with own.client() as client:
        assert client.dbsize() == 0
    await shared.close()
    await made.close()


async def test_who_is_told_of_a_purge_removes_what_it_wrote_late(store: RedisStore, redis_server: RedisServer) -> None:
    """A process that wrote an entry after another one's purge had passed removes it when it is told, without a search."""
    one, two = tier(store), tier(store)
    stored_at = time.time()
    moment = stored_at + 0.001
    assert await one.purge(Purge("acme", before=moment)) == 0
    two.put("tenant:acme", key(1), entry(stored_at=stored_at))
    two.put("tenant:acme", key(2), entry(stored_at=moment + 1))
    two.put("tenant:globex", key(3), entry(tenant="globex", stored_at=stored_at))
    await two.flush()
    two.put("tenant:acme", key(4), entry(stored_at=stored_at))
    with redis_server.client() as client:
        assert client.dbsize() == 3
        client.config_resetstat()
        assert await two.forget(Purge("acme", before=moment)) == 2
        await two.flush()
        assert client.dbsize() == 2
        assert "cmdstat_scan" not in client.info("commandstats")
    await one.close()
    await two.close()


async def test_who_wrote_more_than_it_knows_searches(
    store: RedisStore, redis_server: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a process does not know all that it wrote lately, being told of a purge is a purge."""
    monkeypatch.setattr(writer, "WRITTEN_MAX", 4)
    shared = tier(store)
    stored_at = time.time()
    for number in range(10):
        shared.put("tenant:acme", key(number), entry(stored_at=stored_at))
    await shared.flush()
    assert await shared.forget(Purge("acme", before=stored_at + 0.001)) == 10
    with redis_server.client() as client:
        assert client.dbsize() == 0
    # Long before, it has written nothing that another one's search could have missed.
    assert await shared.forget(Purge("acme", before=stored_at - 1000)) == 0
    assert failures(shared) == {}
    await shared.close()


def test_purges_are_remembered_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many purges there are, none is forgotten for what is written; reading knows the newest ones."""
    monkeypatch.setattr(purged, "PURGES_MAX", 3)
    remembered = Purged(lambda: 100.0)
    for number in range(10):
        remembered.add(Purge("acme", f"subject {number}", before=float(number + 1)))
        assert len(remembered._until) <= 3
    assert remembered.takes("acme", "subject 9", 9.5)
    assert not remembered.takes("acme", "subject 9", 10.0)
    assert not remembered.takes("acme", "subject 1", 0.5)
    for number in range(10):
        assert remembered.bars("acme", f"subject {number}", number + 0.5)
    assert not remembered.bars("globex", "", 50.0)
    remembered.add(Purge())
    assert remembered.takes("globex", "", 99.9)
    assert not remembered.takes("globex", "", 100.0)
