"""Replays of what plugins do beyond rules and rates: blocked replies, streams, faults, answers, and what they store."""

from __future__ import annotations

import pytest
from tests.kit import saying
from tests.policy.outsiders import plugin_file
from tests.policy.recording import quiet, streamed
from tests.policy.replaying import ANONYMIZE, PHONE, Case, case, outsiders

from yumen.testing import completion

__all__ = ["case", "outsiders", "quiet"]


@pytest.mark.parametrize("chain", ["audit, watchword, anonymize", "audit, anonymize, watchword"])
def test_what_a_decision_rested_on_may_not_be_on_record(case: Case, chain: str) -> None:
    """A plugin that cannot judge its findings is taken to decide as it did, as long as its rule enforces."""
    files = {"watchword": plugin_file("watchword", "猎鹰", f"'{PHONE}'")}
    old = case.bundle("old", chain, **files)
    assert case.record(old, f"call {PHONE}", "猎鹰计划", "hello") == ["policy_blocked", "policy_blocked", "ok"]
    assert case.differences(old) == {}
    assert case.unknown(old)["kept"] == (2 if chain.endswith("anonymize") else 1)
    off = case.bundle("off", chain, watchword=f"{files['watchword']}rules: {{word.1: {{mode: 'off'}}}}\n")
    assert case.differences(off) == {("blocked -> allowed", "watchword:word.1"): (1, 1)}
    without = case.bundle("without", "audit, anonymize")
    assert case.differences(without) == {
        ("blocked -> allowed", "watchword:word.0"): (1, 1 if chain.endswith("anonymize") else 0),
        ("blocked -> allowed", "watchword:word.1"): (1, 1),
    }


def test_replies_that_were_blocked_are_not_on_record(case: Case) -> None:
    """A block of a reply is taken over while its rule enforces; one that is new finds its words in recorded replies."""
    old = case.bundle("old", "audit, anonymize, afterword", afterword=plugin_file("afterword", "猎鹰"))
    said = saying(completion("猎鹰 falcon"))
    assert case.record(old, "hello", engine=said) == ["policy_blocked"]
    assert case.differences(old) == {}
    off = case.bundle("off", "audit, anonymize")
    assert case.differences(off) == {("blocked -> allowed", "afterword:word.0"): (1, 0)}
    back = Case(case.folder / "back")
    assert back.record(off, "hello", engine=said) == ["ok"]
    assert back.differences(old) == {("allowed -> blocked", "afterword:word.0"): (1, 0)}


def test_streams_are_shown_whole(case: Case) -> None:
    """A plugin that has a filter beside its response hook is shown recorded streams in the hook, as plain replies are."""
    plain = case.bundle("plain")
    cut = case.bundle("cut", "audit, midword, anonymize", midword=plugin_file("midword", "猎鹰"))
    engine = saying(*streamed("猎", "鹰"))
    assert case.record(plain, {"stream": True}, engine=engine) == ["ok"]
    engine.says(completion("猎鹰"))
    assert case.record(plain, {"stream": False}, engine=engine) == ["ok"]
    assert case.differences(cut) == {("allowed -> blocked", "midword:word.0"): (2, 0)}
    back = Case(case.folder / "back")
    assert back.record(cut, {"stream": True}, engine=saying(*streamed("猎", "鹰"))) == ["policy_blocked"]
    assert back.differences(cut) == {}
    assert back.differences(plain) == {("blocked -> allowed", "midword:word.0"): (1, 0)}


def test_faults_are_of_that_day(case: Case) -> None:
    """A plugin that failed is taken to fail again; under `on_error: open` it stops nobody. New faults are counted apart."""
    chain, broken = "audit, anonymize, flaky", plugin_file("flaky")
    old = case.bundle("old", chain, flaky=broken)
    assert case.record(old, "a", "b") == ["plugin_fault", "ok"]
    assert case.differences(old) == {}
    assert case.differences(case.bundle("open", chain, flaky=f"{broken}on_error: open\n")) == {
        ("failed -> allowed", "flaky:fault"): (1, 0)
    }
    new = case.bundle("new", "audit, anonymize, breaks", breaks=plugin_file("breaks", "b"))
    assert case.differences(new) == {("failed -> allowed", "flaky:fault"): (1, 0)}
    assert case.unknown(new)["failed"] == 1


def test_what_is_decided_right_before_the_engine(case: Case) -> None:
    """The hook runs in replays too: what it refused, answered or failed on then it does again, and what is new shows."""
    chain, file = "audit, anonymize, lastword", plugin_file("lastword", "猎鹰", "falcon", "hawk")
    old = case.bundle("old", chain, lastword=file)
    assert case.record(old, "猎鹰计划", "falcon", "hawk", "hello") == ["policy_blocked", "ok", "plugin_fault", "ok"]
    assert case.differences(old) == {}
    other = case.bundle("other", chain, lastword=plugin_file("lastword", "hello", "falcon", "hawk"))
    assert case.differences(other) == {
        ("blocked -> allowed", "lastword:last"): (1, 0),
        ("allowed -> blocked", "lastword:last"): (1, 0),
    }


def test_what_cannot_be_read_is_a_fact_of_the_exchange(case: Case) -> None:
    """An image is one in the record too, so `on_unsupported` of the new bundle decides about it."""
    image = [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}]
    asked = {"body": {"model": "m", "messages": [{"role": "user", "content": image}]}}
    strict, lax = case.bundle("strict"), case.bundle("lax", anonymize=f"{ANONYMIZE}on_unsupported: warn\n")
    assert case.record(strict, asked) == ["unsupported_payload"]
    assert case.differences(strict) == {}
    assert case.differences(lax) == {("failed -> allowed", "anonymize:unsupported"): (1, 1)}
    back = Case(case.folder / "back")
    assert back.record(lax, asked) == ["ok"]
    assert back.differences(strict) == {("allowed -> failed", "anonymize:unsupported"): (1, 1)}


def test_answers_of_plugins(case: Case) -> None:
    """A plugin that answers in the engine's place does so again; one that does not any more leaves it to the engine."""
    old = case.bundle("old", "audit, anonymize, answers", answers=plugin_file("answers", "hello"))
    case.record(old, "hello", "你好")
    assert case.differences(old) == {}
    new = case.bundle("new", "audit, anonymize, answers", answers=plugin_file("answers", "你好"))
    assert case.differences(new) == {
        ("allowed -> answered", "answers"): (1, 0),
        ("answered -> allowed", "answers"): (1, 0),
    }


def test_nothing_is_stored_by_a_replay(case: Case) -> None:
    """Plugins that store something are not even started, and are taken to do what the record says; the report names them."""
    old = case.bundle("old", "audit, anonymize, hoards", hoards=plugin_file("hoards"))
    asked = case.record(old, "a", "b", "c", "d")
    assert asked == ["ok", "policy_blocked", "plugin_fault", "ok"]
    before = {path: path.read_bytes() for path in case.data.rglob("*") if path.is_file()}
    (case.data / "hoard").unlink()
    found = case.replay(old)
    assert (found["differences"], found["not_run"]) == ([], ["audit", "hoards"])
    after = {path: path.read_bytes() for path in case.data.rglob("*") if path.is_file()}
    assert after == {path: content for path, content in before.items() if path.name != "hoard"}
    new = case.bundle("new")
    assert case.differences(new) == {
        ("answered -> allowed", "hoards"): (1, 0),
        ("blocked -> allowed", "hoards:hoard"): (1, 0),
        ("failed -> allowed", "hoards:fault"): (1, 0),
    }
