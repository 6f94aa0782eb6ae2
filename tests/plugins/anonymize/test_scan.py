"""Detection: every example is found, every counterexample is not, and edits land on the original text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors import CATALOGUE, select
from yumen_plugins.anonymize.scan import Scanner
from yumen_plugins.anonymize.windows import WINDOW_CHARS

SCANNER = Scanner(CATALOGUE)
# Long enough that a text is read in windows; holds nothing that any detector could take for a beginning.
PADDING = "天气很好，我们去公园。It is a fine day, let us walk. " * (WINDOW_CHARS // 40)


def found(text: str) -> list[tuple[str, str]]:
    return [(hit.detector.id, text[hit.start : hit.end]) for hit in SCANNER.scan([text])[0]]


# One test for all detectors and not one for each: there are hundreds, and pytest takes longer about a test than they do.
EXAMPLES = [(detector, text) for detector in CATALOGUE for text in detector.examples]


def covers_itself(detector: Detector, text: str) -> bool:
    """Whether everything that a detector reads in a text is masked."""
    covered = {place for hit in SCANNER.scan([text])[0] for place in range(hit.start, hit.end)}
    own = [hit for hit in SCANNER.readings(text) if hit.detector is detector]
    return all(covered.issuperset(range(hit.start, hit.end)) for hit in own)


@pytest.mark.parametrize("padding", ["", PADDING], ids=["short", "long"])
def test_examples_are_found(padding: str) -> None:
    """Every detector finds a value in each of its examples, in a short text and within a long one."""
    missed = [
        (detector.id, text)
        for detector, text in EXAMPLES
        if not any(hit.detector is detector for hit in SCANNER.readings(padding + text))
    ]
    assert missed == []


def test_examples_are_covered() -> None:
    """Beside all others an example is masked all the same, whatever the value is taken for."""
    assert [(detector.id, text) for detector, text in EXAMPLES if not covers_itself(detector, text)] == []


@pytest.mark.parametrize("padding", ["", PADDING], ids=["short", "long"])
def test_counterexamples_are_left_alone(padding: str) -> None:
    """A counterexample holds no value of its detector."""
    taken = [
        (detector.id, text)
        for detector in CATALOGUE
        for text in detector.counterexamples
        if detector.id in [kind for kind, _ in found(padding + text)]
    ]
    assert taken == []


def test_every_detector_has_examples_of_both_kinds() -> None:
    """No detector is left out above for want of something to try."""
    assert [detector.id for detector in CATALOGUE if not (detector.examples and detector.counterexamples)] == []


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("手机１３８１２３４５６７８。", "１３８１２３４５６７８"),
        ("138\u200b1234\u200d5678\u200b!", "138\u200b1234\u200d5678"),
        ("卡号：4111111111111111，谢谢", "4111111111111111"),
        ("地址192.168.1.1，", "192.168.1.1"),
        ("我的邮箱li.na＠example.com谢谢", "li.na＠example.com"),
        ("𝟏𝟑𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖", "𝟏𝟑𝟖𝟏𝟐𝟑𝟒𝟓𝟔𝟕𝟖"),
    ],
)
def test_spans_are_of_the_original(text: str, value: str) -> None:
    """However a value is spelt, its span in the original text is exact."""
    assert [span for _, span in found(text)] == [value]


def test_adjacent_values_are_two() -> None:
    """Two phones side by side are two values, not one."""
    assert [span for _, span in found("13812345678 13912345678")] == ["13812345678", "13912345678"]


def test_valid_beats_doubtful_and_longer_beats_shorter() -> None:
    """An identity number is not read as the card or phone that its digits might also be."""
    assert found("身份证号110101199003077213") == [("cn.id_card", "110101199003077213")]
    assert found("a.13812345678@example.com") == [("email", "a.13812345678@example.com")]


PLANTED = [
    "13812345678",
    "+86 139-1234-5678",
    "110101199003077213",
    "4111 1111 1111 1111",
    "li.na@example.com",
    "10.1.2.3",
]
surroundings = st.text(st.sampled_from("的我is，。 \n\t<>{}\"'\\#中文word１\u200b"), max_size=8)


@given(st.lists(st.tuples(surroundings, st.sampled_from(PLANTED)), max_size=6), surroundings)
def test_planted_values_are_always_found(parts: list[tuple[str, str]], end: str) -> None:
    """Whatever stands around values, every one is covered and nothing but digits and signs beside them is."""
    text = "".join(f"{before} {value} " for before, value in parts) + end
    covered: set[int] = set()
    for hit in SCANNER.scan([text])[0]:
        covered.update(range(hit.start, hit.end))
    position = 0
    for _, value in parts:
        position = text.index(value, position)
        assert covered.issuperset(range(position, position + len(value)))
        position += len(value)


@given(st.text())
def test_any_text_can_be_scanned(text: str) -> None:
    """No text is refused, and hits are in order, apart and inside it; several texts give what each gives alone."""
    hits = SCANNER.scan([text])[0]
    edges = [edge for hit in hits for edge in (hit.start, hit.end)]
    assert edges == sorted(edges)
    assert not edges or edges[-1] <= len(text)
    assert SCANNER.scan([text, "13812345678", text]) == [hits, SCANNER.scan(["13812345678"])[0], hits]


@pytest.mark.parametrize(
    ("unit", "count"), [("1", 2_000_000), ("a@", 500_000), ("1.1.", 300_000), ("::", 500_000), ("\ud800", 100_000)]
)
def test_hostile_text_is_only_long(unit: str, count: int) -> None:
    """Text made to be expensive costs a bounded number of looks and finds nothing."""
    assert SCANNER.scan([unit * count]) == [[]]


def test_selection_by_glob() -> None:
    """Detectors are named by id or glob; what names none is refused with a sentence that names the nearest."""
    assert {"cn.id_card", "cn.mobile", "email"} <= {detector.id for detector in select(["cn.*", "email"])}
    assert {"email", "ip"} < {detector.id for detector in select(["net.*"])}
    assert "bank_card" in {detector.id for detector in select(["finance.*"])}
    with pytest.raises(ValueError, match=r"no detector is called `xx\.ssn`; the nearest is `us\.ssn`"):
        select(["xx.ssn"])


def test_a_name_without_signs_means_itself() -> None:
    """Only `*`, `?` and `[` make a glob; every other sign stands for itself, and a built-in has its name in its pack too."""
    assert [detector.id for detector in select(["net.email", "us.ss?", "cn.[m]obile"])] == [
        "cn.mobile",
        "email",
        "us.ssn",
    ]
    for glob in ("us.ss.", "us.ss.*n", "us.ssn|email", "US.SSN", "us.ssn\n", "cn.mobile]"):
        with pytest.raises(ValueError, match="no detector is called"):
            select([glob])
