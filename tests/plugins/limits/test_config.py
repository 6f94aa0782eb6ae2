"""The schema, apart from the behaviour."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from yumen_plugins.limits import LimitsConfig


@pytest.mark.parametrize(
    "config",
    [
        {"requests_per_minute": -1},
        {"requests_per_minute": 1.5},
        {"requests_per_minute": "300"},
        {"concurrent": 10**10},
        {"exempt_trusted": "yes"},
        {"requests_per_second": 1},
    ],
)
def test_a_wrong_config_is_refused(config: dict[str, Any]) -> None:
    """Unknown names, negative numbers and wrong types never pass for something else."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(config, LimitsConfig)
