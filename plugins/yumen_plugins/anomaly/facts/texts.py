"""Facts about the texts of a request or reply: how they are made up, and not what they say.

Each fact is a function of its own, so that only those that a rule reads are computed. Each looks at `LOOKED_AT_MAX` code
points at most: where a text is longer its middle is left out, since what is hidden in a long text is put at its end as
often as at its beginning. Their cost is linear, whatever the text.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import islice
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import re2

LOOKED_AT_MAX = 65_536
# Classes of code points. The last two, blanks, and Han end a word; all others are part of one.
BLANK, HAN, LATIN, DIGIT, LETTER, SYMBOL, UNSPACED, WIDE_SYMBOL = range(8)
ENDS_WORD = np.isin(np.arange(8), [BLANK, HAN, UNSPACED, WIDE_SYMBOL])
# Scripts that put no blanks between words: Thai and Lao, Tibetan, Burmese, Khmer, and kana.
UNSPACED_BLOCKS = ((0x0E00, 0x0EFF), (0x0F00, 0x109F), (0x1780, 0x17FF), (0x3041, 0x30FF), (0x31F0, 0x31FF))
WIDE_BLOCKS = ((0x3000, 0x303F), (0xFE30, 0xFE4F), (0xFF00, 0xFFEF))
HAN_BLOCKS = (
    (0x2E80, 0x2FDF),
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
)
# The table of classes ends where planes 2 and 3 begin, which are Han; what lies behind them is no letter.
HAN_PLANES, HAN_PLANES_END = 0x20000, 0x40000

# Delimiters of chat templates and of prompts that are put together from parts, with the families that write them.
# `user:` at the start of a line is none: too many honest texts have it.
DELIMITERS = (
    r"<[|｜]\w[\w▁ .-]{1,40}[|｜]>",  # ChatML, Llama 3, Phi, Qwen, GLM, DeepSeek
    r"</?(?:start_of_turn|end_of_turn)>",  # Gemma
    r"<</?SYS>>|\[/?(?:INST|SYSTEM_PROMPT|AVAILABLE_TOOLS|TOOL_CALLS|TOOL_RESULTS)\]",  # Llama 2, Mistral
    r"</?(?:system|assistant|user|human|system[_-]?prompt|instructions?)>",  # prompts marked up as XML
    r"\[/?(?:system|assistant|系统|系统提示|助手)\]|【(?:系统|系统提示|系统消息|系统指令)】",
    r"""\\?["']role\\?["']\s{0,8}:\s{0,8}\\?["'](?:system|developer|assistant|tool)\\?["']""",  # a chat request as JSON
    # Alpaca, Vicuna and their like, and Markdown's headings.
    r"(?m:^[ \t>*]{0,8}#{1,6}[ \t]{0,4}(?:system|instruction|assistant|human|user|response|input)s?[ \t]{0,4}[:：])",
    r"(?m:^[ \t>]{0,8}#{1,6}[ \t]{0,4}(?:系统|系统提示|系统指令|指令|指示|助手|用户|回复|输入)[ \t]{0,4}[:：])",
    r"(?m:^[ \t>*]{0,8}(?:system|assistant|human|system (?:prompt|message|override))[ \t*]{0,4}[:：])",
    r"(?m:^[ \t>*　]{0,8}(?:系统|系统提示词?|系统消息|系统指令|助手|智能助手)[ \t*]{0,4}[:：])",
)
DELIMITERS_MAX = 1_000

# Base64 (RFC 4648) of fewer characters is as likely a name; hex of fewer is an identifier.
BASE64_MIN, HEX_MIN = 24, 32
# How Base64 is told from words: two neighbours of random Base64 are of one kind in 38 % of all cases, of Base64 that stands
# for text in 43 %, and of names and paths that have both cases and digits in 63 % (measured).
SAME_KIND_MAX, SIGNS_MAX = 0.56, 0.1
# No name is as long as this, so that long runs of zeros, which are `AAAA`, do not speak for one.
NAME_MAX = 200
# The kinds: lower case, upper case, digits, and signs.
_KINDS = bytes.maketrans(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/_-", b"l" * 26 + b"u" * 26 + b"d" * 10 + b"s" * 4
)
_OF_ONE_KIND = re.compile(b"l+|u+|d+|s+")
_DIGITS, _HEX_DIGITS = b"0123456789", b"0123456789abcdefABCDEF"
BASE64 = f"[A-Za-z0-9+/_-]{{{BASE64_MIN}}}"
HEX_PAIRS = "[0-9A-Fa-f]{2}(?:[ :,][0-9A-Fa-f]{2}){15}"
# Percent-encoded bytes (RFC 3986), and the escapes of JSON, of programming languages and of HTML.
ESCAPES = (
    r"%[0-9A-Fa-f]{2}|\\u(?:[0-9A-Fa-f]{4}|\{[0-9A-Fa-f]{1,6}\})|\\x[0-9A-Fa-f]{2}|\\U[0-9A-Fa-f]{8}"
    r"|&#(?:[0-9]{2,7}|[xX][0-9A-Fa-f]{2,6});"
)
# At least three bytes of zeros and ones, and at least eight letters of Morse code (ITU-R M.1677-1).
BINARY = r"[01]{7,8}[ ,\n]?(?:[01]{7,8}[ ,\n]?){2}"
MORSE = r"[.-]{1,6}[ /]{1,3}(?:[.-]{1,6}[ /]{1,3}){7}"
# Most texts hold none of these, which one pass in linear time tells.
ANY_ENCODING = "|".join((BASE64, HEX_PAIRS, ESCAPES, BINARY, MORSE))
_RUNS = re.compile(b"(?<![A-Za-z0-9+/_-])" + BASE64.encode() + b"[A-Za-z0-9+/_-]*+=?")
_HEX_PAIRS = re.compile(HEX_PAIRS.encode() + rb"(?:[ :,][0-9A-Fa-f]{2})*+")
_ESCAPES = re.compile(ESCAPES.encode())
_BINARY = re.compile(BINARY.encode() + rb"(?:[01]{7,8}[ ,\n]?)*+")
_MORSE = re.compile(MORSE.encode() + rb"(?:[.-]{1,6}[ /]{1,3})*+[.-]{0,6}")

# Up to this length counting without numpy is faster.
SHORT_MAX = 200

Codes = npt.NDArray[np.unsignedinteger[Any]]


class Shares(msgspec.Struct, frozen=True):
    """Shares, 0 to 1, of the code points that are no blanks; they add up to 1, or to 0 where there are none.

    `digits` are all numeric characters but Han's; `letters` are those of all scripts but Han and Latin, with their marks;
    `symbols` is everything else: punctuation, signs, emoji, control and format characters.
    """

    han: float = 0.0
    latin: float = 0.0
    digits: float = 0.0
    letters: float = 0.0
    symbols: float = 0.0


def prepare() -> None:
    """Build what the first text would wait for, which takes up to 50 ms; may be called in a thread."""
    _table()
    for pattern in ("|".join(DELIMITERS), ANY_ENCODING):
        _compiled(pattern)


def joined(texts: Sequence[str], most: int = LOOKED_AT_MAX) -> str:
    """What the functions below look at of several texts.

    All of them, each in lines of its own, or the first and the last `most / 2` code points of that.
    """
    if sum(map(len, texts)) + len(texts) <= most:
        return "\n".join(texts)
    half = most // 2
    first: list[str] = []
    left = half
    for text in texts:
        first.append(text[:left] + "\n")
        left -= len(text) + 1
        if left <= 0:
            break
    last: list[str] = []
    left = half
    for text in reversed(texts):
        last.append("\n" + text[-left:])
        left -= len(text) + 1
        if left <= 0:
            break
    return "".join(first)[:half] + "".join(reversed(last))[-half:]


def ends(text: str, most: int = LOOKED_AT_MAX) -> str:
    """A text, or its first and last `most / 2` code points."""
    return text if len(text) <= most else text[: most // 2] + text[-(most // 2) :]


def entropy(text: str) -> float:
    """Bits per code point, after Shannon (1948): how evenly the characters of a text are spread. 0 for an empty text.

    English prose has about 4.3 and Chinese about 7; encrypted or random text has more than prose of its length, and a
    single character again and again has 0. A short text has little: at most the logarithm of its length.
    """
    looked_at = ends(text)
    size = len(looked_at)
    if not size:
        return 0.0
    if size <= SHORT_MAX:
        plain = Counter(looked_at).values()
        return max(0.0, math.log2(size) - sum([count * math.log2(count) for count in plain]) / size)
    counts = _counts(code_points(looked_at))
    # The sum of p * log2(1 / p) where p = count / size; rounding must not let it fall below nothing.
    return max(0.0, math.log2(size) - float(counts @ np.log2(counts)) / size)


def shares(text: str) -> Shares:
    """What scripts and signs a text is written in."""
    counts = np.bincount(classes(code_points(ends(text))), minlength=8).tolist()
    total = sum(counts) - counts[BLANK]
    if not total:
        return Shares()
    return Shares(
        counts[HAN] / total,
        counts[LATIN] / total,
        counts[DIGIT] / total,
        (counts[LETTER] + counts[UNSPACED]) / total,
        (counts[SYMBOL] + counts[WIDE_SYMBOL]) / total,
    )


def longest_word(text: str) -> int:
    """Code points of the longest run without blanks.

    Characters of scripts that are written without blanks, Han among them, and full-width punctuation end a run as well.
    """
    of = classes(code_points(ends(text)))
    breaks = np.ones(len(of) + 2, np.bool_)
    np.take(ENDS_WORD, of, out=breaks[1:-1])
    places = np.flatnonzero(breaks)
    return int((places[1:] - places[:-1]).max()) - 1


def lines(text: str) -> int:
    """Lines of a text; 0 for an empty one."""
    looked_at = ends(text)
    return looked_at.count("\n") + 1 if looked_at else 0


def delimiters(text: str) -> int:
    """How many delimiters of chat templates and prompts a text holds, up to `DELIMITERS_MAX`.

    A text has some that wants to be taken for a part of the prompt that it is not.
    """
    data = ends(text).encode("utf-8", "replace")
    pattern = _compiled("|".join(DELIMITERS))
    if pattern.search(data) is None:  # far cheaper than an iterator that finds none
        return 0
    return sum(1 for _ in islice(pattern.finditer(data), DELIMITERS_MAX))


def encoded_share(text: str) -> float:
    """The share, 0 to 1, of a text's code points that stand in encodings.

    These are Base64 of at least 24 characters, hex of at least 32 or in 16 pairs, percent-encoded bytes, escapes of JSON,
    of programming languages and of HTML, and binary and Morse code.
    """
    looked_at = ends(text)
    data = looked_at.encode("utf-8", "replace")  # all that is looked for is ASCII: as many bytes as code points
    if _compiled(ANY_ENCODING).search(data) is None:
        return 0.0
    found = sum(len(run) for run in _RUNS.findall(data) if _base64(run) or _hexadecimal(run))
    found += sum(len(pairs) for pairs in _HEX_PAIRS.findall(data) if _digits_and_letters(pairs))
    found += sum(map(len, _ESCAPES.findall(data)))
    found += sum(map(len, _BINARY.findall(data)))
    found += sum(len(code) for code in _MORSE.findall(data) if b"." in code and b"-" in code)
    return min(1.0, found / len(looked_at))


def _base64(run: bytes) -> bool:
    """Whether a run of Base64's alphabet, with its padding, is more than a name, a path or a list of them."""
    kinds = run.rstrip(b"=").translate(_KINDS)
    if b"l" not in kinds or b"u" not in kinds or not (b"d" in kinds or run.endswith(b"=")):
        return False
    size = len(kinds)
    if kinds.count(b"s") > SIGNS_MAX * size:
        return False
    return size >= NAME_MAX or size - len(_OF_ONE_KIND.findall(kinds)) <= SAME_KIND_MAX * (size - 1)


def _hexadecimal(run: bytes) -> bool:
    """Whether a run is hex, with `0x` before it or not."""
    return len(run) >= HEX_MIN and not run.removeprefix(b"0x").strip(_HEX_DIGITS) and _digits_and_letters(run)


def _digits_and_letters(run: bytes) -> bool:
    """Hex without letters is a number, and without digits a sound."""
    digits = len(run) - len(run.translate(None, _DIGITS))
    return 0 < digits < len(run.translate(None, b" :,"))


def code_points(text: str) -> Codes:
    """The code points of a text."""
    if text.isascii():
        return np.frombuffer(text.encode(), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _counts(codes: Codes) -> npt.NDArray[np.float64]:
    """How often each code point occurs that does."""
    if codes.dtype == np.uint8:
        counts = np.bincount(codes)
        return counts[counts > 0].astype(np.float64)
    # A table of all of Unicode would cost more than sorting.
    codes = np.sort(codes)
    begins = np.ones(len(codes) + 1, np.bool_)  # where the next character begins, and behind the last
    np.not_equal(codes[1:], codes[:-1], out=begins[1:-1])
    places = np.flatnonzero(begins)
    return (places[1:] - places[:-1]).astype(np.float64)


def classes(codes: Codes) -> npt.NDArray[np.uint8]:
    """The class of each code point."""
    if codes.dtype == np.uint32 and len(codes) and codes.max() >= HAN_PLANES:
        codes = np.where(codes < HAN_PLANES_END, np.minimum(codes, HAN_PLANES), 0)
    of: npt.NDArray[np.uint8] = _table()[codes]
    return of


@cache
def _table() -> npt.NDArray[np.uint8]:
    """The class of every code point below the planes of Han, and Han; built once."""
    table = np.full(HAN_PLANES + 1, HAN, np.uint8)
    start = 0
    for first, last in (*HAN_BLOCKS, (HAN_PLANES, HAN_PLANES)):
        table[start:first] = np.fromiter(map(_class_of, map(chr, range(start, first))), np.uint8, first - start)
        start = last + 1
    for blocks, narrow, wide in ((UNSPACED_BLOCKS, LETTER, UNSPACED), (WIDE_BLOCKS, SYMBOL, WIDE_SYMBOL)):
        for first, last in blocks:
            block = table[first : last + 1]
            block[block == narrow] = wide
    return table


def _class_of(char: str) -> int:
    if char.isspace():
        return BLANK
    category = unicodedata.category(char)
    if category[0] == "N":
        return DIGIT
    if category[0] not in "LM":
        return SYMBOL
    return LATIN if "LATIN" in unicodedata.name(char, "") else LETTER


@cache
def _compiled(pattern: str) -> Any:
    """A pattern that is looked for in bytes, in any case, in linear time."""
    options = re2.Options()
    options.case_sensitive = False
    options.never_capture = True
    return re2.compile(pattern, options)
