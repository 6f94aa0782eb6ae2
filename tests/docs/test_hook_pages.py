"""The pages of docs/plugins/hooks say what the contract says, and every hook has one."""

from __future__ import annotations

import pytest
from tests.docs import hook_examples
from tests.docs.hook_facts import ENGINES, FACTS, FILTERS, Facts
from tests.docs.hook_pages import COMMAND, FOLDER, hooks, methods, pages

from yumen import Engine, MaskingFilter, Plugin, StreamFilter

LINES_MAX = 150


@pytest.mark.parametrize("name", sorted(hooks()))
def test_every_hook_has_its_facts(name: str) -> None:
    """A hook that is new in the contract is not finished before somebody has written down when it runs and how it fails."""
    _, table = hooks()[name]
    assert name.split(".")[1] in table, f"{name} has no entry in tests/docs/hook_facts.py"


def test_no_facts_of_what_is_gone() -> None:
    """A hook that left the contract leaves the documentation, too."""
    assert set(FACTS) == set(methods(Plugin))
    assert set(FILTERS) == {*methods(StreamFilter), *methods(MaskingFilter)}
    assert set(ENGINES) == set(methods(Engine))


@pytest.mark.parametrize("table", [FACTS, FILTERS, ENGINES])
def test_every_example_is_there(table: dict[str, Facts]) -> None:
    """What a page is to show as an example exists, and has the hook (engines: the one example has the needed ones)."""
    for name, facts in table.items():
        shown = getattr(hook_examples, facts.example)
        assert table is not FACTS or name in vars(shown), f"{shown.__name__} has no {name}"


@pytest.mark.parametrize("name", sorted(pages()))
def test_a_page_is_made_of_the_contract(name: str) -> None:
    """What stands in the repository is what the contract and the table say now."""
    text = pages()[name]()
    assert (FOLDER / name).exists(), f"run `{COMMAND}`"
    assert (FOLDER / name).read_text() == text, f"run `{COMMAND}`"
    assert len(text.splitlines()) <= LINES_MAX


def test_no_page_is_left_over() -> None:
    """A page of a hook that is gone is deleted."""
    assert {path.name for path in FOLDER.glob("*.md")} == set(pages()), "delete the page that no hook has any more"
