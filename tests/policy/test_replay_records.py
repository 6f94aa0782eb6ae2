"""What replays read: whole ledgers and broken ones, old and hostile records, and texts that are not there."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import ledgers
from tests.kit import saying
from tests.lengths import times
from tests.policy.outsiders import plugin_file
from tests.policy.recording import (
    GATEWAY,
    ROOT,
    Gateway,
    ledger_records,
    quiet,
    report,
    streamed,
    without_seal,
    write_records,
    yumen,
)  # fmt: skip
from tests.policy.replaying import ANONYMIZE, EMAIL, LIMITS, PHONE, Case, case, outsiders

from yumen import Finding, Progress, Secret
from yumen.forms import TextState
from yumen.policy.bundle import Bundle
from yumen.policy.load import load_bundle
from yumen.policy.replay import Options, replay
from yumen.policy.replay.lengths import as_long
from yumen.textview import TextView
from yumen_plugins.limits import Limits
from yumen_plugins.limits.tokens import estimate

__all__ = ["case", "outsiders", "quiet"]


def test_a_ledger_that_does_not_hold(case: Case) -> None:
    """Nothing is told about a ledger that somebody changed, but what is wrong; with `--unverified`, only what holds."""
    bundle = case.bundle("b")
    case.record(bundle, "one", "two", "three")
    (writer,) = ledgers.writers(case.data)
    hidden = writer.rename(case.folder / writer.name)
    case.record(bundle, "four", "five")
    (journal,) = ledgers.journals(case.data)
    hidden.rename(writer)
    journal.write_bytes(journal.read_bytes().replace(b'"outcome":"ok"', b'"outcome":"no"', 1))
    result = yumen(case.data, "policy", "replay", "--policy", bundle)
    assert (result.exit_code, result.stdout) == (2, "")
    assert f"{journal.relative_to(case.data / 'ledger')}:0: changed" in result.stderr
    assert "nothing is told" in result.stderr
    found = report(case.data, "policy", "replay", "--policy", bundle, "--unverified")
    assert (found["verified"], found["exchanges"]) == (False, 3)
    shown = yumen(case.data, "policy", "replay", "--policy", bundle, "--unverified")
    assert "things are wrong, and what does not hold is left out" in shown.stdout


def test_what_cannot_be_run(case: Case) -> None:
    """No ledger, no secret, a bundle that does not compile, a plugin that does not start: a sentence, and status 1."""
    bundle = case.bundle("b")
    assert yumen(case.data, "policy", "replay", "--policy", bundle).exit_code == 1
    case.record(bundle, "one")
    wrong = yumen(case.data, "policy", "replay", "--policy", case.bundle("wrong", "nobody"))
    assert (wrong.exit_code, "there is no plugin instance `nobody`" in wrong.stderr) == (1, True)
    copy = case.folder / "kept" / "secret"
    copy.parent.mkdir()
    (case.data / "secret").rename(copy)
    shutil.copy(case.data / "signing.json", copy.parent)
    lost = yumen(case.data, "policy", "replay", "--policy", bundle)
    assert (lost.exit_code, "name it with --secret" in lost.stderr) == (1, True)
    elsewhere = case.data.rename(case.folder / "elsewhere") / "ledger"
    told = report(case.data, "policy", "replay", elsewhere, "--policy", bundle, "--secret", copy)
    assert told["exchanges"] == 1
    assert yumen(case.data, "policy", "replay", "--policy", bundle, "--since", "昨天").exit_code == 2


def test_which_exchanges(case: Case) -> None:
    """Time, tenant, sample and number choose; what came just before is counted by rules and not told about."""
    bundle = case.bundle("b", "audit, anonymize")
    tenants = [{"tenant": "t1"}, {"tenant": "t2"}] * 20
    case.record(bundle, *tenants)
    times = [record["time"] for record in ledger_records(case.data)]

    def told(*arguments: str) -> int:
        exchanges: int = case.replay(bundle, *arguments)["exchanges"]
        return exchanges

    assert told("--since", times[30]) == 10
    assert told("--until", times[30]) == 30
    assert told("--since", times[10], "--until", times[12]) == 2
    assert told("--tenant", "t1") == 20
    assert told("--limit", "7") == 7
    assert 0 < told("--sample", "0.5") < 40
    assert told("--sample", "0.5") == told("--sample", "0.5")
    limited = case.bundle("limited", "audit, limits", limits=LIMITS % 35)
    assert case.differences(limited, "--since", times[36]) == {
        ("allowed -> blocked", "limits:requests_per_minute"): (4, 0)
    }


def test_records_of_an_older_form(case: Case) -> None:
    """Records without a path and raw lengths are run on the route of their name, and that this is so is counted."""
    bundle = case.bundle("b", "audit, limits, anonymize", limits=LIMITS % 2)
    case.record(bundle, f"我的电话是{PHONE}", "hello", "too many")
    older = []
    for record in map(without_seal, ledger_records(case.data)):
        for name in ("path", "egress", "sent_form", "sent_bytes"):
            record.pop(name, None)
        for text in record["request"]:
            text.pop("raw_chars", None)
        older.append(record)
    old = Case(case.folder / "old")
    write_records(old.data, *older)
    assert old.differences(bundle) == {}
    assert old.unknown(bundle) == {"path": 3, "absent": 1, "lengths": 1, "masked": 1}
    other = old.bundle("other", gateway=GATEWAY.replace("chat", "talk", 1) % "audit, anonymize")
    assert old.differences(other) == {
        ("allowed -> no route", "chat"): (2, 0),
        ("blocked -> no route", "chat"): (1, 0),
    }


def test_the_order_of_time_is_restored(case: Case) -> None:
    """Records lie in the order in which exchanges ended; they are counted in the order in which they began."""
    plain = case.bundle("plain", "audit, anonymize")
    case.record(plain, *({"wait": 20.0} for _ in range(6)))
    records = list(map(without_seal, ledger_records(case.data)))
    for record in records:
        record["timings_ms"] = {"total": 1.0}
    shuffled = Case(case.folder / "shuffled")
    write_records(shuffled.data, *(records[place] for place in (5, 2, 0, 4, 1, 3)))
    limited = case.bundle("limited", "audit, limits", limits=LIMITS % 2)
    assert case.replay(limited, "--ids")["differences"] == shuffled.replay(limited, "--ids")["differences"] != []


def test_several_writers(case: Case) -> None:
    """Each writer's exchanges are run for themselves, as its process counted them."""
    bundle = case.bundle("b", "audit, limits, anonymize", limits=LIMITS % 2)

    async def ask() -> list[str]:
        async with Gateway(bundle, case.data) as one, Gateway(bundle, case.data) as other:
            return [await gateway.ask(wait=1.0) for _ in range(3) for gateway in (one, other)]

    assert asyncio.run(ask()) == ["ok"] * 4 + ["rate_limited"] * 2
    found = case.replay(bundle)
    assert (found["exchanges"], found["processes"], found["differences"]) == (6, 2, [])


class Reader:
    """A ledger of somebody else, whose records may be anything."""

    def __init__(self, records: list[dict[str, Any]]) -> None:
        self.total_bytes = 0
        self.wrong: list[str] = []
        self._records = records

    def verify(self, progress: Progress) -> list[str]:
        return self.wrong

    def records(self, progress: Progress) -> Iterator[dict[str, Any]]:
        yield from self._records


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> tuple[Bundle, dict[str, Any]]:
    """A bundle with every kind of plugin, and a record that has every member."""
    case = Case(tmp_path_factory.mktemp("full"))
    bundle = case.bundle(
        "b",
        "audit, limits, watchword, anonymize, midword, afterword",
        limits=LIMITS % 2,
        watchword=plugin_file("watchword", "猎鹰"),
        midword=plugin_file("midword", "鹰"),
        afterword=plugin_file("afterword", "falcon"),
    )
    case.record(bundle, {"text": f"{PHONE} {EMAIL}", "stream": True}, engine=saying(*streamed("a", PHONE)))
    (record,) = map(without_seal, ledger_records(case.data))
    return load_bundle(str(bundle)), record


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just("hmac:" + "0" * 32),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def spoiled(value: Any, data: st.DataObject) -> Any:
    """A value with something anywhere in it that should not be there."""
    if isinstance(value, dict) and value and data.draw(st.integers(0, 4)):
        name = data.draw(st.sampled_from(sorted(value)))
        if data.draw(st.integers(0, 9)) == 0:
            return {key: item for key, item in value.items() if key != name}
        return {**value, name: spoiled(value[name], data)}
    if isinstance(value, list) and value and data.draw(st.integers(0, 4)):
        place = data.draw(st.integers(0, len(value) - 1))
        return [*value[:place], spoiled(value[place], data), *value[place:]]
    return data.draw(ANYTHING)


@pytest.mark.long
@given(data=st.data())
@settings(deadline=None, max_examples=times(100, long=1000))
def test_no_record_makes_a_replay_fail(full: tuple[Bundle, dict[str, Any]], data: st.DataObject) -> None:
    """Whatever a record says, it is run or counted as unreadable, and takes no memory that it does not need."""
    bundle, record = full
    records = [spoiled(record, data) for _ in range(data.draw(st.integers(1, 3)))]
    given_ = [{"kind": "start"}, *({**one, "kind": "exchange"} for one in records if isinstance(one, dict))]
    found = asyncio.run(replay(Reader(given_), bundle, Secret(ROOT), Options(), lambda size: None))
    assert found.exchanges + found.unreadable == len(given_) - 1


@pytest.mark.parametrize(
    "spoil",
    [
        {"timings_ms": {"total": 1e300}},
        {"timings_ms": {"total": -5.0}},
        {"request_bytes": 1 << 62},
        {"request": [{"path": "a", "kind": "message", "chars": 1 << 60, "raw_chars": 1 << 60, "digest": "hmac:"}] * 50},
        {"request": [{"path": "", "kind": "left_out", "chars": 1 << 62}]},
        {"request": [{"path": "a", "kind": "新", "chars": -1, "raw_chars": -7, "text": "x"}]},
        {"findings": [{"rule": "cn.mobile", "category": "", "path": "model", "start": -1, "end": 1 << 60}]},
        {"id": "f" * 64},
        {"time": "0001-01-01T00:00:00+23:59"},
        {"time": "9999-12-31T23:59:59-23:59"},
        {"model": "hmac:" + "0" * 32, "path": "/v1/" + "x" * 10_000},
        {"reply": [{"path": "choices[9999].message.tool_calls[9999].tool_arguments", "text": "猎鹰"}]},
    ],
)
def test_numbers_that_cannot_be(full: tuple[Bundle, dict[str, Any]], spoil: dict[str, Any]) -> None:
    """Lengths, times and offsets beyond all measure cost nothing."""
    bundle, record = full
    given_ = [{**record, **spoil}] * 20
    found = asyncio.run(replay(Reader(given_), bundle, Secret(ROOT), Options(), lambda size: None))
    assert found.exchanges + found.unreadable == 20


PIECES = st.lists(
    st.tuples(st.text("ab 中文", max_size=6), st.text("0123456789１２", min_size=1, max_size=14)), max_size=6
)


@given(
    pieces=PIECES,
    tail=st.text("ab 中文", max_size=6),
    actions=st.lists(st.sampled_from(["pseudonym", "redact", "mask", "keep"]), min_size=6, max_size=6),
)
def test_lengths_are_restored(pieces: list[tuple[str, str]], tail: str, actions: list[str]) -> None:
    """A masked text gets the raw one's length, with everything that was not masked where it was."""
    raw = masked = ""
    findings = []
    new = {"pseudonym": "<CN_MOBILE_2w9ah9yqpd>", "redact": "[CN_MOBILE]"}
    for (before, value), action in zip(pieces, actions, strict=False):
        raw += before
        findings.append(Finding("r", "c", "p", len(raw), len(raw) + len(value)))
        masked += before + new.get(action, "*" * len(value) if action == "mask" else value)
        raw += value
    raw, masked = raw + tail, masked + tail
    evened = as_long(masked, len(raw), findings)
    assert evened is not None
    assert len(evened) == len(raw)
    covered = {place for one in findings for place in range(one.start, one.end)}
    assert all(evened[place] == raw[place] for place in range(len(raw)) if place not in covered)


SPANS = st.lists(st.tuples(st.integers(-3, 40), st.integers(-3, 40)))


@given(text=st.text(max_size=30), raw_chars=st.integers(-5, 60), spans=SPANS)
def test_lengths_that_do_not_add_up_are_not_guessed(text: str, raw_chars: int, spans: list[tuple[int, int]]) -> None:
    """Whatever findings say, the text is as long as the raw one was, or it is said that this cannot be made out."""
    evened = as_long(text, raw_chars, [Finding("r", "c", "p", start, end) for start, end in spans])
    assert evened is None or len(evened) == raw_chars


@pytest.mark.parametrize("text", ["word " * 400, "字" * 800, "混合 mixed " * 200])
def test_stand_ins_are_about_as_large_as_what_they_stand_for(case: Case, text: str) -> None:
    """A text that is not on record is measured by its length, and by the bytes that the request had for it."""
    tokens = "version: 1\nplugin: limits\nconfig: {requests_per_minute: 0, input_tokens: %d}\n"
    digests = "version: 1\nplugin: audit\nconfig: {texts: digest}\n"
    old = case.bundle("old", "audit, anonymize", audit=digests)
    case.record(old, text)
    measured = estimate([TextView(TextState("", "", "message", text, -1, None, 0), text, Limits.manifest, False)])
    below, above = (
        case.bundle(name, "audit, limits", limits=tokens % share)
        for name, share in (("below", measured * 8 // 10), ("above", measured * 12 // 10 + 8))
    )
    assert case.differences(below) == {("allowed -> blocked", "limits:input_tokens"): (1, 1)}
    assert case.differences(above) == {}


@pytest.mark.parametrize("arguments", [(), ("--ids",)])
def test_what_people_are_told(case: Case, arguments: tuple[str, ...]) -> None:
    """The text says how much is otherwise, by which rule, in which exchanges, and what cannot be known."""
    case.record(case.bundle("old"), *[PHONE] * 5, "hello")
    blocks = case.bundle("blocks", anonymize=f"{ANONYMIZE}config: {{action: {{cn.mobile: block}}}}\n")
    told = yumen(case.data, "policy", "replay", "--policy", blocks, *arguments).stdout
    assert "6 exchanges from 2023-11-14T22:14:01Z to 2023-11-14T22:14:06Z" in told
    assert "1 decided as then, 5 otherwise, 0 of these not for sure" in told
    assert re.search(r"5 +│ +│ allowed -> blocked +│ anonymize:cn.mobile", told)
    assert "values in the request are masked" in told
    assert "not run, since they store something: audit" in told
    ids = [record["id"] for record in ledger_records(case.data)]
    assert [exchange in told for exchange in ids] == [*[True] * 3, *[bool(arguments)] * 2, False]


def test_what_comes_too_late_is_counted_and_said(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """So many records wait for earlier ones, and no more: one that comes later is run when it comes, and that is said."""
    plain = case.bundle("plain", "audit, anonymize")
    case.record(plain, *({"wait": 20.0} for _ in range(6)))
    records = list(map(without_seal, ledger_records(case.data)))
    shuffled = Case(case.folder / "shuffled")
    write_records(shuffled.data, *(records[place] for place in (1, 2, 3, 4, 5, 0)))
    assert shuffled.replay(plain)["late"] == 0
    monkeypatch.setattr("yumen.policy.replay.WAITING_MAX", 2)
    monkeypatch.setattr("yumen.policy.replay.RUN_AT_ONCE", 1)
    found = shuffled.replay(plain)
    assert (found["late"], found["exchanges"], found["differences"]) == (1, 6, [])
    assert "1 exchanges came so late" in yumen(shuffled.data, "policy", "replay", "--policy", plain).stdout


def test_not_more_than_so_many_are_under_way(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exchanges that never end take no memory: the one that ends next is taken to have ended."""
    plain = case.bundle("plain", "audit, anonymize")
    case.record(plain, *({"wait": 1.0} for _ in range(6)))
    records = [{**without_seal(one), "timings_ms": {"total": 8e7}} for one in ledger_records(case.data)]
    endless = Case(case.folder / "endless")
    write_records(endless.data, *records)
    slots = "version: 1\nplugin: limits\nconfig: {requests_per_minute: 0, concurrent: 2}\n"
    limited = case.bundle("limited", "audit, limits, anonymize", limits=slots)
    assert endless.differences(limited) == {("allowed -> blocked", "limits:concurrent"): (4, 0)}
    monkeypatch.setattr("yumen.policy.replay.UNDER_WAY_MAX", 1)
    assert endless.differences(limited) == {}
