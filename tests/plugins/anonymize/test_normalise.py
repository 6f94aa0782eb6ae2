"""Plain spelling: what is read as what, where it stood, and that nothing else is touched."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import hyperscan
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yumen_plugins.anonymize.config import Spelling
from yumen_plugins.anonymize.normalise import Speller

SPELLER = Speller(Spelling())
ALL = Speller(Spelling(percent=True, base64=True))
NONE = Speller(Spelling(numerals=False, lookalikes=False))
PLAIN = "13812345678"
# Characters of everything that is spelt otherwise, and of what is not.
ALPHABET = "015aeIlOz@.%+- ,\n１８Ａｚ：，（＠\u3000\u2013\u2014\xa0\u200b\u200d\ufe0f\xad\u202e\u0301\u0336\u20e3" + (
    "一三〇零八①②⒈⑻²₃壹捌幺张京年аоеіОЗ𝟙𝟠Ⓐⓛﬁﬃ١٣८é\ud800\udfff\U000e0041😀"
)
TEXTS = st.text(st.sampled_from(ALPHABET), max_size=60) | st.text(st.characters(exclude_categories=()), max_size=40)
ESCAPED = st.lists(st.sampled_from(["%41", "%E5%BC%A0", "%25", "%", "%40", "%E5%BC", "%F0%9F%98%80", "x", "２"])).map(
    "".join
)


@lru_cache
def database(speller: Speller) -> Any:
    """The one pass with nothing but the expressions of a speller."""
    made = hyperscan.Database()
    expressions, flags = zip(*speller.expressions, strict=True)
    made.compile(expressions=list(expressions), ids=list(range(len(flags))), elements=len(flags), flags=list(flags))
    return made


def fires(text: str) -> bool:
    """Whether the one pass says that a text has to be spelt otherwise."""
    found: list[int] = []
    database(SPELLER).scan(
        text.encode("utf-8", "surrogatepass"), match_event_handler=lambda number, *_: found.append(number)
    )
    return bool(found)


@pytest.mark.parametrize(
    "written",
    [
        "１３８１２３４５６７８",
        "138\u200b1234\u200b5678",
        "138\u202a1234\u202c5678",
        "1\ufe0f\u20e33\ufe0f\u20e38\ufe0f\u20e312345678",
        "1\u03363\u03368\u033612345678",
        "𝟙𝟛𝟠𝟙𝟚𝟛𝟜𝟝𝟞𝟟𝟠",
        "١٣٨١٢٣٤٥٦٧٨",
        "१३८१२३४५६७८",
        "一三八一二三四五六七八",
        "幺三八幺二三四五六七八",
        "壹叁捌壹贰叁肆伍陆柒捌",
        "①③⑧①②③④⑤⑥⑦⑧",
        "⑴⑶⑻⑴⑵⑶⑷⑸⑹⑺⑻",
        "⒈⒊⒏⒈⒉⒊⒋⒌⒍⒎⒏",
        "¹³⁸¹²³⁴⁵⁶⁷⁸",
        "138一二三四5678",
        "一3812345678",
        "1381234567八",
        "138l2345678",
        "l3812345678",
        "138I2345678",
        "138１2３4５678",
    ],
)
def test_a_number_is_read_however_it_is_written(written: str) -> None:
    """Every way to write a digit leads to the digit, and the one pass sees that there is work."""
    text = f"电话{written}，谢谢"
    plain, places = SPELLER.spell(text)
    start = plain.index(PLAIN)
    first, last = places.span(start, start + len(PLAIN))
    assert text[first:last] == written
    assert SPELLER.value(written) == PLAIN
    assert SPELLER.needed(text)
    assert fires(text)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("ｌｉ.ｎａ＠example．com", "li.na@example.com"),
        ("lі.nа@exаmple.com", "li.na@example.com"),
        ("Ⓛⓘ@𝓮𝔁.com", "Li@ex.com"),
        ("oﬃce@example.com", "office@example.com"),
        ("（０１０）１２３４：５６", "(010)1234:56"),
        ("138\u20101234\u20115678", "138-1234-5678"),
        ("138\u30001234\u20135678", "138 1234-5678"),
        ("Jose\u0301", "José"),
        ("张\u200b伟", "张伟"),
        ("姓名：\u3000张伟", "姓名： 张伟"),
        ("138零零138000", "13800138000"),
        ("138-一二三四-5678", "138-1234-5678"),
        ("138 l234 5678", "138 1234 5678"),
        ("tel 138O0138000", "tel 13800138000"),
    ],
)
def test_other_spellings(written: str, plain: str) -> None:
    """Addresses, names and separators are spelt plainly too."""
    assert SPELLER.spell(written)[0] == plain
    assert fires(written)


@pytest.mark.parametrize(
    "text",
    [
        "今天，我们（杭州）：开会！好吗？《论语》……——“引号”。\u3000\u3000新的一段，第一、第二，十一月二十三日。",
        "The “quick” brown fox — it’s 10-20 m… Oil, lol, IO, 100 l of 365 local.",
        "一二三，二〇二四年，十月一日，三五成群，一九九八。",
        "壹佰贰拾叁万肆仟伍佰陆拾柒元整",
        "❤️ ok 👩\u200d👩\u200d👧 😀",
        "Обычный русский текст. Ελληνικά.",
        "O1234567 S1234567D I12 3l2 |1234567|13812345678| 0xO12",
        "café naïve Müller",
    ],
)
def test_ordinary_text_needs_no_work(text: str) -> None:
    """Neither the one pass nor Python asks for a plain spelling of ordinary Chinese and English."""
    assert not fires(text)
    assert not SPELLER.needed(text)
    assert SPELLER.value(text) == text


@pytest.mark.parametrize(
    "text",
    ["周五13812345678打给我", "周五 138 1234 5678", "13812345678²", "13812345678①", "电话一67881234", "方案二13812345678一",
     "abc1O234567", "Oil 13812345678", "13812345678 label"],
)  # fmt: skip
def test_a_complete_number_takes_nothing_from_its_sides(text: str) -> None:
    """A word or footnote at the edge of a number would hide it if it were read as a digit."""
    assert SPELLER.spell(text)[0] == text


def test_options_turn_spellings_off() -> None:
    """What a policy does not want read stays, and full-width digits always are read."""
    assert NONE.spell("一三八一二三四五六七八 138l2345678 ١٣٨")[0] == "一三八一二三四五六七八 138l2345678 ١٣٨"
    assert NONE.spell("１３８")[0] == "138"
    assert SPELLER.spell("li.na%40example.com")[0] == "li.na%40example.com"


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("li.na%40example.com", "li.na@example.com"),
        ("%E5%BC%A0%e4%bc%9f", "张伟"),
        ("%F0%9F%98%80", "😀"),
        ("%2540", "%40"),
        ("%0A%00%1f %ZZ %E5%BC %ED%A0%80 %C0%80 100%", "%0A%00%1f %ZZ %E5%BC %ED%A0%80 %C0%80 100%"),
    ],
)
def test_percent_encoding_is_decoded_once(written: str, plain: str) -> None:
    """UTF-8 that is right is decoded, one time; control characters and broken sequences stay."""
    text, places = ALL.spell(written)
    assert text == plain
    assert places.span(0, len(plain)) == (0, len(written))


def test_places_swallow_no_invisible_characters_around_a_value() -> None:
    """The edit holds what lies between the characters of a value, and nothing before or behind it."""
    text = "\u200b\u200b1\u200b2\u200b\u200b3\u200b"
    plain, places = SPELLER.spell(text)
    assert plain == "123"
    assert places.span(0, 3) == (2, 8)
    assert places.span(1, 2) == (4, 5)


@pytest.mark.parametrize("part", [(0, 1), (1, 2), (0, 2)])
def test_a_part_of_a_ligature_is_all_of_it(part: tuple[int, int]) -> None:
    """What one character stood for cannot be cut."""
    assert SPELLER.spell("ﬁ")[1].span(*part) == (0, 1)


@given(TEXTS | ESCAPED)
@example("\ud800１\udfff")
@example("e" + "\u0301\u0336\u0325" * 10)
@example("一3812345678二")
def test_places_lead_back_to_every_character(text: str) -> None:
    """For any text at all: offsets grow, stay inside, and every plain character was written where they say."""
    plain, places = ALL.spell(text)
    reached = 0
    for at in range(len(plain)):
        first, last = places.span(at, at + 1)
        assert 0 <= first < last <= len(text)
        assert last >= reached
        reached = last
        if plain[at] not in text[first:last]:
            assert not text[first:last].isascii() or "%" in text[first:last] or text[first:last] in "OolI"
    if plain:
        assert places.span(0, len(plain))[1] == reached


@given(TEXTS)
def test_a_plain_spelling_is_spelt_no_further(text: str) -> None:
    """Spelling twice is spelling once, so the forms of one value cannot drift apart."""
    plain = SPELLER.spell(text)[0]
    assert SPELLER.spell(plain)[0] == plain


@given(st.text(st.characters(max_codepoint=127, exclude_characters="%OolI")))
def test_ascii_stays(text: str) -> None:
    """Without letters that look like digits there is nothing to do in ASCII."""
    assert not SPELLER.needed(text)
    assert SPELLER.spell(text)[0] == text


@given(st.text(st.sampled_from("１３８\u200b一二三四5678 ")))
def test_what_is_found_in_plain_text_is_needed(text: str) -> None:
    """Where the one pass is silent, digits are where they were: nothing can hide from it."""
    if not fires(text):
        assert [char for char in SPELLER.spell(text)[0] if char.isdecimal()] == [
            char for char in text if char.isdecimal()
        ]


@pytest.mark.parametrize(
    "unit",
    [
        "1",
        "1\u200b",
        "\u0336",
        "1\u0336",
        "一2",
        "1O34",
        "1l",
        "ﬁ",
        "%41",
        "，",
        "@а",
        "a@",
        "\ud800",
        "一 138123456789 ",
    ],
)
def test_long_text_of_one_kind_is_spelt(unit: str) -> None:
    """Nothing overflows and nothing is lost in a long text of the worst sort."""
    text = unit * 20_000
    plain, places = ALL.spell(text)
    assert len(text) - len(unit) <= places.span(0, len(plain))[1] <= len(text) if plain else unit == "\u0336"
    assert places.span(0, 1)[0] < len(unit)
