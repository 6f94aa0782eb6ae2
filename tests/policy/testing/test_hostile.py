"""Cases that are wrong, huge or malicious: each ends in a verdict, never in a crash, and none spoils the next."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.policy.testing.bench import FILES, bundle, case, chain, conditions, failing, plugin, report, write

from yumen.exchange import Principal
from yumen.policy.cases import AT_ONCE_MAX
from yumen.policy.load import check_bundle
from yumen.policy.testing import Harness
from yumen.policy.testing.verdict import SHOWN_CHARS_MAX

MESSAGES: list[Any] = [{"role": "user", "content": "a"}]


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"body": "no JSON 不是"}, "bad_request"),
        ({"body": ""}, "bad_request"),
        ({"body": {}}, "bad_request"),
        ({"body": [1, 2]}, "bad_request"),
        ({"body": '{"model": "assistant", "messages": [{"role": "user", "content": "\\ud800"}]}'}, "bad_request"),
        ({"body": {"model": "../x", "messages": MESSAGES}}, "bad_request"),
        ({"body": {"model": "assistant", "messages": MESSAGES, "n": 99}}, "bad_request"),
        ({"body": {"model": "assistant", "messages": MESSAGES, "stream": "yes"}}, "bad_request"),
        ({"messages": []}, "bad_request"),
        ({"text": "a", "path": "/v1/nothing"}, "not_found"),
        ({"text": "a", "path": ""}, "not_found"),
        ({"text": "a", "path": "/v1/chat/completions?x=1"}, "not_found"),
        ({"text": "a", "path": "/admin/keys"}, "not_found"),
        ({"text": "a", "path": "/apps/别的/ \x00"}, "not_found"),
        ({"body": {"a": ["b", 1.5, None, {"": ""}]}, "path": "/apps/notes/x"}, None),
        ({"text": "a", "path": "/v1/models"}, "method_not_allowed"),
        ({"text": "a", "model": "gpt"}, "not_found"),
        ({"text": "长", "times": 2_000_000}, "payload_too_large"),
        ({"body": "[" * 100_000}, "bad_request"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
async def test_every_refusal_can_be_expected(
    tmp_path: Path, asked: dict[str, Any], code: str | None, streamed: bool
) -> None:
    """A request that never becomes an exchange has its code, and one that does passes, whatever it is made of."""
    if streamed and asked.get("path", "").startswith("/apps/"):
        return
    expect = {"decision": "allow"} if code is None else {"decision": "block", "code": code, "rule": "", "route": ""}
    assert await conditions(tmp_path, case(request=asked, stream=streamed, expect=expect)) == []


async def test_ten_thousand_requests(tmp_path: Path) -> None:
    """A long case is a long case, and the one behind it begins with nothing."""
    files = {"gateway.yaml": chain("limits"), "limits.yaml": plugin("limits", config={"requests_per_minute": 9999})}
    many = case("a", repeat=10_000, expect={"code": "rate_limited"}, expect_before={"decision": "allow"})
    done = await report(tmp_path, many, case("a", expect={"decision": "allow"}), files=files)
    assert (done.passed, done.failed) == (2, 0)
    assert done.cases[0].exchanges == 10_000


async def test_as_many_at_once_as_there_may_be(tmp_path: Path) -> None:
    """All of them wait for the engine together, and all are answered."""
    one = case("a", repeat=AT_ONCE_MAX, at_once=True, expect={"restored": True}, expect_before={"restored": True})
    assert await conditions(tmp_path, one, {"gateway.yaml": chain()}) == []


async def test_a_huge_answer(tmp_path: Path) -> None:
    """A million characters pass, and a condition about them shows no more than somebody can read."""
    one = case(request={"text": "长", "times": 1_000_000}, stream=True, expect={"reply": {"equals": "短"}})
    (wrong,) = await conditions(tmp_path, one, {"gateway.yaml": chain()})
    assert len(wrong.actual) < SHOWN_CHARS_MAX + 100
    assert wrong.actual.endswith("(1000000 characters)")


@pytest.mark.parametrize(
    ("one", "what"),
    [
        (case(expect={}), "policy.missing-key: the key `request` is missing"),
        (case(request={}, expect={}), "policy.value: a request has one of `text`, `messages` and `body`"),
        (case(request={"text": "a", "body": {}}, expect={}), "policy.value: a request has one of"),
        (case(request={"body": {}, "times": 2}, expect={}), "policy.value: `times` makes a long `text`"),
        (case(request={"text": "好" * 100, "times": 1 << 20}, expect={}), "policy.value: `times` makes a long `text`"),
        (case("a", reply={"text": "a", "deltas": ["a"]}, expect={}), "policy.value: an answer has one of"),
        (case("a", expect_before={}, expect={}), "policy.value: `at_once` and `expect_before` are about several"),
        (case("a", at_once=True, expect={}), "policy.value: `at_once` and `expect_before` are about several"),
        (case("a", at_once=True, repeat=1001, expect={}), "policy.value: with `at_once` there are at most 1000"),
        (case("a", at_once=True, repeat=2, every_split=True, expect={}), "policy.value: with `at_once`"),
        (case("a", repeat=100_001, expect={}), "policy.bounds: `100001` is out of bounds"),
        (case("a", at="2026-02-30", expect={}), "policy.value: this date or time does not exist"),
        (case("a", at="yesterday", expect={}), "policy.bounds: "),
    ],
)
def test_a_case_that_makes_no_sense_is_an_error_with_its_place(tmp_path: Path, one: dict[str, Any], what: str) -> None:
    """What a case cannot mean is said when the bundle is read, at the case, not when it is run."""
    compiled, (diagnostic, *more) = check_bundle(str(write(tmp_path, case("a", expect={}), one)))
    assert compiled is None
    assert more == []
    assert what in str(diagnostic)
    assert (Path(diagnostic.file).name, diagnostic.line) == ("cases.test.yaml", 4)


async def test_a_plugin_that_fails_spoils_only_its_own_case(tmp_path: Path) -> None:
    """A fault ends one exchange; the next case finds everything in its place."""
    files = {"gateway.yaml": chain("faulty"), "faulty.yaml": plugin("guard_faulty")}
    bad, good = case("fail", expect={"code": "plugin_fault"}), case("fine", expect={"decision": "allow"})
    done = await report(tmp_path, bad, good, bad, files=files)
    assert done.passed == 3


async def test_globs_in_headers_are_globs(tmp_path: Path) -> None:
    """What is expected of a header cannot be an expression that takes for ever."""
    one = case("a", expect={"headers": {"x-policy-hash": "*" * 500 + "[!-]" + "?" * 500}})
    assert await failing(tmp_path, one) == ["expect.headers.x-policy-hash"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200) | st.from_regex(rb'\{"model": ?"[a-z]+", ?"messages": .*\}'), data=st.data())
async def test_no_bytes_break_a_harness(tmp_path: Path, body: bytes, data: st.DataObject) -> None:
    """Whatever is sent, there is an outcome with a status, and reading it never fails."""
    path = data.draw(st.sampled_from(["/v1/chat/completions", "/v1/completions", "/apps/notes/1", "/v1/x"]))
    async with Harness(bundle(tmp_path, files=FILES)) as harness:
        outcome = await harness.send(path, body, Principal("t", "a", "k"))
    assert 200 <= outcome.status < 600
    assert (outcome.code == "") == (outcome.status == 200)
    assert outcome.decision == ("block" if outcome.code else "allow")
    assert isinstance(outcome.reply.spoken, str)
