"""The way back: pseudonyms in a reply become values again, in whole texts and in streams cut anywhere.

Models do things to placeholders. What a placeholder stands for is in its code alone, ten characters of which all must be
there; everything around the code may have changed. A code is a run of exactly ten of `0-9A-Za-z`; case does not matter, `o`
is read as 0 and `i` and `l` as 1, which no code has, so that no two codes can be meant. It counts where it is one of the
exchange's own and where one of these forms is around it, which is then replaced as a whole:

    bracketed = open [label] code [blanks] close
    named     = label code

- `open` and `close` are of one family: angle `< ＜ 〈 《 ⟨ &lt; \\u003c`, square `[ ［ 【 〔`, round `( （`, curly `{ ｛`.
  With a backslash before `open`, as Markdown has it, the same stands before `close`, or it is not part of it. `[`, `(` and
  `{` right behind `0-9A-Za-z_])` are the text's own, as in a call, and stay.
- `blanks` are at most two spaces, tabs, no-break or ideographic spaces; they may also stand behind `open`.
- `label` in brackets is at most 40 letters, digits, `_`, `\\_`, `-` and `＿` of any script, in angle brackets blanks too:
  a model may have translated it. It may be missing. In other brackets blanks are read in it only where they stand for the
  `_` of the label that the code has.
- `label` without brackets is the one that the code has, in any case, with `_`, `\\_`, `-` or `＿` between its words and
  behind it, and no letter, digit or `_` stands before it or behind the code.
- A label in which a code of the exchange stands is none: two values could be meant.

All else stays as it is: shortened codes, codes without label and brackets, brackets that do not fit. Whether a place is a
placeholder depends on what stands at most `HOLD_MAX` characters before the end of it, so that a stream holds back no more.
In JSON source, as tool arguments are, the text is read as the source spells it, and a value written as source.
"""

from __future__ import annotations

import json
import re

from yumen_plugins.anonymize.pseudonym import LENGTH, Pseudonyms

BLANK = "[ \t\u00a0\u3000]"
BLANKS = " \t\u00a0\u3000"
JOINS = "_-＿"
BLANKS_MAX, LABEL_SPAN_MAX, BRACKET_MAX = 2, 40, 6
# One less than the longest placeholder.
HOLD_MAX = BRACKET_MAX + BLANKS_MAX + LABEL_SPAN_MAX + LENGTH + BLANKS_MAX + BRACKET_MAX - 1
# Characters of one escape of JSON.
ESCAPE_MAX = 6
# What has left a stream and may still matter: whether a letter stands before a label, or an escape before a code.
SEEN_CHARS = 8

# The last ten of a run; that there are no more is looked at where they are a code.
RUN = re.compile(rf"[0-9A-Za-z]{{{LENGTH}}}(?![0-9A-Za-z])")
ESCAPED_OPEN = re.compile(r"\\u003[cC]")
READINGS = str.maketrans("oil", "011")
ANGLE = 0
OPENS = (
    ("<", "＜", "〈", "《", "⟨", "&lt;", "\\u003c", "\\u003C"), ("[", "［", "【", "〔"), ("(", "（"), ("{", "｛")
)  # fmt: skip
ESCAPED_OPENS = ("\\<", "\\[", "\\(", "\\{")
OPEN_ENDS = ("<＜〈《⟨;cC", "[［【〔", "(（", "{｛")
# Of each family in the order above, then the same escaped.
CLOSE = re.compile(
    rf"{BLANK}{{0,{BLANKS_MAX}}}"
    r"(?:(>|＞|〉|》|⟩|&gt;|\\u003[eE])|([\]］】〕])|([)）])|([}｝])|\\(?:(>)|(\])|(\))|(\})))"
)
FAMILIES = 4

# What stands at the end of a text and may be the beginning of a placeholder.
OPENER = re.compile(r"([<＜〈《⟨]|&lt;|\\u003[cC])|[\[［【〔(（{｛]|(?:&(?:lt?)?|\\(?:u(?:00?3?)?)?)\Z")
LABEL_CHAR = r"(?:[\w＿\-]|\\(?=[_＿\-]))"
ANGLE_REST = re.compile(rf"(?:{LABEL_CHAR}|{BLANK})*(?:&(?:gt?)?|\\(?:u(?:00?3?)?)?)?\Z")
TIGHT_REST = re.compile(rf"{BLANK}{{0,{BLANKS_MAX}}}{LABEL_CHAR}*{BLANK}{{0,{BLANKS_MAX}}}\\?\Z")
LOOSE_REST = re.compile(rf"(?:{LABEL_CHAR}|{BLANK})*\\?\Z")
NAMED_TAIL = re.compile(r"[0-9A-Za-z_＿\\\-]+\Z")
STARTS = re.compile(r"(?<![0-9A-Za-z_＿])[0-9A-Za-z]")
SQUEEZED = str.maketrans({"-": "_", "＿": "_", "\\": None, **dict.fromkeys(BLANKS, "_")})

UNIT = re.compile(r'\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})')
UNIT_BEGUN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")
LONE = re.compile(r"[\ud800-\udfff]")

Place = tuple[int, int, str]


def escaped(value: str) -> str:
    """A value as it stands inside a JSON string."""
    source = json.dumps(value, ensure_ascii=False)[1:-1]
    return LONE.sub(lambda lone: f"\\u{ord(lone[0]):04x}", source)


def restored(text: str, pseudonyms: Pseudonyms, source: bool) -> str:
    """A whole text with its placeholders restored; `source` says that it is JSON source."""
    if not source or "\\" not in text:
        return _put(text, 0, len(text), places(text, pseudonyms), source)
    plain, starts = _read(text)
    found = [(starts[start], starts[end], value) for start, end, value in places(plain, pseudonyms)]
    return _put(text, 0, len(text), found, True)


def places(text: str, pseudonyms: Pseudonyms) -> list[Place]:
    """Where placeholders stand in a text, in order, with the values that they stand for."""
    return _places(text, pseudonyms, 0)


def _put(text: str, start: int, end: int, found: list[Place], source: bool) -> str:
    parts: list[str] = []
    position = start
    for first, last, value in found:
        parts.append(text[position:first])
        parts.append(escaped(value) if source else value)
        position = last
    if not parts:
        return text[start:end]
    parts.append(text[position:end])
    return "".join(parts)


def _places(text: str, pseudonyms: Pseudonyms, floor: int) -> list[Place]:
    """Those that begin at `floor` or later."""
    found: list[Place] = []
    values = pseudonyms.values
    if not values:
        return found
    for match in RUN.finditer(text, floor):
        code = _code(match[0])
        entry = values.get(code)
        start, end = match.span()
        if entry is None or not _apart(text, start):
            continue
        span = _bracketed(text, start, end, floor, entry.label, pseudonyms)
        if span is None:
            span = _named(text, start, end, floor, entry.label)
        if span is not None:
            value = pseudonyms.written(code)
            assert value is not None
            found.append((span[0], span[1], value))
            floor = span[1]
    return found


def _code(run: str) -> str:
    return run.lower().translate(READINGS)


def _apart(text: str, start: int) -> bool:
    """Whether a run of code characters begins here."""
    if start == 0 or not (text[start - 1].isascii() and text[start - 1].isalnum()):
        return True
    return start >= BRACKET_MAX and ESCAPED_OPEN.match(text, start - BRACKET_MAX, start) is not None


def _bracketed(
    text: str, start: int, end: int, floor: int, label: str, pseudonyms: Pseudonyms
) -> tuple[int, int] | None:
    """The span of a bracketed placeholder with its code in this place."""
    close = CLOSE.match(text, end)
    if close is None:
        return None
    group = (close.lastindex or 1) - 1
    family, backslash = group % FAMILIES, group >= FAMILIES
    opened = _opened(text, _unblank(text, start, floor), floor, family, backslash)
    if opened < 0:
        begin = _label_begin(text, start, floor, family)
        opened = _opened(text, _unblank(text, begin, floor), floor, family, backslash)
        if opened < 0:
            begin = _label(text, start, floor, label, True)
            opened = -1 if begin < 0 else _opened(text, _unblank(text, begin, floor), floor, family, backslash)
        if opened < 0:
            return None
        for run in RUN.finditer(text, begin, start):
            if _code(run[0]) in pseudonyms.values and _apart(text, run.start()):
                return None
    if text[opened] in "[({" and opened > 0 and (text[opened - 1] in "])" or _in_word(text[opened - 1])):
        return None
    return opened, close.end()


def _label_begin(text: str, start: int, floor: int, family: int) -> int:
    """Where the label before a code begins: at the nearest bracket, or where something stands that is in no label."""
    at = start
    limit = max(floor, start - LABEL_SPAN_MAX)
    ends, angle = OPEN_ENDS[family], family == ANGLE
    while at > limit:
        char = text[at - 1]
        if char in ends and _opened(text, at, floor, family, False) >= 0:
            break
        if char == "\\":
            if at == start or text[at] not in JOINS:
                break
        elif not (char.isalnum() or char in JOINS or (angle and char in BLANKS)):
            break
        at -= 1
    return at


def _opened(text: str, end: int, floor: int, family: int, backslash: bool) -> int:
    """Where the bracket begins that ends here, or -1."""
    if end <= floor or text[end - 1] not in OPEN_ENDS[family]:
        return -1
    if backslash:
        return end - 2 if text.startswith(ESCAPED_OPENS[family], end - 2) and end - 2 >= floor else -1
    for bracket in OPENS[family]:
        first = end - len(bracket)
        if first >= floor and text.startswith(bracket, first):
            return first
    return -1


def _unblank(text: str, end: int, floor: int) -> int:
    limit = max(floor, end - BLANKS_MAX)
    while end > limit and text[end - 1] in BLANKS:
        end -= 1
    return end


def _named(text: str, start: int, end: int, floor: int, label: str) -> tuple[int, int] | None:
    """The span of a placeholder that lost its brackets."""
    if end < len(text) and text[end] in "_＿":
        return None
    begin = _label(text, start, floor, label, False)
    if begin < 0 or (begin > 0 and _in_word(text[begin - 1])):
        return None
    return begin, end


def _in_word(char: str) -> bool:
    return char in "_＿" or (char.isascii() and char.isalnum())


def _in_name(char: str) -> bool:
    return _in_word(char) or char in "-\\"


def _label(text: str, start: int, floor: int, label: str, blanks: bool) -> int:
    """Where this label, with what joins it to the code, begins, or -1 where it does not stand there."""
    at = start
    limit = max(floor, start - LABEL_SPAN_MAX)
    for index in range(len(label), -1, -1):
        if at <= limit:
            return -1
        char = text[at - 1]
        if index == len(label) or label[index] == "_":
            if char in JOINS:
                at -= 1
                if at > limit and text[at - 1] == "\\":
                    at -= 1
            elif blanks and char in BLANKS:
                at -= 1
            else:
                return -1
        elif char.isascii() and char.upper() == label[index]:
            at -= 1
        else:
            return -1
    return at


def _read(source: str) -> tuple[str, list[int]]:
    """What JSON source spells, and where each of its characters begins in the source; the end of it is the last."""
    parts: list[str] = []
    starts: list[int] = []
    position = 0
    for match in UNIT.finditer(source):
        parts.append(source[position : match.start()])
        starts.extend(range(position, match.start() + 1))
        escape = match[0]
        parts.append(chr(int(escape[2:], 16)) if len(escape) == ESCAPE_MAX else _SHORT[escape[1]])
        position = match.end()
    parts.append(source[position:])
    starts.extend(range(position, len(source) + 1))
    return "".join(parts), starts


_SHORT = {'"': '"', "\\": "\\", "/": "/", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


class Restoring:
    """Restores one channel of a stream; see `restored`, whose result the parts together are.

    `hold_max` is the largest number of characters that it holds back. Where nothing can be restored it holds back none.
    """

    def __init__(self, pseudonyms: Pseudonyms, *, source: bool) -> None:
        self._pseudonyms = pseudonyms
        self._source = source
        self._on = bool(pseudonyms.values)
        self.hold_max = 0
        if self._on:
            self.hold_max = HOLD_MAX * ESCAPE_MAX + ESCAPE_MAX - 1 if source else HOLD_MAX
        self._names = {entry.label + "_" for entry in pseudonyms.values.values()}
        self._beginnings = {name[:length] for name in self._names for length in range(1, len(name) + 1)}
        self._held = ""
        # The end of what has left, as it was before it was restored.
        self._seen = ""

    def feed(self, text: str) -> str:
        """Take the next piece; return what may go on now."""
        if not self._on:
            return text
        text = self._held + text
        begun: re.Match[str] | None = None
        if self._source and "\\" in text:
            last = 0
            for match in UNIT.finditer(text):
                last = match.end()
            begun = UNIT_BEGUN.search(text, last)
        whole = len(text) if begun is None else begun.start()
        return self._go(text, whole, final=False)

    def finish(self) -> str:
        """The channel is complete; return what was held back."""
        return self._go(self._held, len(self._held), final=True) if self._held else ""

    def _go(self, text: str, whole: int, *, final: bool) -> str:
        """Let go what is settled of the first `whole` characters, and hold the rest of the text."""
        seen = self._seen
        if not self._source or "\\" not in text:
            plain, starts = seen + text[:whole], None
        else:
            plain, starts = _read(text[:whole])
            plain = seen + plain
        floor = len(seen)
        found = _places(plain, self._pseudonyms, floor)
        end = len(plain) if final else self._open(plain, floor)
        settled: list[Place] = []
        for place in found:
            if place[0] >= end:
                break
            settled.append(place)
            end = max(end, place[1])
        self._seen = plain[:end][-SEEN_CHARS:]
        if starts is None:
            cut = end - floor
            settled = [(first - floor, last - floor, value) for first, last, value in settled]
        else:
            cut = starts[end - floor]
            settled = [(starts[first - floor], starts[last - floor], value) for first, last, value in settled]
        self._held = "" if final else text[cut:]
        return _put(text, 0, cut, settled, self._source)

    def _open(self, text: str, floor: int) -> int:
        """Where the first placeholder may begin that is not complete, or the end of the text."""
        first = max(floor, len(text) - HOLD_MAX)
        end = len(text)
        for opener in OPENER.finditer(text, first):
            if self._may_close(text, opener):
                end = opener.start()
                if end > first and text[end - 1] == "\\":
                    end -= 1
                break
        # Most pieces end in a blank or a sign, and then no name is open.
        tail = NAMED_TAIL.search(text, first) if end > 0 and _in_name(text[-1]) else None
        if tail is not None:
            for match in STARTS.finditer(text, tail.start(), end):
                if self._begins(text[match.start() :]):
                    return match.start()
        return end

    def _may_close(self, text: str, opener: re.Match[str]) -> bool:
        """Whether what stands behind a bracket, or behind the beginning of one, may become a placeholder."""
        after = opener.end()
        if opener[1] is not None:
            return ANGLE_REST.match(text, after) is not None
        if opener[0][0] in "&\\" or TIGHT_REST.match(text, after) is not None:
            return True
        return LOOSE_REST.match(text, after) is not None and self._begins(text[after:].strip(BLANKS + "\\"))

    def _begins(self, written: str) -> bool:
        """Whether this is the beginning of a label of the exchange, with a code behind it or a part of one."""
        name = written.translate(SQUEEZED).upper()
        if name in self._beginnings:
            return True
        head, join, code = name.rpartition("_")
        return head + join in self._names and len(code) <= LENGTH
