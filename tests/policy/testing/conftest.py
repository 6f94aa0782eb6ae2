"""The plugins of guards.py, installed; and logging left as it was."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from tests.policy.testing import guards

from yumen import telemetry


@pytest.fixture(autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the guards in it, on the path."""
    folder = tmp_path_factory.mktemp("site")
    guards.install(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The command line sets logging for its whole process, which in tests is everybody's."""
    before, verbose = structlog.get_config(), telemetry.verbose
    yield
    structlog.configure(**before)
    telemetry.verbose = verbose
