"""The tokenizer of a Hugging Face export, by the library `tokenizers`.

Where that meets what it has not thought of it panics, which Python sees as an exception of no usual kind: one that no
`except Exception` catches. A file may be made for that, and with some a text will do.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from yumen import CannotStart, plain_content
from yumen_engines.onnx.providers import INSTALL

FILE_BYTES_MAX = 256 << 20
# No tokenizer takes what is no character; what takes its place has the same length.
SURROGATE = re.compile("[\ud800-\udfff]")


class Tokens(NamedTuple):
    """The tokens of a text, and where each of them stands in it."""

    ids: list[int]
    offsets: list[tuple[int, int]]


class TokenizerFailed(Exception):
    """It took a text for what it is not made for."""


class Tokenizer:
    """See the module. `before` and `after` are the special tokens that a row has on either side of a text's own.

    Error: `CannotStart` where the library is missing, or the file cannot be used.
    """

    def __init__(self, path: Path) -> None:
        # A text is read by one thread of the gateway; without this the library would take every processor for it.
        os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
        try:
            import tokenizers  # an extra: only who uses the engine pays for it
        except ImportError as error:
            raise CannotStart(f"the onnx engine needs tokenizers; {INSTALL['cpu']}") from error
        try:
            written = plain_content(path, FILE_BYTES_MAX)
            with _no_panic():
                self._made: Any = tokenizers.Tokenizer.from_buffer(written)
                self._made.no_padding()
                self._made.no_truncation()
                # What looks like a special token in a text is text.
                self._made.encode_special_tokens = True
                self.before, self.after = self._frame()
        except Exception as error:  # the library raises bare exceptions, with the reason as text
            raise CannotStart(f"cannot read {path}; export the model again") from error

    def tokens(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text, nothing around them. Error: whatever the library raises, which is an `Exception`."""
        given = [SURROGATE.sub("\ufffd", text) for text in texts]
        with _no_panic():
            return [Tokens(one.ids, one.offsets) for one in self._made.encode_batch(given, add_special_tokens=False)]

    def _frame(self) -> tuple[list[int], list[int]]:
        probe = self._made.encode("a")
        own = [place for place, is_special in enumerate(probe.special_tokens_mask) if not is_special]
        if not own:
            return list(probe.ids[:1]), list(probe.ids[1:])
        return list(probe.ids[: own[0]]), list(probe.ids[own[-1] + 1 :])


@contextmanager
def _no_panic() -> Iterator[None]:
    try:
        yield
    except Exception:
        raise
    except BaseException as error:
        if type(error).__name__ != "PanicException":
            raise
        raise TokenizerFailed from None
