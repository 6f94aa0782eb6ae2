"""The toneless pinyin of Chinese words, for lists that ask for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from yumen import CannotStart
from yumen_plugins.anomaly.words.fold import HAN, fold
from yumen_plugins.anomaly.words.wordfile import Word


def readings(words: Sequence[Word]) -> Iterator[tuple[Word, str]]:
    """The words marked for it, in pinyin: as one word (`zhadan`) and as one word for each syllable (`zha dan`).

    A word with anything but Han characters in it has none. Raises `CannotStart` where the package is missing.
    """
    marked = [word for word in words if word.pinyin]
    if not marked:
        return
    try:
        from pypinyin import Style, lazy_pinyin
    except ImportError as error:
        message = "a list of words says `pinyin: on`, which needs a package: pip install 'yumen[pinyin]'"
        raise CannotStart(message) from error
    for word in marked:
        folded = fold(word.text)
        plain = folded.text
        if (folded.kinds != HAN).any():
            continue
        syllables = lazy_pinyin(plain, style=Style.NORMAL, errors="ignore", v_to_u=False)
        if len(syllables) == len(plain):
            for reading in {" ".join(syllables), "".join(syllables)}:
                yield word, reading
