"""How often the semantic tier answers rightly and wrongly, on pairs that nothing was tuned on."""

from __future__ import annotations

from collections import Counter

from tests.plugins.cache.semantic.labelled import LABELS, embedder, judged, pairs, rates

from yumen.testing import RunningClock, UnitHost

# Chosen on the pairs of dev.jsonl for the small model of tests/embedder.
THRESHOLD = 0.65
FALSE_MAX, TRUE_MIN = 0.005, 0.6


async def test_wrong_answers_are_rare_and_right_ones_are_not() -> None:
    """With a real model, at most 0.5 % of pairs of different meaning hit, and at least 60 % of those of one meaning."""
    engine = embedder()
    await engine.load(UnitHost(clock=RunningClock()))
    try:
        among = await judged(pairs("held_out"), engine)
    finally:
        await engine.close()
    right, wrong = rates(among, THRESHOLD)
    assert wrong <= FALSE_MAX
    assert right >= TRUE_MIN
    # Without the gate the same vectors answer every other pair wrongly.
    assert rates(among, THRESHOLD, gate=False)[1] > 0.25


def test_the_pairs_are_what_their_page_says() -> None:
    """At least 500 pairs, 45 % of one meaning, both languages alike in every label, and none in both files."""
    both = {name: pairs(name) for name in ("dev", "held_out")}
    every = [pair for some in both.values() for pair in some]
    assert len(every) >= 500
    for some in both.values():
        counts = Counter((pair.label, pair.language) for pair in some)
        assert {label for label, _ in counts} == set(LABELS)
        assert sum(pair.label == "same" for pair in some) >= 0.45 * len(some)
        assert all(counts[label, "en"] == counts[label, "zh"] for label in LABELS)
    seen = [{frozenset((pair.asked, pair.kept)) for pair in some} for some in both.values()]
    assert not seen[0] & seen[1]
    assert sum(map(len, seen)) == len(every)
