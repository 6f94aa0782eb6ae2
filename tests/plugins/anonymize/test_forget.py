"""The vault forgets a person or a tenant: what was kept opens for nobody any more, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.plugins.anonymize.running import PHONE
from tests.plugins.anonymize.test_vault import SECOND, SESSION, Kept, codes, entry
from tests.policy.testing import bench
from tests.redis_server import RedisServer

from yumen import Erasure, Principal, Secret, subject_id
from yumen.policy.bundle import Bundle
from yumen.policy.cases import Reply
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import SECRET, Harness
from yumen.store.redis import RedisStore
from yumen_plugins.anonymize.seeds import ITEMS_MAX, SLACK_S, Seeds

LI, ZHANG = "1" * 32, "2" * 32
CODE, OTHER = codes(2)
VALUES = {CODE: entry(PHONE), OTHER: entry("张伟", "NAME")}


@pytest.fixture(params=["memory", "redis"])
async def store(request: pytest.FixtureRequest) -> AsyncIterator[Any]:
    """Both stores; None for the one that a vault brings itself."""
    if request.param == "memory":
        yield None
        return
    server: RedisServer = request.getfixturevalue("redis_server")
    server.clear()
    made = RedisStore.of(server.url)
    yield made.namespaced("anonymize")
    await made.close()


@pytest.mark.parametrize("scope", ["session", "tenant"])
async def test_a_subject_has_a_vault_of_its_own(store: Any, scope: str) -> None:
    """One session, or tenant, is another one for every subject and for nobody in particular."""
    kept = Kept(store, scope=scope)
    await kept.vault.keep("t", SESSION, VALUES, LI)
    assert await kept.vault.known("t", SESSION, LI) == VALUES
    for subject in (ZHANG, ""):
        assert await kept.vault.known("t", SESSION, subject) == {}
    assert bool(await kept.vault.known("t", SECOND, LI)) == (scope == "tenant")


async def test_a_subject_is_forgotten_in_all_its_sessions(store: Any) -> None:
    """However many sessions there were, nothing of them is known afterwards; others keep theirs, and so does the tenant."""
    kept = Kept(store)
    sessions = [f"{number:032x}" for number in range(300)]
    for session in sessions:
        await kept.vault.keep("t", session, VALUES, LI)
    for tenant, subject in (("t", ZHANG), ("t", ""), ("u", LI)):
        await kept.vault.keep(tenant, SESSION, VALUES, subject)
    assert await kept.vault.forget("t", LI) == 1
    assert not any([await kept.vault.known("t", session, LI) for session in sessions])
    for tenant, subject in (("t", ZHANG), ("t", ""), ("u", LI)):
        assert await kept.vault.known(tenant, SESSION, subject) == VALUES
    assert await kept.vault.forget("t", LI) == 0
    assert not kept.ignored


async def test_a_tenant_is_forgotten_with_everybody_in_it(store: Any) -> None:
    """Every subject, and what is about nobody in particular; another tenant keeps its own."""
    kept = Kept(store, scope="tenant")
    for tenant, subject in (("t", LI), ("t", ZHANG), ("t", ""), ("u", "")):
        await kept.vault.keep(tenant, "", VALUES, subject)
    assert await kept.vault.forget("t") == 1
    for subject in (LI, ZHANG, ""):
        assert await kept.vault.known("t", "", subject) == {}
    assert await kept.vault.known("u", "") == VALUES


async def test_a_new_life_begins_after_it(store: Any) -> None:
    """What is kept later is known again, and nothing of before comes back with it."""
    kept = Kept(store)
    await kept.vault.keep("t", SESSION, {CODE: entry(PHONE)}, LI)
    await kept.vault.forget("t", LI)
    await kept.vault.keep("t", SESSION, {OTHER: entry("张伟")}, LI)
    assert list(await kept.vault.known("t", SESSION, LI)) == [OTHER]


async def test_an_exchange_under_way_brings_nothing_back(store: Any) -> None:
    """One that has read the values before, and keeps them anew behind the erasure, keeps them for nobody."""
    kept = Kept(store)
    await kept.vault.keep("t", SESSION, VALUES, LI)
    known = await kept.vault.known("t", SESSION, LI)
    await kept.vault.forget("t", LI)
    await kept.vault.keep("t", SESSION, known, LI, known.seed)
    assert await kept.vault.known("t", SESSION, LI) == {}


async def test_another_process_forgets_for_all(redis_server: RedisServer) -> None:
    """Workers with one store need not be told: none of them remembers a seed."""
    redis_server.clear()
    stores = [RedisStore.of(redis_server.url) for _ in range(2)]
    here, there = (Kept(one.namespaced("anonymize")) for one in stores)
    await here.vault.keep("t", SESSION, VALUES, LI)
    assert await there.vault.known("t", SESSION, LI) == VALUES
    await there.vault.forget("t", LI)
    assert await here.vault.known("t", SESSION, LI) == {}
    await here.vault.keep("t", SESSION, {CODE: entry(PHONE)}, LI)
    assert list(await there.vault.known("t", SESSION, LI)) == [CODE]
    assert not here.ignored + there.ignored
    for one in stores:
        await one.close()


async def test_what_stays_in_the_store_opens_for_nobody(redis_server: RedisServer) -> None:
    """After an erasure the store holds no seed of the subject; the batch that is left does not open with the secret."""
    redis_server.clear()
    store = RedisStore.of(redis_server.url)
    kept = Kept(store.namespaced("anonymize"))
    await kept.vault.keep("t", SESSION, VALUES, LI)
    with redis_server.client() as client:
        before = {bytes(key) for key in client.scan_iter()}
        await kept.vault.forget("t", LI)
        after = {bytes(key) for key in client.scan_iter()}
    (gone,) = before - after
    assert b"vault-of:" in gone
    for raw in (LI, SESSION, PHONE, "张伟"):
        assert raw.encode() not in redis_server.everything()
    await store.close()


async def test_seeds_that_are_made_at_once_are_one() -> None:
    """Of several that find none, all take the first; they live longer than what is kept under them, however long used."""
    kept = Kept(ttl_s=SLACK_S * 3)
    seeds = Seeds(kept.store, lambda tenant: bytes(32), SLACK_S * 3, lambda: kept.time)
    first = await seeds.make("t", LI)
    for _ in range(40):
        kept.time += SLACK_S
        assert await seeds.find("t", LI) == await seeds.make("t", LI) == first
    ((key, _),) = [(one, two) for one, two in kept.store._entries.items() if one == seeds._key("t", LI)]
    assert len(await kept.store.items(key)) < 40 < ITEMS_MAX
    # Made just before it would have been put off, it is there for as long as what was kept then.
    kept.time += SLACK_S * 3 - 1
    assert await seeds.find("t", LI) == first
    kept.time += SLACK_S * 6
    assert await seeds.find("t", LI) is None


SUBJECT = {"field": "user"}


def bundle(folder: Path, **vault: Any) -> Bundle:
    gateway = json.loads(bench.chain("anonymize"))
    gateway["routes"][0]["subject"] = SUBJECT
    (folder / "gateway.yaml").write_text(json.dumps(gateway))
    (folder / "anonymize.yaml").write_text(bench.plugin("anonymize", config={"detect": ["cn.mobile"], "vault": vault}))
    return load_bundle(str(folder))


def body(text: str, user: str) -> bytes:
    asked = {"model": "assistant", "user": user, "messages": [{"role": "user", "content": text}]}
    return json.dumps(asked, ensure_ascii=False).encode()


@pytest.mark.parametrize("scope", ["session", "tenant"])
async def test_pseudonyms_of_the_forgotten_do_not_restore(tmp_path: Path, scope: str) -> None:
    """In the whole gateway: a later turn restores a pseudonym, and after the erasure leaves it as it is; others still do."""
    who = Principal("t", "a", "k")
    async with Harness(bundle(tmp_path, scope=scope)) as harness:
        tokens = {}
        for user in ("李娜", "zhang.wei"):
            outcome = await harness.send("/v1/chat/completions", body(f"我的电话是{PHONE}", user), who, "chat")
            assert outcome.given is not None
            tokens[user] = json.loads(outcome.given.body)["messages"][0]["content"].removeprefix("我的电话是")
            assert outcome.reply.spoken == f"我的电话是{PHONE}"

        async def later(user: str) -> str:
            harness.script.reply = Reply(text=f"是{tokens[user]}吗")
            outcome = await harness.send("/v1/chat/completions", body("哪个电话？", user), who, "chat")
            spoken: str = outcome.reply.spoken
            return spoken

        assert await later("李娜") == await later("zhang.wei") == f"是{PHONE}吗"
        subject = subject_id(Secret(SECRET), "t", "李娜")
        assert await harness.runtime.erase(Erasure("t", subject)) == {"anonymize": 1}
        assert await later("李娜") == f"是{tokens['李娜']}吗"
        assert await later("zhang.wei") == f"是{PHONE}吗"
        assert await harness.runtime.erase(Erasure("t")) == {"anonymize": 1}
        assert await later("zhang.wei") == f"是{tokens['zhang.wei']}吗"
