"""No place for a word: wherever a caller or an engine puts a sensitive word, a rule that blocks it blocks it.

The places are those of the no-bypass table, of which every one goes through the real data plane.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tests.e2e.bypass_gateway import Repeating
from tests.e2e.bypass_places import PLACES, Place
from tests.reload.live import write

from yumen.exchange import Principal
from yumen.policy.load import load_bundle
from yumen.policy.testing.harness import Harness

GATEWAY = """version: 1
engines: {far: {adapter: openai, egress: local, base_url: "http://127.0.0.1:9/v1"}}
routes:
  - {id: all, match: {paths: ["/v1/*", "/v2/*", "/apps/*"]}, engine: far, chain: [anomaly]}
"""
ANOMALY = """version: 1
plugin: anomaly
config:
  words: [{category: projects, words: [猎鹰计划, falconry]}]
  rules: [{id: projects, when: words.projects > 0, then: block}]
"""


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[asyncio.Runner, Harness]]:
    folder = tmp_path_factory.mktemp("words")
    write(folder, gateway=GATEWAY, anomaly=ANOMALY)
    with asyncio.Runner() as runner:
        harness = Harness(load_bundle(str(folder), {}))
        runner.run(harness.__aenter__())
        chain = harness.chain("all")
        # One that takes every form, so that nothing is refused for another reason.
        chain.target, chain.dialects = chain.target._replace(engine=Repeating()), Repeating.manifest.dialects
        yield runner, harness
        runner.run(harness.__aexit__())


# Numbers hold no words, and tensors behind the JSON need headers of their own, which the no-bypass tests send.
SPOKEN = [
    place
    for place in PLACES
    if not {"number", "integers"} & set(place.field.split()) and not place.make("x", False).json_bytes
]


WORDS = [("猎鹰计划", "风筝计划"), ("falconry", "gardening"), ("猎-鹰-计-划", "风-筝-计-划"), ("FALCONRY", "GARDENING")]


@pytest.mark.parametrize("place", SPOKEN, ids=lambda place: place.id)
def test_a_word_is_found_wherever_it_stands(running: tuple[asyncio.Runner, Harness], place: Place) -> None:
    """Every place that takes a harmless word is looked at for the others."""
    runner, harness = running

    def status(text: str) -> int:
        wire = place.make(text, False)
        return runner.run(harness.send(wire.path, wire.body, Principal("t", "a", "k"))).status

    for word, harmless in WORDS:
        passed, stopped = status(harmless), status(word)
        if passed in (400, 404):
            assert stopped == passed, f"what has no place there is refused by its form: {word}"
        else:
            # The engine here has nothing to say, so what reaches it is an error of its own.
            assert (passed, stopped) == (502, 403), word
