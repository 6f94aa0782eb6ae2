"""The fixtures that a plugin's own tests find where Yumen is installed."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

from yumen.testing import chat
from yumen_pytest import Made

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
NUMBER = "11010519491231002X"
IMPORTED = """
import sys, pytest
before = set(sys.modules)
__import__(sys.argv[1])
print(*sorted(set(sys.modules) - before))
"""


async def test_an_installed_plugin_is_named_as_in_policies(yumen_harness: Made) -> None:
    """A plugin is at work by its name alone, under the knobs that the core owns."""
    one_each = {"requests_per_minute": 1}
    async with (
        yumen_harness("limits", one_each) as enforced,
        yumen_harness("limits", one_each, mode="shadow") as shadow,
    ):
        for harness in (enforced, shadow):
            (await harness.ask(chat("你好 hello"))).assert_answered("你好 hello")
        (await enforced.ask(chat("再来 again"))).assert_blocked(by="requests_per_minute", code="rate_limited")
        again = await shadow.ask(chat("再来 again"))
        again.assert_answered("再来 again")
        again.assert_would_have("requests_per_minute")


async def test_a_bundle_is_at_work(yumen_bundle: Made) -> None:
    """So is a whole bundle: what its policy masks reaches no engine, comes back, and stays nowhere."""
    async with yumen_bundle("pipl") as harness:
        outcome = await harness.ask(chat(f"身份证 {NUMBER}"))
        outcome.assert_engine_did_not_get(NUMBER)
        outcome.assert_answered(f"身份证 {NUMBER}")
        harness.assert_no_trace_of(NUMBER)


def test_tests_of_others_do_not_pay_for_the_fixtures() -> None:
    """Wherever Yumen is installed every run of pytest imports the entry point, so that imports nothing but itself."""
    entry = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["pytest11"]["yumen"]
    command = [sys.executable, "-c", IMPORTED, entry]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.split() == [entry]
