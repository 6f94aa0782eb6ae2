"""What the ledger says of replies that were given again, and what a replay makes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests import ledgers
from tests.policy.recording import quiet
from tests.policy.replaying import PHONE, Case, case, outsiders

__all__ = ["case", "outsiders", "quiet"]

CHAIN = "audit, anonymize, cache"
CACHE = "version: 1\nplugin: cache\n"
SHARED = CACHE + "config: {share: {family: [north, south]}}\n"


def exchanges(folder: Path) -> list[dict[str, Any]]:
    """The records of exchanges, in their order."""
    return [one for one in ledgers.records(folder) if one["kind"] == "exchange"]


def rule_of(record: dict[str, Any]) -> str:
    """The rule of what the cache noted, or empty."""
    return next((one["rule"] for one in record["findings"] if one["plugin"] == "cache"), "")


def test_a_hit_is_on_record_with_its_rule(case: Case) -> None:
    """Who reads a record sees that nothing was sent, whose reply it is, by which rule it was given, and what was said."""
    assert case.record(case.bundle("cached", CHAIN, cache=CACHE), *[f"请回电 {PHONE}"] * 2) == ["ok"] * 2
    asked, hit = exchanges(case.data)
    assert (asked["cache"], asked["egress"], hit["cache"], "egress" in hit) == ("miss", "local", "hit", False)
    assert hit["engine"] == asked["engine"] == "near"
    (given,) = [one for one in hit["trace"] if one["hook"] == "on_ask"]
    assert (given["plugin"], given["decision"], given["reason"]) == ("cache", "respond", "exact")
    assert [one["text"] for one in hit["reply"]] == [one["text"] for one in asked["reply"]]
    assert PHONE.encode() not in ledgers.contents(case.data)


@pytest.mark.parametrize(
    ("cache", "rules"),
    [
        (CACHE, {("hit", "")}),
        (CACHE + "rules: {exact: {mode: shadow}}\n", {("miss", "exact")}),
        (CACHE + "mode: shadow\n", {("miss", "exact")}),
        (SHARED, {("hit", ""), ("hit", "share")}),
    ],
)
def test_the_same_policy_replays_them_without_a_difference(case: Case, cache: str, rules: set[tuple[str, str]]) -> None:
    """A hit is what passes; nothing about it is new or gone when it is looked at again."""
    bundle = case.bundle("cached", CHAIN, cache=cache)
    every = [{"text": "hello", "tenant": tenant} for tenant in ("north", "south", "north")]
    assert case.record(bundle, *every, *every) == ["ok"] * 6
    seen = {(one["cache"], rule_of(one)) for one in exchanges(case.data)[3:]}
    assert seen == rules
    told = case.replay(bundle)
    assert told["differences"] == []
    assert "answer" not in {one["name"] for one in told["unknown"]}
