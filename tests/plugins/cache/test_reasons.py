"""Why a request is passed by, or its engine asked, as operators read it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.plugins.cache.semantic.labelled import EMBEDDER
from tests.plugins.cache.test_answering import GATEWAY, Gate, Send, opened, state

from yumen.testing import Outcome, app

__all__ = ["opened"]

SEMANTIC = "config: {semantic: {engine: likeness, threshold: 0.65, timeout_ms: 60000}}\n"
WITH_LIKENESS = GATEWAY.replace(
    "engines:\n",
    "engines:\n  likeness: {adapter: onnx, egress: local, model: " + str(EMBEDDER) + ", task: embeddings}\n",
)
QUESTIONS = (
    ("How do I reset my password?", "I want to reset my password, how can I do that?"),
    ("怎么重置密码？", "我想重置密码，应该怎么操作？"),
)


async def lookups(gate: Gate, tenant: str = "acme") -> dict[str, int]:
    """What operators are shown of a tenant."""
    plugin: Any = gate.harness.plugin("cache")
    shown = await plugin.inspect({})
    return dict(shown["lookups"].get(tenant, {}))


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"web_search_options": {}}, "unsafe-tools"),
        ({"web_search_options": {"search_context_size": "low"}}, "unsafe-tools"),
        ({"temperature": "1.9"}, "unsafe-temperature"),
        ({"best_of": "3"}, "unsafe-choices"),
    ],
)
async def test_what_an_engine_may_read_as_unsafe_is(opened: Send, more: dict[str, Any], reason: str) -> None:
    """A search of the web without any options is one, and what stands in a number's place may be any number."""
    gate = await opened()
    assert [state(await gate.send(**more)) for _ in range(2)] == ["bypass", "bypass"]
    assert await lookups(gate) == {f"bypass {reason}": 2}


@pytest.mark.parametrize(
    ("cache", "reason"),
    [
        ("rules: {exact: {mode: shadow}}\n", "shadow"),
        ("mode: shadow\n", "shadow"),
        ('rules: {exact: {mode: "off"}}\n', "off"),
    ],
)
async def test_a_rule_that_does_not_enforce_is_the_reason(opened: Send, cache: str, reason: str) -> None:
    """Operators tell what shadow would have given from what nobody had asked before."""
    gate = await opened(cache)
    for _ in range(2):
        await gate.send()
    seen = await lookups(gate)
    assert seen.get(f"miss {reason}", 0) == (2 if reason == "off" else 1), seen
    assert sum(seen.values()) == 2


@pytest.mark.parametrize(("first", "second"), QUESTIONS)
async def test_semantics_in_shadow_are_the_reason_too(opened: Send, first: str, second: str) -> None:
    """What the semantic rule would have given is counted before it does, and is on record."""
    gate = await opened(SEMANTIC + "rules: {semantic: {mode: shadow}}\n", gateway=WITH_LIKENESS)
    await gate.send(first)
    outcome = await gate.send(second)
    assert (state(outcome), "semantic" in outcome.shadow) == ("miss", True)
    assert await lookups(gate) == {"miss absent": 1, "miss shadow": 1}


async def test_a_stream_without_usage_is_no_plain_reply(opened: Send) -> None:
    """What is kept without saying how many tokens it took is not given to whoever is owed that; this is the reason."""
    gate = await opened()
    gate.harness.engine.says("a", "b")
    await gate.send(stream=True)
    first = await gate.send()
    seen = await lookups(gate)
    assert (state(first), seen) in [
        ("miss", {"miss absent": 1, "miss no-usage": 1}),
        ("hit", {"miss absent": 1, "hit exact": 1}),
    ]


async def test_members_of_an_application_are_what_is_asked(opened: Send) -> None:
    """`leave_out` names members of OpenAI's requests; in a body of an application `user` may be the question."""
    engine = 'engines:\n  shop: {adapter: http, egress: remote, base_url: "http://127.0.0.1:3"}\n'
    gateway = GATEWAY.replace("engines:\n", engine) + (
        "  - id: shop\n    match: {paths: [/apps/shop]}\n    engine: shop\n"
        "    accept_raw: tests\n    chain: [anonymize, cache]\n"
    )
    gate: Gate = await opened("config: {dialects: [json]}\n", gateway=gateway)

    async def ask(body: dict[str, Any]) -> Outcome:
        return await gate.harness.ask(app("shop", body).by("acme"))

    assert state(await ask({"user": "李娜", "metadata": {"page": "1"}})) == "miss"
    assert state(await ask({"user": "Ann", "metadata": {"page": "1"}})) == "miss"
    assert state(await ask({"user": "李娜", "metadata": {"page": "2"}})) == "miss"
    assert state(await ask({"user": "李娜", "metadata": {"page": "1"}})) == "hit"


@pytest.mark.parametrize(("first", "second"), QUESTIONS)
async def test_who_comes_together_is_given_no_more_than_alone(opened: Send, first: str, second: str) -> None:
    """A reply of the same meaning is each caller's own hit, with its age and rule, and within his `max-age`."""
    gate = await opened(SEMANTIC, gateway=WITH_LIKENESS)
    await gate.send(first)
    gate.harness.clock.move(60)
    plain, fresh = await asyncio.gather(gate.send(second), gate.send(second, headers={"cache-control": "max-age=10"}))
    assert (state(plain), plain.headers["x-cache-age"]) == ("hit", "60")
    assert [step.reason for step in plain.trace if step.hook == "on_ask"] == ["semantic"]
    assert state(fresh) == "miss"


async def test_equal_questions_at_once_are_embedded_once(opened: Send) -> None:
    """A crowd that asks the same makes one embedding, and each of them hits by the rule by which it would alone."""
    gate = await opened(SEMANTIC, gateway=WITH_LIKENESS)
    first, second = QUESTIONS[0]
    await gate.send(first)
    plugin: Any = gate.harness.plugin("cache")
    engine, calls = plugin._host.engine("likeness"), 0
    infer = engine.infer

    async def counted(batch: Any) -> Any:
        nonlocal calls
        calls += 1
        return await infer(batch)

    engine.infer = counted
    crowd = await asyncio.gather(*(gate.send(second) for _ in range(50)))
    assert {state(one) for one in crowd} == {"hit"}
    assert await lookups(gate) == {"miss absent": 1, "hit semantic": 50}
    assert calls == 1
