"""The table of facts: every one of them can be had, and the page says what the code does."""

from __future__ import annotations

from pathlib import Path

import pytest

from yumen_plugins.anomaly.facts.fact import DISTINCT_MAX, FACTS, lookup
from yumen_plugins.anomaly.facts.gather import getter
from yumen_plugins.anomaly.facts.page import page
from yumen_plugins.anomaly.tally import wanted

DOCS = Path(__file__).parents[3] / "docs"
OPEN = [
    "words.weapons",
    "words.weapons.severity",
    "reply.words.weapons",
    "reply.words.weapons.severity",
    "findings.secret",
    "findings.cn.mobile",
]


def test_every_fact_has_one_source() -> None:
    """Each fact is either read from the exchange or said by counters, and none by both."""
    for name in [*FACTS, *OPEN]:
        assert (getter(name) is None) != (wanted(name) is None), name


@pytest.mark.parametrize("name", OPEN)
def test_facts_by_their_form_are_known(name: str) -> None:
    """What word lists and other plugins name needs no entry in the table."""
    fact = lookup(name)
    assert fact is not None
    assert fact.phase == ("reply" if name.startswith("reply.") else "request")


@pytest.mark.parametrize(
    "name",
    ["words.", "words.A", "words.a.b", "findings.a.b.c", "requests.per_key.2m", "injection.nothing", "nothing", ""],
)
def test_what_has_no_form_is_no_fact(name: str) -> None:
    """A name that is nearly one is refused and not taken for one that is always absent."""
    assert lookup(name) is None


def test_counters_keep_as_many_members_as_the_facts_say() -> None:
    """The number at which distinct counts stop is the store's own."""
    from yumen.store.counting import DISTINCT_MAX as STORED

    assert STORED == DISTINCT_MAX


def test_the_page_is_made_from_the_table() -> None:
    """docs/facts.md is what `python -m yumen_plugins.anomaly.facts.page` prints."""
    assert (DOCS / "facts.md").read_text() == page(), "run: python -m yumen_plugins.anomaly.facts.page > docs/facts.md"
