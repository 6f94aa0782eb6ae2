"""Labels of tokens become spans, and rows of tokens become texts again."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_engines.onnx.spans import Scheme
from yumen_engines.onnx.windows import Joined, batches, rows_of


def spans(text: str, *tokens: tuple[str, str]) -> list[tuple[str, str]]:
    """The spans of a text whose tokens, from left to right, have these labels."""
    labels = list(dict.fromkeys(label for _, label in tokens))
    offsets: list[tuple[int, int]] = []
    for token, _ in tokens:
        start = text.index(token, offsets[-1][1] if offsets else 0)
        offsets.append((start, start + len(token)))
    best = np.array([labels.index(label) for _, label in tokens])
    sure = np.ones(len(tokens), np.float32)
    return [(text[start:end], kind) for start, end, kind, _ in Scheme(labels).spans(text, offsets, best, sure)]


@pytest.mark.parametrize(
    "labels",
    [
        ["B-PER", "I-PER", "B-PER", "O"],
        ["B-PER", "E-PER", "S-PER", "O"],
        ["B-PER", "L-PER", "U-PER", "O"],
        ["B_PER", "M_PER", "B_PER", "O"],
        ["I-PER", "I-PER", "B-PER", "O"],
        ["I-PER", "E-PER", "I-PER", "O"],
    ],
)
def test_every_usual_scheme_is_read(labels: list[str]) -> None:
    """Two names that touch are two, where the scheme says so, and a name without a beginning is one all the same."""
    assert spans("张伟李好", *zip("张伟李好", labels, strict=True)) == [("张伟", "PER"), ("李", "PER")]


def test_labels_without_a_scheme_join_what_touches() -> None:
    """Plain labels say what a token is, and neighbours of one kind are one."""
    found = spans("John Smith of Paris", ("John", "PERSON"), ("Smith", "PERSON"), ("of", "O"), ("Paris", "GPE"))
    assert found == [("John Smith", "PERSON"), ("Paris", "GPE")]


def test_pieces_go_with_their_word() -> None:
    """Half a word is never a name: a piece has the label of the word's first one, whatever the model says of it."""
    text = "Zhivago sah Wladimir"
    found = spans(text, ("Zhi", "B-PER"), ("vago", "O"), ("sah", "O"), ("Wla", "O"), ("dimir", "I-PER"))
    assert found == [("Zhivago", "PER")]


def test_han_characters_are_words() -> None:
    """A name ends where the model says, although no blank does."""
    assert spans("我叫张伟的", *zip("我叫张伟的", ["O", "O", "B-PER", "I-PER", "O"], strict=True)) == [("张伟", "PER")]


def test_blanks_are_no_part_of_a_name() -> None:
    """Tokenizers that join the blank to the word behind it make no other spans."""
    assert spans("to Ann Lee now", ("to", "O"), (" Ann", "B-PER"), (" Lee", "I-PER"), (" now", "O")) == [
        ("Ann Lee", "PER")
    ]


def test_bytes_of_one_character_are_one_token() -> None:
    """Tokenizers of bytes give several tokens to one character; its span is whole."""
    scheme = Scheme(["O", "B-PER"])
    found = scheme.spans(
        "a李b", [(0, 1), (1, 2), (1, 2), (1, 2), (2, 3)], np.array([0, 1, 0, 1, 0]), np.ones(5, np.float32)
    )
    assert [one[:3] for one in found] == [(1, 2, "PER")]


@given(st.lists(st.integers(0, 200), max_size=6), st.integers(8, 40), st.integers(1, 5))
def test_rows_decide_about_every_token_once(lengths: list[int], tokens_max: int, rows_max: int) -> None:
    """However long texts and rows are, each token of each text is decided about by one row, which holds it."""
    rows = rows_of(lengths, tokens_max)
    assert all(row.end - row.start <= tokens_max and row.start <= row.first < row.last <= row.end for row in rows)
    joined = Joined(lengths)
    count = [np.zeros(length, int) for length in lengths]
    for batch in batches(rows, rows_max):
        assert len(batch) <= rows_max
        for row in batch:
            places = np.arange(row.start, row.end)
            joined.put(row, (places, places.astype(np.float32)))
            count[row.text][row.first : row.last] += 1
    for text, length in enumerate(lengths):
        assert (count[text] == 1).all()
        assert (joined.texts[text][0] == np.arange(length)).all()
