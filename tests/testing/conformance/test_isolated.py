"""Plugins keep their word in a process of their own: one from outside, two of the cookbook, two that are built in."""

from __future__ import annotations

from typing import Any

import pytest
from tests.cookbook.test_package import ENTRIES, plugin_of
from tests.testing.conformance.test_built_in import OUTSIDE, house_words

from yumen import Plugin, registry
from yumen.testing.conformance import examine
from yumen.testing.conformance.examples import examples_of

pytestmark = pytest.mark.slow
# Each starts one process at the most; the first three look at the same exchanges.
CHECKS = ["hooks.sound", "manifest.mutates", "text.out", "stream.splits", "fault.leave"]


def plugin_named(name: str) -> type[Plugin[Any]]:
    """The plugin, wherever it is from."""
    if name == "house_words":
        found: type[Plugin[Any]] = house_words.HouseWords
        return found
    return plugin_of(name) if name in ENTRIES else registry.load_plugin(name)


@pytest.mark.parametrize("name", ["house_words", "canary", "token_budget", "limits", "anonymize"])
def test_it_conforms(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What every plugin is held to holds where the same class is in a process of its own."""
    # The process imports the class from where this one would.
    monkeypatch.syspath_prepend(str(OUTSIDE))
    plugin = plugin_named(name)
    report = examine(plugin, examples_of(plugin)[:1], CHECKS, measure=False, isolation="process")
    assert report.ok, [one for one in report.verdicts if one.verdict == "fails"]
    held = {one.id for one in report.verdicts if one.verdict == "holds"}
    assert {"hooks.sound", "fault.leave"} <= held
    assert ("stream.splits" in held) == (plugin.stream is not Plugin.stream)
