"""What a text becomes when its letters are put together again, or when what is encoded in it is decoded.

`APART`, `LEET`, `MIXED`, `PAYLOAD` and `TURNED` are expressions that say, of a folded text, whether to try.
"""

from __future__ import annotations

import binascii
import codecs
import re
from collections.abc import Iterator
from functools import cache
from itertools import islice
from typing import Any

import re2

from yumen_plugins.anomaly.words.fold import letters

# Letters that stand apart, `i g n o r e` and `忽/略/以/上`, and digits that stand for letters, `1gn0re`.
APART = r"[a-z0-9](?:[ \t._*|/~+=-]{1,3}[a-z0-9]){4,}|[㐀-鿿](?:[^\w\n。,㐀-鿿]{1,2}[㐀-鿿]){3,}"
LEET = r"[a-z][013457@$][a-z]|\b[013457@$]{1,2}[a-z]+[013457@$]"
# Letters of two scripts in one word.
MIXED = r"[a-z][Ͱ-ԯ]|[Ͱ-ԯ][a-z]"
PAYLOAD = r"[a-z0-9+/_-]{24}|(?:[0-9a-f]{2}[ :]){16}"
TURNED = r"\brot ?(?:13|47)|caesar|\brevers|backward|倒过来|倒着|反过来|倒写|反写|倒序|凯撒"
LEET_LETTERS = str.maketrans("03457@$", "oeastas")
# Cyrillic and Greek letters in lower case, and the Latin ones that they look like (after Unicode's confusables.txt).
LOOKALIKES = str.maketrans("авсԁеһіјӏкмոорԛгѕтԝхуүαβεικνορτυχγ", "abcdehijlkmnopqrstwxyyabeiknoptuxy")
# How much is unwrapped: longer payloads are for reading, not for obeying.
RUNS_MAX, RUN_CHARS_MAX, TURNED_CHARS_MAX, LINES_MAX, LINE_CHARS_MAX = 16, 8_192, 16_384, 64, 4_096
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2}[ :]?){12,}")


def solid(text: str) -> Iterator[str]:
    """Lines of a folded text whose letters stand apart or are digits, as letters alone."""
    apart, leet = _pattern(f"{APART}|{MIXED}"), _pattern(LEET)
    found = 0
    for line in text.splitlines():
        data = line[:LINE_CHARS_MAX].encode("utf-8", "replace")
        # One digit among letters is a name or a number, and two are a manner.
        if apart.search(data) is None and len(list(islice(leet.finditer(data), 2))) < 2:
            continue
        plain = line[:LINE_CHARS_MAX].translate(LEET_LETTERS).translate(LOOKALIKES)
        yield letters(plain.replace("1", "i"))
        if "1" in plain:
            yield letters(plain.replace("1", "l"))
        found += 1
        if found >= LINES_MAX:
            return


def decoded(text: str) -> Iterator[str]:
    """The texts that stand in a text in Base64 (RFC 4648) or hex."""
    for run in islice(_HEX.finditer(text), RUNS_MAX):
        digits = re.sub("[ :]", "", run[0][:RUN_CHARS_MAX])
        yield from _text(bytes.fromhex(digits[: len(digits) // 2 * 2]))
    for run in islice(_BASE64.finditer(text), RUNS_MAX):
        packed = run[0][:RUN_CHARS_MAX].replace("-", "+").replace("_", "/")
        # Padding stands outside the run; a single character behind the last group of four says nothing.
        whole = packed if len(packed) % 4 != 1 else packed[:-1]
        yield from _text(binascii.a2b_base64(whole + "=" * (-len(whole) % 4)))


def turned(text: str) -> Iterator[str]:
    """A text from its end to its beginning, line by line, and with the letters that are 13 away."""
    some = text[:TURNED_CHARS_MAX]
    yield "\n".join(line[::-1] for line in some.splitlines())
    yield codecs.encode(some, "rot13")


def _text(data: bytes) -> Iterator[str]:
    """Bytes as a text, if they are one but for an end that was cut off."""
    text = data.decode("utf-8", "ignore")
    if text and len(text.encode()) >= 0.9 * len(data) and sum(map(str.isprintable, text)) >= 0.9 * len(text):
        yield text


@cache
def _pattern(pattern: str) -> Any:
    options = re2.Options()
    options.never_capture = True
    return re2.compile(pattern, options)
