"""The index of questions: what it finds, and what it forgets."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.cache.semantic.kit import CONTEXT, DIMENSION, known, vector

from yumen_plugins.cache.entry import Purge
from yumen_plugins.cache.semantic import Known, Questions, vectors
from yumen_plugins.cache.semantic.vectors import Vector, Vectors

PAY = "How do I pay?"


class Clock:
    """A time that a test sets."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def questions(entries_max: int = 100, bytes_max: int = 1 << 30, now: Callable[[], float] | None = None) -> Questions:
    return Questions(entries_max, now=now or Clock(), bytes_max=bytes_max)


def find(among: Questions, text: str = PAY, *, space: str = "s", context: bytes = CONTEXT, angle: float = 0.0) -> str:
    match = among.find(space, context, text, vector(angle), 0.8)
    return match.key.decode() if match is not None else ""


def test_the_most_alike_that_the_gate_lets_pass_is_found() -> None:
    """Similarity alone decides nothing: of several that are alike enough, the first that means the same is given."""
    among = questions()
    among.add("s", known("not", "How do I not pay?"))
    among.add("s", known("far", "How can I pay?", angle=0.3))
    among.add("s", known("near", "how to pay", angle=0.1))
    match = among.find("s", CONTEXT, PAY, vector(), 0.8)
    assert match is not None
    assert match.key == b"near"
    assert match.similarity == pytest.approx(np.cos(0.1), abs=1e-3)
    assert among.refused == {"negation": 1}


def test_what_is_not_alike_enough_is_not_found() -> None:
    """Below the threshold the gate is not even asked."""
    among = questions()
    among.add("s", known("k", angle=1.0))
    assert find(among) == ""
    assert not among.refused


def test_spaces_and_contexts_are_apart() -> None:
    """A question of another tenant, or one with anything else around it, is never found."""
    among = questions()
    among.add("s", known("k"))
    assert find(among) == "k"
    assert find(among, space="other") == ""
    assert find(among, context=b"d" * 24) == ""


def test_an_expired_question_is_forgotten() -> None:
    """What would lead to an answer that is gone is not found, nor one that says it comes from the future."""
    clock = Clock()
    among = questions(now=clock)
    among.add("s", known("k", expires=1500.0))
    among.add("s", known("later", stored_at=1400.0, expires=1500.0))
    clock.now = 1100.0
    assert find(among) == "k"
    clock.now = 1500.0
    assert find(among) == ""
    assert len(among) == 0
    among.add("s", known("k", expires=1500.0))
    assert len(among) == 0


def test_the_least_useful_question_goes() -> None:
    """A space holds `entries_max` questions; one that was found lately stays."""
    among = questions(entries_max=2)
    among.add("s", known("a", "how to pay in a shop", context=b"1"))
    among.add("s", known("b", "how to pay in a shop", context=b"2"))
    assert find(among, "how to pay in a shop", context=b"1") == "a"
    among.add("s", known("c", context=b"3"))
    assert len(among) == 2
    assert find(among, "how to pay in a shop", context=b"1") == "a"
    assert find(among, "how to pay in a shop", context=b"2") == ""


def test_the_largest_space_pays() -> None:
    """All spaces together are bounded in bytes, and a flood of one tenant costs another one nothing."""
    among = questions(entries_max=1000, bytes_max=100_000)
    among.add("small", known("k"))
    for number in range(200):
        among.add("flood", known(f"f{number}", f"question {number}", context=b"%d" % number))
    assert among.stats()["bytes"] <= 100_000
    assert find(among, space="small") == "k"
    assert find(among, "question 199", space="flood", context=b"199") == "f199"
    assert find(among, "question 0", space="flood", context=b"0") == ""


def test_spaces_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond so many spaces, the one that was used least recently is forgotten, and so are its bytes."""
    monkeypatch.setattr("yumen_plugins.cache.semantic.index.SPACES_MAX", 3)
    among = questions()
    for space in "abc":
        among.add(space, known(space))
    assert find(among, space="a") == "a"
    among.add("d", known("d"))
    assert [find(among, space=space) for space in "abcd"] == ["a", "", "c", "d"]
    assert among.stats() == {"spaces": 3, "contexts": 3, "questions": 3, "bytes": among.stats()["bytes"]}
    among.purge(Purge())
    assert among.stats()["bytes"] == 0


def test_the_question_of_an_answer_that_is_renewed_is_replaced() -> None:
    """One key leads to one question, so that nothing old stays behind when its answer changes."""
    among = questions()
    among.add("s", known("k", "old words"))
    among.add("s", known("k"))
    assert len(among) == 1
    assert find(among, "old words") == ""
    assert find(among) == "k"
    assert among.drop("s", b"k")
    assert not among.drop("s", b"k")
    assert among.stats() == {"spaces": 1, "contexts": 0, "questions": 0, "bytes": 0}


def test_a_purge_takes_what_it_names() -> None:
    """By tenant, by subject, by age; what is not named stays."""
    among = questions()
    among.add("s", known("a", tenant="north", subject="u1", stored_at=900.0))
    among.add("s", known("b", tenant="north", subject="u2"))
    among.add("t", known("c", tenant="south"))
    assert among.purge(Purge("north", "u1")) == 1
    assert among.purge(Purge(before=1000.0)) == 0
    assert among.purge(Purge("south")) == 1
    assert len(among) == 1
    assert find(among) == "b"


@pytest.mark.parametrize("alone", [True, False])
def test_a_question_costs_no_more_than_is_accounted(alone: bool) -> None:
    """What `bytes_max` bounds is at least the memory that is really used, in one context and in a thousand."""
    rows = np.random.default_rng(1).standard_normal((1000, 256)).astype(np.float16)
    items = [
        Known(b"%024d" % at, b"%024d" % (at if alone else 0), f"第{at}个问题", row.tobytes(), "t", f"u{at}", 0.0, 1e9)
        for at, row in enumerate(rows)
    ]
    among = questions(entries_max=1000)
    tracemalloc.start()
    for item in items:
        among.add("s", item)
    used = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert used <= among.stats()["bytes"]


OPERATIONS = st.lists(st.tuples(st.booleans(), st.integers(0, 20), st.floats(0, 6.28)), max_size=60)


@given(OPERATIONS, st.sampled_from([3 * DIMENSION, 1 << 18]))
def test_vectors_are_found_as_by_comparing_with_all(operations: list[tuple[bool, int, float]], block: int) -> None:
    """After any adding and removing, and in whatever blocks they are multiplied, what is nearest is nearest."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vectors, "BLOCK", block)
        made = Vectors(DIMENSION)
        there: dict[int, Vector] = {}
        for adds, number, angle in operations:
            if number in there:
                made.remove(number)
                del there[number]
            if adds:
                there[number] = vector(angle)
                made.add(number, there[number])
        asked = vector(1.0)
        alike = {number: float(one @ asked) for number, one in there.items() if one @ asked >= 0.9}
        found = made.nearest(asked, 4, 0.9)
        assert [similarity for _, similarity in found] == pytest.approx(sorted(alike.values(), reverse=True)[:4])
        assert all(alike[number] == pytest.approx(similarity) for number, similarity in found)
        with pytest.raises(KeyError):
            made.remove(99)


def test_a_context_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """All questions of a context are compared with each that is asked, so they are few, and the least useful goes."""
    monkeypatch.setattr("yumen_plugins.cache.semantic.index.CONTEXT_MAX", 2)
    among = questions()
    for word in ("cards", "cash"):
        among.add("s", known(word, f"how to pay with {word}"))
    assert find(among, "how to pay with cards") == "cards"
    among.add("s", known("gold", "how to pay with gold"))
    kept = [word for word in ("cards", "cash", "gold") if find(among, f"how to pay with {word}") == word]
    assert kept == ["cards", "gold"]
