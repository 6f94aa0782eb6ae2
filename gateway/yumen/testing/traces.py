"""Whether a value stands in what outlives an exchange, however that is built and spells it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec

JSON_ESCAPE = re.compile(r"\\u[0-9a-f]{4}")
# A tool's arguments are JSON in JSON, and what logs a request body has it once more.
ESCAPED_TIMES = 2


class Sought:
    """A value that is looked for: as it is, as JSON and Python escape it, as addresses do, and in UTF-8 and UTF-16.

    What is no longer text, such as base64, or compressed or encrypted, is not looked into.
    """

    def __init__(self, value: str) -> None:
        self.spellings = spellings(value)
        utf8 = {spelling.encode("utf-8", "surrogatepass") for spelling in self.spellings}
        self.encoded = {
            *utf8, value.encode("utf-16-le", "surrogatepass"), value.encode("utf-16-be", "surrogatepass")
        }  # fmt: skip

    def within(self, item: Any) -> bool:
        """Whether it stands in a text, in bytes, or in any member, key, field or word of an error below an item."""
        return any(self._in(one) for one in _leaves(item))

    def _in(self, one: str | bytes) -> bool:
        if isinstance(one, bytes):
            return any(spelling in one for spelling in self.encoded)
        return any(spelling in one for spelling in self.spellings)

    def items(self, of: str, items: Iterable[Any]) -> Iterator[str]:
        """`of[number]` for each item in which it stands."""
        return (f"{of}[{number}]" for number, item in enumerate(items) if self.within(item))

    def spaces(self, holding: Callable[[bytes], list[str]]) -> Iterator[str]:
        """The key spaces in which it stands, of a store that says which of them hold some bytes."""
        return (f"store of {space}" for space in sorted({space for one in self.encoded for space in holding(one)}))

    def files(self, folder: Path) -> Iterator[str]:
        """The files below a folder in which it stands, or after which they are named."""
        for path in sorted(folder.rglob("*")):
            name = str(path.relative_to(folder))
            named = self.within(name)
            if named:
                yield f"the name of a {'folder' if path.is_dir() else 'file'}"
            if path.is_file() and self.within(path.read_bytes()):
                yield "a file" if named else f"file {name}"


def spellings(value: str) -> set[str]:
    """The texts in which a value may stand within another text."""
    found = {value, quote(value, errors="surrogatepass")}
    for _ in range(ESCAPED_TIMES):
        found |= {spelling for one in found for spelling in _escaped(one)}
    return found


def _escaped(text: str) -> Iterator[str]:
    """How JSON and Python write it between quotes."""
    yield json.dumps(text, ensure_ascii=False)[1:-1]
    yield (escaped := json.dumps(text)[1:-1])
    yield JSON_ESCAPE.sub(lambda found: f"\\u{found[0][2:].upper()}", escaped)
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]


def _leaves(item: Any) -> Iterator[str | bytes]:
    """Every text and all bytes in something, numbers and foreign objects as they would be printed."""
    waiting = [item]
    # With the things themselves: were one let go, another could be taken for it.
    seen: dict[int, Any] = {}
    while waiting:
        one = waiting.pop()
        if isinstance(one, str | bytes):
            yield one
        elif isinstance(one, bytearray | memoryview):
            yield bytes(one)
        elif id(one) not in seen:
            seen[id(one)] = one
            within = _members(one)
            if within is None:
                yield str(one)
                yield repr(one)
            else:
                waiting.extend(within)


def _members(one: Any) -> Iterable[Any] | None:
    """What something is made of; None where it is no container that is known."""
    if isinstance(one, Mapping):
        return [*one.keys(), *one.values()]
    if isinstance(one, Sequence | Set):
        return one
    if isinstance(one, msgspec.Struct):
        return [getattr(one, field) for field in one.__struct_fields__]
    if isinstance(one, BaseException):
        return [*one.args, getattr(one, "__notes__", ()), one.__cause__, one.__context__]
    return None
