"""What tests of the tensorrt engine share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.engines.tensorrt.made import Bench
from tests.engines.tensorrt.made import bench as made


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    """A machine with one fake GPU."""
    return made(tmp_path)
