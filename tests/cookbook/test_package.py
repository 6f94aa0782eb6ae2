"""The cookbook as a package: its files stay small, its entry points lead to its plugins, its bundle holds together."""

from __future__ import annotations

import importlib
import tomllib
from pathlib import Path

import pytest
from tests.cookbook.recipes import PACKAGE, POLICIES, SOURCES

from yumen import Plugin, registry
from yumen.fitness import unfit
from yumen.plugin import Manifest
from yumen.policy.load import load_bundle

LINES_MAX = 60
ENTRIES: dict[str, str] = tomllib.loads((PACKAGE / "pyproject.toml").read_text())["project"]["entry-points"][
    "yumen.plugins"
]
MODULES = sorted(path for path in SOURCES.glob("*.py") if path.stem not in ("__init__", "conformance"))


def plugin_of(name: str) -> type[Plugin[object]]:  # type: ignore[type-var]  # of whatever configuration
    module, _, owner = ENTRIES[name].partition(":")
    found: type[Plugin[object]] = getattr(importlib.import_module(module), owner)  # type: ignore[type-var]
    return found


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_plugin_is_one_short_file(path: Path) -> None:
    """Each of the ten fits on a screen, imports included, and uses public names only."""
    lines = path.read_text().splitlines()
    assert len(lines) <= LINES_MAX
    assert not [line for line in lines if "yumen." in line and "import" in line]


def test_there_are_ten() -> None:
    """What is declared is what is there."""
    assert sorted(ENTRIES) == [path.stem for path in MODULES]
    assert len(ENTRIES) == 10


@pytest.mark.parametrize("name", sorted(ENTRIES))
def test_an_entry_point_leads_to_a_fit_plugin(name: str) -> None:
    """The gateway would take each of them."""
    assert unfit(plugin_of(name), name, Plugin, Manifest) == ""


def test_the_bundle_of_all_of_them_is_right() -> None:
    """The policies that the pages show pass the check, all on one route."""
    with registry.given(*(plugin_of(name) for name in ENTRIES)):
        bundle = load_bundle(str(POLICIES))
    assert {*ENTRIES, "anonymize"} == set(bundle.instances)
