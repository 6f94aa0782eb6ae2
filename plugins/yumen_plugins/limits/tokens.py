"""An estimate of how many tokens a request is, without any model's tokenizer."""

from __future__ import annotations

from collections.abc import Iterable

from yumen import Text

ASCII_PER_TOKEN = 4


def estimate(texts: Iterable[Text]) -> int:
    """Four ASCII characters to a token, every other character one, rounded up; data such as images is left out.

    English runs at about four characters a token. A Han character is between 0.6 and 1.5 tokens, depending on the
    model; one is on the safe side of today's. The estimate is a ceiling against abuse, not a bill.
    """
    narrow = wide = 0
    for text in texts:
        if text.kind == "media":
            continue
        value = text.value
        length = len(value)
        ascii_length = length if value.isascii() else len(value.encode("ascii", "ignore"))
        narrow += ascii_length
        wide += length - ascii_length
    return wide - (-narrow // ASCII_PER_TOKEN)
