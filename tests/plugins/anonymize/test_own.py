"""Patterns that a policy's author writes: what they find, where they stand, and that no text makes them slow."""

from __future__ import annotations

import itertools
import time
from functools import lru_cache
from typing import Any

import pytest
import re2
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.plugins.anonymize.running import CARD, PHONE, anonymize, pattern, send

from yumen_plugins.anonymize import own as own_module
from yumen_plugins.anonymize.detectors import CATALOGUE
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.own import VALUE_BYTES_MAX, WINDOW_BYTES, Own
from yumen_plugins.anonymize.regex import compiled, problem
from yumen_plugins.anonymize.scan import Scanner
from yumen_plugins.anonymize.windows import WINDOW_CHARS

PADDING = "天气很好，我们去公园。It is a fine day. " * (WINDOW_CHARS // 20)
STAFF = r"\bE\d{6}\b"


def own(regex: str, rule: str = "acme.a", context: list[str] | None = None) -> Own:
    return Own(rule, regex, context or [], "", 0.8)


def found(text: str, *patterns: Own, catalogue: Any = CATALOGUE) -> list[tuple[str, str]]:
    hits = Scanner(catalogue, patterns).scan([text])[0]
    return [(hit.detector.id, text[hit.start : hit.end]) for hit in hits]


@pytest.mark.parametrize("padding", ["", PADDING], ids=["short", "long"])
@pytest.mark.parametrize(
    ("regex", "text", "values"),
    [
        (STAFF, "我的工号是E123456，谢谢", ["E123456"]),
        (STAFF, "AE123456 E1234567 e123456", []),
        (STAFF, "工号Ｅ１２３４５６。", ["Ｅ１２３４５６"]),
        (STAFF, "E123\u200b456 E12\u00ad3456\u200b", ["E123\u200b456", "E12\u00ad3456"]),
        (r"(?i)falcon|猎鹰", "FALCON与猎鹰, Falcon", ["FALCON", "猎鹰", "Falcon"]),
        (r"合同\s[0-9]+", "合同\u3000１２３ 合同 77", ["合同\u3000１２３", "合同 77"]),
        (r"合同\s[0-9]+", "合同\u300077", ["合同\u300077"]),
        (r"HT-[0-9]{4}", "HT\u20132026", ["HT\u20132026"]),
        (r"\p{Han}{2,3}(?:先生|女士)", "请找王小明先生。", ["王小明先生"]),
        ("😀+x", "a😀😀x工x", ["😀😀x"]),
        (r"[^a-z]号", "b号\ud800号", ["\ud800号"]),
    ],
)
def test_values_are_found_where_they_stand(regex: str, text: str, values: list[str], padding: str) -> None:
    """An author's pattern is matched on the plain spelling, in any script, and its span is exact in the original."""
    for before, after in (padding, ""), ("", padding), ("", ""):
        assert found(f"{before} {text} {after}", own(regex)) == [("acme.a", value) for value in values]


@pytest.mark.parametrize("regex", [r"^E\d{6}$", r"\AE\d{6}\z", r"(?m)^E\d{6}$"])
def test_edges_are_those_of_each_text(regex: str) -> None:
    """The beginning and the end of a text are its own, although all texts of an exchange pass the filter together."""
    scanner = Scanner(CATALOGUE, (own(regex),))
    hits = scanner.scan(["x", "E123456", "a E123456", "E654321"])
    assert [len(one) for one in hits] == [0, 1, 0, 1]


def test_context_words_must_stand_near() -> None:
    """With `context` a value counts only near one of the words, on either side, however those are written."""
    one = own(r"[0-9]{6}", context=["工号", "Staff Ｎo"])
    assert found("工号 123456", one) == [("acme.a", "123456")]
    assert found("123456是我的工号", one) == [("acme.a", "123456")]
    assert found("staff no 123456", one) == [("acme.a", "123456")]
    assert found("订单 123456", one) == []
    assert found(f"工号{'。' * 40}123456", one) == []
    assert found("订单 111111，" + "，" * 30 + "工号 222222", one) == [("acme.a", "222222")]


@pytest.mark.parametrize(
    ("regex", "text", "expected"),
    [
        # A sure reading beats an author's pattern, and what is left of the value is taken all the same.
        (rf"K{PHONE}Z", f"K{PHONE}Z", [("acme.a", "K"), ("cn.mobile", PHONE), ("acme.a", "Z")]),
        ("[0-9]{11}", PHONE, [("cn.mobile", PHONE)]),
        ("[0-9]{4}", PHONE, [("cn.mobile", PHONE)]),
        # A longer pattern beats a doubtful reading, a shorter one does not; nothing of either is left over.
        ("K[0-9]{16}", "卡号K4111111111111112", [("acme.a", "K4111111111111112")]),
        ("[0-9]{8}", "卡号4111111111111112", [("bank_card", "4111111111111112")]),
        ("号N4111[0-9 ]{9,}", "卡号N4111 1111 1111 1112", [("acme.a", "号N4111 1111 1111 1112")]),
        # The edge of a doubtful reading that a pattern beat is not left over either.
        (
            "[A-Z]{20}4111",
            f"卡号{'N' * 20}4111111111111112",
            [("acme.a", f"{'N' * 20}4111"), ("bank_card", "111111111112")],
        ),
    ],
)
def test_overlaps_leave_nothing_over(regex: str, text: str, expected: list[tuple[str, str]]) -> None:
    """Whoever wins, every character that an author's pattern takes, or that it takes away from a reading, is covered."""
    assert found(text, own(regex)) == expected


def test_of_two_patterns_the_longer_wins_then_the_first() -> None:
    """Patterns compete as detectors do, and their order in the file is the last word."""
    assert found("工号1234", own("工号", "acme.a"), own("工号[0-9]+", "acme.b")) == [("acme.b", "工号1234")]
    assert found("工号", own("工号", "acme.b"), own("工.", "acme.a")) == [("acme.b", "工号")]
    assert found("工号1234", own("工号1", "acme.a"), own("号1234", "acme.b")) == [
        ("acme.a", "工"),
        ("acme.b", "号1234"),
    ]


TEXT = st.text(st.sampled_from("1358 -.@ae工号N０１\u200b\u3000"), max_size=40)
CHOICES = [
    ("[0-9]{4,}",), ("[0-9 -]{3,9}", "号.{0,9}"), ("[a-e.]+@", "[0-9]{4,}"), (r"\S{2,5}",), (r"\S{2,5}", "[0-9 -]{3,9}"),
    ("(?i)n[0-9]", "1[0-9]{10}x?", "[0-9]{2,3}"),
]  # fmt: skip


@lru_cache
def scanners(regexes: tuple[str, ...]) -> tuple[Scanner, list[Scanner]]:
    """The catalogue with some patterns, and each of them alone."""
    owns = tuple(own(regex, f"acme.p{index}") for index, regex in enumerate(regexes))
    return Scanner(CATALOGUE, owns), [Scanner(CATALOGUE), *(Scanner((), (one,)) for one in owns)]


@settings(max_examples=300, deadline=None)
@given(
    st.lists(st.one_of(TEXT, st.sampled_from([PHONE, CARD, "卡号4111111111111112", "a@b.com"])), max_size=4),
    st.sampled_from(CHOICES),
)
def test_a_pattern_never_uncovers_anything(parts: list[str], regexes: tuple[str, ...]) -> None:
    """What is covered without an author's patterns is covered with them, and so is all that they find alone."""
    text = "".join(parts)
    together, alone = scanners(regexes)

    def covered(hits: list[Hit]) -> set[int]:
        return {at for hit in hits for at in range(hit.start, hit.end)}

    hits = together.scan([text])[0]
    edges = [edge for hit in hits for edge in (hit.start, hit.end)]
    assert edges == sorted(edges)
    # Invisible characters at the edge of a part belong to nobody.
    visible = {at for at, char in enumerate(text) if char != "\u200b"}
    for one in alone:
        assert covered(one.scan([text])[0]) & visible <= covered(hits)


def test_many_patterns_in_one_pass() -> None:
    """With the largest number of patterns each finds its own value and no other."""
    owns = tuple(own(rf"\bP{index:03d}-[0-9]+", f"acme.p{index}") for index in range(256))
    scanner = Scanner(CATALOGUE, owns)
    hits = scanner.scan([f"{PADDING} P017-1 P255-22", "P000-5", "P256-1"])
    assert [[hit.detector.id for hit in one] for one in hits] == [["acme.p17", "acme.p255"], ["acme.p0"], []]


@pytest.mark.parametrize("place", [0, 1, WINDOW_BYTES - 3, WINDOW_BYTES, WINDOW_BYTES + 1, 2 * WINDOW_BYTES - 1])
@pytest.mark.parametrize("filler", ["x", "工"])
def test_windows_have_no_seams(place: int, filler: str) -> None:
    """A long text is read in windows, and a value is found wherever it stands, over the edge of one as well."""
    fill = filler * (place // len(filler.encode()))
    value = "N" + "7" * (VALUE_BYTES_MAX - 10) + "Z"
    text = f"{fill}{value}。{'y' * WINDOW_BYTES}NZ"
    spans = list(own("N7*Z").look(text, text.encode(), time.perf_counter() + 60))
    assert [text[start:end] for start, end in spans] == [value, "NZ"]


@pytest.mark.parametrize("text", ["a" * 100, "x" * 100 * WINDOW_BYTES], ids=["values", "windows"])
def test_no_text_keeps_a_pattern_busy(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at for every value and every window, and when the time is over the search ends with a fault."""
    ticks = itertools.count()
    monkeypatch.setattr(own_module, "perf_counter", lambda: float(next(ticks)))
    with pytest.raises(TimeoutError, match=r"`acme\.a` takes too long"):
        list(own("a.*b|a").look(text, text.encode(), 50.0))
    assert next(ticks) == 52
    assert len(list(own("a.*b|a").look(text, text.encode(), 500.0))) == text.count("a")


async def test_a_pattern_that_takes_too_long_ends_the_exchange(monkeypatch: pytest.MonkeyPatch) -> None:
    """The plugin fails, and its policy is to fail closed: nothing is forwarded unread."""
    monkeypatch.setattr("yumen_plugins.anonymize.scan.SECONDS_MAX", -1.0)
    async with anonymize(patterns=[pattern("acme.a", "工号")]) as harness:
        sent = await send(harness, "工号 1")
        assert (sent.outcome.code, sent.outcome.given) == ("plugin_fault", None)


@given(st.text(max_size=200), st.text(max_size=200))
def test_spans_of_any_text(before: str, after: str) -> None:
    """Offsets are code points, whatever stands around."""
    plain = (before + "工号#1" + after).encode("utf-8", "replace").decode()
    spans = list(own("工号#1").look(plain, plain.encode(), time.perf_counter() + 60))
    assert (len(before), len(before) + 4) in spans
    assert all(plain[start:end] == "工号#1" for start, end in spans)


async def test_values_come_back_under_their_own_label() -> None:
    """Values are pseudonyms for the engine and values again for the caller; another spelling is another, but for `(?i)`."""
    async with anonymize(patterns=[pattern("acme.staff_no", STAFF), pattern("acme.code", "(?i)falcon")]) as harness:
        sent = await send(harness, "我是E123456，不是E654321。Falcon, FALCON")
        seen = sent.forwarded
        assert "E123456" not in seen
        labels = [word.rpartition("_")[0] for word in seen.split("<")[1:]]
        assert labels == ["ACME_STAFF_NO", "ACME_STAFF_NO", "ACME_CODE", "ACME_CODE"]
        codes = [word.split(">")[0] for word in seen.split("<")[1:]]
        assert codes[0] != codes[1]
        assert codes[2] == codes[3]
        sent = await send(harness, "我是E123456，不是E654321。Falcon, FALCON", seen)
        assert sent.outcome.text == "我是E123456，不是E654321。Falcon, Falcon"
        assert {finding.score for finding in sent.record.findings} == {0.8}


@pytest.mark.parametrize(
    ("regex", "what"),
    [
        ("(?<=x)a", "looks behind"), ("(?<!x)a", "looks behind"), ("a(?=b)", "looks ahead"), ("a(?!b)", "looks ahead"),
        (r"(a)\1", "refers back"), ("(?P<n>a)(?P=n)", "refers back"), (r"(?<n>a)\k<n>", "refers back"),
        ("(?>a)", "a kind of group"), ("(?#x)a", "a kind of group"), (r"a\Z", r"holds `\Z`"), (r"\h", "a backslash before"),
        ("a(", "a `(` is never closed"), ("a)", "a `)` closes nothing"), ("[a", "a `[` is never closed"),
        ("a\\", "ends in a backslash"), ("[z-a]", "a set of characters"), (r"\p{Klingon}", "a set of characters"),
        ("a**", "repeats a repetition"), ("*a", "repeats nothing"), ("a{1001}", "more than 1,000 times"),
        ("(?:a{1000}){1000}", "more than 1,000 times"), (r"\p{L}{100}", "too large"), (r"\C", "half of a character"),
        ("\ud800", "half of a character"), ("a*", "where nothing stands"), (r"\b", "where nothing stands"),
        ("x?$", "where nothing stands"), ("(?m)^", "where nothing stands"), (r"\B", "where nothing stands"),
    ],
)  # fmt: skip
def test_what_cannot_run_is_said_in_a_sentence(regex: str, what: str) -> None:
    """A pattern that RE2 cannot take, or that would take everything, is refused in words, with what to do about it."""
    said = problem(regex)
    assert said is not None
    assert what in said[0]
    assert said[1]
    assert not any(char in said[0] + said[1] for char in "\n;")


@pytest.mark.parametrize(
    "regex", ["a", r"\bE\d{6}\b", "工号", r"^a$", r"\\C", r"x?a", r"(?s).", r"\p{Han}{1,30}", "a{1000}"]
)
def test_what_can_run_is_not_refused(regex: str) -> None:
    """An ordinary pattern is fine."""
    assert problem(regex) is None


@settings(deadline=None)
@given(st.text(max_size=30))
def test_any_text_as_a_pattern_is_fine_or_refused(regex: str) -> None:
    """Whatever an author writes, the answer is a sentence or a pattern that compiles and scans."""
    if problem(regex) is None:
        compiled(regex)
        Scanner((), (own(regex),)).scan([regex, "工号 E123456"])


@given(st.text(st.sampled_from("ab1 \n工^$|\\bBzA()?*+"), max_size=8), st.text(st.sampled_from("ab1 \n工"), max_size=6))
def test_no_value_is_empty(regex: str, text: str) -> None:
    """A pattern that is not refused never takes the place between two characters."""
    try:
        compiled(regex)
    except re2.error:
        return
    empty = any(match.start() == match.end() for match in compiled(regex).finditer(text.encode()))
    assert not empty or problem(regex) is not None
