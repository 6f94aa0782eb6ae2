"""The document: what is not edited stays byte for byte, what is edited is exactly one literal."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen.dialects.document import Document
from yumen.dialects.json import Json
from yumen.dialects.shape import EXTRA, Walk
from yumen.errors import Problem

texts = st.text(st.characters(exclude_categories=["Cs"]))
leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
trees = st.recursive(leaves, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=25)


def written(tree: Any, ascii_only: bool, indent: int | None) -> bytes:
    return json.dumps(tree, ensure_ascii=ascii_only, indent=indent).encode()


def walk(document: Document) -> Walk:
    return Walk(document, EXTRA, depth_max=200, texts_max=10_000)


@given(trees, st.booleans(), st.sampled_from([None, 0, 2]))
def test_unedited_is_byte_stable(tree: Any, ascii_only: bool, indent: int | None) -> None:
    """A document in which nothing was edited is rendered byte for byte."""
    source = written(tree, ascii_only, indent)
    document = Document.parse(source)
    walk(document)
    assert document.render() == source


@given(trees, st.booleans(), st.sampled_from([None, 2]), texts, st.data())
def test_an_edit_changes_one_leaf_and_nothing_else(
    tree: Any, ascii_only: bool, indent: int | None, new: str, data: st.DataObject
) -> None:
    """An edit replaces one leaf; every other literal of the source is still there, in its own spelling."""
    source = written(tree, ascii_only, indent)
    document = Document.parse(source)
    found = [text for text in walk(document).texts if text.kind == "extra"]
    if not found:
        return
    chosen = data.draw(st.sampled_from(found))
    chosen.write(new)
    rendered = document.render()
    again = Document.parse(rendered)
    literals = [source[start:end] for start, end in document.spans]
    expected = [*literals[: chosen.ordinal], msgspec.json.encode(new), *literals[chosen.ordinal + 1 :]]
    assert [rendered[start:end] for start, end in again.spans] == expected


def test_every_string_leaf_is_a_text() -> None:
    """No string of an undeclared payload escapes, whether value, array item, member name or long number."""
    document = Document.parse('{"a":["x",{"姓名":"张伟"}],"n":13812345678,"s":123456,"f":1381234.5678}'.encode())
    seen = {(text.path, text.kind, text.raw) for text in walk(document).texts}
    assert seen == {
        ("{0}", "key", "a"),
        ("{0}[0]", "extra", "x"),
        ("{0}[1]{0}", "key", "姓名"),
        ("{0}[1]{0}", "extra", "张伟"),
        ("{1}", "key", "n"),
        ("{1}", "number", "13812345678"),
        ("{2}", "number", "123456"),
        ("{2}", "key", "s"),
        ("{3}", "key", "f"),
        ("{3}", "number", "1381234.5678"),
    }


def test_a_number_can_be_replaced_by_a_string() -> None:
    """A phone written as a JSON number is masked like one written as a string."""
    document = Document.parse(b'{"phone": 13812345678, "next": 1.10}')
    number = next(text for text in walk(document).texts if text.kind == "number")
    number.write("<P>")
    assert document.render() == b'{"phone": "<P>", "next": 1.10}'


@pytest.mark.parametrize(
    "source",
    [
        b'{"a":"safe","a":"13812345678"}',
        b'{"a":{"b":1,"b":2}}',
        b'{"a":1,"\\u0061":2}',
        b'[{"x":[1,2,3],"x":[]}]',
    ],
)
def test_a_member_named_twice_is_refused(source: bytes) -> None:
    """What the decoder would drop must not reach an engine that reads it."""
    with pytest.raises(Problem) as caught:
        Json().decode("/apps/x", source, depth_max=64, texts_max=100)
    assert caught.value.code == "bad_request"
    assert "13812345678" not in caught.value.message


@given(st.binary(max_size=200))
def test_any_bytes_are_a_document_or_a_problem(source: bytes) -> None:
    """Malformed input is a bad request with a sentence that quotes nothing of it."""
    try:
        Json().decode("/apps/x", source, depth_max=64, texts_max=100)
    except Problem as problem:
        assert problem.code in ("bad_request", "payload_too_large")


@pytest.mark.parametrize(
    "source",
    [b"[" * 100_000, b'{"a":' * 5_000, b"[" * 70 + b"]" * 70, b"9" * 5_000, b"1e999", b'"\\ud800"', b"\xff", b""],
)
def test_hostile_documents_are_refused(source: bytes) -> None:
    """Depth, digits, numbers out of range, lone surrogates and empty bodies are problems, not crashes."""
    with pytest.raises(Problem):
        Json().decode("/apps/x", source, depth_max=64, texts_max=100)


def test_too_many_texts_are_refused() -> None:
    """The number of texts of an exchange has a written limit."""
    with pytest.raises(Problem) as caught:
        Json().decode("/apps/x", json.dumps(["x"] * 101).encode(), depth_max=64, texts_max=100)
    assert caught.value.code == "payload_too_large"
