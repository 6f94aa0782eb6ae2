"""The chain: order, hooks that always run, knobs that the core owns, and two forms of every text."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, ClassVar, Literal

import pytest
from tests.kit import Ledger, ScriptedEngine, completion, exchange, request, step

from yumen import (
    Answer,
    Block,
    Engine,
    EngineError,
    EngineManifest,
    Manifest,
    Native,
    NoConfig,
    Plugin,
    Respond,
    Unsupported,
)
from yumen.policy.bundle import Match

Hooks = dict[str, Callable[..., Any]]


class Probe(Plugin[NoConfig]):
    """A plugin that notes its hooks and does what the test says."""

    manifest: ClassVar[Manifest] = Manifest(name="probe", version="1", sees="raw", mutates=True)

    def __init__(self, name: str, calls: list[str], **hooks: Callable[..., Any]) -> None:
        super().__init__(NoConfig())
        self.name = name
        self.calls = calls
        self.hooks = hooks

    async def _run(self, hook: str, exchange: Any) -> Any:
        self.calls.append(f"{self.name}.{hook}")
        action = self.hooks.get(hook)
        outcome = action(exchange) if action else None
        return await outcome if asyncio.iscoroutine(outcome) else outcome

    async def on_request(self, exchange: Any) -> Any:
        return await self._run("request", exchange)

    async def on_response(self, exchange: Any) -> Any:
        return await self._run("response", exchange)

    async def on_complete(self, exchange: Any) -> None:
        await self._run("complete", exchange)


class Masker(Probe):
    """Masks the word SECRET, and 秘密."""

    manifest: ClassVar[Manifest] = Manifest(name="masker", version="1", sees="raw", mutates=True, masks=True)

    async def on_request(self, exchange: Any) -> Any:
        for text in exchange.texts:
            each(text.value, {"SECRET": "<S_1>", "秘密": "<S_2>"}, text.mask)
        return await super().on_request(exchange)

    async def on_response(self, exchange: Any) -> Any:
        for text in exchange.reply.texts:
            each(text.value, {"<S_1>": "SECRET", "<S_2>": "秘密"}, text.replace)
            each(text.value, {"SECRET": "<S_1>", "秘密": "<S_2>"}, text.mask)
        return await super().on_response(exchange)


def each(value: str, words: dict[str, str], edit: Callable[[int, int, str], None]) -> None:
    """Edit every occurrence of some words."""
    for word, new in words.items():
        start = value.find(word)
        while start >= 0:
            edit(start, start + len(word), new)
            start = value.find(word, start + len(word))


def engine(*texts: str) -> ScriptedEngine:
    return ScriptedEngine(completion(*(texts or ("fine",))))


ALL_DOWN = ["a.request", "b.request", "c.request"]
ALL_UP = ["c.response", "b.response", "a.response", "c.complete", "b.complete", "a.complete"]


async def test_requests_go_down_and_replies_come_up() -> None:
    """Request hooks run in the policy's order, response and completion hooks in reverse."""
    calls: list[str] = []
    outcome = await exchange([step(Probe(name, calls), name=name) for name in "abc"], engine())
    assert calls == ALL_DOWN + ALL_UP
    assert (outcome.status, outcome.content, outcome.exchange.outcome) == (200, "fine", "ok")


def fails(_: Any) -> None:
    raise ValueError("SECRET in a message")


async def hangs(_: Any) -> None:
    await asyncio.sleep(30)


def stops_itself(_: Any) -> None:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    ("action", "code"),
    [
        (lambda _: Block(reason="r"), "policy_blocked"),
        (lambda _: Block(reason="r", code="rate_limited", retry_after_s=2.5), "rate_limited"),
        (fails, "plugin_fault"),
        (hangs, "plugin_fault"),
        (stops_itself, "plugin_fault"),
        (lambda _: "nonsense", "plugin_fault"),
    ],
)
async def test_whoever_was_reached_gets_every_hook(action: Callable[..., Any], code: str) -> None:
    """A block, fault or timeout in the middle still gives response and completion hooks to all that were reached."""
    calls: list[str] = []
    steps = [
        step(Probe("a", calls), name="a"),
        step(Probe("b", calls, request=action), name="b", timeout_ms=50),
        step(Probe("c", calls), name="c"),
    ]
    asked = engine()
    outcome = await exchange(steps, asked)
    assert outcome.code == code
    assert calls == ["a.request", "b.request", "b.response", "a.response", "b.complete", "a.complete"]
    assert asked.requests == []
    assert b"SECRET" not in outcome.body
    if code == "rate_limited":
        assert outcome.exchange.reply.retry_after == "3"


@pytest.mark.parametrize("hook", ["response", "complete"])
@pytest.mark.parametrize("action", [fails, hangs])
async def test_a_late_fault_replaces_the_reply(hook: str, action: Callable[..., Any]) -> None:
    """A plugin that fails on the way up ends the exchange with an error, and those above still see it."""
    calls: list[str] = []
    steps = [
        step(Probe(name, calls, **({hook: action} if name == "b" else {})), name=name, timeout_ms=50) for name in "abc"
    ]
    outcome = await exchange(steps, engine("SECRET reply"))
    assert outcome.code == "plugin_fault"
    assert calls == ALL_DOWN + ALL_UP
    assert b"SECRET" not in outcome.body


async def test_a_ledger_fault_has_its_own_code() -> None:
    """An exception that says `ledger_unavailable` reaches the client under that code."""

    class LedgerFull(Exception):
        code = "ledger_unavailable"

    def full(_: Any) -> None:
        raise LedgerFull

    outcome = await exchange([step(Probe("a", [], complete=full))], engine())
    assert (outcome.status, outcome.code) == (503, "ledger_unavailable")


@pytest.mark.parametrize("action", [fails, hangs])
async def test_fail_open_lets_the_exchange_go_on_without_half_an_edit(action: Callable[..., Any]) -> None:
    """With `on_error: open` a failing hook is as if it had not been there, edits included."""

    def edit_then_fail(view: Any) -> Any:
        view.texts[-1].replace(0, 1, "X")
        return action(view)

    asked = engine()
    steps = [step(Probe("a", [], request=edit_then_fail), on_error="open", timeout_ms=50)]
    outcome = await exchange(steps, asked)
    assert outcome.content == "fine"
    assert '"hello"' in asked.seen
    assert outcome.exchange.trace[0].decision == "fault"


async def test_a_hook_that_blocks_the_loop_too_long_is_a_fault() -> None:
    """`timeout_ms` also holds for a hook that never waits."""
    import time

    outcome = await exchange([step(Probe("a", [], request=lambda _: time.sleep(0.05)), timeout_ms=10)], engine())
    assert outcome.code == "plugin_fault"


@pytest.mark.parametrize(("policy", "code"), [("reject", "unsupported_payload"), ("warn", ""), ("skip", "")])
async def test_unsupported_follows_its_own_knob(policy: Literal["reject", "warn", "skip"], code: str) -> None:
    """What a plugin cannot read is rejected, warned about or skipped by policy, whatever `on_error` says."""

    def unsupported(_: Any) -> None:
        raise Unsupported("media at x")

    steps = [step(Probe("a", [], request=unsupported), on_unsupported=policy, on_error="open")]
    outcome = await exchange(steps, engine())
    assert (outcome.code if code else outcome.content) == (code or "fine")


async def test_shadow_decides_and_edits_nothing() -> None:
    """In shadow a plugin runs and its verdict is recorded, but nothing of it is applied."""

    def verdict(view: Any) -> Block:
        view.texts[-1].replace(0, 5, "EDITED")
        return Block(reason="would")

    asked = engine()
    outcome = await exchange([step(Probe("a", [], request=verdict), mode="shadow")], asked)
    assert outcome.content == "fine"
    assert "EDITED" not in asked.seen
    trace = outcome.exchange.trace[0]
    assert (trace.decision, trace.reason, trace.shadow, trace.edits) == ("block", "would", True, 1)


async def test_match_decides_who_runs() -> None:
    """An instance whose `match` does not cover the exchange gets no hook; directions leave out half of them."""
    calls: list[str] = []
    steps = [
        step(Probe("tenant", calls), name="tenant", match=Match(tenants=("other*",))),
        step(Probe("model", calls), name="model", match=Match(models=("gpt-*",))),
        step(Probe("up", calls), name="up", match=Match(directions=("reply",))),
        step(Probe("all", calls), name="all", match=Match(tenants=("ten*",), models=("m",), routes=("ch?t",))),
    ]
    await exchange(steps, engine())
    assert calls == ["all.request", "all.response", "up.response", "all.complete", "up.complete"]


async def test_respond_turns_round_where_it_is() -> None:
    """A plugin's answer goes up through the plugins above it, and those below never see the exchange."""
    calls: list[str] = []
    asked = engine()
    steps = [
        step(Probe("a", calls), name="a"),
        step(Probe("b", calls, request=lambda _: Respond(Answer(["from b"]))), name="b"),
        step(Probe("c", calls), name="c"),
    ]
    outcome = await exchange(steps, asked)
    assert outcome.content == "from b"
    assert asked.requests == []
    assert calls == ["a.request", "b.request", "b.response", "a.response", "b.complete", "a.complete"]


async def test_the_later_plugin_sees_the_earlier_ones_result() -> None:
    """Two mutators never edit the same span unseen: the second is shown what the first has made."""
    seen: list[str] = []

    def first(view: Any) -> None:
        view.texts[-1].replace(0, 5, "你好")

    def second(view: Any) -> None:
        seen.append(view.texts[-1].value)
        view.texts[-1].replace(2, 2, "!")

    asked = engine()
    await exchange(
        [step(Probe("a", [], request=first), name="a"), step(Probe("b", [], request=second), name="b")], asked
    )
    assert seen == ["你好"]
    assert '"你好!"' in asked.seen


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: (text.replace(0, 3, "x"), text.replace(2, 4, "y")),
        lambda text: (text.replace(3, 5, "x"), text.replace(0, 4, "y")),
        lambda text: text.replace(-1, 2, "x"),
        lambda text: text.replace(0, 6, "x"),
        lambda text: text.replace(3, 2, "x"),
        lambda text: text.mask(0, 1, "x"),
    ],
)
async def test_impossible_edits_are_faults(edit: Callable[[Any], Any]) -> None:
    """Overlapping spans, spans outside the text and edits that the manifest does not allow are faults of the plugin."""
    outcome = await exchange([step(Probe("a", [], request=lambda view: edit(view.texts[-1])))], engine())
    assert outcome.code == "plugin_fault"


async def test_only_who_mutates_may_edit() -> None:
    """A manifest without `mutates` cannot edit."""

    class Reader(Probe):
        manifest: ClassVar[Manifest] = Manifest(name="reader", version="1", sees="raw")

    outcome = await exchange([step(Reader("a", [], request=lambda view: view.texts[0].replace(0, 1, "")))], engine())
    assert outcome.code == "plugin_fault"


@pytest.mark.parametrize("secret", ["SECRET", "秘密"])
async def test_the_engine_and_the_stores_get_the_masked_form_and_the_client_the_raw_one(secret: str) -> None:
    """With a masking plugin the raw value is known to the client alone."""
    ledger = Ledger()
    token = {"SECRET": "<S_1>", "秘密": "<S_2>"}[secret]
    asked = engine(f"you said {token}, and {secret} is mine")
    outcome = await exchange(
        [step(ledger), step(Masker("m", []))], asked, request(f"my {secret}", user=secret), egress="remote"
    )
    assert secret not in asked.seen
    assert token in asked.seen
    assert outcome.content == f"you said {secret}, and {secret} is mine"
    record = ledger.records[0]
    assert secret not in str(record) + str(ledger.before)
    assert f"my {token}" in record["request"]
    assert f"you said {token}, and {token} is mine" in record["reply"]
    assert all(value.startswith("hmac:") for value in ledger.before[0])


async def test_without_a_masking_plugin_stores_get_digests() -> None:
    """On a route where nobody masks, what may only see masked text sees keyed digests, the same for the same text."""
    ledger = Ledger()
    await exchange([step(ledger)], engine("SECRET reply"), request("SECRET"))
    await exchange([step(ledger)], engine("SECRET reply"), request("SECRET"))
    assert "SECRET" not in str(ledger.records)
    assert ledger.records[0]["request"] == ledger.records[1]["request"]
    assert all(value.startswith("hmac:") for value in ledger.records[0]["request"] + ledger.records[0]["reply"])


async def test_masking_in_shadow_keeps_the_stores_clean() -> None:
    """A masking plugin in shadow still feeds the masked form, while the engine gets the raw text."""
    ledger = Ledger()
    asked = engine("SECRET too")
    outcome = await exchange([step(ledger), step(Masker("m", []), mode="shadow")], asked, request("SECRET"))
    assert "SECRET" in asked.seen
    assert outcome.content == "SECRET too"
    assert "SECRET" not in str(ledger.records)
    assert "<S_1> too" in ledger.records[0]["reply"]


@pytest.mark.parametrize("egress", ["remote", "local"])
@pytest.mark.parametrize("reason", ["", "agreed on 2026-11-01"])
async def test_raw_text_never_reaches_a_remote_engine_by_accident(egress: str, reason: str) -> None:
    """Should a route lack its masking plugin in spite of the flow check, nothing leaves for a remote engine."""
    asked = engine()
    outcome = await exchange([], asked, egress=egress, accept_raw=reason)
    stopped = egress == "remote" and not reason
    assert bool(asked.requests) is not stopped
    assert (outcome.status == 200) is not stopped


async def test_a_masked_view_of_the_models_name() -> None:
    """The model's name is the caller's own words, so a store gets its masked form too."""
    named: list[str] = []

    class Namer(Probe):
        manifest: ClassVar[Manifest] = Manifest(name="namer", version="1", sees="masked")

    await exchange([step(Namer("n", [], complete=lambda view: named.append(view.model)))], engine())
    assert named[0].startswith("hmac:")


@pytest.mark.parametrize(
    ("error", "code", "status"),
    [
        (EngineError("refused"), "engine_unavailable", 502),
        (EngineError("late", timeout=True), "engine_timeout", 504),
        (RuntimeError("SECRET"), "engine_unavailable", 502),
    ],
)
async def test_engine_errors_have_stable_codes(error: Exception, code: str, status: int) -> None:
    """A failing engine is a 502 or 504 with a code, never a bare 500 and never its own words."""
    outcome = await exchange([], ScriptedEngine(error))
    assert (outcome.code, outcome.status) == (code, status)
    assert b"SECRET" not in outcome.body


async def test_an_engine_that_takes_too_long_is_cancelled() -> None:
    """The route's time holds for any engine."""
    outcome = await exchange([], ScriptedEngine(completion("x"), before=lambda: asyncio.sleep(30)), timeout_ms=50)
    assert (outcome.code, outcome.status) == ("engine_timeout", 504)


@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"[" * 100_000, b'{"a":1,"a":2}', b"\xff"])
async def test_a_reply_that_cannot_be_read_is_not_passed_on(body: bytes) -> None:
    """What cannot be inspected does not reach the client."""
    outcome = await exchange([], ScriptedEngine(body))
    assert outcome.code == "engine_unavailable"


async def test_an_upstreams_refusal_passes_with_its_status() -> None:
    """A 4xx of the engine reaches the client as it is, with its Retry-After, and its outcome is told apart."""
    body = b'{"error":{"message":"slow down","type":"rate_limit_error","code":"x","param":null}}'
    outcome = await exchange([], ScriptedEngine(Native(429, body, {"retry-after": "7"})))
    assert (outcome.status, outcome.exchange.outcome, outcome.exchange.reply.retry_after) == (
        429,
        "engine_rejected",
        "7",
    )
    assert outcome.body == body


async def test_a_neutral_engine_gets_messages_and_its_answer_gets_a_form() -> None:
    """An engine that knows no wire format answers OpenAI clients all the same."""

    class Neutral(Engine[NoConfig]):
        manifest: ClassVar[EngineManifest] = EngineManifest(name="neutral", version="1")

        async def generate(self, request: Any) -> Answer:
            return Answer([f"{request.messages[0].role}: {request.messages[0].text}"])

    outcome = await exchange([step(Masker("m", []))], Neutral(NoConfig()), request("my SECRET"))
    assert outcome.content == "user: my SECRET"


async def test_state_is_the_plugins_own_and_lasts_for_the_exchange() -> None:
    """What a plugin notes in one hook it finds in the next, and nobody else does."""
    seen: list[Any] = []

    def put(view: Any) -> None:
        view.state["n"] = 1

    steps = [
        step(Probe("a", [], request=put, complete=lambda view: seen.append(dict(view.state))), name="a"),
        step(Probe("b", [], complete=lambda view: seen.append(dict(view.state))), name="b"),
    ]
    await exchange(steps, engine())
    assert seen == [{}, {"n": 1}]


async def test_findings_say_where_and_by_whom() -> None:
    """A finding carries rule, path, direction and the instance's name."""

    def find(view: Any) -> None:
        text = (view.reply.texts if view.reply else view.texts)[-1]
        view.find("r.one", category="c", text=text, start=1, end=2)

    outcome = await exchange([step(Probe("a", [], request=find, response=find), name="mine")], engine())
    found = [(f.rule, f.path, f.direction, f.plugin) for f in outcome.exchange.findings]
    assert found == [
        ("r.one", "messages[0].content", "request", "mine"),
        ("r.one", "choices[0].message.content", "reply", "mine"),
    ]


@pytest.mark.parametrize(("name", "value"), [("X-Upper", "v"), ("x y", "v"), ("x", "a\r\nset-cookie: b"), ("x", "é")])
async def test_headers_that_could_break_out_are_faults(name: str, value: str) -> None:
    """A plugin cannot smuggle a header or a line break into the reply."""
    outcome = await exchange([step(Probe("a", [], request=lambda view: view.set_header(name, value)))], engine())
    assert outcome.code == "plugin_fault"
