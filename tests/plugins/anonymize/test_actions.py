"""The actions that put nothing in a value's place: `keep`, which reports, and `block`, which ends the exchange."""

from __future__ import annotations

import pytest
from tests.plugins.anonymize.running import ADDRESS, CARD, MAIL, OTHER, PHONE, anonymize, pattern, send

from yumen import Block, Finding, Mode
from yumen.testing import chat, seen_by
from yumen_plugins.anonymize import Anonymize
from yumen_plugins.anonymize.config import AnonymizeConfig

SECRET = pattern("acme.secret", "(?i)project falcon|猎鹰计划")


def streamed(text: str, pieces: int = 7) -> list[str]:
    """A reply as a stream, cut evenly."""
    size = -(-len(text) // pieces)
    return [text[at : at + size] for at in range(0, len(text), size)]


async def test_keep_reports_and_changes_nothing() -> None:
    """A value under a rule that keeps reaches engine, ledger and caller as it was written, and is a finding."""
    async with anonymize(action={"ip": "keep"}) as harness:
        sent = await send(harness, f"电话{PHONE}，地址{ADDRESS}", f"地址{ADDRESS}")
        assert sent.forwarded.endswith(f"，地址{ADDRESS}")
        assert PHONE not in sent.forwarded
        assert sent.stored == sent.forwarded
        assert sent.outcome.text == f"地址{ADDRESS}"
        assert sent.findings == [("cn.mobile", False), ("ip", False), ("ip", False)]


async def test_what_keeps_protects_from_no_other_rule() -> None:
    """Where a rule that keeps and one that changes find the same, it is changed: keeping is no exception to a rule."""
    hosts = pattern("acme.host", r"\b10\.[0-9]+\.[0-9]+\.[0-9]+\b", action="redact")
    async with anonymize(patterns=[hosts], action={"ip": "keep"}) as harness:
        sent = await send(harness, f"ping {ADDRESS} 与 8.8.8.8")
    assert sent.forwarded == "ping [ACME_HOST] 与 8.8.8.8"
    assert sent.findings == [("acme.host", False), ("ip", False)]
    hotline = pattern("acme.hotline", "客服1[0-9]{10}", action="keep")
    async with anonymize(patterns=[hotline]) as harness:
        sent = await send(harness, f"客服{PHONE}")
    assert PHONE not in sent.forwarded


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", [f"付款 {CARD} 与 {PHONE}", f"{PHONE} pays with {CARD}"])
async def test_block_ends_a_request(text: str, stream: bool) -> None:
    """Nothing is forwarded, all that was found is on record, and the ledger has the kind of the value alone."""
    async with anonymize(action={"bank_card": "block"}) as harness:
        sent = await send(harness, text, "x", stream=stream)
        assert (sent.outcome.status, sent.outcome.code) == (403, "policy_blocked")
        assert sent.outcome.given is None
        assert sorted(sent.findings) == [("bank_card", False), ("cn.mobile", False)]
        assert sent.blocked_by == ["bank_card"]
        assert "[BANK_CARD]" in sent.stored
        assert not any(value in str(sent.record) for value in (CARD, PHONE))


async def test_the_first_rule_that_blocks_is_the_reason_and_all_texts_are_read() -> None:
    """Findings are complete although the first of them was enough."""
    async with anonymize(action={"default": "block"}) as harness:
        sent = await send(harness, f"{MAIL} {PHONE} {CARD}")
        assert sent.blocked_by == ["email"]
        assert [rule for rule, _ in sent.findings] == ["email", "cn.mobile", "bank_card"]


@pytest.mark.parametrize("where", [f"{{}}.{MAIL}", f"x{{}}@example.com, {PHONE}", "about {}", "关于{}的事"])
async def test_a_pattern_that_blocks_is_found_inside_of_anything(where: str) -> None:
    """A word that must not pass does not pass as a part of an address either."""
    word = pattern("acme.word", "falcon7?", action="block")
    async with anonymize(patterns=[word]) as harness:
        sent = await send(harness, where.format("falcon7"))
    assert sent.outcome.given is None
    assert ("acme.word", False) in sent.findings
    assert sent.blocked_by == ["acme.word"]


@pytest.mark.parametrize("said", ["the plan: project Falcon.", "答案是猎鹰计划。"])
async def test_block_ends_a_plain_reply(said: str) -> None:
    """What the engine makes up can end an exchange too."""
    async with anonymize(patterns=[SECRET], action={"acme.secret": "block"}) as harness:
        sent = await send(harness, "hi", said)
        assert (sent.outcome.status, sent.outcome.code) == (403, "policy_blocked")
        assert sent.findings == [("acme.secret", False)]
        assert "project Falcon" not in sent.outcome.body.decode()


@pytest.mark.parametrize("pieces", [1, 3, 40])
@pytest.mark.parametrize("said", ["the plan is project falcon.", "这就是猎鹰计划，请保密。"])
async def test_block_ends_a_stream_before_any_of_the_value_has_left(said: str, pieces: int) -> None:
    """Where a rule may end a reply it is held back until all of it has been read, however it is cut."""
    async with anonymize(patterns=[SECRET], action={"acme.secret": "block"}) as harness:
        sent = await send(harness, "hi", *streamed(said, pieces), stream=True)
        assert sent.outcome.code == "policy_blocked"
        assert sent.outcome.text == ""
        assert not any(char in sent.outcome.body.decode() for char in ("falcon", "猎", "鹰"))
        assert sent.findings == [("acme.secret", False)]


async def test_a_stream_that_is_held_back_arrives_whole_and_restored() -> None:
    """A reply without anything that ends it reaches the caller with his values in it."""
    async with anonymize(patterns=[SECRET], action={"acme.secret": "block"}) as harness:
        token = (await send(harness, PHONE)).forwarded
        sent = await send(harness, PHONE, *streamed(f"您的电话是{token}。"), stream=True)
        assert sent.outcome.text == f"您的电话是{PHONE}。"
        assert sent.record.reply[0] == f"您的电话是{token}。"


@pytest.mark.parametrize("modes", [{"acme.secret": "shadow"}, {"acme.secret": "off"}])
async def test_streams_flow_where_no_rule_can_end_them(modes: dict[str, Mode]) -> None:
    """In shadow nothing is held back, and what would have ended the stream is noted; a rule that is off is not there."""
    async with anonymize(modes, patterns=[SECRET], action={"acme.secret": "block"}) as harness:
        sent = await send(harness, "hi", *streamed("project falcon", 3), stream=True)
    assert sent.outcome.text == "project falcon"
    assert len(sent.outcome.pieces) == 3
    in_shadow = "shadow" in modes.values()
    assert sent.findings == ([("acme.secret", True)] if in_shadow else [])
    assert sent.would_block == (["acme.secret"] if in_shadow else [])
    assert sent.record.reply == (("[ACME_SECRET]",) if in_shadow else ("project falcon",))


@pytest.mark.parametrize("stream", [False, True])
async def test_block_in_shadow_lets_the_next_rule_block(stream: bool) -> None:
    """A rule in shadow is noted, and the one behind it ends the exchange."""
    async with anonymize({"cn.mobile": "shadow"}, action={"default": "block"}) as harness:
        sent = await send(harness, f"{PHONE} {MAIL}", stream=stream)
        alone = await send(harness, PHONE)
    assert (sent.would_block, sent.blocked_by) == (["cn.mobile"], ["email"])
    assert sent.findings == [("cn.mobile", True), ("email", False)]
    assert (alone.outcome.status, alone.would_block, alone.blocked_by) == (200, ["cn.mobile"], [])
    assert (alone.forwarded, alone.stored) == (PHONE, "[CN_MOBILE]")


async def test_a_whole_instance_in_shadow_blocks_nothing() -> None:
    """The engine gets the raw text, the ledger what would have been, and the record says that it would have ended."""
    async with anonymize(mode="shadow", action={"bank_card": "block"}) as harness:
        sent = await send(harness, f"{CARD} {OTHER}")
    assert sent.outcome.status == 200
    assert sent.forwarded == f"{CARD} {OTHER}"
    assert not any(value in sent.stored for value in (CARD, OTHER))
    assert sent.would_block == ["bank_card"]


def test_judging_needs_no_value() -> None:
    """A finding on record ends a replayed exchange where its rule blocks now, and does nothing where it does not."""
    plugin = Anonymize(AnonymizeConfig(detect=["cn.*", "email"], action={"cn.*": "block"}))
    asked = seen_by(Anonymize, chat("hi 你好"))
    assert plugin.judge(asked, Finding("cn.mobile", "pii", "messages[0].content")) == Block("cn.mobile")
    assert plugin.judge(asked, Finding("email", "pii", "messages[0].content")) is None
    assert plugin.judge(asked, Finding("bank_card", "pii", "messages[0].content")) is None
