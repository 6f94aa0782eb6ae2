"""The table of marks: it takes what all purges together take, and is bounded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.marks.table import KEPT_S, MARKS_MAX, Mark, Table

NOW = 1_790_000_000.0


words = st.sampled_from(["", "a", "b", "甲"])
many = st.lists(st.builds(Mark, words, words, st.integers(0, 9).map(float), st.just(9.0)), max_size=30)


@given(marks=many.map(lambda marks: [mark for mark in marks if mark.tenant or not mark.subject]))
def test_the_table_takes_what_any_purge_takes(marks: list[Mark]) -> None:
    """Three look-ups say what going through all purges would say."""
    table = Table()
    for mark in marks:
        table.add(mark)
    purges = [Purge(mark.tenant, mark.subject, mark.before) for mark in marks]
    for tenant in ("a", "b", "甲", "c"):
        for subject in ("", "a", "b", "甲"):
            for moment in range(11):
                expected = any(purge.takes(tenant, subject, moment) for purge in purges)
                assert table.takes(tenant, subject, moment) == expected
    assert len(table) == len([*table])


def test_many_subjects_become_their_tenant() -> None:
    """Marks are bounded: the oldest widen to their tenant, and nobody else's entries go."""
    table = Table()
    for number in range(MARKS_MAX + 1):
        table.add(Mark("acme" if number % 2 else "甲方", f"s{number}", NOW + number, NOW + number))
    assert len(table) <= MARKS_MAX // 2 + 2
    assert all(table.takes("acme", f"s{number}", NOW + number - 1) for number in range(1, MARKS_MAX, 2))
    assert not table.takes("acme", "new", NOW + MARKS_MAX)
    assert not table.takes("other", "s1", NOW)
    table.prune(NOW + 2 * MARKS_MAX + KEPT_S)
    assert len(table) == 0


def test_many_tenants_become_all() -> None:
    """A purge of more tenants than there is room for still takes all of them."""
    table = Table()
    wider: list[Mark] = []
    for number in range(MARKS_MAX + 1):
        wider += table.add(Mark(f"t{number}", f"s{number}", NOW + number, NOW + number))
    assert len(table) <= MARKS_MAX // 2 + 1
    assert wider
    assert all(table.takes(f"t{number}", f"s{number}", NOW + number - 1) for number in range(MARKS_MAX + 1))
    assert not table.takes("t0", "s0", NOW + MARKS_MAX + 1)
