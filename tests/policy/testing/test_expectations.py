"""Every expectation holds where it should and fails where it should, by its own name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.policy.testing.bench import FILES, case, chain, conditions, failing, plugin

PHONE = "我的电话是13812345678，谢谢"
SHADOW = {**FILES, "words.yaml": plugin("guard_words", config={"note": ["falcon"], "block": ["禁止"]}, mode="shadow")}
QUIET = {
    **FILES,
    "words.yaml": plugin(
        "guard_words",
        config={"note": ["falcon"], "block": ["禁止", "forbidden"]},
        rules={"block.禁止": {"mode": "shadow"}},
    ),
}
MEMO = {"gateway.yaml": chain("memo"), "memo.yaml": plugin("guard_memo")}

HOLDS: list[Any] = [
    case("hello 你好", expect={"decision": "allow"}),
    case("禁止 this", expect={"decision": "block"}),
    case("禁止 this", expect={"code": "policy_blocked", "rule": "block.禁止"}),
    case("hello", reply={"error": "unavailable"}, expect={"decision": "block", "code": "engine_unavailable", "rule": ""}),
    case("hello", reply={"error": "timeout"}, expect={"code": "engine_timeout"}),
    case("hello", reply={"error": "timeout"}, stream=True, expect={"code": "engine_timeout"}),
    case("hello", reply={"text": "0123456789ab", "error": "timeout"}, stream=True,
         expect={"code": "engine_timeout", "reply": {"equals": "0123"}}),
    case("hello", expect={"route": "chat"}),
    case(request={"text": "hello", "model": "gpt-4o"}, expect={"route": "native", "decision": "allow"}),
    case(request={"body": {"note": "hello"}, "path": "/apps/notes/1"}, expect={"route": "apps", "decision": "allow"}),
    case("falcon 猎鹰", expect={"findings": ["note.猎鹰", "note.falcon"]}),
    case("hello", expect={"findings": [], "shadow": []}),
    case(PHONE, expect={"forwarded": {"includes": ["我的电话是", "，谢谢"], "excludes": ["13812345678"]}}),
    case("hello", expect={"forwarded": {"equals": "hello"}}),
    case("禁止", expect={"decision": "block", "forwarded": {"excludes": ["禁止"]}, "reply": {"excludes": ["禁止"]}}),
    case(request={"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]},
         expect={"forwarded": {"equals": "be brief\nhi"}, "reply": {"equals": "hi"}}),
    case("hello", reply={"text": "您好 there"}, expect={"reply": {"equals": "您好 there", "includes": ["您好"]}}),
    case("hello", reply={"deltas": ["您", "好 there"]}, stream=True, expect={"reply": {"equals": "您好 there"}}),
    case("hello", reply={"tool_arguments": '{"a": "b"}'}, expect={"reply": {"equals": '{"a": "b"}'}}),
    case(PHONE, expect={"restored": True}),
    case(PHONE, stream=True, expect={"restored": True}),
    case(request={"body": {"model": "assistant", "n": 3, "messages": [{"role": "user", "content": PHONE}]}},
         expect={"restored": True, "reply": {"equals": "\n".join([PHONE] * 3)}}),
    case(request={"body": {"电话": "13812345678", "note": ["a", "b"]}, "path": "/apps/notes/1"},
         expect={"restored": True, "forwarded": {"excludes": ["13812345678"], "includes": ["电话", "note"]}}),
    case("hello", expect={"headers": {"x-audit-receipt": "*.*", "X-Policy-Hash": "????????????"}}),
    case("hello", expect={"audit": {"outcome": "ok", "route": "chat"}}),
    case("falcon 禁止", caller={"tenant": "acme", "app": "shop", "key": "k1", "trusted": True},
         expect={"audit": {"outcome": "policy_blocked", "tenant": "acme", "app": "shop", "key": "k1", "trusted": True,
                           "findings": [{"rule": "note.falcon", "plugin": "words"}],
                           "trace": [{"decision": "block", "reason": "block.禁止"}]}}),
    case(PHONE, stream=True, expect={"audit": {"streamed": True, "request": [{"path": "messages[0].content"}]}}),
]  # fmt: skip


@pytest.mark.parametrize("one", HOLDS)
async def test_what_holds_passes(tmp_path: Path, one: dict[str, Any]) -> None:
    """A case whose expectations describe what happens passes."""
    assert await conditions(tmp_path, one) == []


FAILS: list[Any] = [
    ("expect.decision", case("禁止", expect={"decision": "allow"})),
    ("expect.decision", case("hello", expect={"decision": "block"})),
    ("expect.decision", case("hello", expect={"decision": "respond"})),
    ("expect.code", case("hello", expect={"code": "policy_blocked"})),
    ("expect.code", case("禁止", expect={"code": "rate_limited"})),
    ("expect.rule", case("禁止", expect={"rule": "block.forbidden"})),
    ("expect.rule", case("hello", reply={"error": "timeout"}, expect={"rule": "block.forbidden"})),
    ("expect.route", case("hello", expect={"route": "apps"})),
    ("expect.findings", case("falcon", expect={"findings": []})),
    ("expect.findings", case("falcon", expect={"findings": ["note.falcon", "note.猎鹰"]})),
    ("expect.findings", case("falcon 猎鹰", expect={"findings": ["note.falcon"]})),
    ("expect.findings", case(request={"text": "hello", "model": "nobody"}, expect={"findings": []})),
    ("expect.shadow", case("falcon", expect={"shadow": ["note.falcon"]})),
    ("expect.forwarded.includes[1]", case("hello", expect={"forwarded": {"includes": ["hell", "您好"]}})),
    ("expect.forwarded.excludes[0]", case(PHONE, expect={"forwarded": {"excludes": ["我的电话是"]}})),
    ("expect.forwarded.equals", case("hello", expect={"forwarded": {"equals": "hell"}})),
    ("expect.forwarded", case("禁止", expect={"forwarded": {"excludes": ["x"]}})),
    ("expect.forwarded", case("禁止", expect={"decision": "block", "forwarded": {"includes": ["禁"]}})),
    ("expect.reply", case("hello", reply={"error": "timeout"}, expect={"reply": {"excludes": ["x"]}})),
    ("expect.reply.includes[0]", case("hello", expect={"reply": {"includes": ["bye"]}})),
    ("expect.reply.excludes[0]", case(PHONE, expect={"reply": {"excludes": ["13812345678"]}})),
    ("expect.reply.equals", case("hello", reply={"text": "您好"}, expect={"reply": {"equals": "你好"}})),
    ("expect.restored", case(PHONE, expect={"restored": False})),
    ("expect.restored", case(PHONE, reply={"text": PHONE}, expect={"restored": True})),
    ("expect.restored", case("禁止", expect={"restored": True})),
    ("expect.headers.x-audit-receipt", case("hello", expect={"headers": {"x-audit-receipt": "none"}})),
    ("expect.headers.x-nothing", case("hello", expect={"headers": {"x-nothing": "?*"}})),
    ("expect.cache", case("hello", expect={"cache": "miss"})),
    ("expect.audit.outcome", case("hello", expect={"audit": {"outcome": "policy_blocked"}})),
    ("expect.audit.nothing", case("hello", expect={"audit": {"nothing": 1}})),
    ("expect.audit.streamed", case("hello", expect={"audit": {"streamed": 0}})),
    ("expect.audit.findings[0]", case("hello", expect={"audit": {"findings": [{"rule": "note.falcon"}]}})),
    ("expect.audit", case(request={"text": "hello", "model": "bare"}, expect={"audit": {"outcome": "ok"}})),
    ("expect.audit", case(request={"text": "hello", "model": "nobody"}, expect={"audit": {}})),
    ("expect", case("hello", expect={})),
    ("stream", case(request={"text": "a", "path": "/apps/notes/1"}, stream=True, expect={"decision": "allow"})),
]  # fmt: skip


@pytest.mark.parametrize(("name", "one"), FAILS)
async def test_what_does_not_hold_is_named(tmp_path: Path, name: str, one: dict[str, Any]) -> None:
    """A case fails by the one condition that does not hold, and says where it stands."""
    assert await failing(tmp_path, one) == [name]


async def test_every_failing_condition_is_said(tmp_path: Path) -> None:
    """One run tells everything that is wrong with a case, each condition with what was expected and what came."""
    expect = {"decision": "allow", "findings": ["note.falcon"], "audit": {"outcome": "ok"}}
    wrong = await conditions(tmp_path, case("禁止", expect=expect))
    assert [(one.name, one.expected, one.actual) for one in wrong] == [
        ("expect.decision", "allow", "block"),
        ("expect.findings", "note.falcon", "nothing"),
        ("expect.audit.outcome", "ok", "policy_blocked"),
    ]


@pytest.mark.parametrize(
    ("files", "text", "expect"),
    [
        (SHADOW, "falcon 禁止", {"decision": "allow", "findings": [], "shadow": ["note.falcon", "block.禁止"]}),
        (QUIET, "falcon 禁止", {"decision": "allow", "findings": ["note.falcon"], "shadow": ["block.禁止"]}),
        (QUIET, "禁止 forbidden", {"rule": "block.forbidden", "shadow": ["block.禁止"]}),
    ],
)
async def test_shadow_is_told_from_what_counts(
    tmp_path: Path, files: dict[str, str], text: str, expect: dict[str, Any]
) -> None:
    """`shadow` names what would have been done, by whole instances or single rules, and `findings` what counts."""
    assert await conditions(tmp_path, case(text, expect=expect), files) == []


async def test_an_instance_without_rules_stands_in_shadow_by_its_name(tmp_path: Path) -> None:
    """What names no rule for what it would have done is named itself."""
    files = {"gateway.yaml": chain("memo"), "memo.yaml": plugin("guard_memo", mode="shadow")}
    one = case("hello", repeat=2, expect={"decision": "allow", "shadow": ["memo"]}, expect_before={"shadow": []})
    assert await conditions(tmp_path, one, files) == []


@pytest.mark.parametrize("streamed", [False, True])
async def test_a_plugin_that_answers(tmp_path: Path, streamed: bool) -> None:
    """`respond` is told from `allow`, and `cache` reads the header."""
    again = {"decision": "respond", "cache": "hit", "reply": {"equals": "来自备忘 from the memo"}}
    before = {"decision": "allow", "cache": "miss", "reply": {"equals": "hello"}}
    one = case("hello", repeat=2, stream=streamed, expect=again, expect_before=before)
    assert await conditions(tmp_path, one, MEMO) == []
    wrong = case("hello", repeat=2, expect={"decision": "allow", "cache": "miss", "forwarded": {"excludes": ["x"]}})
    assert await failing(tmp_path, wrong, MEMO) == [
        f"request 2 of 2, expect.{name}" for name in ("decision", "forwarded", "cache")
    ]


async def test_a_fault_says_which_plugin_and_never_what_it_saw(tmp_path: Path) -> None:
    """The sentence beside a condition holds names and codes; the message of an exception may hold the text."""
    files = {"gateway.yaml": chain("faulty"), "faulty.yaml": plugin("guard_faulty")}
    (wrong,) = await conditions(tmp_path, case("fail 身份", expect={"decision": "allow"}), files)
    assert wrong.why == "the caller got the error plugin_fault: faulty failed in on_request with ValueError"


async def test_a_ledger_that_nobody_writes_is_said_so(tmp_path: Path) -> None:
    """A case about the ledger does not pass on a chain without one."""
    files = {"gateway.yaml": chain("memo"), "memo.yaml": plugin("guard_memo")}
    (wrong,) = await conditions(tmp_path, case("hello", expect={"audit": {"outcome": "ok"}}), files)
    assert "no record" in wrong.why
