"""Answers to questions in other words of the same meaning.

Two questions share an answer where all else of their requests is equal (their context), their embeddings are alike enough,
and the gate finds nothing that one of them says and the other one does not (`gate`). What is like nothing that is known,
what could not be embedded in time, and what the gate refuses is a miss.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from yumen import Engine, EngineError, Hmac, Host, Store
from yumen_plugins.cache.config import Semantic as SemanticConfig
from yumen_plugins.cache.entry import Entry, Purge
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.semantic.gate.lexicon import lexicon
from yumen_plugins.cache.semantic.index import Known, Match, Questions
from yumen_plugins.cache.semantic.shared import SharedQuestions
from yumen_plugins.cache.semantic.vectors import Vector

__all__ = ["Known", "Match", "Question", "Questions", "Semantic", "SharedQuestions"]

DIMENSION_MAX = 8_192
# After so many failures in a row the engine is left alone for a while, so that misses do not wait for it.
FAILURES_MAX, PAUSE_S = 5, 5.0
# So many questions are embedded at once.
EMBEDDING_MAX = 256
SEALS_MAX = 4_096


class Question:
    """A question, a digest of all else in its request, and its embedding, of length 1."""

    __slots__ = ("context", "text", "vector")

    def __init__(self, text: str, context: bytes, vector: Vector) -> None:
        self.text = text
        self.context = context
        self.vector = vector

    @property
    def vector_bytes(self) -> bytes:
        """The embedding as 16-bit floats."""
        return self.vector.astype(np.float16).tobytes()


class Semantic:
    """The semantic tier. `store` is one that processes share, or None. Belongs to one event loop.

    Failures are counted in `semantic_failures` by `reason`: of the engine `timeout`, `engine`, `shape`, `paused` and `busy`,
    of the store `store`, `corrupt` and `full`. Error: KeyError where the host has no such engine.
    """

    def __init__(self, config: SemanticConfig, host: Host, store: Store | None) -> None:
        self.config = config
        self._host = host
        self._engine: Engine[Any] = host.engine(config.engine)
        self._questions = Questions(config.entries_max, now=host.now)
        self._dimension = 0
        # What an earlier process has known, until it is known of how many numbers embeddings are.
        self._recalled: list[tuple[str, Known]] = []
        self._failures: Counter[str] = Counter()
        self._in_a_row = 0
        self._paused_until = 0.0
        # Under way, by the context and the text of the question.
        self._embedding: dict[tuple[bytes, str], asyncio.Task[Vector | None]] = {}
        self._shared: SharedQuestions | None = None
        if store is not None:
            self._shared = SharedQuestions(
                store,
                lru_cache(SEALS_MAX)(lambda space: Seal(host.secret("cache", "question", space))),
                Hmac(host.secret("cache", "questions", self._engine.revision())),
                timeout_s=config.timeout_ms / 1000,
                monotonic=host.monotonic,
                now=host.now,
                failed=self._failed,
                look_s=1.0 if host.live else 0.0,
            )
        # Read it now, and not when the first question comes.
        lexicon()

    async def question(self, text: str, context: bytes, tenant: str = "") -> Question | None:
        """A tenant's question with its embedding; None where it is too long or the engine does not give one in time.

        Who asks the same meanwhile waits for the same embedding, and whoever leaves leaves it to the others.
        """
        if not 0 < len(text) <= self.config.question_chars_max:
            return None
        embedding = self._embedding.get((context, text)) or self._embed(text, context, tenant)
        if embedding is None:
            return None
        await asyncio.wait({embedding})
        vector = None if embedding.cancelled() else embedding.result()
        return None if vector is None else Question(text, context, vector)

    def _embed(self, text: str, context: bytes, tenant: str) -> asyncio.Task[Vector | None] | None:
        """Begin to ask the engine; None where it is not asked now."""
        if self._host.monotonic() < self._paused_until:
            self._failed("paused")
            return None
        if len(self._embedding) >= EMBEDDING_MAX:
            self._failed("busy")
            return None
        task = self._embedding[context, text] = asyncio.create_task(self._embedded(text, tenant))
        task.add_done_callback(lambda _: self._embedding.pop((context, text)))
        return task

    async def _embedded(self, text: str, tenant: str) -> Vector | None:
        """The embedding of a text, of length 1. Raises nothing."""
        started, limit_s = time.perf_counter(), self.config.timeout_ms / 1000
        asked = {"texts": [text], "tenant": tenant, "deadline": self._host.monotonic() + limit_s}
        try:
            async with asyncio.timeout(limit_s):
                vector = self._checked(await self._engine.infer(asked))
        except TimeoutError:
            self._engine_failed("timeout")
        except (ValueError, TypeError, KeyError):
            self._engine_failed("shape")
        except Exception as error:  # an engine of others may raise anything, and its words might hold text
            self._engine_failed("timeout" if isinstance(error, EngineError) and error.timeout else "engine")
            if not isinstance(error, EngineError):
                self._host.log.warning("cache_embedding", error=type(error).__name__)
        else:
            self._in_a_row = 0
            self._host.metrics.observe("embedding_seconds", time.perf_counter() - started)
            return vector
        return None

    async def find(self, space: str, question: Question) -> bytes | None:
        """The key of what was answered to a question of the same meaning, or None."""
        if self._shared is not None:
            if not self._host.live:
                # Tests of a policy begin with an empty store, and so with nothing known.
                await self._shared.flush()
                self._questions.clear()
                self._shared.reread()
            for known in await self._shared.news(space, question.context):
                self._take(space, known)
        match = self._questions.find(space, question.context, question.text, question.vector, self.config.threshold)
        return None if match is None else match.key

    def add(self, space: str, question: Question, key: bytes, entry: Entry) -> None:
        """Remember that a question was answered by what is kept under a key."""
        expires = entry.stored_at + entry.ttl_s
        at = (entry.tenant, entry.subject, entry.stored_at, expires)
        known = Known(key, question.context, question.text, question.vector_bytes, *at)
        self._questions.add(space, known)
        if self._shared is not None:
            self._shared.put(space, known)

    def recall(self, space: str, key: bytes, entry: Entry) -> None:
        """Know a question that an earlier process has known; it is compared from the first embedding on."""
        if entry.vector:
            at = (entry.tenant, entry.subject, entry.stored_at, entry.stored_at + entry.ttl_s)
            self._recalled.append((space, Known(key, entry.context, entry.question, entry.vector, *at)))

    def drop(self, space: str, key: bytes) -> bool:
        """Forget the question whose answer is gone, in this process; whether there was one."""
        return self._questions.drop(space, key)

    def purge(self, purge: Purge) -> int:
        """Forget what a purge takes, in this process, and soon in the store; how many questions this process had."""
        if self._shared is not None:
            self._shared.forget(purge)
        return self._forget(purge)

    async def purge_all(self, purge: Purge) -> int:
        """`purge`, and wait for the store. Error: `StoreError` where something may be left there."""
        count = self._forget(purge)
        if self._shared is not None:
            await self._shared.purge(purge)
        return count

    def _forget(self, purge: Purge) -> int:
        self._recalled = [
            (space, one) for space, one in self._recalled if not purge.takes(one.tenant, one.subject, one.stored_at)
        ]
        return self._questions.purge(purge)

    def stats(self) -> Mapping[str, Any]:
        """How much is known, what failed, and why the gate refused what was alike."""
        return {
            **self._questions.stats(),
            "failures": dict(self._failures),
            "refused": dict(self._questions.refused),
        }

    async def close(self) -> None:
        """End what is under way, and tell the others what they have not been told yet."""
        embedding = [*self._embedding.values()]
        for task in embedding:
            task.cancel()
        if embedding:
            await asyncio.wait(embedding)
        if self._shared is not None:
            await self._shared.close()

    def _take(self, space: str, known: Known) -> None:
        if len(known.vector) == 2 * self._dimension:
            self._questions.add(space, known)

    def _checked(self, given: Mapping[str, Any]) -> Vector:
        """The one embedding in what an engine gave. Errors: ValueError, TypeError, KeyError."""
        vectors = np.asarray(given["embeddings"], np.float32)
        if vectors.ndim != 2 or vectors.shape[0] != 1 or not 1 <= vectors.shape[1] <= DIMENSION_MAX:
            raise ValueError("not one embedding")
        vector: Vector = vectors[0]
        length = float(np.linalg.norm(vector))
        if not np.isfinite(length) or length < 1e-6:
            raise ValueError("no direction")
        if self._dimension not in (0, len(vector)):
            raise ValueError("another dimension than before")
        self._dimension = len(vector)
        while self._recalled:
            self._take(*self._recalled.pop())
        return vector / np.float32(length)

    def _engine_failed(self, reason: str) -> None:
        self._failed(reason)
        self._in_a_row += 1
        if self._in_a_row >= FAILURES_MAX:
            self._in_a_row = 0
            self._paused_until = self._host.monotonic() + PAUSE_S

    def _failed(self, reason: str) -> None:
        self._failures[reason] += 1
        self._host.metrics.count("semantic_failures", reason=reason)
