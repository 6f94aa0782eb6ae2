"""Both kinds of index do the same; a list in memory says what that is."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.plugins.audit.index.conftest import Make
from tests.plugins.audit.index.made import LOG, OTHER_LOG, call, finding, row

from yumen_plugins.audit.index import IndexRenewed, Query, Row, row_of
from yumen_plugins.audit.index.query import CLOSED, FILTERS
from yumen_plugins.audit.index.tables import Tables

TENANTS, ROUTES = ("default", "银行", "acme"), ("chat", "客服")
RULES = ("cn.mobile", "email", "敏感词")


def some_rows(count: int, seed: int = 1) -> list[Row]:
    """Rows of two logs; some share a microsecond."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        seq, log = divmod(number, 2)
        found = [finding(rule, "pii" if rule != "敏感词" else "word") for rule in RULES if draw.random() < 0.3]
        decided = [call("block", "burst")] if draw.random() < 0.2 else []
        minute, second = divmod(number // 3, 60)
        rows.append(
            row(
                seq,
                (LOG, OTHER_LOG)[log],
                time=f"2026-11-2{number % 2 + 4}T23:{minute % 60:02}:{second:02}Z",
                id=f"{number:032x}",
                receipt=f"8d0eb8ae.{number + 10**6:032x}",
                tenant=draw.choice(TENANTS),
                subject=f"{draw.randrange(4):032x}",
                route=draw.choice(ROUTES),
                outcome="policy_blocked" if decided else "ok",
                findings=found,
                trace=decided,
            )
        )
    operation = {"seq": count, "kind": "operation", "time": "2026-11-24T12:00:00Z", "operation": "policy_loaded"}
    made = row_of(LOG, operation)
    assert made is not None
    return [*rows, made]


def add(index: Tables, rows: list[Row]) -> None:
    """Add rows and move on behind them."""
    index.positions()
    index.add(rows, {log: 1 + max(one.seq for one in rows if one.log == log) for log in {one.log for one in rows}})


def matches(one: Row, query: Query) -> bool:
    """Whether a query asks for a row; written another way than the index does it."""
    if query.since_us is not None and one.time_us < query.since_us:
        return False
    if query.until_us is not None and one.time_us >= query.until_us:
        return False
    special = {"rule": one.rules, "type": one.types}
    return all(
        value in special[name] if name in special else getattr(one, name) == value
        for name, value in query.filters().items()
    )


def all_pages(index: Tables, query: Query) -> list[Row]:
    """The rows of all pages."""
    rows: list[Row] = []
    while True:
        page = index.find(query)
        rows += page.rows
        if page.cursor is None:
            return rows
        assert len(page.rows) <= query.limit
        query = msgspec.structs.replace(query, cursor=page.cursor)


def key(one: Row) -> tuple[str, int]:
    return one.log, one.seq


def test_a_row_comes_back_as_it_was(index: Tables) -> None:
    """Every member of it, in both languages."""
    rows = some_rows(20)
    add(index, rows)
    assert sorted(all_pages(index, Query()), key=key) == sorted(rows, key=key)


def test_the_newest_come_first(index: Tables) -> None:
    """Whatever the page's size, each row comes once, by time, and those of one log and time by seq."""
    rows = [row(seq, time="2026-11-24T00:00:00Z") for seq in range(7)] + some_rows(40)[14:]
    add(index, rows)
    for limit in (1, 3, 1000):
        found = all_pages(index, Query(limit=limit))
        assert sorted(map(key, found)) == sorted(map(key, rows))
        assert [one.time_us for one in found] == sorted((one.time_us for one in rows), reverse=True)
        first = [one.seq for one in found if one.log == LOG and one.time_us == rows[0].time_us]
        assert first == [6, 5, 4, 3, 2, 1, 0]


QUERIES = st.builds(
    Query,
    since_us=st.none() | st.integers(1795478400000000, 1795651200000000),
    until_us=st.none() | st.integers(1795478400000000, 1795651200000000),
    tenant=st.sampled_from(("", *TENANTS)),
    route=st.sampled_from(("", *ROUTES)),
    rule=st.sampled_from(("", "", *RULES, "burst")),
    type=st.sampled_from(("", "pii", "word")),
    outcome=st.sampled_from(("", "ok", "policy_blocked", "none")),
    decision=st.sampled_from(("", "allow", "block")),
    kind=st.sampled_from(("", "exchange", "operation")),
    limit=st.sampled_from((1, 5, 1000)),
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=QUERIES, scan=st.sampled_from((3, 20_000)))
def test_every_combination_finds_what_a_list_says(index: Tables, query: Query, scan: int) -> None:
    """Filters, times and pages together, also where a page may look at very little; and counts of the same."""
    rows = some_rows(120)
    if not index.positions():
        add(index, rows)
    index.scan_max = scan
    expected = [one for one in rows if matches(one, query)]
    assert sorted(map(key, all_pages(index, query))) == sorted(map(key, expected))
    assert index.count(query, "tenant") == dict(Counter(one.tenant for one in expected if one.tenant))
    assert index.count(query, "rule") == dict(Counter(rule for one in expected for rule in one.rules))


@pytest.mark.parametrize("name", FILTERS)
def test_each_filter_finds_its_own(index: Tables, name: str) -> None:
    """Each one alone finds what has the value, and nothing else."""
    rows = some_rows(40)
    add(index, rows)
    values = {"rule": "email", "type": "word", "operation": "policy_loaded", "decision": "block"}
    value = values.get(name) or getattr(rows[7], name)
    query = Query.parse({name: value})
    found = all_pages(index, query)
    assert found
    assert sorted(map(key, found)) == sorted(key(one) for one in rows if matches(one, query))
    if name not in CLOSED:
        assert not index.find(Query.parse({name: "nobody-没有"})).rows


def test_a_page_is_bounded(index: Tables) -> None:
    """Two values that are frequent and never together: each page looks at few rows, has none, and says that it goes on."""
    add(index, [row(seq, tenant=TENANTS[seq % 2], route=ROUTES[seq % 2]) for seq in range(100)])
    index.scan_max = 10
    query, pages = Query(tenant=TENANTS[0], route=ROUTES[1]), 0
    while (page := index.find(query)).cursor:
        assert page.rows == []
        query, pages = msgspec.structs.replace(query, cursor=page.cursor), pages + 1
    assert pages == 5


def test_pages_stay_where_they_are_while_rows_come(index: Tables) -> None:
    """Rows that are added between two pages neither repeat nor push out any."""
    rows = [row(seq) for seq in range(30)]
    add(index, rows[:20])
    first = index.find(Query(limit=5))
    add(index, rows[20:])
    rest = all_pages(index, Query(limit=5, cursor=first.cursor or ""))
    assert [one.seq for one in (*first.rows, *rest)] == list(range(19, -1, -1))


def test_a_cursor_holds_for_other_processes_and_ends_with_the_index(index: Tables, make: Make) -> None:
    """Workers answer each other's cursors; one from before the index was emptied is refused, like one of another query."""
    add(index, [row(seq) for seq in range(9)])
    cursor = index.find(Query(limit=2, tenant="default")).cursor or ""
    assert [one.seq for one in make().find(Query(limit=2, tenant="default", cursor=cursor)).rows] == [6, 5]
    with pytest.raises(ValueError, match="not of this query"):
        index.find(Query(limit=2, cursor=cursor))
    index.clear()
    with pytest.raises(ValueError, match="made anew"):
        index.find(Query(limit=2, tenant="default", cursor=cursor))


def test_a_receipt_and_an_id_lead_to_their_places(index: Tables) -> None:
    """An intent and its exchange share both; whatever else is asked leads nowhere, and is never part of a statement."""
    intent = row_of(OTHER_LOG, {"seq": 4, "kind": "intent", "id": "e" * 32, "receipt": "8d0eb8ae." + "f" * 32})
    assert intent is not None
    add(index, [intent, row(5, id="e" * 32, receipt="8d0eb8ae." + "f" * 32), row(6)])
    places = [(OTHER_LOG, 4), (LOG, 5)]
    assert index.locate("e" * 32) == index.locate("8d0eb8ae." + "f" * 32) == places
    for other in ("", "e" * 31, "default", "' OR 1=1 --", "%", "号码", "\ud800", "a\0b"):
        assert index.locate(other) == []
        assert not index.find(Query(rule=other, kind="exchange")).rows or not other


@pytest.mark.parametrize("by", ["outcome", "rule", "type", "decision", "tenant", "route", "policy", "day"])
def test_counts_are_those_of_a_list(index: Tables, by: Any) -> None:
    """For each value how many, the most frequent first, days in their order; what has no value is left out."""
    rows = some_rows(60)
    add(index, rows)
    expected: Counter[str] = Counter()
    for one in rows:
        if by == "day":
            expected[f"2026-11-{24 + (one.time_us - 1795478400000000) // 86_400_000_000}"] += 1
        elif by in ("rule", "type"):
            expected.update(one.rules if by == "rule" else one.types)
        else:
            expected[getattr(one, by)] += 1
    del expected[""]
    counted = index.count(Query(), by)
    assert counted == dict(expected)
    order = list(counted) if by == "day" else [-count for count in counted.values()]
    assert order == sorted(order)


@pytest.mark.parametrize("by", ["subject", "rules", "outcome, count(*) FROM entry --", "", "天"])
def test_what_cannot_be_counted_by_is_refused(index: Tables, by: Any) -> None:
    """A name from outside never comes into a statement."""
    with pytest.raises(ValueError, match="nothing of that name to count by; there are outcome, rule, type"):
        index.count(Query(), by)


def test_too_much_is_not_counted(index: Tables) -> None:
    """A count that would go through everything says so, and one that looks at less is exact."""
    add(index, [row(seq, tenant=TENANTS[seq % 2]) for seq in range(12)])
    index.count_max = 6
    with pytest.raises(ValueError, match="more than 6 records to count; bring since and until closer"):
        index.count(Query(), "outcome")
    index.scan_max = 3
    assert index.count(Query(tenant="银行", kind="exchange"), "outcome") == {"ok": 6}


def test_a_row_is_added_once(index: Tables, make: Make) -> None:
    """Two processes that read the same entries change nothing, and positions never go back."""
    rows, other = some_rows(10), make()
    for one in (index, other, index):
        one.add(rows, {LOG: 5, OTHER_LOG: 5})
    other.add([], {LOG: 3})
    assert len(all_pages(index, Query())) == 11
    assert index.positions() == {LOG: 5, OTHER_LOG: 5}
    assert index.locate(rows[3].id) == [key(rows[3])]


def test_rows_and_positions_come_together_or_not_at_all(index: Tables) -> None:
    """Where adding fails in the middle, nothing of it is there, and the index goes on to work."""
    with pytest.raises(Exception, match=r".+"):
        index.add([row(0), msgspec.structs.replace(row(1), time_us=1 << 80)], {LOG: 2})
    assert (index.positions(), index.find(Query()).rows) == ({}, [])
    add(index, [row(0)])
    assert index.positions() == {LOG: 1}


def test_what_is_forgotten_is_gone_for_good(index: Tables, make: Make) -> None:
    """Retention: no search, count or receipt leads to it, and a process that was just reading it cannot bring it back."""
    rows = some_rows(60)
    add(index, rows)
    late = make()
    index.forget(LOG, 20)
    late.add(rows, {LOG: 30})
    left = [one for one in rows if one.log != LOG or one.seq >= 20]
    assert sorted(map(key, all_pages(late, Query()))) == sorted(map(key, left))
    assert sum(index.count(Query(), "decision").values()) == len(left) - 1
    assert [index.locate(one.receipt) for one in rows if one not in left] == [[]] * 20
    assert not all_pages(index, Query(id=rows[0].id))


def test_a_log_that_is_dropped_may_come_again(index: Tables) -> None:
    """Unlike what is forgotten: its rows and its position are gone, those of others stay, and it is read from the start."""
    rows = some_rows(10)
    add(index, rows)
    index.drop(LOG)
    assert set(index.positions()) == {OTHER_LOG}
    assert {one.log for one in all_pages(index, Query())} == {OTHER_LOG}
    add(index, rows)
    assert len(all_pages(index, Query())) == len(rows)


def test_nothing_is_added_to_an_index_that_was_emptied_meanwhile(index: Tables, make: Make) -> None:
    """The entries before what is added would be missing for ever."""
    late = make()
    add(index, [row(seq) for seq in range(3)])
    late.positions()
    index.clear()
    with pytest.raises(IndexRenewed):
        late.add([row(3)], {LOG: 4})
    assert (late.positions(), late.find(Query()).rows) == ({}, [])


def test_what_another_thread_has_read_does_not_count(index: Tables) -> None:
    """A thread that reads positions anew does not make those of another one hold again."""
    add(index, [row(seq) for seq in range(3)])
    index.clear()
    reading = threading.Thread(target=index.positions)
    reading.start()
    reading.join()
    with pytest.raises(IndexRenewed):
        index.add([row(3)], {LOG: 4})


def test_tables_of_another_version_are_made_anew(index: Tables, make: Make, said: list[str]) -> None:
    """Nothing is read from them, and an operator is told."""
    add(index, [row(0)])
    with index._transaction(writes=True):
        index._run("UPDATE meta SET version = version + 1")
    assert said == []
    assert make().positions() == {}
    assert said == ["the index of the ledger is of another version; it is made anew"]


def test_one_process_at_a_time_brings_a_log_up_to_date(index: Tables, make: Make) -> None:
    """The others are told so at once, and one that comes later gets its turn."""
    other = make()
    with index.exclusive(LOG) as mine, other.exclusive(LOG) as too:
        assert (mine, too) == (True, False)
    with other.exclusive(LOG) as mine:
        assert mine
