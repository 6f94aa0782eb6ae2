"""What the index keeps of a record: where and when, who and what came of it, and never a text."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.index.made import LOG, call, exchange, finding, row

from yumen_plugins.audit.index.rows import KINDS, NAME_CHARS_MAX, NAMES_MAX, row_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
MEMBERS = ("seq", "time", "id", "tenant", "findings", "trace", "timings_ms", "streamed", "egress", "outcome", "kind")


def test_a_row_says_who_where_and_what_came_of_it() -> None:
    """Every member that can be searched is that of the record; the time is exact to the microsecond."""
    made = row(
        3,
        time="2026-11-24T23:26:19.294227Z",
        tenant="银行",
        findings=[finding("cn.mobile"), finding("cn.mobile"), finding("burst", "traffic")],
        trace=[call("allow"), call("block", "burst"), call("respond", "cache")],
    )
    assert (made.log, made.seq, made.time_us, made.kind) == (LOG, 3, 1795562779294227, "exchange")
    assert (made.tenant, made.app, made.route, made.policy) == ("银行", "default", "chat", "9565ce19b647")
    assert (made.rules, made.types) == (("cn.mobile", "burst", "cache"), ("pii", "traffic"))
    assert (made.decision, made.outcome, made.total_ms, made.egress) == ("block", "ok", 3.666, "local")


@pytest.mark.parametrize(
    ("trace", "decision"),
    [
        ([], "allow"),
        ([call("respond", "cache"), call("fault", "timeout"), call("allow")], "fault"),
        ([call("block", "敏感词", shadow=True), call("respond", "cache")], "respond"),
    ],
)
def test_the_decision_is_the_strictest_that_was_enforced(trace: list[dict[str, Any]], decision: str) -> None:
    """What a rule in shadow would have done is no decision, and yet the rule can be searched for."""
    made = row(0, trace=trace)
    assert made.decision == decision
    assert set(made.rules) == {one["reason"] for one in trace} - {""}


def test_texts_never_come_into_the_index() -> None:
    """Neither the words of a request nor those of a reply, a path, a model's name or the details of an operation."""
    secret = "我的电话是13812345678"
    texts = [{"path": secret, "kind": "message", "text": secret}]
    record = exchange(0, request=texts, reply=texts, path=secret, model=secret, client=secret, accept_raw=secret)
    assert secret.encode() not in msgspec.msgpack.encode(row_of(LOG, record))
    operation = {
        "seq": 2,
        "kind": "operation",
        "operation": "policy_loaded",
        "actor": "watch",
        "details": {"name": secret},
    }
    made = row_of(LOG, operation)
    assert made is not None
    assert (made.operation, made.actor, made.decision) == ("policy_loaded", "watch", "")
    assert secret.encode() not in msgspec.msgpack.encode(made)


@pytest.mark.parametrize("kind", ["part", "header", "", None, ["exchange"], {}])
def test_other_kinds_are_not_searched(kind: Any) -> None:
    """A part is no record of its own, and a kind of another type is none."""
    assert row_of(LOG, {**exchange(0), "kind": kind}) is None


@pytest.mark.parametrize("seq", [-1, True, "1", None, 1 << 40])
def test_a_record_without_a_place_has_no_row(seq: Any) -> None:
    """What cannot be led to is not kept, so that no row leads to another record."""
    assert row_of(LOG, {**exchange(0), "seq": seq}) is None


@given(st.dictionaries(st.sampled_from(MEMBERS), JSON))
def test_members_of_other_types_count_as_empty(members: dict[str, Any]) -> None:
    """Whatever an old or foreign record holds, its row has the types that a database takes, and bounded names."""
    made = row_of(LOG, {**exchange(0), **members})
    if made is None:
        return
    assert made == msgspec.msgpack.decode(msgspec.msgpack.encode(made), type=type(made))
    assert -(1 << 62) < made.time_us < 1 << 62
    for name in (made.id, made.tenant, made.outcome, *made.rules, *made.types):
        assert len(name) <= NAME_CHARS_MAX
        assert "\0" not in name
        assert name.encode().decode() == name


def test_a_row_is_bounded() -> None:
    """Names are cut, and lists end where those of a record do."""
    made = row(0, tenant="长" * 5000, findings=[finding(f"rule-{number}") for number in range(5000)])
    assert (len(made.tenant), len(made.rules)) == (NAME_CHARS_MAX, NAMES_MAX)


def test_every_kind_has_a_row() -> None:
    """All that happens to a gateway can be searched, not only exchanges."""
    rows = [row_of(LOG, {"seq": 0, "kind": kind, "time": "2026-11-24T00:00:00Z"}) for kind in sorted(KINDS)]
    assert all(one is not None and one.time_us == 1795478400000000 for one in rows)
