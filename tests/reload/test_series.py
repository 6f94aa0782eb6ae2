"""Metrics that name a policy: as many as the last few policies need, however many there have been."""

from __future__ import annotations

from prometheus_client import REGISTRY

from yumen.telemetry import POLICIES_MAX, metrics


def policies(name: str) -> set[str]:
    """The policies that have series of this name."""
    samples = (sample for metric in REGISTRY.collect() for sample in metric.samples)
    return {
        sample.labels["policy"] for sample in samples if sample.name == name and sample.labels["policy"][:6] == "series"
    }


def test_series_of_old_policies_go() -> None:
    """The last eight keep theirs; an exchange that ends late under a policy before them is counted and goes in its turn."""
    names = [f"series{number:06d}" for number in range(30)]
    for name in names:
        metrics.serves(name)
        for outcome in ("ok", "rate_limited"):
            metrics.exchanges("chat", outcome, name)()
    assert policies("yumen_policy") == policies("yumen_exchanges_total") == set(names[-POLICIES_MAX:])
    metrics.exchanges("chat", "ok", names[0])()
    assert names[0] in policies("yumen_exchanges_total")
    assert REGISTRY.get_sample_value("yumen_policy", {"policy": names[-1]}) == 1
    assert REGISTRY.get_sample_value("yumen_policy", {"policy": names[-2]}) == 0
    for number in range(POLICIES_MAX):
        metrics.serves(f"series-last-{number}")
    assert len(policies("yumen_policy")) == POLICIES_MAX
    assert not policies("yumen_exchanges_total") & set(names)


def test_a_policy_that_comes_back_goes_on_counting() -> None:
    """Going back to the policy of before is a reload like any other; its series goes on."""
    for name in ("series-a", "series-b", "series-a"):
        metrics.serves(name)
        metrics.exchanges("chat", "ok", name)()
    labels = {"route": "chat", "outcome": "ok", "policy": "series-a"}
    assert REGISTRY.get_sample_value("yumen_exchanges_total", labels) == 2
    assert REGISTRY.get_sample_value("yumen_policy", {"policy": "series-b"}) == 0
