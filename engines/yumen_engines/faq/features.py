"""Turns a question into numbers: which hashed words and character n-grams stand in it, and how often.

Training and answering both go through `featurise`, so what the model learned is what it is asked. The hash is CRC-32,
which is the same in every Python version and on every machine (`hash()` is neither).
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections import Counter
from collections.abc import Iterator

# A model is only usable with the featuriser it was trained with: raise this whenever `featurise` yields something else.
VERSION = 1
# Rows of the model's table; a power of two, so that the low bits of the hash choose the row.
COLUMNS = 16384
# Code points of a question that are read: its beginning and its end, where the point of a long message stands.
READ_MAX = 600

# A pseudonym as a masking plugin writes it, e.g. <CN_MOBILE_k3v9q2mx7d>.
PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]{0,60}_[0-9a-z]{1,64}>")
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"

_WORD = re.compile(rf"[a-z]+(?:'[a-z]+)?|[0-9]+|[{HAN}]+")


def window(text: str) -> str:
    """The part that is read: all of it up to `READ_MAX` code points, else its first and its last half of that."""
    half = READ_MAX // 2
    return text if len(text) <= READ_MAX else f"{text[:half]} {text[-half:]}"


def normalise(text: str) -> str:
    """One spelling of what means the same: no pseudonyms, NFKC (full width becomes half width), lower case."""
    return unicodedata.normalize("NFKC", PLACEHOLDER.sub(" ", text)).lower().replace("\u2019", "'")


def features(text: str) -> Iterator[str]:
    """The features of a normalised text, each with a letter for its kind, so that kinds do not mix.

    Latin words: the word, pairs of neighbours, and the 3- and 4-grams of `_word_`. Han runs: single characters and pairs.
    All numbers are one feature, since no answer depends on which number it is.
    """
    before = ""
    for word in _WORD.findall(text):
        if word.isdigit():
            yield "0"
            before = "0"
        elif word.isascii():
            yield f"w{word}"
            if before:
                yield f"p{before} {word}"
            yield from _ngrams("c", f"_{word}_", 3, 4)
            before = word
        else:
            yield from _ngrams("h", word, 1, 2)
            before = ""


def _ngrams(kind: str, run: str, shortest: int, longest: int) -> Iterator[str]:
    for size in range(shortest, longest + 1):
        for start in range(len(run) - size + 1):
            yield kind + run[start : start + size]


def featurise(text: str) -> dict[int, int]:
    """How often each column stands in the part of `text` that is read; empty where no word is."""
    return Counter(zlib.crc32(feature.encode()) % COLUMNS for feature in features(normalise(window(text))))
