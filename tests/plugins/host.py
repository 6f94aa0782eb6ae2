"""The host that a plugin gets in unit tests: real secrets, a real clock, and everything counted."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import structlog

from yumen import Engine, Erasure, Secret, session_id, subject_id


class TestMetrics:
    """Counts by name."""

    __test__ = False

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self.counts[name] += int(amount)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self.counts[name] = int(value)

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self.counts[f"{name}_count"] += 1


class UnitHost:
    """See `yumen.Host`."""

    def __init__(
        self,
        data_dir: Path = Path("/nonexistent"),
        root: bytes = b"r" * 32,
        disabled: frozenset[str] = frozenset(),
        engines: dict[str, Engine[Any]] | None = None,
    ) -> None:
        self.instance = "unit"
        self.data_dir = data_dir
        self.workers = 1
        self.disabled = disabled
        self.live = True
        self.store: Any = None
        self.metrics: Any = TestMetrics()
        self._secret = Secret(root)
        self._engines = engines or {}

    @property
    def log(self) -> Any:
        return structlog.get_logger()

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

    def secret(self, purpose: str, *context: str) -> bytes:
        return self._secret.derive(purpose, *context)

    def subject_id(self, tenant: str, value: str) -> str:
        return subject_id(self._secret, tenant, value)

    def session_id(self, tenant: str, app: str, value: str) -> str:
        return session_id(self._secret, tenant, app, value)

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        return {}

    def engine(self, name: str) -> Engine[Any]:
        return self._engines[name]
