"""Lists of words: what is always taken, and what never is."""

from __future__ import annotations

import random

import pytest

from yumen_plugins.anonymize.config import WordList
from yumen_plugins.anonymize.detectors import select
from yumen_plugins.anonymize.hits import Allowed
from yumen_plugins.anonymize.scan import Scanner
from yumen_plugins.anonymize.words import Words


def scanner(*lists: WordList) -> Scanner:
    return Scanner(select(["cn.mobile", "email"]), lists=tuple(Words(one) for one in lists))


def found(one: Scanner, text: str, tenant: str = "") -> list[tuple[str, str]]:
    (hits,) = one.scan([text], tenant=tenant)
    return [(hit.detector.id, text[hit.start : hit.end]) for hit in hits]


PROJECTS = WordList(id="acme.project", words=["Project Falcon", "玉门计划", "falcon", "ＡＣＭＥ"])


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("我们的玉门计划进展如何？", ["玉门计划"]),
        ("PROJECT FALCON and Falcon", ["PROJECT FALCON", "Falcon"]),
        ("falconry, myfalcon, falcon1", []),
        ("代号falcon，", ["falcon"]),
        ("acme与ＡＣＭＥ", ["acme", "ＡＣＭＥ"]),
        ("f\u200balcon", ["f\u200balcon"]),
    ],
)
def test_words_are_taken(text: str, values: list[str]) -> None:
    """A word is found however it is spelt, next to Han characters too, and never inside another Latin word."""
    assert [value for _, value in found(scanner(PROJECTS), text)] == values


def test_case_may_matter() -> None:
    """With `case` two spellings are two words."""
    one = scanner(WordList(id="acme.code", words=["Rose"], case=True))
    assert found(one, "Rose and rose") == [("acme.code", "Rose")]


def test_a_list_is_for_its_tenants() -> None:
    """Another tenant's words are ordinary ones."""
    one = scanner(WordList(id="acme.code", words=["rose"], tenants=["acme*"]))
    assert found(one, "rose", "acme-eu") == [("acme.code", "rose")]
    assert found(one, "rose", "other") == []


def test_what_is_allowed_is_never_taken_and_on_record() -> None:
    """A value within an allowed word stays, and the finding says why; one that only touches it does not."""
    one = scanner(WordList(id="acme.hotline", words=["13800138000", "hotline 13900139000 ext"], take=False))
    (hits,) = one.scan(["call 13800138000 or 13812345678, hotline 13900139000 ext"])
    assert [(hit.detector.id, isinstance(hit, Allowed), hit.covered) for hit in hits] == [
        ("acme.hotline", True, True),
        ("cn.mobile", False, False),
        ("acme.hotline", True, True),
    ]
    assert found(one, "hotline 13900139000") == [("cn.mobile", "13900139000")]


def test_an_allowing_list_in_shadow_allows_nothing() -> None:
    """In shadow it is on record, and what it would have let pass is taken."""
    one = scanner(WordList(id="acme.hotline", words=["13800138000"], take=False))
    (hits,) = one.scan(["13800138000"], lambda rule: "shadow" if rule == "acme.hotline" else "enforce")
    assert sorted((hit.detector.id, hit.covered) for hit in hits) == [("acme.hotline", True), ("cn.mobile", False)]


def test_a_longer_word_that_is_none_hides_no_shorter_one() -> None:
    """Where the longer word is no whole word, the shorter one is still found."""
    one = scanner(WordList(id="acme.code", words=["project x", "project x team"]))
    assert found(one, "project x teams") == [("acme.code", "project x")]
    assert found(one, "project x team") == [("acme.code", "project x team")]


def test_fifty_thousand_words() -> None:
    """Every one of the largest list is found."""
    draw = random.Random(7)
    words = sorted({"".join(draw.choices("赵钱孙李周吴郑王冯陈褚卫蒋沈韩杨", k=4)) for _ in range(50_000)})
    one = scanner(WordList(id="acme.staff", words=words))
    for word in draw.sample(words, 200):
        assert ("acme.staff", word) in found(one, f"请联系{word}。")
