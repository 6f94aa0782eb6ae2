"""The way back from pseudonyms, whatever a model or a stream has done to them."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from yumen import Hmac
from yumen_plugins.anonymize.pseudonym import Entry, Pseudonyms
from yumen_plugins.anonymize.restore import HOLD_MAX, Restoring, escaped, places, restored

PHONE, NAME, MAIL = "13812345678", '张"伟"', "li.na@example.com"
P, N, M = "npb44me8xn", "0123456789", "abcdefghjk"
KNOWN = {P: ("CN_MOBILE", PHONE), N: ("ACME_STAFF_NO", NAME), M: ("EMAIL", MAIL)}


def known() -> Pseudonyms:
    """An exchange with three values."""
    entries = {code: Entry(label, written, code.encode()) for code, (label, written) in KNOWN.items()}
    return Pseudonyms(Hmac(b"k"), entries)


NAMES = known()


def whole(text: str, source: bool = False) -> str:
    return restored(text, NAMES, source)


def stream(pieces: list[str], source: bool = False) -> list[str]:
    """What leaves after each piece and at the end; never more than declared is held."""
    restoring = Restoring(NAMES, source=source)
    out = []
    for piece in pieces:
        out.append(restoring.feed(piece))
        assert len(restoring._held) <= restoring.hold_max
    return [*out, restoring.finish()]


# What models do to `<CN_MOBILE_npb44me8xn>`.
VARIANTS = [
    f"<CN_MOBILE_{P}>",
    f"<cn_mobile_{P}>",
    f"<CN_MOBILE_{P.upper()}>",
    f"< CN_MOBILE_{P} >",
    f"<\u3000CN_MOBILE_{P}\u00a0>",
    f"<CN MOBILE {P}>",
    f"<CN-MOBILE-{P}>",
    f"＜CN_MOBILE_{P}＞",
    f"〈CN_MOBILE_{P}〉",
    f"《CN_MOBILE_{P}》",
    f"【CN_MOBILE_{P}】",
    f"［CN_MOBILE_{P}］",
    f"⟨CN_MOBILE_{P}⟩",
    f"<CN_MOBILE_{P}＞",
    f"&lt;CN_MOBILE_{P}&gt;",
    f"\\u003cCN_MOBILE_{P}\\u003e",
    f"\\u003C{P}\\u003E",
    rf"<CN\_MOBILE\_{P}>",
    rf"\<CN_MOBILE_{P}\>",
    rf"\[CN\_MOBILE\_{P}\]",
    f"[CN_MOBILE_{P}]",
    f"[CN MOBILE {P}]",
    f"(CN_MOBILE_{P})",
    f"（CN_MOBILE_{P}）",
    f"{{CN_MOBILE_{P}}}",
    f"｛CN_MOBILE_{P}｝",
    f"<手机号_{P}>",
    f"<手机号 {P}>",
    f"<手机号码{P}>",
    f"（手机号_{P}）",
    f"【手机_{P}】",
    f"<PHONE_{P}>",
    f"<phone number {P}>",
    f"[Téléphone_{P}]",
    f"<EMAIL_{P}>",
    f"<{P}>",
    f"[{P}]",
    f"< {P} >",
    f"&lt;{P}&gt;",
    f"CN_MOBILE_{P}",
    f"cn_mobile_{P}",
    rf"CN\_MOBILE\_{P}",
    f"CN-MOBILE-{P}",
    f"CN＿MOBILE＿{P}",
]


AROUND = ["{}", "call {} now", "请拨打{}，谢谢", "**{}**", "`{}`", "“{}”", '"{}"', "{}, {}", "a\n{}\n"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_what_models_do_to_placeholders(variant: str) -> None:
    """A complete code is restored in every form that the module promises, and with it brackets and label go."""
    for around in AROUND:
        text = around.replace("{}", variant)
        assert whole(text) == around.replace("{}", PHONE)
        for place in range(len(text) + 1):
            assert "".join(stream([text[:place], text[place:]])) == around.replace("{}", PHONE)


@pytest.mark.parametrize("variant", [one for one in VARIANTS if one[0] + one[-1] in ("<>", "＜＞", "《》", "【】")])
def test_placeholders_side_by_side(variant: str) -> None:
    """Brackets of its own part a placeholder from the next."""
    assert whole(variant * 3) == PHONE * 3
    assert "".join(stream(list(variant * 3))) == PHONE * 3


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # What is around brackets that fit stays.
        (f"<<CN_MOBILE_{P}>>", f"<{PHONE}>"),
        (f"[<CN_MOBILE_{P}>](tel:CN_MOBILE_{P})", f"[{PHONE}](tel:{PHONE})"),
        (rf"\\<CN_MOBILE_{P}>\share C:\<EMAIL_{M}>\x", rf"\\{PHONE}\share C:\{MAIL}\x"),
        (f"call(CN_MOBILE_{P}) x[CN_MOBILE_{P}]", f"call({PHONE}) x[{PHONE}]"),
        # Brackets that do not fit stay, and what is named is restored all the same.
        (f"<CN_MOBILE_{P}] (EMAIL_{M}", f"<{PHONE}] ({MAIL}"),
        (f"<CN_MOBILE_{P}, EMAIL_{M}>", f"<{PHONE}, {MAIL}>"),
        (f"<CN_MOBILE_{P} EMAIL_{M}>", f"<{PHONE} {MAIL}>"),
        # A code may be misread in one way only.
        ("<ACME_STAFF_NO_Ol23456789>", NAME),
    ],
)
def test_around_placeholders(text: str, expected: str) -> None:
    """Only what belongs to a placeholder is replaced."""
    assert whole(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        f"<CN_MOBILE_{P[:9]}>",
        f"<CN_MOBILE_{P}0>",
        f"<CN_MOBILE_{P[:5]} {P[5:]}>",
        f"<CN_MOBILE_{P[:9]}0>",
        "<CN_MOBILE_zzzzzzzzzz>",
        f"<CN_MOBILE_{P}_2>",
        f"<CN_MOBILE_{P}_{M}>",
        f"<{P} {M}>",
        f"<{P}_{M}>",
        P,
        f"the word {P} alone",
        f"手机号_{P}",
        f"PHONE_{P}",
        f"XCN_MOBILE_{P}",
        f"MY_CN_MOBILE_{P}",
        f"CN_MOBILE_{P}_x",
        f"CN MOBILE {P}",
        f"EMAIL_{P}",
        f"(my phone is {P})",
        f"<{'a' * 41}_{P}>",
        f"[   {P}]",
        f"<{P}",
        f"<{P}]",
        "<CN_MOBILE_…>",
        "<CN_MOBILE>",
        "<P_1> and <P_10>",
        "a.b*c(d)[e]\\1 $0 {x} <b> a<b &lt;i&gt;",
    ],
)
def test_what_stays_as_it_is(text: str) -> None:
    """What is shortened, altered, foreign or could mean two values is nobody's."""
    assert whole(text) == text
    assert "".join(stream(list(text))) == text


def test_nothing_known_nothing_held() -> None:
    """Where nothing can be restored a stream is not delayed by one character."""
    restoring = Restoring(Pseudonyms(Hmac(b"k")), source=True)
    assert restoring.hold_max == 0
    assert restoring.feed("<CN_") == "<CN_"
    assert restoring.finish() == ""


@pytest.mark.parametrize(
    "text",
    [
        "Your order is on its way. ",
        "你好，订单已经发货。",
        "if (x) { y = [1, 2]; }\n",
        "a <b> c </b> d ",
        "x = 3 < 4; ",
        "R&D, C:\\a .",
    ],
)
def test_ordinary_text_flows(text: str) -> None:
    """What cannot become a placeholder any more has left."""
    assert stream([text])[0] == text


@pytest.mark.parametrize(("text", "held"), [("an e", 1), ("the cnn", 0), ("see <b", 2), ("(see", 4), ("the cn", 2)])
def test_only_what_may_become_a_placeholder_is_held(text: str, held: int) -> None:
    """A word is held where one of the exchange's labels begins so, and a bracket with what follows it."""
    restoring = Restoring(NAMES, source=False)
    assert restoring.feed(text) == text[: len(text) - held]


def test_values_are_escaped_in_json_source() -> None:
    """What is put into JSON source is written as JSON writes it, and its escapes are read."""
    assert escaped('a"b\\c\n\ud800') == 'a\\"b\\\\c\\n\\ud800'
    value = {"path": f"C:\\<ACME_STAFF_NO_{N}>\\x", "to": f"＜手机号_{P}＞", "md": rf"CN\_MOBILE\_{P}", "q": f'"<{N}>"'}
    wanted = {"path": f"C:\\{NAME}\\x", "to": PHONE, "md": PHONE, "q": f'"{NAME}"'}
    for ascii_only in (True, False):
        source = json.dumps(value, ensure_ascii=ascii_only)
        for written in (source, source.replace("<", "\\u003c").replace(">", "\\u003E")):
            assert json.loads(whole(written, True)) == wanted
            for place in range(len(written) + 1):
                assert json.loads("".join(stream([written[:place], written[place:]], True))) == wanted


SCRAPS = [
    *VARIANTS, f"<ACME_STAFF_NO_{N}>", f"<EMAIL_{M}>", P, N, M, P[:9], "<", ">", "&lt;", "&gt;", "&", "\\",
    "\\u003c", "\\u003e", "\\u00", "\\\\", "_", "-", " ", "  ", "[", "]", "(", ")", "{", "}", "【", "】", "《", "＞",
    "CN_", "CN MOBILE ", "cn_mobile_", "EMAIL", "EMAIL_", "email-", "ACME_STAFF", "手机号", "e", "a", "0", "：", "\n",
    "\\\"", "\\n", "\\u624b", "😀", "\\ud83d\\ude00", "U003e_", "[A", "_]",
]  # fmt: skip
PIECES = st.sampled_from(SCRAPS)


@settings(max_examples=400, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join), st.booleans(), st.data())
@example(f"\\\\u003cCN_MOBILE_{P}\\\\u003e", True, None)
@example(f"\\\\\\u003cCN_MOBILE_{P}\\u003e\\\\", True, None)
def test_streams_give_what_the_whole_gives(text: str, source: bool, data: st.DataObject | None) -> None:
    """Cut anywhere, once or into single characters, the parts together are the whole restored.

    And what has left is never taken back: it is a beginning of the result whatever follows, so it holds no half of anything
    that would have been restored.
    """
    expected = whole(text, source)
    assert "".join(stream(list(text), source)) == expected
    for place in range(len(text) + 1):
        parts = stream([text[:place], text[place:]], source)
        assert "".join(parts) == expected, place
    if data is not None:
        edges = sorted({0, len(text), *data.draw(st.lists(st.integers(0, len(text)), max_size=6))})
        pieces = [text[first:last] for first, last in itertools.pairwise(edges)]
        assert "".join(stream(pieces, source)) == expected


@settings(max_examples=200, deadline=None)
@given(st.lists(PIECES, max_size=12).map("".join))
def test_places_are_apart_and_stand_for_values(text: str) -> None:
    """Places are in order and do not overlap, each holds its code, and is no longer than what streams hold."""
    end = 0
    for first, last, value in places(text, NAMES):
        assert end <= first < last <= len(text)
        assert last - first <= HOLD_MAX + 1
        readings = text[first:last].lower().translate(str.maketrans("oil", "011"))
        (code,) = [code for code, (_, written) in KNOWN.items() if written == value]
        assert code in readings
        end = last


@pytest.mark.parametrize("source", [False, True])
@pytest.mark.parametrize(
    "unit", ["<", "&lt;", "\\u003c", "\\", "(", "A", "_", "CN_", "CN_MOBILE_", "<a ", f"{P} ", f"_{P}", "手", "&", "-a"]
)
def test_hostile_text_takes_linear_time(unit: str, source: bool) -> None:
    """Text made to be slow costs a constant time a character: 400 KB in seconds, whole or in pieces."""
    text = (unit * (400_000 // len(unit) + 1))[:400_000]
    started = time.perf_counter()
    expected = whole(text, source)
    pieces = [text[place : place + 50] for place in range(0, len(text), 50)]
    assert "".join(stream(pieces, source)) == expected
    assert time.perf_counter() - started < 10
