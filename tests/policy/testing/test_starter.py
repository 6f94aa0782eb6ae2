"""The starter bundle is tested by its own cases, all of it."""

from __future__ import annotations

import pytest
from tests.policy.testing.bench import run

from yumen.policy.load import load_bundle
from yumen.policy.testing import run_cases


@pytest.mark.parametrize("upstream", [[], ["--env", "YUMEN_UPSTREAM=http://127.0.0.1:9/v1"]])
@pytest.mark.slow
def test_the_starter_bundle_is_tested_whole(upstream: list[str]) -> None:
    """Every rule of it is reached, and the loss of any is noticed, in front of either of its engines."""
    result = run("starter", "--coverage", "--threshold", "100", "--mutate", "--fail-on-empty", *upstream)
    assert (result.exit_code, result.stderr) == (0, "")


async def test_runs_are_the_same_every_time() -> None:
    """Two runs of one bundle come to the same, in everything but the time they take."""
    bundle = load_bundle("starter")
    first, second = [await run_cases(bundle, values=True) for _ in range(2)]
    assert [(one.name, one.status, one.exchanges) for one in first.cases] == [
        (one.name, one.status, one.exchanges) for one in second.cases
    ]
    assert first.coverage == second.coverage
    assert first.ok
