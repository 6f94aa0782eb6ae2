"""Replays of rules over traffic: what they decided once is decided again, and what others would have done is told."""

from __future__ import annotations

from tests.policy.recording import quiet
from tests.policy.replaying import Case, case

__all__ = ["case", "quiet"]

RULES = "version: 1\nplugin: anomaly\nconfig:\n  rules:\n    - %s\n"
LONG = "{id: long, when: request.chars > 10, then: %s}"
CHAIN = "audit, anomaly"


def rules(text: str) -> str:
    return RULES % text


def test_the_same_rules_decide_the_same(case: Case) -> None:
    """Rates, quarantines and demands of an unchanged policy lead to what is on record, exchange by exchange."""
    for number, text in enumerate(
        (
            "{id: burst, when: requests.per_key.1m > 3, then: throttle(30s)}",
            LONG % "quarantine(5s)",
            LONG % "require_masking",
            LONG % "block",
        )
    ):
        one = Case(case.folder / str(number))
        bundle = one.bundle("one", CHAIN, anomaly=rules(text))
        codes = one.record(bundle, *["hello", "a long enough text", "hello", "你好", "another long text", "hi"])
        assert set(codes) != {"ok"}
        assert one.differences(bundle) == {}, text


def test_a_new_demand_shows_whom_it_would_stop(case: Case) -> None:
    """A rule that lets nothing but the masked form pass, where nothing masks, is told as what it would have blocked."""
    free = case.bundle("free", CHAIN, anomaly=rules(LONG % "flag"))
    case.record(free, "hello", "a long enough text", "another long text")
    strict = case.bundle("strict", CHAIN, anomaly=rules(LONG % "require_masking"))
    assert case.differences(strict) == {("allowed -> blocked", "anomaly:long"): (2, 0)}
