"""durable_rules within what it survives: what crashed it elsewhere, for long, from many threads, and freed again."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.lengths import LONG, times
from tests.plugins.anomaly.rulesets import FACTS, RAW, SOURCES, Source, read, source_text

from yumen_plugins.anomaly.language.conditions import Expression, Facts, cleaned
from yumen_plugins.anomaly.language.durable import DurableEvaluator, EngineFault
from yumen_plugins.anomaly.language.evaluate import PythonEvaluator
from yumen_plugins.anomaly.language.expression import parse
from yumen_plugins.anomaly.language.shard import CONJUNCTIONS_MAX, PROPERTIES_MAX, CannotShard, alternatives, shards

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="durable-rules cannot be imported on Python 3.13")

ROOT = Path(__file__).parents[3]
# Grows by that much in pages that the allocator does not give back, however long it goes on.
SLACK_KB = 3_000
SOAK = """
import sys, threading
from tests.plugins.anomaly.rulesets import FACTS, read
from yumen_plugins.anomaly.language.conditions import cleaned
from yumen_plugins.anomaly.language.durable import DurableEvaluator

def rss_kb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4

rules = [read(f"requests.per_key.1m > {i} and tenant not in ['t{i}']") for i in range(25)] + [read("trusted")]
raw = [{"requests.per_key.1m": i % 30, "tenant": f"t{i % 7}", "idle": i, "trusted": i % 2 > 0} for i in range(99)]
facts = [cleaned(one, FACTS) for one in raw]
every = int(sys.argv[1]) // 20
fired = 0
for reload in range(20):
    # What is remembered would keep the library from being asked.
    evaluator = DurableEvaluator(rules, "test", answers_max=0)
    for i in range(every):
        fired += len(evaluator.matches(facts[i % 99]))
    evaluator.close()
    if reload == 4:
        before = rss_kb()
print(rss_kb() - before, threading.active_count(), fired > every)
"""
FREED = """
from tests.plugins.anomaly.rulesets import read
from yumen_plugins.anomaly.language.evaluators import make

def rss_kb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4

rules = [read(f"requests.per_key.1m > {i}") for i in range(50)]
for number in range(300):
    evaluator = make(rules, "durable-rules")
    if number % 3 == 0:
        evaluator.matches({"requests.per_key.1m": 10_000_000})
    evaluator.close()
    if number == 99:
        before = rss_kb()
print(rss_kb() - before)
"""


def run(code: str, *arguments: str) -> list[str]:
    """What a process of its own prints; one that crashes fails the test and not the suite."""
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, cwd=ROOT, timeout=1500
    )
    assert done.returncode == 0, (done.returncode, done.stderr[-2000:])
    return done.stdout.split()


def both(conditions: list[Expression], *facts: Facts) -> None:
    """Both evaluators say the same of all facts."""
    durable, python = DurableEvaluator(conditions, "test"), PythonEvaluator(conditions, "test")
    for one in facts:
        assert durable.matches(one) == python.matches(one)
    durable.close()


def test_rulesets_are_freed() -> None:
    """A reload gives back what the policy before it held, whether or not a rule of it ever fired, and ends no process."""
    assert int(run(FREED)[0]) < SLACK_KB


@pytest.mark.long
@pytest.mark.slow
@pytest.mark.timeout(1600 if LONG else 300)
def test_memory_and_threads_stay_as_they_are() -> None:
    """Neither evaluating nor reloading leaves anything behind."""
    grown, threads, fired = run(SOAK, str(times(50_000, long=2_000_000)))
    assert int(grown) < SLACK_KB
    assert threads == "1"
    assert fired == "True"


def test_conditions_that_are_all_the_same() -> None:
    """256 rules behind one comparison make the library read beyond a list."""
    both([read("idle > 3")] * 300, {"idle": 4_000_000}, {"idle": 3_000_000})
    both(
        [read(f"idle > 3 and requests.per_key.1m > {i}") for i in range(300)],
        {"idle": 4_000_000, "requests.per_key.1m": 99_000_000},
    )


def test_conditions_that_are_all_different() -> None:
    """512 comparisons at one place make the library loop for ever."""
    both([read(f"tenant == 't{i}'") for i in range(600)], {"tenant": "t599"}, {"tenant": "t0"}, {"tenant": "t600"})


def test_many_comparisons_that_are_all_true() -> None:
    """More than 64 comparisons that hold at one time, of one fact or of several, are more than the library's stack takes."""
    both([read(f"idle > {i}") for i in range(70)], {"idle": 70_000_000}, {"idle": 35_000_000})
    types = {f"fact{i}": FACTS["idle"] for i in range(300)}
    both([parse(f"fact{i} > 1", types) for i in range(300)], dict.fromkeys(types, 2_000_000))


def test_more_properties_than_a_fact_may_have() -> None:
    """255 properties are an error in the library; conditions that read more are divided."""
    types = {f"fact{i}": FACTS["idle"] for i in range(600)}
    conditions = [parse(" and ".join(f"fact{i + j} > 1" for j in range(60)), types) for i in range(0, 600, 60)]
    divided = shards(conditions)
    assert len(divided) == 3
    assert all(shard.properties() <= PROPERTIES_MAX for shard in divided)
    both(conditions, dict.fromkeys(types, 2_000_000), dict.fromkeys(list(types)[:130], 2_000_000))


def test_five_thousand_rules() -> None:
    """Any number of rules loads and runs."""
    conditions = [read(f"idle > {i} and tenant == 't{i % 50}'") for i in range(5000)]
    assert max(len(shard.conjunctions) for shard in shards(conditions)) <= CONJUNCTIONS_MAX
    both(conditions, {"idle": 2_500_000_000, "tenant": "t7"}, {})


def test_a_condition_with_too_many_alternatives() -> None:
    """`or` within `and` multiplies; what would not fit a ruleset is refused by name, before it is multiplied out."""
    text = " and ".join(f"(idle > {i} or request.bytes > {i})" for i in range(32))
    assert alternatives(read(text).root) == 2**32
    with pytest.raises(CannotShard, match="4_294_967_296 alternatives") as caught:
        DurableEvaluator([read("trusted"), read(text)], "test")
    assert caught.value.index == 1
    fits = " and ".join(f"(idle > {i} or request.bytes > {i})" for i in range(5))
    both([read(fits)], {"idle": 9_000_000}, {"idle": 3_000_000}, {"idle": 3_000_000, "request.bytes": 9_000_000})


def test_texts_never_enter_the_library() -> None:
    """Whatever a caller's text is, the library sees a small number, so that none can be taken for another or end it."""
    evaluator = DurableEvaluator([read("tenant == 'a'"), read("tenant != 'a'"), read("model in ['\"}', '3']")], "test")
    for tenant, expected in {"a": (0,), '{"p0":0}': (1,), "0": (1,), "%d": (1,), "\x01": (1,), "": (1,)}.items():
        assert evaluator.matches(cleaned({"tenant": tenant}, FACTS)) == expected
    assert evaluator.matches(cleaned({"model": '"}'}, FACTS)) == (2,)
    assert evaluator.matches(cleaned({"model": "\ud800"}, FACTS)) == ()
    evaluator.close()


@given(sources=st.lists(SOURCES, min_size=1, max_size=3), raws=st.lists(RAW, min_size=1, max_size=8))
@settings(deadline=None, max_examples=60)
def test_what_is_remembered_is_what_the_library_says(sources: list[Source], raws: list[dict[str, object]]) -> None:
    """Facts that no comparison tells apart have one answer: the one that the library gives to each of them."""
    conditions = [read(source_text(source)) for source in sources]
    try:
        asked, remembering = DurableEvaluator(conditions, "", answers_max=0), DurableEvaluator(conditions, "")
    except CannotShard:
        return
    for raw in [*raws, *reversed(raws)]:
        facts = cleaned(raw, FACTS)
        # Beside each fact, the next number on either side.
        for step in (-1, 0, 1):
            near = {name: value + step if type(value) is int else value for name, value in facts.items()}
            assert remembering.matches(near) == asked.matches(near), near
    asked.close()
    remembering.close()


def test_the_library_is_asked_once_about_facts_that_are_alike() -> None:
    """A rate that changes with every exchange and stays below its threshold costs one look; one that passes it, another."""
    evaluator = DurableEvaluator([read("requests.per_key.1m > 300 and tenant != 'a'")], "test")
    (ruleset,) = evaluator._rulesets
    for count in range(0, 301, 50):
        assert evaluator.matches({"requests.per_key.1m": count * 1_000_000, "tenant": f"t{count}"}) == ()
    # One for all below the threshold, and one for the threshold itself.
    assert len(ruleset._answers) == 2
    assert evaluator.matches({"requests.per_key.1m": 300_000_001, "tenant": "租户"}) == (0,)
    assert evaluator.matches({"requests.per_key.1m": 300_000_001}) == ()
    assert len(ruleset._answers) == 4
    evaluator.close()


def test_answers_are_bounded() -> None:
    """Whoever sends facts that are all different makes the gateway ask more, and remember no more."""
    evaluator = DurableEvaluator([read(f"idle == {number}") for number in range(50)], "test", answers_max=10)
    (ruleset,) = evaluator._rulesets
    for number in range(50):
        assert evaluator.matches({"idle": number * 1_000_000}) == (number,)
        assert len(ruleset._answers) <= 10
    evaluator.close()


def test_nothing_is_kept_in_the_library() -> None:
    """The facts of two calls never come together in one condition, and the same facts get the same answer again."""
    conditions = [read("trusted and streamed"), read("trusted"), read("streamed")]
    evaluator = DurableEvaluator(conditions, "test", answers_max=0)
    for _ in range(3):
        assert evaluator.matches({"trusted": True}) == (1,)
        assert evaluator.matches({"streamed": True}) == (2,)
        assert evaluator.matches({"streamed": True, "trusted": True}) == (0, 1, 2)
    evaluator.close()


def test_many_threads() -> None:
    """Threads at once get each its own answer; without a lock the library loses most of them."""
    conditions = [read(f"idle == {i}") for i in range(8)] + [read("idle >= 0")]
    evaluator = DurableEvaluator(conditions, "test", answers_max=0)
    together = threading.Barrier(8)

    def ask(number: int) -> bool:
        together.wait()
        return all(evaluator.matches({"idle": number * 1_000_000}) == (number, 8) for _ in range(400))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(ask, range(8)))
    finally:
        sys.setswitchinterval(interval)
    evaluator.close()


def test_a_fault_of_the_library_is_told_without_its_words() -> None:
    """The library's errors may hold facts; ours do not. Afterwards nothing is said to be untrue that was not looked at."""
    evaluator = DurableEvaluator([read("idle > 3"), read("tenant == 'a'")], "test")
    for ruleset in evaluator._rulesets:
        ruleset.free()
    for _ in range(2):
        with pytest.raises(EngineFault, match=r"^durable_rules failed$") as caught:
            evaluator.matches({"idle": 4_000_000})
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
    evaluator.close()


def test_a_closed_evaluator_says_nothing() -> None:
    """Asking what is freed is an error, not an answer; closing it again is nothing."""
    evaluator = DurableEvaluator([read("trusted")], "test")
    assert evaluator.matches({"trusted": True}) == (0,)
    evaluator.close()
    evaluator.close()
    with pytest.raises(EngineFault):
        evaluator.matches({"trusted": True})
