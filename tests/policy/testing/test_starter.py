"""The starter bundle is tested by its own cases, all of it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.policy.testing.bench import run

from yumen.policy.load import load_bundle
from yumen.policy.testing import Report, run_cases

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def report() -> Report:
    """What its cases come to: thousands of exchanges, once for all tests."""
    return asyncio.run(run_cases(load_bundle("starter"), values=True))


@pytest.mark.parametrize("upstream", [[], ["--env", "YUMEN_UPSTREAM=http://127.0.0.1:9/v1"]])
def test_the_starter_bundle_is_tested_whole(upstream: list[str], report: Report, tmp_path: Path) -> None:
    """Its cases pass, and notice the loss of any rule that they reach, in front of either of its engines.

    It takes every detector that there is; each of them has examples in the plugin's own tests. So what no case reaches is a
    detector, and the rules are lost one by one where the others are left out.
    """
    missing = {each.instance: {one.rule for one in each.unreached} for each in report.coverage.instances}
    assert [name for name, rules in missing.items() if rules] == ["anonymize"]
    reached = [rule for rule in load_bundle("starter").instances["anonymize"].rules if rule not in missing["anonymize"]]
    assert len(reached) >= 9
    (tmp_path / "gateway.yaml").write_text("version: 1\nextends: starter\n")
    (tmp_path / "anonymize.yaml").write_text(f"config:\n  detect: [{', '.join(reached)}]\n")
    result = run(str(tmp_path), "--coverage", "--threshold", "100", "--mutate", "--fail-on-empty", *upstream)
    assert (result.exit_code, result.stderr) == (0, "")


async def test_runs_are_the_same_every_time(report: Report) -> None:
    """Two runs of one bundle come to the same, in everything but the time they take."""
    again = await run_cases(load_bundle("starter"), values=True)
    assert [(one.name, one.status, one.exchanges) for one in again.cases] == [
        (one.name, one.status, one.exchanges) for one in report.cases
    ]
    assert again.coverage == report.coverage
    assert again.ok
