"""The chain: order, hooks that always run, and knobs that the core owns."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import pytest
from tests.core.probes import Probe, engine
from tests.kit import exchange, given_to, step

from yumen import Answer, Block, Respond, Unsupported
from yumen.policy.bundle import Match

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
        step(
            Probe(name, calls, **({hook: action} if name == "b" else {})),
            name=name,
            timeout_ms=50 if name == "b" else 30_000,
        )
        for name in "abc"
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
    assert '"hello"' in given_to(asked)
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
    assert "EDITED" not in given_to(asked)
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
