"""What a rule may ask of an exchange besides ending it: nothing but the masked form for the engine, or another engine."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from tests.core.probes import Masker, Probe, engine
from tests.kit import exchange, given_to, request, step
from tests.reload.live import write

from yumen import Hmac, Manifest, NoConfig, Plugin, Principal
from yumen.chain import Chain, Run
from yumen.dialects.openai import OpenAI
from yumen.forms import ExchangeState
from yumen.policy.bundle import Limits, Route, RulePolicy
from yumen.policy.load import check_bundle
from yumen.step import Step
from yumen.target import Target

SECRET = request("SECRET 秘密")


class Judge(Plugin[NoConfig]):
    """Does what the test says when the request comes."""

    manifest: ClassVar[Manifest] = Manifest(name="judge", version="1", sees="raw")

    def __init__(self, act: Callable[[Any], Any]) -> None:
        super().__init__(NoConfig())
        self.act = act

    async def on_request(self, exchange: Any) -> None:
        self.act(exchange)


def masker(**knobs: Any) -> Step:
    return step(Masker("m", []), name="masker", **knobs)


def asking(**modes: Any) -> Step:
    """A step whose rule `r` asks for the masked form."""
    rules = {"r": RulePolicy(id="r", **modes)}
    return step(Judge(lambda seen: seen.require_masking("r")), rules=rules)


async def test_a_masking_plugin_in_shadow_enforces_on_demand() -> None:
    """Where a rule requires it, what is in shadow otherwise masks what the engine gets."""
    asked = engine()
    await exchange([asking(), masker(mode="shadow")], asked, SECRET)
    assert "<S_1> <S_2>" in given_to(asked)
    assert "SECRET" not in given_to(asked)


async def test_nothing_leaves_where_nothing_masks() -> None:
    """Without a masking plugin, or behind one that has looked in shadow, the exchange ends as blocked by the rule."""
    for steps in ([asking()], [masker(mode="shadow"), asking()], [asking(), masker()]):
        if steps[-1].name == "masker":
            steps[-1].applies = lambda exchange: False  # type: ignore[method-assign]  # as `match` can say
        asked = engine()
        outcome = await exchange(steps, asked, SECRET)
        assert outcome.code == "policy_blocked"
        assert not asked.requests
        assert [one.reason for one in outcome.exchange.trace if one.decision == "block"] == ["r"]


async def test_a_masking_plugin_that_failed_open_lets_nothing_pass() -> None:
    """`on_error: open` does not go before a rule that requires masking."""

    def fail(_: Any) -> None:
        raise ValueError

    asked = engine()
    failing = step(Masker("m", [], request=fail), name="masker", on_error="open")
    outcome = await exchange([asking(), failing], asked, SECRET)
    assert outcome.code == "policy_blocked"
    assert not asked.requests


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_a_rule_in_shadow_demands_nothing(mode: Any) -> None:
    """In shadow and off a rule changes nothing about what the engine gets."""
    asked = engine()
    await exchange([asking(mode=mode), masker(mode="shadow")], asked, SECRET)
    assert "SECRET" in given_to(asked)


async def test_demands_come_before_the_engine() -> None:
    """Once there is a reply it is too late, and a fault."""
    late = step(Probe("late", [], response=lambda seen: seen.require_masking("r")))
    assert (await exchange([late], engine())).code == "plugin_fault"


async def routed(
    judge: Step, *others: Step, egress: str = "local", body: bytes = SECRET
) -> tuple[Any, Any, ExchangeState, Any]:
    """One exchange on a route with a second engine; both engines, the exchange, and the run."""
    own, other = engine("own"), engine("other")
    steps = [judge, *others]
    route = Route(id="chat", paths=("*",), engine="llm", chain=tuple(one.instance for one in steps))
    chain = Chain(route, steps, own, "local", Limits(), {"other": Target("other", other, egress)})
    payload = OpenAI().decode("/v1/chat/completions", body, depth_max=64, texts_max=1000)
    state = ExchangeState("0" * 32, time.time(), Principal("tenant", "app", "key"), payload)
    state.route, state.engine, state.digest_mac = "chat", "llm", Hmac(b"key")
    run = Run(chain, state, OpenAI(), time.perf_counter())
    return own, other, state, json.loads(await run.plain())


def sending(engine: str = "other", **knobs: Any) -> Step:
    return step(Judge(lambda seen: seen.send_to(engine, "r")), **{"detours": ("other",), **knobs})


async def test_another_engine_answers() -> None:
    """A rule has another engine asked, and the record names it."""
    own, other, state, body = await routed(sending())
    assert (len(own.requests), len(other.requests), state.engine) == (0, 1, "other")
    assert body["choices"][0]["message"]["content"] == "other"


@pytest.mark.parametrize("knobs", [{"detours": ()}, {"detours": ("elsewhere",)}])
async def test_an_engine_that_was_not_named_is_refused(knobs: Any) -> None:
    """A plugin reaches no engine that it has not named before; nothing is asked then."""
    own, other, _, body = await routed(sending(**knobs))
    assert body["error"]["code"] == "plugin_fault"
    assert not own.requests
    assert not other.requests


async def test_raw_text_does_not_leave_by_a_detour() -> None:
    """The last check before an engine looks at the one that is asked, not at the route's own."""
    _, other, _, body = await routed(sending(), egress="remote")
    assert body["error"]["code"] == "plugin_fault"
    assert not other.requests
    _, other, _, _ = await routed(sending(), masker(), egress="remote")
    assert "SECRET" not in given_to(other)


def test_the_flow_check_follows_detours(tmp_path: Path) -> None:
    """A rule that could send raw text to a remote engine is refused at load, and one that names no engine of the bundle."""
    gateway = """version: 1
engines:
  near: {adapter: faq, egress: local}
  far: {adapter: openai, egress: remote, base_url: "https://llm.example/v1"}
routes:
  - {id: chat, match: {paths: [/v1/*]}, engine: near, chain: [anomaly]}
"""
    rules = "version: 1\nplugin: anomaly\nconfig: {rules: [{id: r, when: request.bytes > 1, then: route(%s)}]}\n"
    codes = {}
    for name in ("near", "far", "nowhere"):
        write(tmp_path, gateway=gateway, anomaly=rules % name)
        codes[name] = {one.code for one in check_bundle(str(tmp_path))[1] if not one.code.startswith("warning.")}
    assert codes == {"near": set(), "far": {"flow.raw-egress"}, "nowhere": {"policy.unknown-engine"}}
