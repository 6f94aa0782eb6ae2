"""Fixtures of the `kserve` engine's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from tests.engines.kserve.hostile import Hostile, hostile

import yumen_engines.kserve


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits long after closing the engine."""
    monkeypatch.setattr(yumen_engines.kserve, "CLOSE_GRACE_S", 0.002)


@pytest.fixture
async def server() -> AsyncIterator[Hostile]:
    """A server on a port of its own, which behaves until it is told otherwise."""
    async with hostile() as one:
        yield one
