"""The files of sensitive words, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.anomaly.words import wordfile
from yumen_plugins.anomaly.words.wordfile import Word, WordFileError, read_words

GOOD = """\ufeff# a comment\r
category: violence\r
severity: 3

炸弹
machine gun\t5
!bath bomb
pinyin: on
引爆
pinyin: off
category: drugs
K粉\t 4
"""


def written(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def codes(*files: Path) -> list[tuple[int, int, str]]:
    with pytest.raises(WordFileError) as refused:
        read_words(files)
    return [(one.line, one.column, one.code) for one in refused.value.problems]


def test_headers_hold_until_they_change(tmp_path: Path) -> None:
    """A word has the category, the severity and the pinyin of the lines before it, but for a severity of its own."""
    assert read_words([written(tmp_path / "a.txt", GOOD)]) == [
        Word("炸弹", "violence", 3),
        Word("machine gun", "violence", 5),
        Word("bath bomb", "violence", 3, allowed=True),
        Word("引爆", "violence", 3, pinyin=True),
        Word("K粉", "drugs", 4),
    ]


def test_headers_end_with_their_file(tmp_path: Path) -> None:
    """The next file begins anew: a word without a category there is a mistake."""
    first = written(tmp_path / "a.txt", GOOD)
    assert codes(first, written(tmp_path / "b.txt", "炸弹\n")) == [(1, 1, "no_category")]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("category: Violence", (3, 11, "bad_category")),
        ("category:", (3, 10, "bad_category")),
        ("severity: 6", (3, 11, "bad_severity")),
        ("severity: ３", (3, 11, "bad_severity")),
        ("pinyin: yes", (3, 9, "bad_pinyin")),
        ("categroy: drugs", (3, 1, "unknown_header")),
        ("炸", (3, 1, "too_short")),
        ("!弹", (3, 2, "too_short")),
        ("***", (3, 1, "too_short")),
        ("ab" * 33, (3, 1, "too_long")),
        ("炸弹\t0", (3, 4, "bad_severity")),
        ("炸弹\tthree", (3, 4, "bad_severity")),
    ],
)
def test_a_mistake_has_a_place_and_a_code(tmp_path: Path, line: str, problem: tuple[int, int, str]) -> None:
    """Each mistake is refused at its line and column, and its message does not cite the word."""
    path = written(tmp_path / "a.txt", f"category: a\nseverity: 1\n{line}\n")
    assert codes(path) == [problem]
    with pytest.raises(WordFileError) as refused:
        read_words([path])
    assert str(refused.value).startswith(f"{path}:{problem[0]}:{problem[1]}: {problem[2]}: ")
    assert not any(word in str(refused.value) for word in ("炸", "弹", "***", "abab"))


def test_all_mistakes_come_at_once(tmp_path: Path) -> None:
    """Whoever writes a list sees every mistake of every file, sorted by place."""
    first = written(tmp_path / "a.txt", "炸弹\nseverity: 9\ncategory: a\n炸\n")
    second = written(tmp_path / "b.txt", b"category: a\nseverity: 1\nab\xff\n")
    missing = tmp_path / "c.txt"
    assert codes(first, second, missing) == [
        (1, 1, "no_category"),
        (2, 11, "bad_severity"),
        (4, 1, "too_short"),
        (3, 3, "not_utf8"),
        (1, 1, "unreadable"),
    ]


def test_a_missing_header_is_said_once(tmp_path: Path) -> None:
    """A thousand words without a severity are one mistake, and exceptions need none."""
    path = written(tmp_path / "a.txt", "category: a\n!bath bomb\n" + "炸弹\n" * 1000)
    assert codes(path) == [(3, 1, "no_severity")]


def test_there_are_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file and all words together have a limit, and what is over it is refused and not cut."""
    path = written(tmp_path / "a.txt", GOOD)
    monkeypatch.setattr(wordfile, "WORDS_MAX", 5)
    assert len(read_words([path])) == 5
    monkeypatch.setattr(wordfile, "WORDS_MAX", 4)
    assert codes(path, path) == [(1, 1, "too_many_words")]
    monkeypatch.setattr(wordfile, "FILE_BYTES_MAX", 10)
    assert codes(path) == [(1, 1, "too_large")]


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200)))
def test_any_file_is_read_or_refused(content: str | bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No content of a file makes anything but words or `WordFileError`."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    path = written(tmp_path_factory.getbasetemp() / "any.txt", b"category: a\nseverity: 1\n" + data)
    try:
        words = read_words([path])
    except WordFileError as error:
        assert error.problems
    else:
        assert all(1 <= word.severity <= 5 for word in words)
