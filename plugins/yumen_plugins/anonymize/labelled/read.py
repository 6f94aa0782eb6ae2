"""Reads labelled sets: JSONL or one JSON array, in the forms that public sets have.

An item is an object with a text and a list of spans in code points: `{"text": …, "spans": [{"start", "end", "label"}]}`.
The names that other sets use instead are below; a span may also be a list `[start, end, label]`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TEXT = ("text", "full_text", "source_text", "tokenless")
SPANS = ("spans", "entities", "privacy_mask", "labels", "label")
START, END = ("start", "start_position", "begin", "start_offset"), ("end", "end_position", "end_offset", "stop")
LABEL, VALUE = ("label", "type", "entity_type", "entity"), ("value", "entity_value")
ARRAY_BYTES_MAX, LINE_BYTES_MAX, MAP_BYTES_MAX = 256 << 20, 16 << 20, 1 << 20
LABEL_CHARS_MAX = 64
DECODER = json.JSONDecoder()


class BadSet(Exception):
    """A set that cannot be read: `file:line: code: what; what to do`. Nothing of its texts stands in it."""

    def __init__(self, place: str, code: str, what: str, todo: str) -> None:
        super().__init__(f"{place}: bench.{code}: {what}; {todo}")


@dataclass(frozen=True, slots=True)
class Span:
    """A value that is to be found, in code points; `other` where the set says that another value stands there."""

    start: int
    end: int
    label: str
    other: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A labelled text, and where it stands: `file:line`."""

    place: str
    text: str
    spans: tuple[Span, ...]


def read(path: Path, advance: Callable[[int], None] = lambda size: None) -> Iterator[Item]:
    """The items of a file, one after another. `advance` is told the bytes that were read. Error: `BadSet`."""
    try:
        with path.open("rb") as file:
            begin = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip()
            file.seek(0)
            if begin.startswith(b"["):
                data = file.read(ARRAY_BYTES_MAX + 1)
                if len(data) > ARRAY_BYTES_MAX:
                    raise BadSet(
                        f"{path}:1",
                        "too-large",
                        f"an array of more than {ARRAY_BYTES_MAX} bytes",
                        "write one item on a line instead",
                    )
                yield from _array(path, _decoded(data, f"{path}:1"), advance)
                return
            number = 0
            while line := file.readline(LINE_BYTES_MAX + 1):
                number += 1
                place = f"{path}:{number}"
                if len(line) > LINE_BYTES_MAX:
                    raise BadSet(place, "too-large", f"a line of more than {LINE_BYTES_MAX} bytes", "split the text")
                text = _decoded(line, place)
                if text.strip():
                    yield _item(_json(text, 0, place)[0], place)
                advance(len(line))
    except OSError as error:
        raise BadSet(
            f"{path}:1", "unreadable", f"cannot be read ({error.strerror})", "check its name and rights"
        ) from None


def read_labels(path: Path) -> dict[str, list[str]]:
    """A map of labels: each with an id, a glob of ids or a known label, or a list of those. Error: `BadSet`."""
    place = f"{path}:1"
    try:
        data = path.read_bytes()
        if len(data) > MAP_BYTES_MAX:
            raise BadSet(
                place, "labels", f"a map of more than {MAP_BYTES_MAX} bytes", "keep the labels of this set only"
            )
        said = yaml.safe_load(_decoded(data, place))
    except OSError as error:
        raise BadSet(place, "unreadable", f"cannot be read ({error.strerror})", "check its name and rights") from None
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise BadSet(
            f"{path}:{mark.line + 1 if mark else 1}", "labels", "this is not YAML", "write `LABEL: [id, …]`"
        ) from None
    found = (
        {label: [ids] if isinstance(ids, str) else ids for label, ids in said.items()} if isinstance(said, dict) else {}
    )
    good = all(isinstance(ids, list) and ids and all(isinstance(one, str) for one in ids) for ids in found.values())
    if not found or not good or not all(isinstance(label, str) for label in found):
        raise BadSet(place, "labels", "this is no map from labels to ids", "write `LABEL: [id, …]`, a label on a line")
    return found


def _decoded(data: bytes, place: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise BadSet(place, "encoding", "this is not UTF-8", "save the file as UTF-8") from None


def _json(text: str, at: int, place: str) -> tuple[Any, int]:
    try:
        start = len(text) - len(text[at:].lstrip()) if at == 0 else at
        value, end = DECODER.raw_decode(text, start)
    except (ValueError, RecursionError):
        raise BadSet(
            place, "syntax", "this is not JSON", "write one object on a line, or one array of objects"
        ) from None
    if at == 0 and text[end:].strip():
        raise BadSet(place, "syntax", "more than one value on a line", "write one object on a line")
    return value, end


def _array(path: Path, text: str, advance: Callable[[int], None]) -> Iterator[Item]:
    at, line, counted = text.index("[") + 1, 1, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        line += text.count("\n", counted, at)
        counted, place = at, f"{path}:{line}"
        if text[at : at + 1] == "]":
            return
        value, end = _json(text, at, place)
        yield _item(value, place)
        advance(len(text[at:end].encode("utf-8", "surrogatepass")))
        at = end


def _item(value: Any, place: str) -> Item:
    if not isinstance(value, dict):
        raise BadSet(place, "item", "an item is no object", 'write {"text": …, "spans": […]}')
    text = next((value[name] for name in TEXT if isinstance(value.get(name), str)), None)
    if text is None:
        raise BadSet(place, "item", "an item has no text", f"call it {' or '.join(TEXT)}")
    spans: Any = next((value[name] for name in SPANS if name in value), value)
    if isinstance(spans, str):  # some tables hold the list as a text
        spans = _json(spans, 0, place)[0] if spans.strip() else []
    if spans is not None and not isinstance(spans, list):
        raise BadSet(
            place, "item", "an item has no list of spans", f"call it {' or '.join(SPANS)}; an empty list is one"
        )
    return Item(place, text, tuple(_span(span, text, place) for span in spans or ()))


def _span(value: Any, text: str, place: str) -> Span:
    if isinstance(value, list) and len(value) == 3:
        value = dict(zip(("start", "end", "label"), value, strict=True))
    if not isinstance(value, dict):
        raise BadSet(place, "span", "a span is no object", 'write {"start": 0, "end": 4, "label": "email"}')
    start, end, label, said = (
        next((value[name] for name in names if name in value), None) for names in (START, END, LABEL, VALUE)
    )
    if type(start) is not int or type(end) is not int or not 0 <= start < end <= len(text):
        raise BadSet(
            place,
            "span",
            "a span's start and end are no places in the text",
            "count code points from 0; the end is behind the last one",
        )
    if not isinstance(label, str) or not 0 < len(label) <= LABEL_CHARS_MAX or not label.isprintable():
        raise BadSet(
            place,
            "span",
            f"a span has no label of 1 to {LABEL_CHARS_MAX} printable characters",
            f"call it {' or '.join(LABEL)}",
        )
    return Span(start, end, label, isinstance(said, str) and said.strip() != text[start:end].strip())
