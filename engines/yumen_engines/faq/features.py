"""Turns a question into numbers: counts of hashed words and character n-grams.

Training and answering both go through `counts`, so what the model learned is what it is asked. The hash is CRC-32, which
is the same in every Python version and on every machine (`hash()` is neither).
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

# A model is only usable with the featuriser it was trained with: raise this whenever `counts` yields something else.
VERSION = 1
# Columns of the feature matrix; a power of two, so that the low bits of the hash choose the column.
COLUMNS = 8192
# Code points of a question that are read: its beginning and its end, where the point of a long message stands.
READ_MAX = 600

# A pseudonym as a masking plugin writes it, e.g. <CN_MOBILE_k3v9q2mx7d>.
PLACEHOLDER = re.compile(r"<[A-Z][A-Z0-9_]{0,60}_[0-9a-z]{1,64}>")

_WORD = re.compile(r"[a-z]+(?:'[a-z]+)?|[0-9]+|[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_HAN_FIRST = "\u3400"


def window(text: str) -> str:
    """The part of a question that is read: all of it up to `READ_MAX` code points, else its first and last half of that."""
    half = READ_MAX // 2
    return text if len(text) <= READ_MAX else f"{text[:half]} {text[-half:]}"


def normalise(text: str) -> str:
    """One spelling of what means the same: no pseudonyms, NFKC (full width becomes half width), lower case."""
    return unicodedata.normalize("NFKC", PLACEHOLDER.sub(" ", text)).lower().replace("\u2019", "'")


def features(text: str) -> Iterator[str]:
    """The features of a normalised text, each with a letter for its kind, so that kinds do not meet in one column.

    Latin words: the word, pairs of neighbours, and the 3- to 5-grams of `_word_`. Han runs: 1- to 3-grams. Numbers are
    all the same feature, since no answer depends on which number it is.
    """
    before = ""
    for word in _WORD.findall(text):
        if word[0] >= _HAN_FIRST:
            yield from _ngrams("h", word, 1, 3)
            before = ""
        elif word[0].isdigit():
            yield "0"
            before = "0"
        else:
            yield f"w{word}"
            if before:
                yield f"p{before} {word}"
            yield from _ngrams("c", f"_{word}_", 3, 5)
            before = word


def _ngrams(kind: str, run: str, shortest: int, longest: int) -> Iterator[str]:
    for size in range(shortest, longest + 1):
        for start in range(len(run) - size + 1):
            yield kind + run[start : start + size]


def counts(text: str) -> npt.NDArray[np.float32]:
    """How often each column's features stand in the part of `text` that is read; shape `(COLUMNS,)`."""
    row = np.zeros(COLUMNS, dtype=np.float32)
    columns = [zlib.crc32(feature.encode()) % COLUMNS for feature in features(normalise(window(text)))]
    np.add.at(row, columns, 1.0)
    return row
