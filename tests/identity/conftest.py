"""Fixtures of the tests about keys."""

from __future__ import annotations

from pathlib import Path

import pytest

from yumen import Secret
from yumen.identity import Keys


@pytest.fixture
def secret() -> Secret:
    return Secret(b"\x07" * 32)


@pytest.fixture
def keys(tmp_path: Path, secret: Secret) -> Keys:
    return Keys.open(tmp_path, secret)
