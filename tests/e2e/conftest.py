"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving import Gateway


@pytest.fixture(scope="session")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The starter bundle with its embedded engine, as it comes out of the box."""
    folder: Path = tmp_path_factory.mktemp("embedded")
    gateway = Gateway(folder).start()
    yield gateway
    gateway.stop()
