"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.upstream import Upstream


@pytest.fixture(scope="session")
def upstream() -> Iterator[Upstream]:
    """A recording upstream in a thread of its own; see upstream.py for what it can be told. `clear` it before use."""
    server = Upstream()
    server.start()
    yield server
    server.stop()
