"""A site of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.registry.site import Site, on_path


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """An empty site."""
    with on_path(tmp_path / "网站 site") as made:
        yield made
