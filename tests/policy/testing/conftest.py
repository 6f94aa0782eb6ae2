"""The plugins of guards.py, installed."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.policy.testing import guards


@pytest.fixture(autouse=True)
def site(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the guards in it, on the path."""
    folder = tmp_path_factory.mktemp("site")
    guards.install(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder
