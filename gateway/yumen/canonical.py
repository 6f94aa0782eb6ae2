"""One spelling of what an engine would get, by which equal requests are known.

Two requests have one spelling where they differ only in blanks, escapes and the order of members, and nowhere else. A number
keeps its digits: 1.0 and 1 are two spellings, which costs a plugin that compares them nothing but a chance. Where a request
says what this form would lose, blanks and order count too: an integer -0, and names of members that have been edited and may
stand there twice now. (A name that stood there twice from the beginning was refused by the dialect.)
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from yumen.dialects.document import LITERAL, decode_exactly
from yumen.forms import ExchangeState

if TYPE_CHECKING:
    from yumen.dialects import Dialect

NUMBER_MAX = 1_000_000
NUMBER_DIGITS = 6
# What is blanked out is a string; a name without its letters could be another's.
BLANKED = frozenset({"message", "reasoning", "tool_arguments", "tool_result", "identifier", "metadata", "extra"})
NEGATIVE_ZERO = re.compile(rb"-0(?![\d.eE])")
encode_parts = msgspec.msgpack.Encoder().encode
encode_sorted = msgspec.json.Encoder(order="sorted").encode


def canonical(exchange: ExchangeState, dialect: Dialect, leave_out: Collection[str] = (), without: str = "") -> bytes:
    """The request in its masked form, framed so that no two requests share a spelling.

    `leave_out` are members of the top level that do not count, beside those that only say how the reply is sent. The text
    whose path is `without` counts as empty. Error: PermissionError where no masking plugin has enforced.
    """
    if exchange.masking != "enforce":
        raise PermissionError("there is no masked form of this request")
    source = _rendered(exchange, without)
    tree = decode_exactly(source)
    if type(tree) is dict:
        for name in leave_out:
            tree.pop(name, None)
        for name, truths in dialect.transport.items():
            if _only_how(tree.get(name), truths):
                tree.pop(name, None)
    parts = (
        *(exchange.engine, exchange.engine_version, exchange.engine_identity, dialect.name, dialect.version),
        *(exchange.engine_path, exchange.payload.model_for_engine(masked=True)),
    )
    literal = source if _loses(exchange, source) else b""
    return encode_parts((*parts, encode_sorted(tree), literal, exchange.payload.tail))


def _only_how(value: Any, truths: Collection[str]) -> bool:
    """Whether a member of a request says how the reply is sent, and nothing else that an engine could follow."""
    if type(value) is dict:
        return all(name in truths and (one is None or type(one) is bool) for name, one in value.items())
    return value is None or type(value) is bool


def _loses(exchange: ExchangeState, source: bytes) -> bool:
    """Whether two bodies that say something else could come to one tree."""
    document = exchange.payload.document
    for text in exchange.texts:
        if text.kind == "key" and text.document is document and (text.edited or text.for_engine(True) != text.raw):
            return True
    return NEGATIVE_ZERO.search(source) is not None and any(match[0] == b"-0" for match in LITERAL.finditer(source))


def _rendered(exchange: ExchangeState, without: str) -> bytes:
    source = exchange.to_engine()
    document = exchange.payload.document
    # A name and what it names have one path; only the latter can be blank.
    texts = (one for one in exchange.texts if one.path == without and one.kind in BLANKED)
    text = next(texts, None) if without else None
    if text is None or text.document is not document:
        return source
    edits = document.edits
    before = edits.get(text.ordinal)
    edits[text.ordinal] = b'""'
    try:
        return document.render()
    finally:
        if before is None:
            del edits[text.ordinal]
        else:
            edits[text.ordinal] = before


def options(exchange: ExchangeState, dialect: Dialect) -> Mapping[str, int | float | bool]:
    """What a request asks of its engine beside text: declared numbers and truths, and of arrays and objects their length.

    A number is at most a million either way and has six digits, so that none can be somebody's.
    """
    tree = exchange.payload.document.tree
    if type(tree) is not dict:
        return {}
    return {name: _option(tree[name]) for name in dialect.options if tree.get(name) is not None}


def _option(value: Any) -> int | float | bool:
    if type(value) is bool:
        return value
    if type(value) is int or type(value) is float:
        bounded = max(-NUMBER_MAX, min(value, NUMBER_MAX))
        return bounded if type(bounded) is int else float(f"{bounded:.{NUMBER_DIGITS}g}")
    return len(value) if type(value) is dict or type(value) is list else True
