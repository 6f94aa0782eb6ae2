"""How people ask, and cursors that nobody can read or make."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.audit.index.cursor import seal, unseal
from yumen_plugins.audit.index.query import FILTERS, NAMES, TIMES, Query

NOW_S = 1_795_564_800.0  # 2026-11-25T00:00:00Z
KEY = bytes(range(32))


@pytest.mark.parametrize(
    ("written", "back_s"),
    [
        ("-24h", 86_400),
        ("-7d", 7 * 86_400),
        ("-90m", 5_400),
        ("-30s", 30),
        ("-2w", 14 * 86_400),
        ("2026-11-24", 86_400),
        ("2026-11-24T00:00:00Z", 86_400),
        ("2026-11-24t08:00:00+08:00", 86_400),
        ("2026-11-24T23:59:59.5Z", 0.5),
    ],
)
def test_times_are_absolute_or_relative(written: str, back_s: float) -> None:
    """A time as in RFC 3339 with any offset, a day in UTC, or how long ago."""
    query = Query.parse({"since": written, "until": "-0s"}, lambda: NOW_S)
    assert query.until_us == round(NOW_S * 1e6)
    assert query.since_us == round((NOW_S - back_s) * 1e6)


@pytest.mark.parametrize(
    "written",
    ["", "now", "24h", "-24", "-1y", "2026-02-30", "2026-11-24T00:00:00", "2026-11-24 00:00:00Z", "20261124", "昨天",
     "2026-11-24T99:00:00Z", "２０２６-11-24", "-9999999h"],
)  # fmt: skip
def test_what_is_no_time_is_refused(written: str) -> None:
    """A time that could be read in two ways, or in none, is an error that shows how to write one and repeats nothing."""
    with pytest.raises(ValueError, match="since is no time") as raised:
        Query.parse({"since": written})
    assert str(raised.value) == f"since is no time; write {TIMES}"


def test_an_unknown_filter_is_refused_with_the_known_ones() -> None:
    """A filter with a slip in its name would otherwise find everything."""
    with pytest.raises(ValueError, match="there is no such filter") as raised:
        Query.parse({"tenants": "default"})
    assert all(name in str(raised.value) for name in NAMES)
    assert "tenants" not in str(raised.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("limit", "0", "limit is not a number from 1 to 1000"),
        ("limit", "1001", "limit is not a number"),
        ("limit", "-5", "limit is not a number"),
        ("limit", "٣", "limit is not a number"),
        ("decision", "deny", "decision is not one of allow, respond, fault, block"),
        ("kind", "header", "kind is not one of checkpoint, exchange"),
        ("tenant", "", "tenant is empty or longer than 200 characters"),
        ("rule", "x" * 201, "rule is empty or longer"),
        ("cursor", "x" * 101, "cursor is empty or longer than 100 characters"),
    ],
)
def test_a_bad_value_is_refused(name: str, value: str, says: str) -> None:
    """An empty filter, which would find everything, and whatever can have no answer."""
    with pytest.raises(ValueError, match=says):
        Query.parse({name: value})


def test_filters_are_taken_as_they_are() -> None:
    """In both languages, and the limit."""
    asked = {"tenant": "银行", "route": "客服", "rule": "cn.mobile", "outcome": "ok", "limit": "1000"}
    query = Query.parse(asked)
    assert (query.filters(), query.limit) == ({name: asked[name] for name in asked if name != "limit"}, 1000)
    assert Query().filters() == {}


def test_a_cursor_leads_back_to_its_place() -> None:
    """And says nothing of it by itself: the same place never looks the same, and the numbers do not stand in it."""
    query = Query(tenant="银行", since_us=5)
    first, second = (seal(KEY, query, (1_795_564_800_000_000, 41)) for _ in range(2))
    assert first != second
    for cursor in (first, second):
        moved = Query(tenant="银行", since_us=6, until_us=9, limit=3, cursor=cursor)
        assert unseal(KEY, moved) == (1_795_564_800_000_000, 41)
        assert (41).to_bytes(8, "big") not in base64.urlsafe_b64decode(cursor)


@given(st.integers(0, 59), st.characters(codec="utf-8"))
def test_a_changed_cursor_is_refused(where: int, character: str) -> None:
    """Whatever character of it is changed, and always with the same words, so that they give nothing away."""
    cursor = seal(KEY, Query(), (1, 2))
    changed = cursor[:where] + character + cursor[where + 1 :]
    if changed == cursor:
        return
    with pytest.raises(ValueError, match="this cursor is not of this query, or the index has been made anew"):
        unseal(KEY, Query(cursor=changed))


@pytest.mark.parametrize("name", FILTERS)
def test_a_cursor_belongs_to_its_query(name: str) -> None:
    """With other filters it is none: a tenant cannot go on where another one was."""
    cursor = seal(KEY, Query(tenant="a"), (1, 2))
    others = {"tenant": "a", name: "b"}
    with pytest.raises(ValueError, match="not of this query"):
        unseal(KEY, Query(**others, cursor=cursor))  # type: ignore[arg-type]  # all filters are texts
    with pytest.raises(ValueError, match="not of this query"):
        unseal(bytes(32), Query(tenant="a", cursor=cursor))


@given(st.text(min_size=1, max_size=100))
def test_no_text_is_a_cursor(text: str) -> None:
    """Any text is refused with the same words."""
    with pytest.raises(ValueError, match="not of this query"):
        unseal(KEY, Query(cursor=text))
