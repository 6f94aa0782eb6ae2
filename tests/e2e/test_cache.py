"""The cache, end to end: the official client, a real gateway with one process, and a recording upstream."""

from __future__ import annotations

import json
import re
import shutil
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from openai import APIStatusError
from tests.e2e.cache_callers import CACHE, STREAM, Caller, messages, operations, purge, served
from tests.reload.live import reload, wait
from tests.serving import Gateway
from tests.upstream import Upstream

pytestmark = pytest.mark.server

PHONES = ("13987650123", "13812345678")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory, upstream: Upstream) -> Iterator[Gateway]:
    """One process that keeps everything itself."""
    gateway = served(tmp_path_factory.mktemp("alone"), upstream).start()
    yield gateway
    gateway.stop()


@pytest.fixture(scope="module")
def north(alone: Gateway) -> Iterator[Caller]:
    made = Caller(alone, "north")
    with made.client:
        yield made


@pytest.fixture(scope="module")
def south(alone: Gateway) -> Iterator[Caller]:
    made = Caller(alone, "south")
    with made.client:
        yield made


@pytest.mark.parametrize("first", [False, True], ids=["plain", "stream"])
@pytest.mark.parametrize("then", [False, True], ids=["plain", "stream"])
def test_a_reply_is_given_again_in_either_form(north: Caller, upstream: Upstream, first: bool, then: bool) -> None:
    """Plain and streamed requests share an entry; the client gets the same words, and headers say where from."""
    text = f"你好, {first} then {then}. " * 3
    usage: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    upstream.clear()
    one = north.ask(text, **(usage if first else {}))
    two = north.ask(text, **(usage if then else {}))
    assert (one.text, one.cache, one.age) == (text, "miss", "")
    assert (two.text, two.cache) == (text, "hit")
    assert two.age.isdigit()
    assert len(upstream.requests) == 1


def test_everybody_gets_his_own_values_back(north: Caller, upstream: Upstream) -> None:
    """Two callers of one tenant with different phones: neither a miss nor a hit, plain or streamed, mixes them up."""
    upstream.clear()
    for stream in (False, True):
        for state in ("miss", "hit"):
            for phone in PHONES:
                text = f"我的电话是{phone}，请回拨 ({stream})."
                got = north.ask(text, **(STREAM if stream else {}))
                assert (got.text, got.cache) == (text, state)
    assert len(upstream.requests) == 2 * len(PHONES)
    assert not any(phone.encode() in seen.body for phone in PHONES for seen in upstream.requests)


def test_what_masking_takes_out_is_the_same_for_all(north: Caller, upstream: Upstream) -> None:
    """Two requests that differ only in a key that is removed are one request, and nobody gets the other's key."""
    upstream.clear()
    keys = ("AKIAIOSFODNN7EXAMPLE", "AKIAI44QH7DHBEXAMPLE")
    one, two = (north.ask(f"Why does {key} not work? 为什么") for key in keys)
    assert (one.cache, two.cache) == ("miss", "hit")
    assert one.text == two.text == "Why does [SECRET_AWS_KEY_ID] not work? 为什么"


def test_another_tenant_finds_nothing(north: Caller, south: Caller, upstream: Upstream) -> None:
    """The same request of another tenant asks the engine; afterwards each has an entry of its own."""
    upstream.clear()
    states = [caller.ask("Who is there? 谁在那里").cache for caller in (north, south, north, south)]
    assert states == ["miss", "miss", "hit", "hit"]
    assert len(upstream.requests) == 2


def test_what_differs_in_anything_is_another_request(north: Caller, upstream: Upstream) -> None:
    """Model, options, text in another Unicode form, an undeclared member: each asks the engine."""
    upstream.clear()
    more: list[dict[str, Any]] = [
        {}, {"model": "m2"}, {"temperature": 0.5}, {"max_tokens": 99}, {"extra_body": {"x_new": "1"}},
        {"extra_body": {"x_new": "1\u0000"}},
    ]  # fmt: skip
    assert [north.ask("Ångström und 温度", **one).cache for one in more] == ["miss"] * len(more)
    assert north.ask("A\u030angstro\u0308m und 温度").cache == "miss"
    assert [north.ask("Ångström und 温度", **one).cache for one in more] == ["hit"] * len(more)
    assert north.ask("Ångström und 温度", user="somebody else").cache == "hit"


@pytest.mark.parametrize(
    ("control", "state", "afterwards"),
    [
        ("no-store", "bypass", "hit"),
        ("no-cache", "miss", "hit"),
        ("max-age=0", "miss", "hit"),
        ("max-age=3600", "hit", "hit"),
        ("private, x=no-store", "hit", "hit"),
    ],
)
def test_what_callers_may_ask_for(north: Caller, upstream: Upstream, control: str, state: str, afterwards: str) -> None:
    """Cache-Control of a request is followed, and what it does not say stays as it is."""
    text = f"Is it raining? 下雨吗 {control}"
    assert north.ask(text).cache == "miss"
    upstream.clear()
    assert north.ask(text, control=control).cache == state
    assert len(upstream.requests) == (0 if state == "hit" else 1)
    assert north.ask(text).cache == afterwards


def test_no_store_keeps_nothing(north: Caller, upstream: Upstream) -> None:
    """What was asked with it is not there for the next one."""
    upstream.clear()
    assert north.ask("只此一次 only once", control="no-store").cache == "bypass"
    assert north.ask("只此一次 only once").cache == "miss"


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 1.5},
        {"n": 2},
        {"tools": [{"type": "function", "function": {"name": "pay", "parameters": {"type": "object"}}}]},
    ],
)
def test_what_is_unsafe_is_passed_on(north: Caller, upstream: Upstream, more: dict[str, Any]) -> None:
    """Requests that want to be surprised, or may change the world, ask the engine every time."""
    upstream.clear()
    assert [north.ask("Surprise me 随便", **more).cache for _ in range(2)] == ["bypass", "bypass"]
    assert len(upstream.requests) == 2


@pytest.mark.parametrize("model", ["status-400", "status-503", "garbage"])
def test_a_failure_is_not_kept(north: Caller, upstream: Upstream, model: str) -> None:
    """An error is asked for again each time."""
    upstream.clear()
    for _ in range(2):
        with pytest.raises(APIStatusError):
            north.ask("Fail 失败", model=model)
    assert len(upstream.requests) >= 2


@pytest.mark.parametrize("model", ["end-3", "error-3", "reset-3"])
def test_a_stream_that_breaks_is_not_kept(north: Caller, upstream: Upstream, model: str) -> None:
    """Half a reply is no reply: the next one asks the engine."""
    upstream.clear()
    for _ in range(2):
        try:
            north.ask("Break off 中断了 " * 5, model=model, stream=True)
        except Exception as error:  # however the official client says that a stream has broken
            assert "Break off 中断了 " * 5 not in str(error)
    assert len(upstream.requests) >= 2


def test_a_client_that_leaves_takes_nothing_from_others(north: Caller, upstream: Upstream) -> None:
    """The leader of a call goes away in its middle; who waits with it gets the whole reply."""
    upstream.clear()
    text = "Who goes first? 谁先走 " * 4
    gone = threading.Event()

    def leave() -> None:
        events = north.client.chat.completions.create(model="delay-40", messages=messages(text), stream=True)
        next(iter(events))
        gone.set()
        time.sleep(0.2)
        events.close()

    with ThreadPoolExecutor() as pool:
        leading = pool.submit(leave)
        assert gone.wait(20)
        got = north.ask(text, model="delay-40", stream=True)
        leading.result(60)
    assert got.text == text
    assert len(upstream.requests) <= 2


def test_another_policy_reaches_nothing_that_was_kept(alone: Gateway, north: Caller, upstream: Upstream) -> None:
    """A reload makes earlier entries unreachable at once, whatever has changed; going back does not bring them back."""
    assert [north.ask("Policy 策略").cache for _ in range(2)] == ["miss", "hit"]
    path = Path(alone.env["YUMEN_POLICIES"]) / "cache.yaml"
    for ttl_s in (601, 600):
        path.write_text(CACHE.format(ttl_s=ttl_s))
        reload(alone)
        assert north.ask("Policy 策略").cache == "miss"
    assert north.ask("Policy 策略").cache == "hit"


def test_a_purge_is_done_and_on_record(alone: Gateway, north: Caller, south: Caller) -> None:
    """`yumen cache purge` removes what it names and no more, and the ledger says so without a name of anybody."""
    for caller, who in ((north, "u-李娜-1"), (north, "u-2"), (south, "u-李娜-1")):
        assert caller.ask(f"Order of {len(who)} 订单", who=who).cache == "miss"
    done = purge(alone, "--tenant", "north", "--subject", "u-李娜-1")
    assert (done["purged"], done["tenant"], done["older_than_s"]) == (1, "north", "0")
    assert re.fullmatch("[0-9a-f]{32}", done["subject"])
    assert north.ask("Order of 6 订单", who="u-李娜-1").cache == "miss"
    assert north.ask("Order of 3 订单", who="u-2").cache == "hit"
    assert south.ask("Order of 6 订单", who="u-李娜-1").cache == "hit"
    assert purge(alone, "--older-than", "1h")["purged"] == 0
    assert purge(alone, "--tenant", "south")["purged"] >= 1
    assert south.ask("Order of 6 订单", who="u-李娜-1").cache == "miss"
    said = operations(alone, "purge")
    first = {"plugin": "cache", "tenant": "north", "subject": done["subject"], "older_than_s": "0"}
    assert said[:2] == [first, {**first, "purged": "1"}]
    assert len(said) == 6
    assert "李娜" not in json.dumps(said, ensure_ascii=False)


def test_what_operators_see(alone: Gateway, north: Caller) -> None:
    """`yumen cache stats` has figures by tenant and reason, the metrics have them too, and neither holds a text."""
    assert [north.ask("Figures 数字", control=control).cache for control in ("", "", "no-store")] == [
        "miss", "hit", "bypass",
    ]  # fmt: skip
    shown = json.loads(alone.yumen("cache", "stats", "--json").stdout)["cache"]
    counts = shown["lookups"]["north"]
    assert counts["hit exact"] >= 1
    assert counts["miss absent"] >= 1
    assert counts["bypass no-store"] >= 1
    assert shown["memory"]["entries"] >= 1
    assert shown["purges"]["readable"] is True
    table = alone.yumen("cache", "stats")
    assert table.returncode == 0
    assert "no-store" in table.stdout
    _, metrics = alone.get("/metrics")
    assert re.search(r'yumen_cache_lookups_total\{reason="exact",state="hit",tenant="north"\} \d', metrics)
    assert "Figures" not in metrics + table.stdout


def test_erasing_somebody_removes_what_is_kept(alone: Gateway, north: Caller) -> None:
    """`yumen audit erase` reaches the cache of a gateway that runs, and the ledger says how many entries went."""
    assert [north.ask("My invoice 发票", who="u-erased").cache for _ in range(2)] == ["miss", "hit"]
    assert north.ask("Their invoice 发票", who="u-kept").cache == "miss"
    before = len(operations(alone, "subject_forgotten"))
    erased = alone.yumen("audit", "erase", "--tenant", "north", "--subject", "u-erased")
    assert erased.returncode == 0, erased.stderr
    wait(lambda: len(operations(alone, "subject_forgotten")) > before)
    assert operations(alone, "subject_forgotten")[-1]["forgotten.cache"] == "1"
    assert north.ask("My invoice 发票", who="u-erased").cache == "miss"
    assert north.ask("Their invoice 发票", who="u-kept").cache == "hit"


def test_a_process_begins_with_what_the_last_one_saved_but_for_what_was_purged(
    tmp_path: Path, upstream: Upstream
) -> None:
    """Warm start; and a purge holds for a file that was saved before it and turns up again, from a backup say."""
    gateway = served(tmp_path, upstream)
    caller = Caller(gateway, "north")
    folder = gateway.data_dir / "cache" / "cache" / "warm"
    try:
        gateway.start()
        for who in ("u-1", "u-2"):
            assert caller.ask(f"Warm 温 {who}", who=who).cache == "miss"
        gateway.stop()
        (saved,) = folder.iterdir()
        assert b"Warm" not in saved.read_bytes()
        shutil.copy(saved, tmp_path / saved.name)
        gateway.start()
        assert caller.ask("Warm 温 u-1", who="u-1").cache == "hit"
        purge(gateway, "--tenant", "north", "--subject", "u-1")
        gateway.stop()
        for one in folder.iterdir():
            one.unlink()
        shutil.copy(tmp_path / saved.name, saved)
        gateway.start()
        assert caller.ask("Warm 温 u-1", who="u-1").cache == "miss"
        assert caller.ask("Warm 温 u-2", who="u-2").cache == "hit"
    finally:
        caller.client.close()
        gateway.stop()
