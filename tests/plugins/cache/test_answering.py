"""What the plugin gives again, to whom, and what it never keeps: through the real chain of a bundle, in process."""

from __future__ import annotations

import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from yumen import EngineError, Erasure, Principal
from yumen.policy.load import load_bundle
from yumen.testing import Call, Harness, Outcome, Piece, ScriptedEngine

GATEWAY = """
version: 1
engines:
  llm: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:1"}
  other: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:2"}
routes:
  - id: second
    match: {paths: [/v1/chat/completions], models: ["second"]}
    engine: other
    chain: [anonymize, cache]
  - id: chat
    match: {paths: [/v1/chat/completions, /v1/completions, /v1/embeddings], models: ["*"]}
    engine: llm
    chain: [limits, anonymize, cache]
"""
LIMITS = "version: 1\nplugin: limits\nconfig: {requests_per_minute: 100000}\n"
ANONYMIZE = """
version: 1
plugin: anonymize
config:
  detect: [cn.mobile, email]
  action: {default: pseudonym}
"""
Send = Callable[..., Any]
QUESTION = "How do I return a parcel?"


class Gate:
    """Sends chat requests through a bundle."""

    def __init__(self, harness: Harness) -> None:
        self.harness = harness

    async def send(self, text: str = QUESTION, **more: Any) -> Outcome:
        """One exchange; see `call`."""
        return await self.harness.ask(self.call(text, **more))

    def call(
        self, text: str = QUESTION, *, tenant: str = "acme", headers: dict[str, str] | None = None,
        path: str = "/v1/chat/completions", **more: Any,
    ) -> Call:  # fmt: skip
        """One request; `more` are further members of its body."""
        asked = {"/v1/completions": {"prompt": text}, "/v1/embeddings": {"input": text}}
        body = {"model": "m", **asked.get(path, {"messages": [{"role": "user", "content": text}]}), **more}
        caller = Principal(tenant, "app", f"key-{tenant}")
        return Call(path=path, body=json.dumps(body).encode(), caller=caller, headers=headers or {})


def written(folder: Path, cache: str = "", **files: str) -> Path:
    """A bundle with this `config:` of the cache."""
    folder.mkdir(exist_ok=True)
    texts = {
        "gateway": GATEWAY,
        "limits": LIMITS,
        "anonymize": ANONYMIZE,
        "cache": f"version: 1\nplugin: cache\n{cache}",
    }
    for name, text in {**texts, **files}.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Callable[..., Any]]:
    """Opens gates on bundles, and closes them."""
    numbers = itertools.count()
    async with AsyncExitStack() as held:

        async def open_gate(cache: str = "", **files: str) -> Gate:
            folder = written(tmp_path / f"b{next(numbers)}", cache, **files)
            harness = Harness.policies(folder)
            harness.engine = ScriptedEngine(dialects=("openai", "json"))
            return Gate(await held.enter_async_context(harness))

        yield open_gate


def state(outcome: Outcome) -> str:
    """What the reply's header says."""
    return outcome.headers["x-cache"]


async def test_one_tenant_never_gets_what_another_was_told(opened: Send) -> None:
    """The tenant is part of the key."""
    gate = await opened()
    gate.harness.engine.says("for acme")
    assert state(await gate.send()) == "miss"
    gate.harness.engine.says("for globex")
    other = await gate.send(tenant="globex")
    assert state(other) == "miss"
    assert "for globex" in other.reply.spoken
    assert state(await gate.send()) == "hit"


async def test_tenants_of_a_group_share_and_it_is_on_record(opened: Send) -> None:
    """Sharing is explicit, ends at the group, and an exchange that is given another tenant's reply says so."""
    gate = await opened("config: {share: {family: [north, south]}}\n")
    assert state(await gate.send(tenant="north")) == "miss"
    own = await gate.send(tenant="north")
    assert (state(own), own.findings) == ("hit", set())
    shared = await gate.send(tenant="south")
    assert (state(shared), shared.findings) == ("hit", {"share"})
    assert state(await gate.send(tenant="east")) == "miss"
    assert state(await gate.send(tenant="share:family")) == "miss"


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0.5}, {"top_p": 0.5}, {"max_tokens": 7}, {"n": 1}, {"seed": 1}, {"model": "m2"},
        {"response_format": {"type": "json_object"}}, {"stop": ["x"]}, {"a": 1}, {"logit_bias": {"5": 1}},
        {"messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hello"}]},
    ],
)  # fmt: skip
async def test_whatever_changes_the_answer_changes_the_key(opened: Send, more: dict[str, Any]) -> None:
    """Model, options, system prompt and members that nobody declared are all part of the key."""
    gate = await opened()
    assert state(await gate.send("hello")) == "miss"
    assert state(await gate.send("hello", **more)) == "miss"
    assert state(await gate.send("hello", **more)) == "hit"


@pytest.mark.parametrize("more", [{"user": "li"}, {"stream": True}, {"metadata": {"a": "b"}}])
async def test_what_does_not_change_the_answer_does_not_change_the_key(opened: Send, more: dict[str, Any]) -> None:
    """Who asks, and how the reply is sent, is no part of the key."""
    gate = await opened()
    assert state(await gate.send()) == "miss"
    assert state(await gate.send(**more)) == "hit"


async def test_routes_engines_and_policies_have_entries_of_their_own(opened: Send) -> None:
    """The route and its engine are part of the key, and so is the policy."""
    gate = await opened()
    await gate.send(model="second")
    assert state(await gate.send()) == "miss"
    before = await gate.send(model="second")
    assert (state(before), before.exchange.engine) == ("hit", "other")


@pytest.mark.parametrize(
    "said",
    [
        ["Call Li on 13987654321."],
        ["写信给 li@example.com"],
        [EngineError("down")],
        ["half of it", EngineError("late", timeout=True)],
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_reply_that_is_not_clean_is_not_kept(opened: Send, said: list[Piece], stream: bool) -> None:
    """Nothing personal is kept, and no error and no half of a reply is ever given again."""
    gate = await opened()
    gate.harness.engine.says(*said)
    assert state(await gate.send(stream=stream)) == "miss"
    gate.harness.engine.says("fine")
    again = await gate.send(stream=stream)
    assert state(again) == "miss"
    assert state(await gate.send(stream=stream)) == "hit"


async def test_each_caller_gets_his_own_values_back(opened: Send) -> None:
    """What is kept holds placeholders; each of two callers has his own number restored, and never the other's."""
    gate = await opened()
    first, second = "13812345678", "13987654321"
    for number, expected in ((first, "miss"), (second, "miss"), (first, "hit"), (second, "hit")):
        outcome = await gate.send(f"请给 {number} 回电话")
        assert state(outcome) == expected
        assert number in outcome.reply.spoken
        assert ({first, second} - {number}).pop() not in outcome.reply.spoken


async def test_cache_control_is_followed(opened: Send) -> None:
    """`no-store` neither looks nor keeps, `no-cache` asks and keeps, `max-age` gives nothing older."""
    gate = await opened()
    for _ in range(2):
        assert state(await gate.send(headers={"cache-control": "no-store"})) == "bypass"
    assert state(await gate.send()) == "miss"
    assert state(await gate.send(headers={"cache-control": "no-cache"})) == "miss"
    gate.harness.clock.move(60)
    old = await gate.send(headers={"cache-control": "max-age=60"})
    assert (state(old), old.headers["x-cache-age"]) == ("hit", "60")
    assert state(await gate.send(headers={"cache-control": "max-age=59"})) == "miss"
    renewed = await gate.send()
    assert (state(renewed), renewed.headers["x-cache-age"]) == ("hit", "0")


async def test_policy_says_what_callers_may_ask_for(opened: Send) -> None:
    """A directive that policy does not allow is passed over."""
    gate = await opened("config: {callers: {no_store: false, no_cache: false, max_age: false}}\n")
    await gate.send()
    gate.harness.clock.move(60)
    for directive in ("no-store", "no-cache", "max-age=0"):
        assert state(await gate.send(headers={"cache-control": directive})) == "hit"


@pytest.mark.parametrize(
    ("config", "more", "expected"),
    [
        ("{}", {"tools": [{"type": "function", "function": {"name": "f"}}]}, "bypass"),
        ("{}", {"temperature": 1.1}, "bypass"),
        ("{}", {"n": 2}, "bypass"),
        ("{unsafe: {without_temperature: true}}", {}, "bypass"),
        ("{unsafe: {seed: true}}", {"seed": 0}, "bypass"),
        ("{unsafe: {tools: false}}", {"tools": [{"type": "function", "function": {"name": "f"}}]}, "hit"),
        ("{unsafe: {choices_above: 2}}", {"n": 2}, "hit"),
        ("{dialects: [kserve]}", {}, "bypass"),
        ("{reply_bytes_max: 10}", {}, "miss"),
    ],
)
async def test_unsafe_requests_are_passed_by(opened: Send, config: str, more: dict[str, Any], expected: str) -> None:
    """Policy says which options of a request make its reply one that may not be given again."""
    gate = await opened(f"config: {config}\n")
    await gate.send(**more)
    assert state(await gate.send(**more)) == expected


async def test_entries_end_with_their_time(opened: Send) -> None:
    """After `ttl_s` the engine is asked again."""
    gate = await opened("config: {ttl_s: 100}\n")
    await gate.send()
    gate.harness.clock.move(99)
    assert state(await gate.send()) == "hit"
    gate.harness.clock.move(2)
    assert state(await gate.send()) == "miss"


async def test_in_shadow_it_says_what_it_would_have_given_and_gives_nothing(opened: Send) -> None:
    """A rule in shadow, or the whole plugin, answers nobody; that it would have is on record."""
    for cache in ("rules: {exact: {mode: shadow}}\n", "mode: shadow\n"):
        gate = await opened(cache)
        await gate.send()
        gate.harness.engine.says("asked again")
        outcome = await gate.send()
        assert outcome.given is not None
        assert "asked again" in outcome.reply.spoken
        assert "exact" in outcome.shadow


async def test_where_masking_does_not_enforce_nothing_is_kept(opened: Send) -> None:
    """What an engine says that was given raw text is kept nowhere."""
    raw = ANONYMIZE.replace("plugin: anonymize", "plugin: anonymize\nmode: shadow")
    local = GATEWAY.replace("egress: remote", "egress: local")
    for gateway in (local, local.replace("anonymize, cache]", "anonymize, cache]\n    accept_raw: tests")):
        gate = await opened(anonymize=raw, gateway=gateway)
        for _ in range(2):
            assert state(await gate.send("请给 13812345678 回电话")) == "bypass"


@pytest.mark.parametrize("path", ["/v1/completions", "/v1/embeddings"])
async def test_every_kind_of_request_is_kept(opened: Send, path: str) -> None:
    """Completions and embeddings are given again as chats are, and none for another."""
    gate = await opened()
    assert state(await gate.send()) == "miss"
    first = await gate.send(path=path)
    again = await gate.send(path=path)
    assert (state(first), state(again)) == ("miss", "hit")
    assert again.body == first.body


async def test_a_whole_instance_without_masking_is_refused(tmp_path: Path) -> None:
    """The flow check says where nothing could ever be kept, and that the cache stands last."""
    from yumen.errors import PolicyError

    for chain, code in (("[limits, cache]", "flow.unmasked-ask"), ("[cache, anonymize]", "flow.not-last")):
        folder = written(tmp_path / code, gateway=GATEWAY.replace("[limits, anonymize, cache]", chain))
        with pytest.raises(PolicyError, match=code):
            load_bundle(str(folder))


async def test_whoever_is_erased_while_he_asks_leaves_nothing(opened: Send) -> None:
    """An erasure takes the reply of an exchange that began before it, too; what is asked afterwards is kept."""
    gate = await opened(gateway=GATEWAY.replace("    engine: llm\n", "    engine: llm\n    subject: {field: user}\n"))
    async with gate.harness.under_way(gate.call(user="李娜")) as asking:
        gate.harness.clock.move(1)
        subject = next(iter(gate.harness._plane.opened.values())).subject
        await gate.harness.runtime.erase(Erasure("acme", subject))
    assert state(await asking.end()) == "miss"
    assert state(await gate.send(user="李娜")) == "miss"
    assert state(await gate.send()) == "hit"
