"""The files of sensitive words: their format, and every mistake in them at once.

A file is UTF-8 text with one word or phrase a line:

    # a comment; empty lines are nothing
    category: violence
    severity: 3
    炸弹
    machine gun<tab>5
    !bath bomb

`category` (a small name) and `severity` (1 to 5) hold for the lines behind them until they change, and so does `pinyin`
(`on` or `off`). A number behind a tab is the severity of this word alone. A line with `!` is an exception: what is found
inside such a longer phrase does not count in its category. No word can begin with `#` or `!`: symbols are no part of words.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from yumen import plain_file
from yumen_plugins.anomaly.words.fold import letters

WORDS_MAX = 200_000
# Of a word after folding, in code points.
WORD_CHARS_MIN, WORD_CHARS_MAX = 2, 64
FILE_BYTES_MAX = 16 * 1024 * 1024
SEVERITY_MIN, SEVERITY_MAX = 1, 5
CATEGORY = re.compile("[a-z][a-z0-9_]{0,31}")
_HEADER = re.compile(r"([A-Za-z_]+): *(.*)")


class Word(NamedTuple):
    """One line of a list. `allowed` is an exception; with `pinyin` the word is looked for in Latin letters too."""

    text: str
    category: str
    severity: int
    allowed: bool = False
    pinyin: bool = False


class Problem(NamedTuple):
    """One thing that is wrong: printed as `file:line:column: code: what; what to do`. It never cites the word."""

    file: str
    line: int
    column: int
    code: str
    what: str
    fix: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}: {self.code}: {self.what}; {self.fix}"


class WordFileError(Exception):
    """Files that were refused, with every reason at once, sorted by place."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = sorted(set(problems))
        super().__init__("\n".join(map(str, self.problems)))


def read_words(files: Sequence[Path]) -> list[Word]:
    """The words of all the files, as they are written; raises `WordFileError`."""
    problems: list[Problem] = []
    words: list[Word] = []
    for path in files:
        reader = _Reader(str(path), problems)
        for word in reader.words(_content(path, problems)):
            if len(words) == WORDS_MAX:
                reader.problem(
                    1, "too_many_words", f"there are more than {WORDS_MAX} words", "keep fewer or shorter lists"
                )
                break
            words.append(word)
        if len(words) == WORDS_MAX and problems and problems[-1].code == "too_many_words":
            break
    if problems:
        raise WordFileError(problems)
    return words


def _content(path: Path, problems: list[Problem]) -> str:
    """The text of a file, or nothing and a problem."""
    try:
        with plain_file(path) as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        fix = "check the path and its permissions"
        problems.append(Problem(str(path), 1, 1, "unreadable", f"the file cannot be read ({error.strerror})", fix))
        return ""
    if len(data) > FILE_BYTES_MAX:
        what = f"the file has more than {FILE_BYTES_MAX} bytes"
        problems.append(Problem(str(path), 1, 1, "too_large", what, "split it, or keep fewer words"))
        return ""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line_start = data.rfind(b"\n", 0, error.start) + 1
        line, column = data.count(b"\n", 0, error.start) + 1, error.start - line_start + 1
        problems.append(Problem(str(path), line, column, "not_utf8", "the file is not UTF-8", "save it as UTF-8"))
        return ""


class _Reader:
    """Reads one file; its headers do not reach into the next one."""

    def __init__(self, file: str, problems: list[Problem]) -> None:
        self._file = file
        self._problems = problems
        self._category: str | None = None
        self._severity: int | None = None
        self._pinyin = False
        self._missing: set[str] = set()

    def problem(self, line: int, code: str, what: str, fix: str, column: int = 1) -> None:
        self._problems.append(Problem(self._file, line, column, code, what, fix))

    def words(self, content: str) -> Iterator[Word]:
        """The words of the lines that are right."""
        for number, raw in enumerate(content.split("\n"), 1):
            line = raw.rstrip("\r \t")
            if not line.strip() or line.startswith("#"):
                continue
            if header := _HEADER.fullmatch(line):
                self._header(number, header)
            elif (word := self._word(number, line)) is not None:
                yield word

    def _header(self, line: int, header: re.Match[str]) -> None:
        name, value, column = header[1], header[2], header.start(2) + 1
        if name == "category":
            # Behind a wrong one the old one would be wrong too: its words are read, and the file is refused anyhow.
            self._category = value
            if not CATEGORY.fullmatch(value):
                fix = "use a small letter and up to 31 small letters, digits and underscores"
                self.problem(line, "bad_category", "this is no name of a category", fix, column)
        elif name == "severity":
            self._severity = self._number(line, value, column)
        elif name == "pinyin":
            self._pinyin = value == "on"
            if value not in ("on", "off"):
                self.problem(line, "bad_pinyin", "pinyin is neither on nor off", "write `on` or `off`", column)
        else:
            fix = "write `category`, `severity` or `pinyin`, or the word without the colon"
            self.problem(line, "unknown_header", "there is no such header", fix)

    def _word(self, line: int, text: str) -> Word | None:
        word, tab, number = text.partition("\t")
        severity = self._number(line, number.strip(), len(word) + 2) if tab else self._severity
        allowed = word.startswith("!")
        word = word.removeprefix("!").strip()
        length = len(letters(word))
        if not WORD_CHARS_MIN <= length <= WORD_CHARS_MAX:
            code = "too_short" if length < WORD_CHARS_MIN else "too_long"
            what = f"the word has {length} letters when symbols are left out"
            self.problem(line, code, what, f"write {WORD_CHARS_MIN} to {WORD_CHARS_MAX} letters", 1 + allowed)
            return None
        if self._category is None or (severity is None and not allowed):
            missing = "category" if self._category is None else "severity"
            if missing not in self._missing:
                self._missing.add(missing)
                self.problem(
                    line, f"no_{missing}", f"the word has no {missing}", f"write a line `{missing}: ...` before it"
                )
            return None
        return Word(word, self._category, severity or SEVERITY_MIN, allowed, self._pinyin)

    def _number(self, line: int, value: str, column: int) -> int:
        if value.isascii() and value.isdigit() and len(value) < 3 and SEVERITY_MIN <= int(value) <= SEVERITY_MAX:
            return int(value)
        fix = f"write a number from {SEVERITY_MIN} to {SEVERITY_MAX}"
        self.problem(line, "bad_severity", "this is no severity", fix, column)
        return SEVERITY_MIN


def words_of(content: str, name: str) -> list[Word]:
    """The words of one list that is there already, as `name` in what is wrong; raises `WordFileError`."""
    problems: list[Problem] = []
    words = list(_Reader(name, problems).words(content))
    if problems:
        raise WordFileError(problems)
    return words
