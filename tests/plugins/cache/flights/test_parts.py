"""What processes tell each other: everything comes back as it was, and nothing else comes out."""

from __future__ import annotations

import hashlib
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import Answer, Delta, Native, Usage
from yumen_plugins.cache.flights.parts import AHEAD_S, FRESH_S, Part, Parts, part_of
from yumen_plugins.cache.flights.theirs import names_of
from yumen_plugins.cache.sealing import Seal

NOW = 1_800_000_000.0
KEY, OWNER = b"k" * 24, b"0" * 32
words = st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(["你好", "no", "\x00", "𝄞"])
usages = st.none() | st.builds(Usage, st.integers(0, 1 << 40), st.integers(0, 1 << 40))
deltas = st.builds(Delta, words, st.integers(-1, 5), words, words, usages)
items = st.lists(st.binary(max_size=200) | deltas, max_size=20)
wholes = (
    st.none()
    | st.builds(Answer, st.lists(words, max_size=3), words)
    | st.builds(lambda body, head: Native(200, body, {}, head), st.binary(max_size=200), st.integers(0, 200))
)
ends = st.sampled_from(["", "whole", "broken"])


def parts(space: str = "tenant:北", key: bytes = KEY, owner: bytes = OWNER) -> Parts:
    return Parts(Seal(hashlib.sha256(space.encode()).digest()), key, owner)


@given(items, wholes, ends, st.integers(0, 1 << 30))
def test_round_trip(
    some: list[Delta | bytes], whole: Answer | Native | None, end: Literal["", "whole", "broken"], number: int
) -> None:
    """Items of a stream and plain replies come back as they were."""
    part = part_of(NOW, some, whole, end)
    back = parts().opened(parts().sealed(part, number), number, NOW)
    assert back == part
    assert back.reply == whole
    if not isinstance(whole, Native):
        assert list(back.items) == some
    assert back.end == end


@given(st.data(), items)
def test_nothing_that_was_changed_is_opened(data: st.DataObject, some: list[Delta | bytes]) -> None:
    """A part with any bit flipped, any byte less or one more is refused."""
    sealed = parts().sealed(part_of(NOW, some, None, ""), 3)
    how = data.draw(st.sampled_from(["flip", "cut", "more"]))
    if how == "flip":
        at = data.draw(st.integers(0, len(sealed) * 8 - 1))
        changed = bytearray(sealed)
        changed[at // 8] ^= 1 << at % 8
        wrong = bytes(changed)
    elif how == "cut":
        wrong = sealed[: data.draw(st.integers(0, len(sealed) - 1))]
    else:
        wrong = sealed + b"\x00"
    with pytest.raises(ValueError, match="sealed"):
        parts().opened(wrong, 3, NOW)


@pytest.mark.parametrize(
    ("reader", "number"),
    [
        (parts(space="tenant:south"), 3),
        (parts(key=b"j" * 24), 3),
        (parts(owner=b"1" * 32), 3),
        (parts(), 2),
        (parts(), 4),
    ],
)
def test_nothing_is_opened_in_another_place(reader: Parts, number: int) -> None:
    """A part of another space, key, call or place in its call is refused, so none can be put in the place of another."""
    sealed = parts().sealed(part_of(NOW, [b"x"], None, ""), 3)
    with pytest.raises(ValueError, match="place"):
        reader.opened(sealed, number, NOW)


@pytest.mark.parametrize("off", [FRESH_S, FRESH_S + 1, -AHEAD_S, -1e12])
def test_nothing_of_another_time_is_opened(off: float) -> None:
    """Who has copied a call cannot show it again for ever."""
    sealed = parts().sealed(part_of(NOW, [], None, "whole"), 0)
    with pytest.raises(ValueError, match="time"):
        parts().opened(sealed, 0, NOW + off)


@given(st.binary(max_size=100))
def test_what_is_sealed_and_no_part_is_refused(data: bytes) -> None:
    """Not even this gateway's own seal makes a part of something else."""
    maker = parts()
    try:
        read = maker.opened(maker._seal.sealed(data, maker._place(0)), 0, NOW)
    except ValueError:
        return
    assert isinstance(read, Part)


def test_names_hold_nothing_of_a_request() -> None:
    """Keys of the store are digests and lots, and those of two calls differ."""
    one, other = names_of(KEY, OWNER), names_of(KEY, b"1" * 32)
    assert one.claim == other.claim == "f:" + KEY.hex()
    assert len({*one, *other}) == 5
