"""Tokens become text: whole characters only, and nothing of a stop string, however the text is cut."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
import tokenizers
from hypothesis import given
from hypothesis import strategies as st
from tests.tiny_decoder import FOLDER

from yumen_engines.generate.reading import Characters, Reading, Stops

TOKENIZER: Any = tokenizers.Tokenizer.from_file(str(Path(FOLDER) / "tokenizer.json"))
TEXTS = st.text(st.sampled_from("abc龘韭 好🙂é\n") | st.characters(exclude_categories=["Cs"]), max_size=40)


def decode(ids: list[int]) -> str:
    text: str = TOKENIZER.decode(ids)
    return text


def fed(stops: list[str], pieces: list[str]) -> tuple[str, bool]:
    """What is said of a text that comes in pieces, and whether a stop string was found."""
    looking = Stops(stops)
    said = ""
    for piece in pieces:
        said += looking.feed(piece)
        if looking.found:
            return said, True
    return said + looking.finish(), False


def expected(stops: list[str], text: str) -> tuple[str, bool]:
    """The same, by looking at every beginning of the text."""
    for end in range(len(text) + 1):
        ending = [stop for stop in stops if text[:end].endswith(stop)]
        if ending:
            return text[: end - max(map(len, ending))], True
    return text, False


@given(
    st.lists(st.text("ab好", min_size=1, max_size=4), max_size=4),
    st.text("ab好", max_size=24),
    st.lists(st.integers(0, 24), max_size=8),
)
def test_stop_strings_do_not_depend_on_the_cut(stops: list[str], text: str, cuts: list[int]) -> None:
    """However a text is cut into pieces, it ends before the stop string that ends first."""
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in itertools.pairwise(places)]
    assert fed(stops, pieces) == expected(stops, text)


@pytest.mark.parametrize("stop", ["how can", "can I help", "您的订单", "🙂"])
def test_a_stop_string_is_found_at_every_split(stop: str) -> None:
    """Of a stop string that comes in two pieces nothing is ever said, wherever it is split."""
    text = f"before {stop} behind"
    for place in range(len(text) + 1):
        assert fed([stop], [text[:place], text[place:]]) == ("before ", True)


@given(TEXTS, st.integers(0, 4))
def test_characters_come_whole(text: str, before: int) -> None:
    """The pieces of a decoded text join to that text, and none of them has half a character."""
    ids = TOKENIZER.encode(text).ids
    characters = Characters(decode, ids[:before])
    pieces = [characters.feed(token) for token in ids[before:]]
    pieces.append(characters.finish())
    known = decode(ids[:before]) if not decode(ids[:before]).endswith("\ufffd") else None
    if known is not None and "\ufffd" not in text:
        assert known + "".join(pieces) == text
        assert not any("\ufffd" in piece for piece in pieces)


@given(TEXTS, st.lists(st.text(st.sampled_from("ab龘韭好🙂é\n "), min_size=1, max_size=3), max_size=3))
def test_stop_strings_are_found_among_tokens(text: str, stops: list[str]) -> None:
    """However many tokens a character takes, an answer ends before the stop string that ends first."""
    reading = Reading(decode, [], stops)
    said = ""
    for token in TOKENIZER.encode(text).ids:
        said += reading.feed(token)
        if reading.stopped:
            break
    else:
        said += reading.finish()
    if "\ufffd" not in text:
        assert (said, reading.stopped) == expected(stops, text)


def test_tokens_without_text_are_not_kept() -> None:
    """Control tokens that a model writes on and on must not make every further token dearer."""
    characters = Characters(lambda ids: "".join("x" for one in ids if one), [])
    assert "".join(characters.feed(0) for _ in range(100)) == ""
    assert len(characters._window) <= 8
    assert [characters.feed(1), characters.feed(0), characters.feed(1), characters.finish()] == ["x", "", "x", ""]


@given(st.lists(st.integers(3, 258), max_size=40))
def test_bytes_that_are_no_character_do_not_stay_for_ever(ids: list[int]) -> None:
    """Any row of bytes is said in the end, and never more than a few tokens are held back."""
    characters = Characters(decode, [])
    quiet = 0
    for token in ids:
        quiet = 0 if characters.feed(token) else quiet + 1
        assert quiet <= 8
    characters.finish()
    assert characters.finish() == ""


def test_a_stop_string_in_the_last_characters_is_found() -> None:
    """What became a character only at the end is looked through as well."""
    ids = TOKENIZER.encode("韭龘").ids
    reading = Reading(decode, [], ["龘"])
    said = "".join(reading.feed(token) for token in ids) + reading.finish()
    assert (said, reading.stopped) == ("韭", True)
