"""No bypass: what a caller sends reaches neither engine nor ledger raw, wherever he puts it, and comes back to him alone.

The rows stand in `bypass_places` and `bypass_channels`; everything goes through the real data plane, with a real ledger.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.e2e.bypass_channels import CACHED, CHANNELS, Channel
from tests.e2e.bypass_gateway import SAID, TOKEN, Gateway, Outcome, Running, bundle, leaks, seen_by_engine
from tests.e2e.bypass_page import page
from tests.e2e.bypass_places import (
    APP,
    CHAT,
    COMPLETIONS,
    INFER,
    MADE_UP,
    MADE_UP_RULES,
    MADE_UP_SENTENCE,
    PLACES,
    REDACTED_SENTENCE,
    SENTENCE,
    VALUES,
    Place,
    Wire,
    dump,
)
from tests.lengths import times

from yumen import EngineRequest, Native

# All of them together take minutes.
pytestmark = pytest.mark.slow


def _running(folder: Path, replies: str) -> Iterator[Running]:
    with asyncio.Runner() as runner:
        gateway = Gateway(bundle(folder / replies, replies))
        runner.run(gateway.__aenter__())
        yield Running(gateway, runner)
        runner.run(gateway.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def redacting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Policy redacts what the engine makes up."""
    yield from _running(tmp_path_factory.mktemp("redacting"), "redact")


@pytest.fixture(scope="module")
def keeping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """Policy lets the caller have what the engine makes up."""
    yield from _running(tmp_path_factory.mktemp("keeping"), "keep")


def first_channel(path: str) -> Channel:
    """The channel in which an endpoint's ordinary answers stand."""
    kind = INFER if path.startswith("/v2/") else APP if path.startswith("/apps/") else path
    return next(one for one in CHANNELS if one.endpoint == kind)


def says(channel: Channel, text: str, pieces: list[str] | None) -> Any:
    """A reply that says a text in a channel; a stream in these pieces."""
    if pieces is None:
        body = channel.reply(channel.write(text))
        return Native(channel.status, body, {}, 0 if channel.json_bytes is None else channel.json_bytes(body))
    assert channel.events is not None
    return channel.events(pieces)


def heard(channel: Channel, outcome: Outcome) -> str:
    """What the caller got in a channel."""
    if outcome.streamed:
        assert channel.gather is not None
        written = channel.gather(outcome.events)
    else:
        written = channel.read(json.loads(outcome.body))
    return written if channel.write is str else str(json.loads(written)["q"])


CELLS = [
    pytest.param(place, stream, id=f"{place.id}{' stream' if stream else ''}")
    for place in PLACES
    for stream in ((False, True) if place.streams else (False,))
]


@pytest.mark.parametrize(("place", "stream"), CELLS)
def test_what_is_sent_passes_masked_and_comes_back(redacting: Running, place: Place, stream: bool) -> None:
    """Neither engine nor ledger nor log gets a raw value, and the caller gets each of his own back as he wrote it."""
    wire = place.make(place.text, stream)
    channel = first_channel(wire.path)

    def answer(_: EngineRequest, tokens: list[str]) -> Any:
        text = SAID + " | ".join(tokens)
        return says(channel, text, re.split("(?<=.)", text)[:-1] if stream else None)

    redacting.engine.answer = answer
    outcome = redacting.post(wire)
    assert (outcome.status, outcome.exchange.outcome) == (200, "ok"), outcome.body
    (given,) = redacting.engine.given
    assert leaks(seen_by_engine(given)) == []
    assert leaks(outcome.stored) == []
    assert heard(channel, outcome) == SAID + " | ".join(place.values)


def talk(stream: bool = False, path: str = CHAT) -> Wire:
    """A request that brings all values to an endpoint, in its ordinary place."""
    kind = INFER if path.startswith("/v2/") else APP if path.startswith("/apps/") else path
    every: dict[str, dict[str, Any]] = {
        CHAT: {"model": "m", "n": 2, "messages": [{"role": "user", "content": SENTENCE}]},
        COMPLETIONS: {"model": "m", "prompt": SENTENCE},
        INFER: {"inputs": [{"name": "t", "datatype": "BYTES", "shape": [1], "data": [SENTENCE]}]},
        APP: {"note": SENTENCE},
    }
    asked = every.get(kind, {"model": "m", "input": SENTENCE})
    return Wire(path, dump({**asked, "stream": True} if stream else asked).encode())


REPLIES = [
    pytest.param(channel, stream, id=f"{channel.id}{' stream' if stream else ''}")
    for channel in CHANNELS
    for stream in ((False, True) if channel.events is not None else (False,))
]


def cuts(text: str) -> Iterator[list[str]]:
    r"""The text in two pieces, cut at every character; and every character a piece of its own.

    Where each character is written as six (`\u624b`) every fifth place is cut: all six places within one come up still.
    """
    step = times(5, long=1) if r"\u" in text else 1
    yield from ([text[:place], text[place:]] for place in range(1, len(text), step))
    yield list(text)


def said(tokens: list[str]) -> str:
    return SAID + " | ".join(tokens) + "; " + MADE_UP_SENTENCE


def check(outcome: Outcome, channel: Channel, expected: str) -> None:
    assert heard(channel, outcome) == expected
    assert leaks(outcome.stored) == []
    assert outcome.found_in_reply >= MADE_UP_RULES


@pytest.mark.long
@pytest.mark.parametrize(("channel", "stream"), REPLIES)
def test_what_the_engine_writes_is_restored_and_redacted(redacting: Running, channel: Channel, stream: bool) -> None:
    """In every channel, cut anywhere, the caller gets his own values and nothing that the engine made up."""
    expected = SAID + " | ".join(VALUES) + "; " + REDACTED_SENTENCE
    if not stream:
        redacting.engine.answer = lambda _, tokens: says(channel, said(tokens), None)
        check(redacting.post(talk(path=channel.endpoint)), channel, expected)
        return
    tokens = _tokens(redacting)
    for pieces in cuts(channel.write(said(tokens))):
        redacting.engine.answer = _in_pieces(channel, pieces)
        outcome = redacting.post(talk(True, channel.endpoint))
        assert outcome.streamed
        check(outcome, channel, expected)


def _in_pieces(channel: Channel, pieces: list[str]) -> Callable[[EngineRequest, list[str]], Any]:
    return lambda _, __: says(channel, "", pieces)


def _tokens(running: Running) -> list[str]:
    """The pseudonyms of the values: the same in every exchange of the tenant."""
    got: list[str] = []

    def answer(_: EngineRequest, tokens: list[str]) -> Any:
        got.extend(tokens)
        return says(CHANNELS[0], "", None)

    running.engine.answer = answer
    running.post(talk())
    assert len(got) == len(VALUES)
    return got


@pytest.mark.parametrize(("channel", "stream"), REPLIES)
def test_where_policy_keeps_what_the_engine_writes_the_ledger_does_not(
    keeping: Running, channel: Channel, stream: bool
) -> None:
    """The caller gets what was made up as it is; the ledger gets it masked, and the findings name it."""
    tokens = _tokens(keeping)
    text = said(tokens)
    keeping.engine.answer = lambda _, __: says(channel, text, list(channel.write(text)) if stream else None)
    outcome = keeping.post(talk(stream, channel.endpoint))
    check(outcome, channel, SAID + " | ".join(VALUES) + "; " + MADE_UP_SENTENCE)


HITS = [param for param in REPLIES if param.values[0] in CACHED]


@pytest.mark.parametrize(("channel", "stream"), HITS)
def test_a_cached_reply_is_restored_for_whoever_asks_the_same(
    redacting: Running, channel: Channel, stream: bool
) -> None:
    """A plugin below answers from masked text; the caller gets his own values, and the ledger none.

    What the engine had made up is a pseudonym in the cache, and nobody's own: it stays one.
    """
    cache = redacting.gateway.cache
    cache.kept.clear()
    expected = SAID + " | ".join(VALUES) + "; " + REDACTED_SENTENCE
    redacting.engine.answer = lambda _, tokens: says(channel, said(tokens), None)
    cache.on = True
    try:
        check(redacting.post(talk(path=channel.endpoint)), channel, expected)
        assert len(redacting.engine.given) == 1
        (kept,) = cache.kept.values()
        assert leaks(kept, VALUES) == []
        outcome = redacting.post(talk(stream, channel.endpoint))
    finally:
        cache.on = False
    assert redacting.engine.given == []
    assert outcome.exchange.engine == "plugin:cache"
    assert outcome.streamed == stream
    assert leaks(outcome.stored) == []
    if channel.endpoint == INFER:
        got = json.loads(outcome.body)["outputs"][0]["data"][0]
    elif channel.endpoint == APP:
        got = json.loads(outcome.body)["texts"][0]
    else:
        got = heard(channel, outcome)
    assert leaks(got, MADE_UP) == []
    assert TOKEN.sub(lambda match: f"[{match[0][1:-12]}]", got) == expected


def test_nobody_gets_what_is_not_in_his_own_request(redacting: Running) -> None:
    """A pseudonym that the engine writes to another caller stays one: restoring needs the value to be one's own."""
    tokens = _tokens(redacting)
    redacting.engine.answer = lambda _, __: says(CHANNELS[0], " ".join(tokens), None)
    wire = Wire(CHAT, dump({"model": "m", "messages": [{"role": "user", "content": "请复述 repeat"}]}).encode())
    assert heard(CHANNELS[0], redacting.post(wire)) == " ".join(tokens)


def test_the_page_is_what_this_test_proves() -> None:
    """docs/no-bypass.md is written from the rows above."""
    written = (Path(__file__).parents[2] / "docs" / "no-bypass.md").read_text()
    assert written == page(), "python -m tests.e2e.bypass_page > docs/no-bypass.md"
