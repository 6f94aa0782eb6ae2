"""The vault: what is kept of pseudonyms beyond an exchange, for whom, and how long."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins.anonymize.running import INTERPRETED
from tests.redis_server import RedisServer

from yumen import Hmac, Secret
from yumen.store.memory import MemoryStore
from yumen.store.redis import RedisStore
from yumen_plugins.anonymize import pseudonym as pseudonym_module
from yumen_plugins.anonymize.config import Vault as VaultConfig
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.pseudonym import LENGTH, Entry, Pseudonyms
from yumen_plugins.anonymize.restore import restored
from yumen_plugins.anonymize.vault import BATCH_ENTRIES_MAX, VALUE_CHARS_MAX, Vault

PHONE, OTHER, NAME = "13812345678", "13912345678", "张伟先生 \ud800"
SESSION, SECOND = "a" * 32, "b" * 32
MOBILE = next(one for one in CATALOGUE if one.id == "cn.mobile")
EMAIL = next(one for one in CATALOGUE if one.id == "email")


def key_of(tenant: str) -> bytes:
    return Secret(b"r" * 32).derive("anonymize vault", tenant)


def entry(value: str, label: str = "CN_MOBILE") -> Entry:
    return Entry(label, value, Hmac(b"tag")(value.encode("utf-8", "surrogatepass"))[:16])


def codes(number: int) -> list[str]:
    return [f"{index:0{LENGTH}d}" for index in range(number)]


def hit(value: str) -> Hit:
    return Hit(MOBILE if value.isdigit() else EMAIL, 0, len(value), value, True)


class Kept:
    """A vault over a store, with a clock that stands still, and the reasons for what it passed over."""

    def __init__(self, store: Any = None, key: Any = key_of, **config: Any) -> None:
        self.time = 1_700_000_000.0
        self.store = store or MemoryStore(lambda: self.time)
        self.ignored: Counter[str] = Counter()
        self.vault = Vault(
            self.store,
            key,
            VaultConfig(**config),
            now=lambda: self.time,
            ignored=lambda why: self.ignored.update([why]),
        )

    @property
    def places(self) -> list[str]:
        """The keys of the store under which batches stand."""
        return [key for key in self.store._entries if key.startswith("vault:")]

    async def written(self, tenant: str = "t", session: str = SESSION) -> dict[str, str]:
        return {code: one.written for code, one in (await self.vault.known(tenant, session)).items()}


async def test_what_a_session_keeps_it_gets_back() -> None:
    """Values, labels and tags come back as they were, to this session of this tenant and to nobody else."""
    kept = Kept()
    values = dict(zip(codes(2), [entry(PHONE), entry(NAME, "NAME")], strict=True))
    await kept.vault.keep("t", SESSION, values)
    assert await kept.vault.known("t", SESSION) == values
    for tenant, session in (("t", SECOND), ("u", SESSION), ("t", ""), ("", SESSION)):
        assert await kept.vault.known(tenant, session) == {}
    assert not kept.ignored


@pytest.mark.parametrize(
    ("scope", "reach"), [("exchange", []), ("session", [SESSION]), ("tenant", [SESSION, SECOND, ""])]
)
async def test_scopes(scope: str, reach: list[str]) -> None:
    """Policy says how far a value is known; a request without a session shares nothing but its tenant's."""
    kept = Kept(scope=scope)
    await kept.vault.keep("t", SESSION, {codes(1)[0]: entry(PHONE)})
    for session in (SESSION, SECOND, ""):
        assert bool(await kept.written(session=session)) == (session in reach)
    assert await kept.written("u") == {}
    await Kept(scope="session", store=kept.store).vault.keep("t", "", {codes(1)[0]: entry(PHONE)})
    assert await Kept(scope="session", store=kept.store).written(session="") == {}


async def test_nothing_raw_reaches_the_store(redis_server: RedisServer) -> None:
    """Neither keys nor values of the store show a value, a label, a code, a tenant or a session."""
    redis_server.clear()
    store = RedisStore.of(redis_server.url)
    kept = Kept(store.namespaced("anonymize"))
    code = codes(1)[0]
    await kept.vault.keep("tenant-name", SESSION, {code: entry(PHONE), "abcdefghjk": entry("张伟", "NAME")})
    everything = redis_server.everything()
    assert b"yumen:anonymize:vault:" in everything
    for raw in (PHONE, "张伟", "CN_MOBILE", "NAME", code, "abcdefghjk", "tenant-name", SESSION):
        assert raw.encode() not in everything
    await store.close()


async def test_foreign_and_broken_batches_are_passed_over() -> None:
    """What was changed, cut, or put under another's key opens nowhere and hides nothing; it is counted."""
    kept = Kept()
    await kept.vault.keep("t", SESSION, {codes(1)[0]: entry(PHONE)})
    (mine,) = kept.places
    (blob,) = await kept.store.items(mine)
    await kept.vault.keep("u", SESSION, {codes(1)[0]: entry(OTHER)})
    (yours,) = set(kept.places) - {mine}
    (foreign,) = await kept.store.items(yours)
    flipped = [blob[:place] + bytes([blob[place] ^ 1]) + blob[place + 1 :] for place in range(len(blob))]
    wrong = [foreign, b"", b"\x02", blob[:13], blob[:-1], blob + b"x", b"\x01" + blob[1:], *flipped]
    for one in wrong:
        await kept.store.append(mine, one, 60, 10_000)
    assert await kept.written() == {codes(1)[0]: PHONE}
    assert kept.ignored == {"garbled": len(wrong)}
    assert await Kept(kept.store, key=lambda tenant: b"x" * 32).written() == {}


async def test_what_is_no_list_goes() -> None:
    """Whoever puts something else where values or seeds stand has them forgotten, and locks nobody out for good."""
    kept = Kept()
    values = {codes(1)[0]: entry(PHONE)}
    await kept.vault.keep("t", SESSION, values, "s")
    for place in sorted(kept.store._entries, reverse=True):  # seeds last: under another one values stand elsewhere
        await kept.store.set(place, "不是列表".encode(), 60)
        assert await kept.vault.known("t", SESSION, "s") == {}
        await kept.vault.keep("t", SESSION, values, "s")
        assert await kept.vault.known("t", SESSION, "s") == values
    for place in [one for one in kept.store._entries if one.startswith("vault-of:")]:
        await kept.store.set(place, b"", 60)
    await kept.vault.forget("t", "s")
    assert await kept.vault.known("t", SESSION, "s") == {}


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=80))
def test_no_batch_can_be_made_without_the_key(blob: bytes) -> None:
    """Whatever bytes somebody puts there, they are no values and no error."""

    async def run() -> None:
        kept = Kept()
        await kept.vault.keep("t", SESSION, {codes(1)[0]: entry(PHONE)})
        (key,) = kept.places
        await kept.store.append(key, b"\x02" + blob, 60, 10)
        assert await kept.written() == {codes(1)[0]: PHONE}

    asyncio.run(run())


async def test_values_are_forgotten_in_time() -> None:
    """A value lives `ttl_s` from when it was last kept, whatever else its scope keeps; one in use is due before that."""
    kept = Kept(ttl_s=100, scope="tenant")
    first, second = codes(2)
    await kept.vault.keep("t", "", {first: entry(PHONE)})
    kept.time += 49
    assert not (await kept.vault.known("t", ""))[first].old
    await kept.vault.keep("t", "", {second: entry(OTHER)})
    kept.time += 1
    assert (await kept.vault.known("t", ""))[first].old
    kept.time += 50
    assert await kept.written() == {second: OTHER}
    assert kept.ignored == {"expired": 1}
    kept.time += 50
    assert await kept.written() == {}


async def test_what_is_still_used_is_kept_anew() -> None:
    """A pseudonym that is met again, in a request or in a reply, in the second half of its time lives on."""
    kept = Kept(ttl_s=100)
    mac = Hmac(b"k")
    names = Pseudonyms(mac)
    token = names.token(hit(PHONE), PHONE)
    await kept.vault.keep("t", SESSION, names.fresh)
    for _ in range(5):
        kept.time += 60
        again = Pseudonyms(mac, await kept.vault.known("t", SESSION))
        assert not again.fresh
        assert restored(token, again, False) == PHONE
        assert list(again.fresh) == list(names.fresh)
        await kept.vault.keep("t", SESSION, again.fresh)
    kept.time += 40
    young = Pseudonyms(mac, await kept.vault.known("t", SESSION))
    assert young.token(hit(PHONE), "138 1234 5678") == token
    assert not young.fresh
    assert restored(token, young, False) == PHONE


async def test_the_oldest_go_first() -> None:
    """A scope holds `entries_max` values, a value so many characters, and what is too long is not kept."""
    kept = Kept(entries_max=300)
    for index, code in enumerate(codes(400)):
        await kept.vault.keep("t", SESSION, {code: entry(f"v{index}")})
    assert await kept.written() == {code: f"v{index}" for index, code in enumerate(codes(400)) if index >= 100}
    await kept.vault.keep("t", SECOND, {code: entry(code) for code in codes(700)})
    assert len(await kept.store.items(kept.places[-1])) == 700 // BATCH_ENTRIES_MAX + 1
    assert set(await kept.written(session=SECOND)) <= set(codes(700))
    assert len(await kept.written(session=SECOND)) == 300
    long = {"0000000000": entry("x" * VALUE_CHARS_MAX), "0000000001": entry("x" * (VALUE_CHARS_MAX + 1))}
    await kept.vault.keep("u", SESSION, long)
    assert list(await kept.written("u")) == ["0000000000"]


async def test_a_scope_takes_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long the values, the bytes of one scope stay bounded, and the newest stay."""
    kept = Kept(entries_max=1000)
    largest = 0
    for index, code in enumerate(codes(400)):
        await kept.vault.known("t", SESSION)
        await kept.vault.keep("t", SESSION, {code: entry(f"{index:05d}" + "x" * 16_000)})
        (place,) = kept.places
        largest = max(largest, kept.store._entries[place].size)
    assert largest < 3 << 20
    assert codes(400)[-1] in await kept.written()


@pytest.mark.parametrize("durable", [False, True])
async def test_two_exchanges_at_once_lose_nothing(redis_server: RedisServer, durable: bool) -> None:
    """Exchanges of one session that overlap in any way all find their values there afterwards."""
    redis_server.clear()
    store = RedisStore.of(redis_server.url)
    kept = Kept(store.namespaced("v") if durable else None)

    async def exchange(code: str) -> None:
        await kept.vault.known("t", SESSION)
        await kept.vault.keep("t", SESSION, {code: entry(code)})

    await asyncio.gather(*map(exchange, codes(100)))
    assert sorted(await kept.written()) == codes(100)
    await store.close()


RESTART = """
import asyncio, sys
from yumen import Hmac, Secret
from yumen.store.redis import RedisStore
from yumen_plugins.anonymize.config import Vault as VaultConfig
from yumen_plugins.anonymize.pseudonym import Pseudonyms
from yumen_plugins.anonymize.restore import restored
from yumen_plugins.anonymize.vault import Vault
url, root, token = sys.argv[1:]
secret = Secret(bytes.fromhex(root))
async def main():
    store = RedisStore.of(url)
    vault = Vault(store.namespaced("anonymize"), lambda tenant: secret.derive("anonymize vault", tenant), VaultConfig())
    names = Pseudonyms(Hmac(b"k"), await vault.known("t", "a" * 32))
    print(restored(token, names, False))
    await store.close()
asyncio.run(main())
"""


async def test_a_restart_loses_nothing_in_redis(redis_server: RedisServer) -> None:
    """A new process with the same secret restores what an earlier one masked; one with another secret does not."""
    redis_server.clear()
    store = RedisStore.of(redis_server.url)
    vault = Vault(store.namespaced("anonymize"), key_of, VaultConfig())
    names = Pseudonyms(Hmac(b"k"))
    token = names.token(hit(PHONE), PHONE)
    await vault.keep("t", SESSION, names.fresh)
    await store.close()
    for root, expected in ((b"r" * 32, PHONE), (b"s" * 32, token)):
        command = [sys.executable, "-c", RESTART, redis_server.url, root.hex(), token]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


@INTERPRETED
async def test_collisions_never_restore_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value whose code the vault has for another one gets a code of its own, and a code with two values is nobody's."""
    monkeypatch.setattr(pseudonym_module, "code", lambda mac, kind, value, attempt=0: f"000000000{attempt}")
    kept, mac = Kept(), Hmac(b"k")
    first = Pseudonyms(mac)
    token = first.token(hit(PHONE), PHONE)
    await kept.vault.keep("t", SESSION, first.fresh)
    second = Pseudonyms(mac, await kept.vault.known("t", SESSION))
    other = second.token(hit(OTHER), OTHER)
    assert (token, other) == ("<CN_MOBILE_0000000000>", "<CN_MOBILE_0000000001>")
    assert restored(token + other, second, False) == PHONE + OTHER
    assert second.token(hit(PHONE), PHONE) == token
    # Two exchanges that did not know of each other.
    blind = Pseudonyms(mac)
    assert blind.token(hit(OTHER), OTHER) == token
    await kept.vault.keep("t", SESSION, blind.fresh)
    assert await kept.written() == {}


@INTERPRETED
def test_what_is_never_restored_is_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rule that policy does not let restore has pseudonyms without a way back, which collide with nothing either."""
    names = Pseudonyms(Hmac(b"k"), restores=frozenset({"cn.mobile"}))
    phone, mail = names.token(hit(PHONE), PHONE), names.token(hit("a@b.cn"), "a@b.cn")
    assert names.token(hit("a@b.cn"), "a@b.cn") == mail
    assert restored(phone + mail, names, False) == PHONE + mail
    assert [one.written for one in names.fresh.values()] == [PHONE]
    monkeypatch.setattr(pseudonym_module, "code", lambda mac, kind, value, attempt=0: f"000000000{attempt}")
    names = Pseudonyms(Hmac(b"k"), restores=frozenset({"cn.mobile"}))
    assert names.token(hit("a@b.cn"), "a@b.cn") == "<EMAIL_0000000000>"
    assert names.token(hit(PHONE), PHONE) == "<CN_MOBILE_0000000001>"
    assert restored("<EMAIL_0000000000>", names, False) == "<EMAIL_0000000000>"
    # What an earlier policy let restore is not restored under this one.
    names = Pseudonyms(Hmac(b"k"), {"0000000000": entry("a@b.cn", "EMAIL")}, frozenset({"cn.mobile"}))
    assert restored("<EMAIL_0000000000>", names, False) == "<EMAIL_0000000000>"
