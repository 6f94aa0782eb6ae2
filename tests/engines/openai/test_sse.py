"""The parser of server-sent events: how the bytes are cut must never matter."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from yumen_engines.openai.sse import EventParser, EventTooLong

WORDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
LINES = st.one_of(
    WORDS.map(lambda text: f"data: {text}"),
    WORDS.map(lambda text: f"data:{text}"),
    st.sampled_from(
        [
            "",
            "",
            ": 注释",
            ":",
            "data",
            "data:  two blanks",
            "event: message",
            "id: 7",
            "retry: 10",
            "database: no",
            " data: no",
        ]
    ),
)
ENDINGS = st.sampled_from(["\n", "\r\n", "\r"])


def slow(stream: str) -> tuple[list[str], str | None]:
    """The standard's own words, one line after the other: the events of a stream, and the one it cuts short."""
    stream = stream.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    *lines, last = stream.split("\n")
    events: list[str] = []
    data: list[str] = []

    def take(line: str) -> None:
        name, _, value = line.partition(":")
        if name == "data":
            data.append(value.removeprefix(" "))

    for line in lines:
        if line:
            take(line)
        elif data:
            events.append("\n".join(data))
            data.clear()
    if last:
        take(last)
    return events, "\n".join(data) if data else None


@st.composite
def streams(draw: st.DrawFn) -> str:
    lines = draw(st.lists(LINES, max_size=12))
    text = "".join(line + draw(ENDINGS) for line in lines)
    return draw(st.sampled_from(["", "", "\ufeff"])) + text + draw(st.sampled_from(["", "", "data: 半个"]))


def parse(pieces: list[bytes]) -> tuple[list[bytes], bytes | None]:
    parser = EventParser(10_000)
    events = [event for piece in pieces for event in parser.feed(piece)]
    return events, parser.finish()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in zip(bounds, bounds[1:], strict=False)]  # noqa: RUF007 - reads as what it is


@given(streams(), st.lists(st.integers(0, 10_000), max_size=6))
@example("data: a\r\n\r\ndata: b\r\r\ndata: c\n\n", [])
@example("\ufeffdata: a\n\n", [1, 2])
@example("data: 你好\r\n\r\n", [7, 8, 13, 14, 15])
def test_any_cut_gives_what_the_standard_says(stream: str, places: list[int]) -> None:
    """Events are the same however the stream was cut, and as the standard defines them."""
    events, rest = slow(stream)
    expected = [event.encode() for event in events], None if rest is None else rest.encode()
    assert parse(cut(stream.encode(), places)) == expected


@given(streams())
def test_every_byte_by_itself(stream: str) -> None:
    """One byte at a time is the hardest cut of all."""
    data = stream.encode()
    assert parse([data[at : at + 1] for at in range(len(data))]) == parse([data])


@given(st.binary(max_size=200), st.lists(st.integers(0, 200), max_size=4))
def test_any_bytes_can_be_fed(data: bytes, places: list[int]) -> None:
    """Bytes that are no text at all are cut into lines the same way, without an error."""
    assert parse(cut(data, places)) == parse([data])


def test_an_event_is_out_with_its_blank_line() -> None:
    """Nothing waits for the next chunk, also where a line ends in a CR that might be half of a CRLF."""
    for ending in (b"\n", b"\r\n", b"\r"):
        parser = EventParser(100)
        assert parser.feed(b"data: 1" + ending + ending) == [b"1"]
        assert parser.feed(b"data: 2" + ending + ending) == [b"2"]


def test_a_crlf_cut_in_two_is_one_ending() -> None:
    """The LF of a CRLF in the next chunk is not a blank line of its own."""
    parser = EventParser(100)
    assert parser.feed(b"data: 1\r") == []
    assert parser.feed(b"\ndata: 2\r") == []
    assert parser.feed(b"\n\r") == [b"1\n2"]
    assert parser.feed(b"\n") == []


@pytest.mark.parametrize(
    "pieces",
    [
        [b"data: " + b"x" * 101],
        [b"data: " + b"x" * 50, b"x" * 51],
        [b"data: " + b"x" * 60 + b"\n", b"data: " + b"x" * 40 + b"\n"],
        [b": " + b"c" * 101],
        [b"x"] * 101,
        [b"data: " + "长".encode() * 40],
    ],
)
def test_an_event_has_a_longest_length(pieces: list[bytes]) -> None:
    """An upstream that never ends its event, its line or its comment cannot fill the memory."""
    parser = EventParser(100)
    *fine, last = pieces
    for piece in fine:
        assert parser.feed(piece) == []
    with pytest.raises(EventTooLong):
        parser.feed(last)


def test_many_short_events_are_not_one_long_one() -> None:
    """The bound is per event, not per stream or chunk."""
    parser = EventParser(100)
    assert len(parser.feed(b"data: " + b"x" * 90 + b"\n\n")) == 1
    assert len(parser.feed((b"data: " + b"x" * 90 + b"\n\n") * 100)) == 100
