"""One spelling of what an engine would get, by which equal requests are known.

Two requests have one spelling exactly where they differ only in blanks, escapes and the order of members. A number keeps its
digits: 1.0 and 1 are two spellings, which costs a plugin that compares them nothing but a chance. A member that stands twice
was refused by the dialect before.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from yumen.forms import ExchangeState

if TYPE_CHECKING:
    from yumen.dialects import Dialect

NUMBER_MAX = 1_000_000
encode_parts = msgspec.msgpack.Encoder().encode


def _number(literal: str) -> msgspec.Raw:
    return msgspec.Raw(literal.encode())


decode_exactly = msgspec.json.Decoder(float_hook=_number).decode
encode_sorted = msgspec.json.Encoder(order="sorted").encode


def canonical(exchange: ExchangeState, dialect: Dialect, leave_out: Collection[str] = (), without: str = "") -> bytes:
    """The request in its masked form, framed so that no two requests share a spelling.

    `leave_out` are members of the top level that do not count, beside those that only say how the reply is sent. The text
    whose path is `without` counts as empty. Error: PermissionError where no masking plugin has enforced.
    """
    if exchange.masking != "enforce":
        raise PermissionError("there is no masked form of this request")
    tree = decode_exactly(_rendered(exchange, without))
    if type(tree) is dict:
        for name in (*dialect.transport, *leave_out):
            tree.pop(name, None)
    parts = (dialect.name, dialect.version, exchange.engine_path, exchange.payload.model_for_engine(masked=True))
    return encode_parts((*parts, encode_sorted(tree), exchange.payload.tail))


def _rendered(exchange: ExchangeState, without: str) -> bytes:
    source = exchange.to_engine()
    text = next((one for one in exchange.texts if one.path == without), None) if without else None
    if text is None or text.document is not exchange.payload.document:
        return source
    edits = text.document.edits
    before = edits.get(text.ordinal)
    edits[text.ordinal] = b'""'
    try:
        return text.document.render()
    finally:
        if before is None:
            del edits[text.ordinal]
        else:
            edits[text.ordinal] = before


def options(exchange: ExchangeState, dialect: Dialect) -> Mapping[str, int | float | bool]:
    """What a request asks of its engine beside text: declared numbers and truths, and of arrays and objects their length.

    A number is at most a million either way, so that none can be somebody's.
    """
    tree = exchange.payload.document.tree
    if type(tree) is not dict:
        return {}
    return {name: _option(tree[name]) for name in dialect.options if tree.get(name) is not None}


def _option(value: Any) -> int | float | bool:
    if type(value) is bool:
        return value
    if type(value) is int or type(value) is float:
        return max(-NUMBER_MAX, min(value, NUMBER_MAX))
    return len(value) if type(value) is dict or type(value) is list else True
