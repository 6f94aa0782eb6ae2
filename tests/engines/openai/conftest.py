"""Fixtures of the `openai` engine's tests."""

from __future__ import annotations

import pytest
from tests.upstream import Upstream

import yumen_engines.openai


@pytest.fixture(autouse=True)
def fresh(upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every test finds an upstream that has recorded nothing, and does not wait long after closing the engine."""
    upstream.clear()
    monkeypatch.setattr(yumen_engines.openai, "CLOSE_GRACE_S", 0.002)
