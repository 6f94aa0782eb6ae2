"""How an entry is written down."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.cache.memory.made import entry

from yumen import Answer, Delta, Kept, Usage
from yumen_plugins.cache.entry import FORMAT, Entry, packed, unpacked

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.integers(0, 1 << 40)
usages = st.builds(Usage, numbers, numbers)
keeps = st.one_of(
    st.builds(Kept, st.binary(max_size=50), st.lists(st.binary(max_size=20), max_size=5).map(tuple), numbers),
    st.builds(
        Kept,
        answer=st.builds(Answer, st.lists(words, max_size=3), words, usages),
        deltas=st.lists(st.builds(Delta, words, st.integers(-1, 5), words, words, usages), max_size=3).map(tuple),
    ),
)
moments = st.floats(0, 1e12)
entries = st.builds(
    Entry, keeps, words, words, words, moments, moments, words, st.binary(max_size=40), st.binary(max_size=40)
)


@given(entries)
def test_an_entry_comes_back_as_it_was(one: Entry) -> None:
    """What is unpacked is what was packed, in every part; without its events it lacks those and nothing else."""
    data = packed(one)
    assert unpacked(data) == one
    plain = msgspec.structs.replace(one.kept, events=())
    assert unpacked(data, events=False) == msgspec.structs.replace(one, kept=plain)


@given(entries, st.data())
def test_what_is_cut_short_or_longer_is_no_entry(one: Entry, data: st.DataObject) -> None:
    """No beginning of an entry passes for an entry, nor one with something behind it, with or without its events."""
    written = packed(one)
    cut = data.draw(st.integers(0, len(written) - 1))
    for wrong in (written[:cut], written + b"\x00", written + written):
        for events in (True, False):
            with pytest.raises(ValueError, match="no entry"):
                unpacked(wrong, events=events)


@given(st.binary(max_size=200))
def test_other_bytes_are_no_entry(data: bytes) -> None:
    """Whatever is given instead of an entry is refused by the one error that callers expect."""
    with pytest.raises(ValueError, match="entry"):
        unpacked(data)


def test_another_form_is_refused() -> None:
    """An entry of another version of the form is not read as one of this, and events have one place only."""
    encode = msgspec.msgpack.Encoder().encode
    with pytest.raises(ValueError, match="another form"):
        unpacked(encode((FORMAT + 1, entry(), b"")))
    assert unpacked(encode((FORMAT, entry(), b""))) == entry()
    for wrong in (
        (FORMAT, entry()),
        (FORMAT, entry(), b"\xc1"),
        (FORMAT, entry(), encode("text")),
        (FORMAT, entry(events=(b"data: 1\n\n",)), b""),
        (FORMAT, entry(events=(b"data: 1\n\n",)), encode((b"data: 2\n\n",))),
        (FORMAT, entry(), b"", b""),
    ):
        with pytest.raises(ValueError, match="no entry"):
            unpacked(encode(wrong))
