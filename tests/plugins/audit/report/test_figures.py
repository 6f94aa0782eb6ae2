"""Figures are those of the records, whatever the records are, and need no more memory for more of them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.report.evidence import Record, call, exchange, finding, operation, records

from yumen_plugins.audit.report import Figures, gather
from yumen_plugins.audit.report import figures as module
from yumen_plugins.audit.report.figures import keep_days

LOG = "8d0eb8ae/keep-183d"
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = [
    "kind",
    "id",
    "outcome",
    "findings",
    "trace",
    "egress",
    "sent_form",
    "accept_raw",
    "plugins",
    "details",
    "policy",
]


def at(day: int, hour: int = 0) -> float:
    """A moment of November 2026."""
    return datetime(2026, 11, day, hour, tzinfo=UTC).timestamp()


def of(*told: Record, log: str = LOG, **options: Any) -> Figures:
    """Figures of records of one log."""
    return gather(((log, record) for record in told), **options)


def test_figures_of_a_month() -> None:
    """Everything that the sample's records say is counted once, under its name."""
    figures = gather(records())
    assert figures.kinds == {"start": 2, "exchange": 8, "intent": 2, "stop": 1, "operation": 4}
    assert figures.outcomes == {"ok": 5, "policy_blocked": 1, "rate_limited": 1, "plugin_fault": 1}
    assert figures.tenants == {"default": 7, "甲公司": 1}
    assert {name: seen.count for name, seen in figures.policies.items()} == {"9565ce19b647": 7, "aaaa0000bbbb": 1}
    assert {pair: seen.count for pair, seen in figures.sent.items()} == {
        ("local", "masked"): 5,
        ("remote", "masked"): 1,
        ("remote", "raw"): 1,
    }
    assert list(figures.accepted) == [("chat", "合同允许 (contract 7)")]
    assert figures.words == {"digest": 7, "text": 1}
    assert figures.faults == {"anonymize": 1}
    assert {name: seen.count for name, seen in figures.operations.items()} == {
        "policy_loaded": 1,
        "policy_reloaded": 1,
        "subject_erased": 1,
        "reveal": 1,
    }
    assert (figures.records.first, figures.records.last) == (at(1, 8) - 1, at(4, 9))


def test_a_rule_is_counted_apart_where_it_is_in_shadow() -> None:
    """What a rule in shadow noticed or would have decided had no effect, so it is no evidence of one."""
    told = [
        exchange(1, 1, findings=[finding("cn.mobile"), finding("cn.mobile", shadow=True)], trace=[call("block", "词")]),
        exchange(1, 2, findings=[finding("cn.mobile")], trace=[call("block", "词", shadow=True), call("allow", "词")]),
        exchange(9, 3, findings=[finding("cn.mobile", "allowed")]),
    ]
    rules = of(*told).rules
    phone, word = rules["cn.mobile"], rules["词"]
    assert (phone.findings, phone.findings_shadow, phone.days_active) == (3, 1, 2)
    assert phone.categories == {"pii": 3, "allowed": 1}
    assert (word.decisions, word.decisions_shadow, word.days_active, word.total) == (1, 1, 1, 2)


@pytest.mark.parametrize("other_first", [False, True])
def test_an_intent_without_an_exchange_is_found(other_first: bool) -> None:
    """Text that was about to leave and of which nobody knows what came; whichever log is read first."""
    sent, lost, bare = exchange(1, 1, egress="remote"), exchange(1, 2), exchange(1, 3, egress="remote")
    intents = [("w/keep-90d", {"kind": "intent", "time": one["time"], "id": one["id"]}) for one in (sent, lost)]
    ends = [("w/forever", one) for one in (sent, bare)]
    figures = gather(ends + intents if other_first else intents + ends)
    assert (figures.undecided_count, figures.undecided) == (1, [lost["id"]])
    assert figures.unannounced == 1


def test_an_exchange_across_the_border_of_a_time_is_not_missed() -> None:
    """An intent in the time that is asked about, and its exchange outside of it, belong together all the same."""
    begun = exchange(1, 1, egress="remote")
    intent = {"kind": "intent", "time": "2026-11-02T00:00:10Z", "id": begun["id"]}
    figures = of(intent, begun, since=at(2))
    assert (figures.kinds, figures.undecided_count, figures.unannounced) == ({"intent": 1}, 0, 0)


def test_only_the_time_that_is_asked_about_counts() -> None:
    """From the first moment on and up to the last, which is not in it."""
    told = [exchange(day, day) for day in range(1, 8)]
    figures = of(*told, since=at(3, 8) + 3, until=at(5, 8) + 5)
    assert (figures.exchanges.count, figures.exchanges.first) == (2, at(3, 8) + 3)
    assert figures.oldest == at(1, 8) + 1


def test_quiet_times_are_found_where_nobody_had_stopped() -> None:
    """Two hours without a record, in a log whose writer was running; not between a stop and the next start."""
    hours = {"a": ["00", "01", "05"], "b": ["00", "01", "05"]}
    told = [(log, {"kind": "checkpoint", "time": f"2026-11-01T{hour}:00:00Z"}) for log in hours for hour in hours[log]]
    told.insert(5, ("b", {"kind": "stop", "time": "2026-11-01T01:00:01Z"}))
    figures = gather(told)
    assert [(one.log, one.since, one.seconds) for one in figures.quiet] == [("a", at(1, 1), 4 * 3600)]


def test_the_longest_quiet_times_are_kept() -> None:
    """However many there are, the list has an end, and what is left out is counted."""
    told = [
        {"kind": "checkpoint", "time": f"2026-{month:02}-{day:02}T00:00:00Z"}
        for month in range(1, 9)
        for day in range(1, 29)
    ]
    figures = of(*told)
    assert figures.quiet_count == len(told) - 1
    assert len(figures.quiet) == module.QUIET_SHOWN
    # The ends of seven months, of which February ended on the 28th.
    assert sum(one.seconds > 86_400 for one in figures.quiet) == 6


@pytest.mark.parametrize(
    ("log", "days"),
    [
        ("8d0eb8ae/keep-183d", 183),
        ("8d0eb8ae/forever", None),
        ("8d0eb8ae", None),
        ("x/keep-٣d", None),
        ("keep-3d", None),
    ],
)
def test_how_long_a_log_is_kept_stands_in_its_name(log: str, days: int | None) -> None:
    """The class is the second part of the name, and nothing else is read as one."""
    assert keep_days(log) == days


def test_names_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Names that come from records cannot fill the memory: later ones are counted together, and none is lost."""
    monkeypatch.setattr(module, "NAMES_MAX", 3)
    told = [
        exchange(1, n, tenant=f"客户{n}", policy=f"p{n}", accept_raw=f"r{n}", findings=[finding(f"rule{n}")])
        for n in range(9)
    ]
    figures = of(*told, *(operation(2, f"o{n}") for n in range(9)))
    for names in (figures.tenants, figures.policies, figures.accepted, figures.rules, figures.operations):
        assert len(names) == 4
    assert figures.tenants["(others)"] == 6
    assert figures.rules["(others)"].findings == 6
    assert figures.operations["(others)"].count == 6


def test_pairs_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """More exchanges than can be matched are said to be unmatched, not forgotten."""
    monkeypatch.setattr(module, "PENDING_MAX", 3)
    figures = of(*({"kind": "intent", "time": "2026-11-01T00:00:00Z", "id": f"{n}"} for n in range(5)))
    assert (figures.undecided_count, figures.pairing_failed) == (3, True)


def test_memory_does_not_grow_with_records() -> None:
    """Twenty thousand exchanges leave no more behind than a hundred, and the newest operations are the ones kept."""

    def many(number: int) -> Iterator[tuple[str, Record]]:
        for n in range(number):
            yield LOG, exchange(1 + n % 28, n % 60, id=f"{n:032x}", findings=[finding("cn.mobile")])
            yield LOG, operation(1 + n % 28, "policy_reloaded", new=f"{n}")

    few, lots = gather(many(1_100)), gather(many(20_000))
    assert len(lots.done) <= 2 * module.OPERATIONS_SHOWN
    assert lots.done[-1].at == at(28, 9)
    for name in lots.__struct_fields__:
        assert sys.getsizeof(getattr(lots, name)) <= 2 * sys.getsizeof(getattr(few, name))


@given(st.lists(st.dictionaries(st.sampled_from(MEMBERS), ANYTHING, max_size=6), max_size=4), st.booleans())
def test_no_record_is_too_odd(told: list[Record], timed: bool) -> None:
    """A record that was not verified may be anything; it is counted or passed over, and never an error."""
    stamp = "2026-11-01T00:00:00Z" if timed else None
    figures = of(*(one | {"time": stamp} for one in told))
    counted = figures.records.count + sum(one.get("kind") == "part" for one in told)
    assert (counted, figures.unreadable) == ((len(told), 0) if timed else (0, len(told)))


def test_old_records_are_read() -> None:
    """A record of version 1 lacks members and stands in a log that has no class."""
    old = {"kind": "exchange", "time": "2026-11-01T00:00:00.5Z", "outcome": "ok", "findings": [{"rule": "email"}]}
    figures = of({"kind": "header", "time": "2026-11-01T00:00:00Z"}, old, log="8d0eb8ae")
    assert (figures.exchanges.count, figures.words, figures.sent) == (1, {"none": 1}, {})
    assert figures.rules["email"].findings == 1
    assert figures.logs["8d0eb8ae"].keep_days is None
