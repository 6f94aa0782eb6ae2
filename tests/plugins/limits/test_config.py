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


@pytest.mark.parametrize(
    ("config", "counts"),
    [
        ({}, True),
        ({"requests_per_minute": 0}, False),
        ({"requests_per_minute": 0, "body_bytes": 5, "input_tokens": 5}, False),
        ({"requests_per_minute": 0, "concurrent": 5}, True),
        ({"requests_per_minute": 0, "requests_per_minute_tenant": 5}, True),
    ],
)
def test_it_knows_whether_it_counts(config: dict[str, Any], counts: bool) -> None:
    """Only rules that count need a store that all workers share."""
    assert msgspec.convert(config, LimitsConfig).counts is counts
