"""Replays of real ledgers: what would be decided otherwise, and by which rule."""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from tests.kit import saying
from tests.policy.outsiders import plugin_file
from tests.policy.recording import Gateway, ledger_records, quiet, streamed
from tests.policy.replaying import ANONYMIZE, CARD, EMAIL, LIMITS, PHONE, Case, case, outsiders

from yumen import EngineError
from yumen.policy.load import check_bundle
from yumen.testing import completion

__all__ = ["case", "outsiders", "quiet"]

WORDS = st.sampled_from(
    [
        *("hello", "你好，请问", PHONE, EMAIL, f"卡号{CARD}，", "192.168.1.10", "猎鹰", "falcon", "退货 ", ""),
        *("x" * 300, "字" * 120),
    ]
)
ASKED = st.fixed_dictionaries(
    {
        "text": st.lists(WORDS, max_size=4).map(" ".join),
        "key": st.sampled_from(["k1", "k2"]),
        "trusted": st.booleans(),
        "stream": st.booleans(),
        "model": st.sampled_from(["m", f"m-{PHONE}"]),
        "wait": st.sampled_from([0.0, 0.5, 7.0, 31.0, 75.0]),
    }
)
LIMITED = st.fixed_dictionaries(
    {
        "requests_per_minute": st.integers(0, 4),
        "requests_per_minute_tenant": st.integers(0, 5),
        "body_bytes": st.sampled_from([0, 450]),
        "exempt_trusted": st.booleans(),
    }
).map(lambda config: f"version: 1\nplugin: limits\nconfig: {json.dumps(config)}\n")
SHADOW = st.sampled_from(
    [
        "",
        "mode: shadow\n",
        "mode: shadow\nsample: 0.5\n",
        "mode: shadow\nuntil: 2023-11-14T22:15:30Z\n",
    ]
)
RULE = st.sampled_from(
    [
        "",
        "rules: {cn.mobile: {mode: shadow}, email: {mode: 'off'}}\n",
        "rules: {ip: {mode: shadow, sample: 0.5}}\n",
    ]
)
MASKING = st.builds(
    lambda shadow, rules, actions: f"{ANONYMIZE}{shadow}{rules}config: {{action: {json.dumps(actions)}}}\n",
    SHADOW,
    RULE,
    st.dictionaries(
        st.sampled_from(["cn.mobile", "email", "bank_card", "ip"]),
        st.sampled_from(["pseudonym", "redact", "mask", "hash", "keep", "block"]),
    ),
)
CHAIN = st.sampled_from(
    [
        "audit, limits, anonymize",
        "audit, watchword, anonymize, limits",
        "limits, anonymize, watchword, audit, afterword",
        "audit, breaks, limits, afterword, anonymize, midword",
        "audit, answers, hoards, anonymize, flaky",
    ]
)
ENGINES = st.sampled_from(
    [completion("好的，falcon"), completion(f"call {PHONE}"), EngineError("down"), streamed("fal", "con ok")]
)
# What needs a new folder, a ledger and a replay for every example is not worth shrinking for hours.
UNHURRIED = settings(
    max_examples=60,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)


@given(
    chain=CHAIN, limits=LIMITED, masking=MASKING, shadow=SHADOW, engine=ENGINES, traffic=st.lists(ASKED, max_size=14)
)
@UNHURRIED
def test_the_bundle_that_wrote_a_ledger_decides_it_in_the_same_way(
    chain: str, limits: str, masking: str, shadow: str, engine: Any, traffic: list[dict[str, Any]]
) -> None:
    """Under its own bundle no exchange is decided otherwise, whatever came, and nothing is found that was not."""
    with tempfile.TemporaryDirectory() as name:
        case = Case(Path(name))
        bundle = case.bundle(
            "b",
            chain,
            limits=limits,
            anonymize=masking if "mode: shadow" not in shadow else ANONYMIZE,
            watchword=plugin_file("watchword", "猎鹰") + shadow,
            afterword=plugin_file("afterword", "falcon") + shadow,
            midword=plugin_file("midword", "ok"),
            breaks=plugin_file("breaks", "退货"),
            answers=plugin_file("answers", "hello"),
            hoards=plugin_file("hoards"),
            flaky=plugin_file("flaky", on_error="open"),
        )
        # Not every chain may stand so: behind a masking plugin in shadow there is no masked reply to judge.
        assume(check_bundle(str(bundle))[0] is not None)
        plain = not isinstance(engine, list)
        asked = [{**one, "stream": one["stream"] or not plain} for one in traffic]
        case.record(bundle, *asked, engine=saying(*([engine] if plain else engine)))
        found = case.replay(bundle)
        # What is ended in front of the ledger does not stand in it.
        assert found["exchanges"] == len(ledger_records(case.data))
    assert [one for one in found["differences"] if one["section"] in ("decisions", "routes", "shadow")] == []


def test_a_tighter_rate_blocks_those_beyond_it(case: Case) -> None:
    """Requests are counted at the times on record, in their order, key by key; those that were refused are not counted."""
    old = case.bundle("old", "audit, limits", limits=LIMITS % 300)
    asked = [{"text": text, "key": key} for text in ("hello", "你好") for key in ("k1", "k1", "k2")]
    case.record(old, *asked, {"text": "later", "key": "k1", "wait": 125.0})
    new = case.bundle("new", "audit, limits", limits=LIMITS % 2)
    assert case.differences(new) == {("allowed -> blocked", "limits:requests_per_minute"): (2, 2)}
    ids = [record["id"] for record in ledger_records(case.data)]
    (tally,) = case.replay(new, "--ids")["differences"]
    assert tally["ids"] == [ids[3], ids[4]]


def test_a_looser_rate_lets_those_pass_that_were_refused(case: Case) -> None:
    """What was refused passes, and it is said that no reply to it is on record."""
    old = case.bundle("old", "audit, limits, anonymize", limits=LIMITS % 1)
    assert case.record(old, "hello", "你好") == ["ok", "rate_limited"]
    new = case.bundle("new", "audit, limits, anonymize", limits=LIMITS % 9)
    assert case.differences(new) == {("blocked -> allowed", "limits:requests_per_minute"): (1, 1)}
    assert case.unknown(new)["reply"] == 1


def test_a_masked_value_is_judged_by_its_finding(case: Case) -> None:
    """A value that is masked in the record is blocked by the rule that found it, should that rule block now, and back."""
    keeps = case.bundle("keeps")
    blocks = case.bundle("blocks", anonymize=f"{ANONYMIZE}config: {{action: {{cn.mobile: block}}}}\n")
    case.record(keeps, f"我的电话是{PHONE}", f"{PHONE} {EMAIL}", EMAIL, "nothing")
    assert case.differences(blocks) == {("allowed -> blocked", "anonymize:cn.mobile"): (2, 0)}
    assert case.differences(blocks, section="findings") == {}
    again = Case(case.folder / "again")
    again.record(blocks, f"我的电话是{PHONE}", "nothing")
    assert again.differences(keeps) == {("blocked -> allowed", "anonymize:cn.mobile"): (1, 1)}


def test_a_rule_that_leaves_shadow(case: Case) -> None:
    """What a rule in shadow found is enforced now: the exchange is blocked, and shadow has nothing to say any more."""
    blocking = f"{ANONYMIZE}config: {{action: {{cn.mobile: block}}}}\n"
    trial = case.bundle("trial", anonymize=f"{blocking}rules: {{cn.mobile: {{mode: shadow}}}}\n")
    assert case.record(trial, PHONE, "hello") == ["ok", "ok"]
    new = case.bundle("new", anonymize=blocking)
    assert case.differences(new) == {("allowed -> blocked", "anonymize:cn.mobile"): (1, 0)}
    assert case.differences(new, section="findings") == {("now enforced, was in shadow", "anonymize:cn.mobile"): (1, 0)}
    assert case.differences(new, section="shadow") == {
        ("would have blocked, and does now", "anonymize:cn.mobile"): (1, 0)
    }


def test_an_instance_that_leaves_shadow(case: Case) -> None:
    """The same for a whole instance, and the other way round."""
    blocking = f"{ANONYMIZE}config: {{action: {{email: block}}}}\n"
    trial = case.bundle("trial", anonymize=f"{blocking}mode: shadow\n")
    enforced = case.bundle("enforced", anonymize=blocking)
    case.record(trial, EMAIL)
    assert case.differences(enforced) == {("allowed -> blocked", "anonymize:email"): (1, 0)}
    back = Case(case.folder / "back")
    back.record(enforced, EMAIL)
    assert back.differences(trial) == {("blocked -> allowed", "anonymize:email"): (1, 1)}
    assert back.differences(trial, section="findings") == {("now only in shadow", "anonymize:email"): (1, 0)}
    assert back.differences(trial, section="shadow") == {("would block", "anonymize:email"): (1, 0)}


@pytest.mark.parametrize(
    "gone", ["rules: {cn.mobile: {mode: 'off'}}\n", "config: {detect: [email]}\n", "mode: 'off'\n"]
)
def test_rules_that_are_gone(case: Case, gone: str) -> None:
    """A rule that is off, not asked for any more, or off with its plugin finds nothing, and the engine gets another text."""
    case.record(case.bundle("old"), f"{PHONE} 谢谢", "hello")
    new = case.bundle("new", anonymize=ANONYMIZE + gone)
    assert case.differences(new, section="findings") == {("no longer found", "anonymize:cn.mobile"): (1, 0)}
    assert case.unknown(new)["answer"] == 1


def test_a_rule_that_is_new_finds_what_stands_in_the_record(case: Case) -> None:
    """Text that nobody masked is looked at anew, in requests and replies; in shadow it is said that it is only in shadow."""
    old = case.bundle("old", anonymize=f"{ANONYMIZE}config: {{detect: [cn.mobile]}}\n")
    case.record(old, f"{PHONE} {EMAIL}", "你好", engine=saying(completion("地址192.168.1.10")))
    new = case.bundle("new")
    assert case.differences(new, section="findings") == {
        ("newly found", "anonymize:ip"): (2, 0),
        ("newly found", "anonymize:email"): (1, 0),
    }
    assert case.differences(new) == {}
    assert case.unknown(new) == {"masked": 1, "answer": 1}
    quiet_one = case.bundle("quiet", anonymize=f"{ANONYMIZE}rules: {{ip: {{mode: shadow}}, email: {{mode: 'off'}}}}\n")
    assert case.differences(quiet_one, section="findings") == {("newly found, in shadow", "anonymize:ip"): (2, 0)}


ROUTES = """version: 1
engines:
  near: {adapter: faq, egress: local}
  other: {adapter: faq, egress: local}
limits: {%s}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions], models: [%s]}
    engine: near
    chain: [audit, anonymize]
  - id: rest
    match: {paths: [%s]}
    engine: other
    chain: [audit, anonymize]
"""


def test_another_route_or_none(case: Case) -> None:
    """The route is the one that the recorded path and model choose now; where there is none, the exchange is refused."""
    case.record(case.bundle("old"), {"model": "m"}, {"model": "gpt"}, {"model": f"m-{PHONE}"})
    other = case.bundle("other", gateway=ROUTES % ("", "m*", "/v1/*"))
    assert case.differences(other, section="routes") == {("another route", "chat -> rest"): (1, 0)}
    assert case.unknown(other) == {"masked": 1, "answer": 1}
    none = case.bundle("none", gateway=ROUTES % ("", "m*", "/apps/x"))
    assert case.differences(none) == {("allowed -> no route", "chat"): (1, 0)}


def test_the_core_refuses_what_is_larger_than_its_limits(case: Case) -> None:
    """Limits of the bundle itself hold before any plugin; whether a body came compressed is not on record."""
    case.record(case.bundle("old"), "hello", "字" * 500)
    inflated = case.bundle("inflated", gateway=ROUTES % ("decompressed_bytes: 900", "'*'", "/apps/x"))
    assert case.differences(inflated) == {("allowed -> refused", "limits.decompressed_bytes"): (1, 0)}
    texts = case.bundle("texts", gateway=ROUTES % ("texts_per_exchange: 1", "'*'", "/apps/x"))
    assert case.differences(texts) == {("allowed -> refused", "limits.texts_per_exchange"): (2, 0)}
    body = case.bundle("body", gateway=ROUTES % ("body_bytes: 900", "'*'", "/apps/x"))
    assert case.differences(body) == {}
    assert case.unknown(body) == {"compressed": 1}


def test_the_models_name_of_a_request_that_nobody_masked(case: Case) -> None:
    """In front of the masking plugin only a digest of the model's name is recorded: then the route of before is taken."""
    case.record(case.bundle("old", "audit, limits, anonymize", limits=LIMITS % 1), "a", "b")
    new = case.bundle("new", gateway=ROUTES % ("", "m", "/v1/*"))
    assert case.unknown(new)["model"] == 1
    assert case.differences(new, section="routes") == {}


def test_every_process_counts_for_itself(case: Case) -> None:
    """Where a process begins, counters begin anew, those in the store and those that a plugin keeps in itself."""
    plain = case.bundle("plain", "audit, anonymize")
    for _ in range(3):
        case.record(plain, "a", "b")
    counting = case.bundle("counting", "audit, counts, limits", limits=LIMITS % 2, counts=plugin_file("counts"))
    assert case.differences(counting) == {}
    found = case.replay(counting)
    assert (found["exchanges"], found["processes"]) == (6, 3)
    case.record(plain, "a", "b", "c")
    assert case.differences(counting) == {("allowed -> blocked", "counts:two"): (1, 0)}


def test_exchanges_that_overlapped_overlap_again(case: Case) -> None:
    """How many exchanges are under way at a time is replayed too: from when each of them began to when it ended."""
    plain = case.bundle("plain", "audit, anonymize")

    async def ask() -> list[str]:
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            arrived.set()
            await go_on.wait()

        async with Gateway(plain, case.data, engine=saying(wait, completion("x"))) as gateway:
            first = asyncio.create_task(gateway.ask("slow"))
            await arrived.wait()
            # The held clock goes on by 20 ms, while the first one takes 50 and more.
            await asyncio.sleep(0.05)
            second = asyncio.create_task(gateway.ask("quick", wait=0.02))
            await asyncio.sleep(0)
            go_on.set()
            return [await first, await second, await gateway.ask("later", wait=30.0)]

    assert asyncio.run(ask()) == ["ok", "ok", "ok"]
    slots = "version: 1\nplugin: limits\nconfig: {requests_per_minute: 0, concurrent: %d}\n"
    one = case.bundle("one", "audit, limits, anonymize", limits=slots % 1)
    assert case.differences(one) == {("allowed -> blocked", "limits:concurrent"): (1, 0)}
    assert case.differences(case.bundle("two", "audit, limits, anonymize", limits=slots % 2)) == {}
