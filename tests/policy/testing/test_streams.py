"""Streams of cases: what the engine says, and that where it is cut changes nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.policy.testing.bench import case, chain, conditions, failing, plugin, report
from tests.policy.testing.guards import SECRET

from yumen.policy.testing.trial import SPLITS_MAX

PHONES = "电话13812345678和 li.na@example.com，谢谢"
HIDDEN = f"前面{SECRET}后面"
STARS = "前面" + "*" * len(SECRET) + "后面"
LEAKY = {"gateway.yaml": chain("leaky"), "leaky.yaml": plugin("guard_leaky")}
TIGHT = {"gateway.yaml": chain("hide"), "hide.yaml": plugin("guard_hide")}


async def test_a_leaky_filter_is_caught(tmp_path: Path) -> None:
    """A filter that looks at every piece by itself shows the word where it is cut inside it, and nowhere else."""
    expect = {"reply": {"equals": STARS}}
    assert await failing(tmp_path, case("a", reply={"text": HIDDEN}, stream=True, expect=expect), LEAKY) == []
    wrong = case("a", reply={"text": HIDDEN}, every_split=True, expect=expect)
    assert await failing(tmp_path, wrong, LEAKY) == ["every_split, cut at 3: expect.reply.equals"]


async def test_a_leak_that_no_expectation_names_is_caught_too(tmp_path: Path) -> None:
    """What reaches the caller must not depend on the cut, also where a case says nothing about it."""
    wrong = case("a", reply={"text": HIDDEN}, every_split=True, expect={"decision": "allow"})
    (condition,) = await conditions(tmp_path, wrong, LEAKY)
    assert condition.name == "every_split, cut at 3: the reply"
    assert (condition.expected, condition.actual) == (STARS, HIDDEN)


@pytest.mark.parametrize("answer", ["text", "deltas"])
async def test_a_tight_filter_passes(tmp_path: Path, answer: str) -> None:
    """The same word behind a filter that holds its beginnings back, cut everywhere."""
    said: Any = HIDDEN if answer == "text" else list(HIDDEN)
    one = case("a", reply={answer: said}, every_split=True, expect={"reply": {"equals": STARS}})
    (result,) = (await report(tmp_path, one, files=TIGHT)).cases
    assert result.conditions == []
    assert result.exchanges == len(HIDDEN)


async def test_restoring_holds_wherever_the_stream_is_cut(tmp_path: Path) -> None:
    """Pseudonyms are put back in every run, and never reach the caller in pieces; nothing raw is forwarded."""
    expect = {"restored": True, "forwarded": {"excludes": ["13812345678", "li.na@example.com"]}}
    (result,) = (await report(tmp_path, case(PHONES, every_split=True, expect=expect))).cases
    assert result.conditions == []
    assert result.exchanges > len(PHONES)


async def test_tool_arguments_are_cut_too(tmp_path: Path) -> None:
    """The places of a tool call's arguments count behind those of the text."""
    reply = {"text": "好的", "tool_arguments": '{"to": "li.na@example.com"}'}
    expect = {"reply": {"equals": "\n".join(reply.values())}}
    (result,) = (await report(tmp_path, case("a", reply=reply, every_split=True, expect=expect))).cases
    assert result.conditions == []
    assert result.exchanges == len("".join(reply.values()))


@pytest.mark.parametrize("model", ["assistant", "gpt-4o"])
@pytest.mark.parametrize("streamed", [False, True])
async def test_tool_arguments_reach_the_caller(tmp_path: Path, model: str, streamed: bool) -> None:
    """A tool call has one text, whether the engine speaks the dialect itself or not."""
    one = case(request={"text": "a", "model": model}, stream=streamed, reply={"tool_arguments": '{"城市": "北京"}'},
               expect={"decision": "allow", "reply": {"equals": '{"城市": "北京"}'}})  # fmt: skip
    assert await conditions(tmp_path, one) == []


@pytest.mark.parametrize("cut", [True, False])
async def test_a_blocked_reply_is_blocked_wherever_it_is_cut(tmp_path: Path, cut: bool) -> None:
    """Text before the word may have left, the word never; the error is the same everywhere."""
    expect = {"rule": "block.禁止", "code": "policy_blocked", "reply": {"excludes": ["禁"]}}
    one = case("a", reply={"text": "前面的话禁止后面"}, stream=True, every_split=cut, expect=expect)
    assert await conditions(tmp_path, one) == []


async def test_an_answer_that_is_too_long_to_cut_everywhere_says_so(tmp_path: Path) -> None:
    """A case that asks for every place and cannot get it does not pass as if it had."""
    one = case("a", reply={"text": "长" * (SPLITS_MAX + 1)}, every_split=True, expect={"decision": "allow"})
    (condition,) = await conditions(tmp_path, one)
    assert condition.name == "every_split"
    assert str(SPLITS_MAX) in condition.why


async def test_a_body_that_asks_for_no_stream_cannot_be_cut(tmp_path: Path) -> None:
    """A case of which every run is plain does not pass as if its streams had been looked at."""
    body = {"model": "assistant", "stream": False, "messages": [{"role": "user", "content": "你好"}]}
    (condition,) = await conditions(tmp_path, case(request={"body": body}, every_split=True, expect={"restored": True}))
    assert condition.name == "every_split, cut at 1: the reply"
    assert "does not come as a stream" in condition.why


async def test_every_cut_is_recorded_by_itself(tmp_path: Path) -> None:
    """What must stand in the ledger must stand there for every one of the runs."""
    one = case("falcon", every_split=True, expect={"audit": {"findings": [{"rule": "note.falcon"}]}})
    assert await conditions(tmp_path, one) == []
    wrong = case("falcon", every_split=True, expect={"audit": {"streamed": True}})
    assert await failing(tmp_path, wrong) == ["expect.audit.streamed"]


@pytest.mark.parametrize(
    ("request_", "reply"),
    [
        ({"text": PHONES, "path": "/v1/completions"}, PHONES),
        ({"text": PHONES, "path": "/v1/completions", "model": "gpt-4o"}, PHONES),
        ({"text": PHONES, "model": "gpt-4o"}, PHONES),
        ({"text": PHONES, "path": "/v1/embeddings", "model": "gpt-4o"}, ""),
    ],
)
async def test_every_path_and_kind_of_engine(tmp_path: Path, request_: dict[str, str], reply: str) -> None:
    """`text` becomes what its path takes, and an engine that repeats answers in the path's own form."""
    expect = {"decision": "allow", "forwarded": {"excludes": ["13812345678"]}, "reply": {"equals": reply}}
    assert await conditions(tmp_path, case(request=request_, expect=expect)) == []


async def test_an_engine_takes_no_more_dialects_than_the_one_it_stands_for(tmp_path: Path) -> None:
    """A route to an engine that does not speak a dialect refuses it in a test as it does in service."""
    apps = case(request={"text": "a", "path": "/apps/native/x", "model": "gpt-4o"}, expect={"code": "not_found"})
    assert await conditions(tmp_path, apps) == []
    gateway = chain("hide").replace("/v1/chat/completions", "/apps/*").replace('"faq"', '"openai"')
    gateway = gateway.replace('"near": {', '"near": {"base_url": "http://127.0.0.1:9/v1", ')
    one = case(request={"text": "a", "path": "/apps/x"}, expect={"code": "unsupported_payload"})
    assert await conditions(tmp_path, one, {**TIGHT, "gateway.yaml": gateway}) == []


async def test_embeddings_of_an_engine_that_makes_none(tmp_path: Path) -> None:
    """The embedded engine makes no embeddings, and a case sees that too."""
    one = case(request={"text": "a", "path": "/v1/embeddings"}, expect={"code": "unsupported_payload"})
    assert await conditions(tmp_path, one) == []
