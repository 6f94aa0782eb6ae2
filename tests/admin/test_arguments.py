"""What operators say, read without guessing."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen.admin.arguments import body_arguments, query_arguments
from yumen.admin.download import disposition
from yumen.errors import Problem

WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)


@given(st.dictionaries(WORDS.filter(bool), WORDS, max_size=16))
def test_a_query_is_read_as_it_was_written(said: dict[str, str]) -> None:
    """Any texts come through, whatever characters they have, and the empty query says nothing."""
    assert query_arguments(urlencode(said).encode()) == said


@given(st.binary(max_size=300))
def test_no_query_breaks_it(query: bytes) -> None:
    """Whatever bytes somebody sends, they are parameters or a refusal."""
    try:
        arguments = query_arguments(query)
    except Problem as problem:
        assert problem.code == "bad_request"
    else:
        assert len(arguments) <= 16


@given(st.binary(max_size=100))
def test_no_body_breaks_it(body: bytes) -> None:
    """The same of a body."""
    try:
        body_arguments(body)
    except Problem as problem:
        assert problem.code == "bad_request"


@given(st.text(min_size=1, max_size=200))
def test_a_name_of_a_file_stays_in_its_header(name: str) -> None:
    """Whatever a file is called, the header is one line of ASCII in which nothing else begins."""
    written = disposition(name)
    assert written.isascii()
    assert written.isprintable()
    assert written.count('"') in (0, 2)
    assert written.count(";") == 1


@pytest.mark.parametrize("body", [
    b"[]", b'{"a": 1}', b'{"a": null}', b'{"a":"' + b"x" * 201 + b'"}', b"{", b'{"a": "\xff"}', b"[" * 100_000,
])  # fmt: skip
def test_a_body_is_an_object_of_short_texts(body: bytes) -> None:
    """Anything else is refused."""
    with pytest.raises(Problem):
        body_arguments(body)
