"""The pages of docs/cookbook show the package as it is."""

from __future__ import annotations

import pytest
from tests.cookbook.pages import COMMAND, FOLDER, RECIPES, pages
from tests.cookbook.recipes import SOURCES

LINES_MAX = 150


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_shows_its_plugin(name: str) -> None:
    """Source and policy stand in the page as they are tested."""
    text = pages()[name]
    assert (FOLDER / name).exists(), f"run `{COMMAND}`"
    assert (FOLDER / name).read_text() == text, f"run `{COMMAND}`"
    assert len(text.splitlines()) <= LINES_MAX


def test_every_plugin_has_its_page() -> None:
    """A plugin of the package is explained, and no page is left over."""
    assert {path.stem for path in SOURCES.glob("*.py")} - {"__init__", "conformance"} == set(RECIPES)
    assert {path.name for path in FOLDER.glob("*.md")} == set(pages())
