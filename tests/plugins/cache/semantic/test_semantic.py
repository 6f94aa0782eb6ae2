"""The semantic tier as the plugin uses it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from tests.plugins.cache.semantic.kit import CONTEXT
from tests.plugins.cache.semantic.labelled import embedder

from yumen import Engine, EngineError, EngineManifest, Kept, NoConfig
from yumen.store.memory import MemoryStore
from yumen.testing import RunningClock, UnitHost
from yumen_plugins.cache.config import Semantic as SemanticConfig
from yumen_plugins.cache.entry import Entry, Purge
from yumen_plugins.cache.semantic import Semantic

SPACE = "tenant:acme"


@pytest.fixture
async def host() -> AsyncIterator[UnitHost]:
    """A host with the real small model."""
    engine = embedder()
    made = UnitHost(clock=RunningClock(), engines={"embedder": engine})
    await engine.load(made)
    yield made
    await engine.close()


def config(**settings: Any) -> SemanticConfig:
    return SemanticConfig(engine="embedder", **{"threshold": 0.65, "timeout_ms": 60_000, **settings})


def entry(host: UnitHost, tenant: str = "acme", subject: str = "") -> Entry:
    return Entry(Kept(b"{}"), tenant, subject, "policy", host.now(), 600.0)


async def learn(tier: Semantic, host: UnitHost, text: str, key: bytes, space: str = SPACE, subject: str = "") -> None:
    question = await tier.question(text, CONTEXT)
    assert question is not None
    tier.add(space, question, key, entry(host, subject=subject))


async def found(tier: Semantic, text: str, space: str = SPACE, context: bytes = CONTEXT) -> bytes | None:
    question = await tier.question(text, context)
    assert question is not None
    return await tier.find(space, question)


async def test_a_question_in_other_words_is_answered(host: UnitHost) -> None:
    """With a real model, both languages find what was answered to the same question, and nothing else."""
    tier = Semantic(config(), host, None)
    await learn(tier, host, "How do I reset my password?", b"reset")
    await learn(tier, host, "怎么重置密码？", b"chongzhi")
    assert await found(tier, "I want to reset my password, how can I do that?") == b"reset"
    assert await found(tier, "我想重置密码，应该怎么操作？") == b"chongzhi"
    assert await found(tier, "How do I not reset my password?") is None
    assert await found(tier, "How do I reset my router?") is None
    assert await found(tier, "怎么重置路由器？") is None
    assert await found(tier, "How do I reset my password?", space="tenant:other") is None
    assert await found(tier, "How do I reset my password?", context=b"d" * 24) is None
    assert tier.stats()["questions"] == 2
    assert "negation" in tier.stats()["refused"]


async def test_processes_hear_of_each_others_questions(host: UnitHost) -> None:
    """What one process answered another one finds, until it is purged."""
    store = MemoryStore()
    here, there = Semantic(config(), host, store), Semantic(config(), host, store)
    await learn(here, host, "How do I cancel my order?", b"k", subject="u")
    await here.close()
    assert await found(there, "How can I cancel my order?") == b"k"
    assert await there.purge_all(Purge("acme", "u")) == 1
    assert await found(there, "How can I cancel my order?") is None
    assert [key async for key in store.keys("")] == []
    await there.close()


async def test_a_test_of_a_policy_begins_with_nothing_known(host: UnitHost) -> None:
    """Where exchanges are not real, what is known is what the store holds, which each test empties."""
    host.live = False
    store = MemoryStore()
    tier = Semantic(config(), host, store)
    await learn(tier, host, "How do I cancel my order?", b"k")
    assert await found(tier, "How can I cancel my order?") == b"k"
    store.clear()
    assert await found(tier, "How can I cancel my order?") is None
    await tier.close()


async def test_forgetting(host: UnitHost) -> None:
    """What is dropped or purged is not found again."""
    tier = Semantic(config(), host, None)
    await learn(tier, host, "How do I pay?", b"a", subject="u")
    await learn(tier, host, "How do I cancel my order?", b"b")
    assert tier.purge(Purge("acme", "u")) == 1
    assert await found(tier, "How do I pay?") is None
    assert tier.drop(SPACE, b"b")
    assert await found(tier, "How do I cancel my order?") is None


async def test_a_long_question_is_not_embedded(host: UnitHost) -> None:
    """What is longer than policy says, or empty, does not reach the engine."""
    tier = Semantic(config(question_chars_max=5), host, None)
    assert await tier.question("123456", CONTEXT) is None
    assert await tier.question("", CONTEXT) is None
    assert await tier.question("12345", CONTEXT) is not None


class Scripted(Engine[NoConfig]):
    """An engine that gives what a test says."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="scripted", version="1")

    def __init__(self, gives: Any) -> None:
        super().__init__(NoConfig())
        self.gives = gives
        self.calls = 0
        self.batch: Mapping[str, Any] = {}

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        self.calls += 1
        self.batch = batch
        if self.gives is None:
            await asyncio.Event().wait()
        if isinstance(self.gives, Exception):
            raise self.gives
        return {"embeddings": self.gives}


def scripted(gives: Any, **settings: Any) -> tuple[Semantic, Scripted]:
    engine = Scripted(gives)
    return Semantic(config(**settings), UnitHost(clock=RunningClock(), engines={"embedder": engine}), None), engine


@pytest.mark.parametrize(
    ("reason", "gives"),
    [
        ("engine", EngineError("no")),
        ("engine", RuntimeError("words of a payload")),
        ("timeout", TimeoutError()),
        ("timeout", EngineError("late", timeout=True)),
        ("shape", np.ones((2, 4), np.float32)),
        ("shape", np.ones(4, np.float32)),
        ("shape", np.ones((1, 0), np.float32)),
        ("shape", np.ones((1, 10_000), np.float32)),
        ("shape", np.zeros((1, 4), np.float32)),
        ("shape", np.full((1, 4), np.nan, np.float32)),
        ("shape", np.full((1, 4), np.inf, np.float32)),
        ("shape", [["a", "b"]]),
        ("shape", "text"),
    ],
)
async def test_an_engine_that_fails_is_a_miss(reason: str, gives: Any) -> None:
    """No engine can make an exchange fail, or put something into the index that is no direction."""
    tier, _ = scripted(gives)
    assert await tier.question("How do I pay?", CONTEXT) is None
    assert tier.stats()["failures"] == {reason: 1}


async def test_an_engine_that_hangs_is_a_miss_in_time() -> None:
    """An embedding that takes longer than policy says is not waited for."""
    tier, _ = scripted(None, timeout_ms=20)
    async with asyncio.timeout(30):
        assert await tier.question("How do I pay?", CONTEXT) is None
    assert tier.stats()["failures"] == {"timeout": 1}


async def test_the_engine_knows_whose_question_it_is() -> None:
    """Shares and isolation of tenants hold for embeddings too, and what comes too late need not be made."""
    tier, engine = scripted(np.ones((1, 4), np.float32), timeout_ms=20_000)
    before = tier._host.monotonic()
    assert await tier.question("怎么付款？", CONTEXT, "acme") is not None
    assert (engine.batch["texts"], engine.batch["tenant"]) == (["怎么付款？"], "acme")
    assert before + 20 <= engine.batch["deadline"] <= tier._host.monotonic() + 20


async def test_an_engine_that_keeps_failing_is_left_alone() -> None:
    """After some failures in a row misses do not wait for the engine, until a while has passed."""
    tier, engine = scripted(EngineError("no"))
    for _ in range(10):
        assert await tier.question("How do I pay?", CONTEXT) is None
    assert engine.calls == 5
    assert tier.stats()["failures"] == {"engine": 5, "paused": 5}
    tier._paused_until = 0.0
    engine.gives = np.ones((1, 4), np.float32)
    assert await tier.question("How do I pay?", CONTEXT) is not None


async def test_vectors_have_one_length_and_one_dimension() -> None:
    """An engine need not normalise; one that changes its model under way is not compared with what it said before."""
    tier, engine = scripted(np.full((1, 4), 7.0, np.float32))
    question = await tier.question("How do I pay?", CONTEXT)
    assert question is not None
    assert float(np.linalg.norm(question.vector)) == pytest.approx(1.0)
    assert len(question.vector_bytes) == 8
    engine.gives = np.ones((1, 5), np.float32)
    assert await tier.question("How do I pay?", CONTEXT) is None


async def test_a_client_that_leaves_is_no_failure() -> None:
    """A cancelled exchange ends at once, and the engine is not blamed."""
    tier, _ = scripted(None)
    task = asyncio.create_task(tier.question("How do I pay?", CONTEXT))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert tier.stats()["failures"] == {}
