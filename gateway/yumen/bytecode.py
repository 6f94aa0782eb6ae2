"""Whether what Python keeps in `__pycache__` says the same as its source.

An import runs the kept form wherever its head names the source's time and size, or asks for no check at all (PEP 552). Its
head can be written by anybody who can write the file, so the code itself is compared.
"""

from __future__ import annotations

import importlib.util
import marshal
import warnings
from importlib.machinery import SOURCE_SUFFIXES, SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

# The last form of `marshal` that has no references, so that equal code has equal bytes.
PLAIN = 2


class _Reader(SourceFileLoader):
    """Finds the code that an import would run, and keeps nothing."""

    def set_data(self, path: str, data: Any, *, _mode: int = 0) -> None:
        """An import would write the compiled form here."""


def unlike(path: Path) -> bool:
    """Whether importing a source file would run a kept form that is not of this source, or cannot be compared with it."""
    if path.suffix not in SOURCE_SUFFIXES or not Path(importlib.util.cache_from_source(path)).exists():
        return False
    reader = _Reader("", str(path))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            compiled = reader.source_to_code(path.read_bytes(), str(path))
            return _bytes(reader.get_code("")) != _bytes(compiled)
    except Exception:  # neither source nor what is kept need be anything that Python can read
        return True


def _bytes(code: CodeType | None) -> bytes:
    return b"" if code is None else marshal.dumps(_placeless(code), PLAIN)


def _placeless(code: CodeType) -> CodeType:
    """Without the path of its source, which an installer may have had elsewhere and which an import sets anew."""
    inner = tuple(_placeless(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename="", co_consts=inner)
