"""What somebody has tried in order to get a value past the masking, or to keep the gateway busy."""

from __future__ import annotations

import pytest
from tests.plugins.anonymize.running import anonymize, pattern, send, spoken

from yumen.testing import chat
from yumen_plugins.anonymize.detectors import CATALOGUE, select
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.own import Own
from yumen_plugins.anonymize.scan import Scanner, enforce
from yumen_plugins.anonymize.screen import Reach, Screen
from yumen_plugins.anonymize.windows import WINDOW_CHARS

SCANNER = Scanner(CATALOGUE)
# Where the ids of a reply and of the events of a stream stand, which are words like any other.
OURS = ("id", "event")


def left(text: str) -> str:
    """What of a text is not masked."""
    for hit in reversed(SCANNER.scan([text])[0]):
        text = text[: hit.start] + text[hit.end :]
    return text


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("保险单号：1234567890123456/4111 1111 1111 1111", "保险单号："),
        ("账号：4111 1111 1111 1111 138 1234 5678", "账号："),
        ("MRN: 00123456/4111-1111-1111-1111", "MRN: "),
    ],
)
def test_two_sure_values_that_share_characters_are_both_gone(text: str, rest: str) -> None:
    """Of a value that is sure and lost to a longer one, nothing stays behind."""
    assert left(text) == rest


@pytest.mark.parametrize(
    "text",
    [
        r'{"tel": "\u0031\u0033812345678"}',
        "1&#51;812345678",
        "email: li.na&#64;example.com",
        "email: li.na&commat;example&period;com",
        "138&nbsp;1234&nbsp;5678",
    ],
)
def test_escapes_hide_nothing(text: str) -> None:
    """A value that is written with escapes of JSON or references of HTML is found."""
    assert [hit.detector.id for hit in SCANNER.scan([text])[0]] in (["cn.mobile"], ["email"])


@pytest.mark.parametrize(
    "text", ['{"password":"hunter2\\u0022tail99"}', 'password: "schlüssel 99 geheim"', '密码："龙腾 虎跃88"']
)
def test_a_secret_in_quotes_is_taken_to_its_end(text: str) -> None:
    """An escaped quote ends no secret, and neither does a blank inside quotes."""
    assert not any(word in left(text) for word in ("tail", "geheim", "虎跃"))


def test_odd_letters_are_no_fault() -> None:
    """Letters that only count as Latin when case does not are no reason to fail."""
    assert SCANNER.scan(["账号DE8937040044053201300İ，谢"])


@pytest.mark.parametrize(
    "unit", ["\\", "\\u0031\\", "&#", "password=", "-----BEGIN PRIVATE KEY-----\n", "eyJ", "://a:"]
)
def test_storms_end(unit: str) -> None:
    """A megabyte of what begins something ends like any other text."""
    assert len(SCANNER.scan([("\\u0031" + unit * 1_000_000)[:1_000_000]])) == 1


def test_a_pattern_of_an_author_is_found_over_any_edge() -> None:
    """However long it is, and wherever it stands in a long text."""
    one = Scanner((), (Own("acme.a", "BEGIN-SECRET(?s:.{1,900})END-SECRET", [], "", 0.8),))
    for place in (0, 1500, WINDOW_CHARS - 5, WINDOW_CHARS, 2 * WINDOW_CHARS - 400):
        text = "q" * place + "BEGIN-SECRET" + "x" * 700 + "END-SECRET" + "w" * 3000
        assert [hit.start for hit in one.scan([text])[0]] == [place]


async def test_a_long_secret_cannot_pass_a_block() -> None:
    """A pattern that ends exchanges does so in long texts too."""
    async with anonymize(
        detect=[], patterns=[pattern("acme.a", "(?s)<secret>.*?</secret>", action="block")]
    ) as harness:
        text = "q " * 900 + "<secret>" + "abc " * 400 + "</secret>" + " w" * 3000
        assert (await send(harness, text)).blocked_by == ["acme.a"]


async def test_what_is_no_json_comes_back_as_it_was_written() -> None:
    """Backslashes in what is no JSON stay what they are."""
    written = r"password: abc\u0041xyz9 please"
    async with anonymize(detect=["secret.assignment"]) as harness:
        outcome = await harness.ask(chat(written))
    outcome.assert_engine_did_not_get("xyz9")
    outcome.assert_answered(written)


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "stream"])
async def test_no_detector_reads_a_pseudonym(stream: bool) -> None:
    """What looks like a value inside a placeholder of the caller's is neither found nor changed."""
    own = [pattern("acme.a", "[0-9a-z]{10}"), pattern("acme.b", "x")]
    async with anonymize(detect=["email"], replies={"default": "redact"}, patterns=own) as harness:
        repeated = await harness.ask(chat("li.na@example.com"))
        if stream:
            harness.engine.says(*spoken(repeated))
            repeated = await harness.ask(chat("li.na@example.com", stream=True))
    repeated.assert_answered("li.na@example.com")
    assert repeated.record is not None
    said = [one for one in repeated.record.findings if one.direction == "reply" and one.path not in OURS]
    assert said == []


class Counting:
    """Readings that count how much was read."""

    def __init__(self) -> None:
        self.scanner = Scanner(select(["secret.private_key", "secret.jwt"]))
        self.chars = 0
        self.plain = self.scanner.plain

    def read(self, text: str) -> list[Hit]:
        self.chars += len(text)
        return self.scanner.readings(text)

    def settle(self, text: str, hits: list[Hit]) -> list[Hit]:
        return self.scanner.settled(text, hits, enforce)


def test_what_is_held_long_is_not_read_at_every_piece() -> None:
    """The work for a secret that does not end grows with its length, and not with its square."""
    readings = Counting()
    screen = Screen(Reach(select(["secret.private_key", "secret.jwt"])), readings, lambda hit, written: "[x]")
    text = "-----BEGIN RSA PRIVATE KEY-----\n" + "A" * 15_000
    sent = "".join(screen.feed(text[start : start + 4]) for start in range(0, len(text), 4))
    assert "BEGIN" not in sent
    assert readings.chars < 30 * len(text)
