"""What the plugin refuses, whom it spares, and what it tells."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.limits.asked import Asked, HeldHost, Piece, ask, end, started

from yumen import Block, CannotStart, Principal
from yumen.store.memory import MemoryStore
from yumen_plugins.limits import Limits, LimitsConfig
from yumen_plugins.limits.slots import BUCKET_S
from yumen_plugins.limits.tokens import estimate

TRUSTED = Principal("t", "a", "k9", trusted=True)


async def test_requests_per_minute_of_a_key() -> None:
    """The request above the limit is rate limited, and told when to come back."""
    host = HeldHost()
    plugin = await started(host, requests_per_minute=3)
    for _ in range(3):
        assert await ask(plugin, Asked()) is None
    assert await ask(plugin, Asked()) == Block("requests_per_minute", "rate_limited", 64.0)
    assert await ask(plugin, Asked(Principal("t", "a", "k2"))) is None
    host.time += 64
    assert await ask(plugin, Asked()) is None


async def test_requests_per_minute_of_a_tenant() -> None:
    """Many keys of one tenant share its limit; another tenant is not touched."""
    plugin = await started(HeldHost(), requests_per_minute_tenant=3)
    for number in range(3):
        assert await ask(plugin, Asked(Principal("t", "a", f"k{number}"))) is None
    refused = await ask(plugin, Asked(Principal("t", "a", "k9")))
    assert isinstance(refused, Block)
    assert (refused.reason, refused.code) == ("requests_per_minute_tenant", "rate_limited")
    assert await ask(plugin, Asked(Principal("u", "a", "k9"))) is None


async def test_what_the_tenant_s_rule_refuses_is_not_counted_by_the_key_s() -> None:
    """A refusal counts nowhere, so a key does not pay for its neighbours."""
    plugin = await started(HeldHost(), requests_per_minute=3, requests_per_minute_tenant=2)
    loud, quiet = Principal("t", "a", "loud"), Principal("u", "a", "loud")
    for _ in range(2):
        assert await ask(plugin, Asked(loud)) is None
    for _ in range(10):
        assert await ask(plugin, Asked(loud)) is not None
    asked = Asked(quiet)
    assert await ask(plugin, asked) is None
    assert asked.headers["x-ratelimit-remaining-requests"] == "0"


async def test_headers_tell_what_is_left() -> None:
    """The headers that OpenAI's clients read, and the standard's, stand on allowed and refused replies alike."""
    host = HeldHost()
    host.time += 10
    plugin = await started(host, requests_per_minute=2)
    seen = []
    for _ in range(3):
        asked = Asked()
        await ask(plugin, asked)
        seen.append(asked.headers)
    assert [headers["x-ratelimit-remaining-requests"] for headers in seen] == ["1", "0", "0"]
    assert {headers["x-ratelimit-limit-requests"] for headers in seen} == {"2"}
    assert {headers["x-ratelimit-reset-requests"] for headers in seen} == {"1m10s"}
    assert {headers["ratelimit-policy"] for headers in seen} == {'"requests_per_minute";q=2;w=60'}
    assert [headers["ratelimit"] for headers in seen] == [f'"requests_per_minute";r={left};t=70' for left in (1, 0, 0)]


async def test_headers_are_the_rule_s_that_leaves_least() -> None:
    """With two rules on, the client learns of the one that it will meet first."""
    plugin = await started(HeldHost(), requests_per_minute=100, requests_per_minute_tenant=5)
    asked = Asked()
    await ask(plugin, asked)
    assert asked.headers["x-ratelimit-limit-requests"] == "5"


async def test_a_trusted_key_skips_what_counts_and_not_what_measures() -> None:
    """Trust is about traffic, not about size; it can be switched off."""
    config = {"requests_per_minute": 1, "concurrent": 1, "body_bytes": 1000, "input_tokens": 10}
    plugin = await started(HeldHost(), **config)
    for _ in range(5):
        assert await ask(plugin, Asked(TRUSTED)) is None
    assert await ask(plugin, Asked(TRUSTED, request_bytes=1001)) == Block("body_bytes", "payload_too_large")
    assert await ask(plugin, Asked(TRUSTED, texts=[Piece("汉" * 11)])) == Block("input_tokens", "payload_too_large")
    strict = await started(HeldHost(), **config, exempt_trusted=False)
    asked = Asked(TRUSTED)
    assert await ask(strict, asked) is None
    assert isinstance(await ask(strict, Asked(TRUSTED)), Block)


async def test_sizes_up_to_the_limit_pass() -> None:
    """The limit itself is allowed; one more is not."""
    plugin = await started(HeldHost(), body_bytes=1000, input_tokens=5)
    assert await ask(plugin, Asked(request_bytes=1000, texts=[Piece("a" * 20)])) is None
    assert await ask(plugin, Asked(request_bytes=1001)) == Block("body_bytes", "payload_too_large")
    assert await ask(plugin, Asked(texts=[Piece("a" * 21)])) == Block("input_tokens", "payload_too_large")


async def test_what_is_too_large_is_not_counted() -> None:
    """Measuring comes before counting."""
    plugin = await started(HeldHost(), requests_per_minute=1, body_bytes=10)
    for _ in range(5):
        await ask(plugin, Asked(request_bytes=11))
    assert await ask(plugin, Asked(request_bytes=9)) is None


async def test_a_slot_is_held_until_the_exchange_ends_and_freed_once() -> None:
    """As many exchanges of a key as configured run at a time; completing twice frees one slot only."""
    plugin = await started(HeldHost(), concurrent=2)
    one, two, three = Asked(), Asked(), Asked()
    assert await ask(plugin, one) is None
    assert await ask(plugin, two) is None
    assert await ask(plugin, three) == Block("concurrent", "rate_limited", 1.0)
    await end(plugin, three)
    assert await ask(plugin, Asked()) is not None
    assert await ask(plugin, Asked(Principal("t", "a", "k2"))) is None
    await end(plugin, one)
    await end(plugin, one)
    assert await ask(plugin, Asked()) is None
    assert await ask(plugin, Asked()) is not None


async def test_a_request_that_another_rule_refuses_holds_no_slot() -> None:
    """A rate limited request is not under way, even before its completion hook."""
    host = HeldHost()
    plugin = await started(host, requests_per_minute=1, concurrent=1)
    one = Asked()
    assert await ask(plugin, one) is None
    await end(plugin, one)
    assert isinstance(await ask(plugin, Asked()), Block)
    host.time += 120
    assert await ask(plugin, Asked()) is None


async def test_a_request_that_finds_no_slot_is_not_counted() -> None:
    """Being turned away at the door costs nothing of the minute's allowance."""
    plugin = await started(HeldHost(), requests_per_minute=2, concurrent=1)
    one = Asked()
    await ask(plugin, one)
    for _ in range(10):
        assert await ask(plugin, Asked()) == Block("concurrent", "rate_limited", 1.0)
    await end(plugin, one)
    assert await ask(plugin, Asked()) is None


async def test_slots_of_a_dead_worker_are_forgotten() -> None:
    """A slot that nobody gave back is free after two buckets, and giving it back later takes nobody else's."""
    host = HeldHost()
    plugin = await started(host, concurrent=1)
    lost = Asked()
    assert await ask(plugin, lost) is None
    host.time += BUCKET_S
    assert await ask(plugin, Asked()) is not None
    host.time += BUCKET_S
    held = Asked()
    assert await ask(plugin, held) is None
    await end(plugin, lost)
    assert await ask(plugin, Asked()) is not None


async def test_a_slot_may_be_given_back_in_a_later_bucket() -> None:
    """An exchange that runs over the end of a bucket frees the slot that it took."""
    host = HeldHost()
    plugin = await started(host, concurrent=1)
    one = Asked()
    await ask(plugin, one)
    host.time += BUCKET_S
    await end(plugin, one)
    assert await ask(plugin, Asked()) is None


@pytest.mark.parametrize("rule", ["requests_per_minute", "requests_per_minute_tenant", "concurrent"])
async def test_several_workers_need_a_shared_store(rule: str) -> None:
    """Counting wrongly is worse than not starting; the message says what can be done."""
    with pytest.raises(CannotStart, match=r"YUMEN_WORKERS=1.*to 0"):
        await started(HeldHost(workers=2), **{rule: 5})


async def test_several_workers_may_measure() -> None:
    """Rules that look at one request need no store."""
    plugin = await started(HeldHost(workers=2), body_bytes=10)
    assert isinstance(await ask(plugin, Asked(request_bytes=11)), Block)


async def test_a_shared_store_serves_several_workers() -> None:
    """With a store that says it is shared, workers start and count together."""
    host = HeldHost(workers=2)
    host.store.shared = True
    first, second = await started(host, requests_per_minute=1), await started(host, requests_per_minute=1)
    assert await ask(first, Asked()) is None
    assert await ask(second, Asked()) is not None


async def test_what_policy_switched_off_needs_no_store_and_refuses_nobody() -> None:
    """A rule that is off for good neither keeps several workers from starting, nor counts, nor measures."""
    off = frozenset({"requests_per_minute", "concurrent", "body_bytes"})
    host = HeldHost(workers=2, disabled=off)
    plugin = await started(host, requests_per_minute=1, concurrent=1, body_bytes=10, input_tokens=100)
    for _ in range(3):
        assert await ask(plugin, Asked(request_bytes=11)) is None
    assert isinstance(host.store, MemoryStore)
    assert not host.store._entries
    assert not any(table._rows for table in host.store._tables["requests"].values())
    assert await ask(plugin, Asked(texts=[Piece("汉" * 101)])) == Block("input_tokens", "payload_too_large")


def test_rules_are_those_that_are_on() -> None:
    """Every limit that is set is a rule at its own line, and says how much it allows; what is 0 is none."""
    assert [(rule.id, rule.path) for rule in Limits(LimitsConfig()).rules()] == [
        ("requests_per_minute", ("requests_per_minute",))
    ]
    config = LimitsConfig(
        requests_per_minute=0, requests_per_minute_tenant=7, concurrent=6, body_bytes=5, input_tokens=4
    )
    rules = Limits(config).rules()
    assert [rule.id for rule in rules] == ["body_bytes", "input_tokens", "concurrent", "requests_per_minute_tenant"]
    assert all(str(getattr(config, rule.id)) in rule.description for rule in rules)
    assert all(rule.path == (rule.id,) for rule in rules)
    assert Limits(config).lint() == ()


def test_it_sees_raw_texts_and_stores_nothing() -> None:
    """The flow check rests on this."""
    manifest = Limits.manifest
    assert (manifest.sees, manifest.stores, manifest.mutates, manifest.masks) == ("raw", "nothing", False, False)


async def test_nothing_of_a_text_reaches_the_store() -> None:
    """Keys in the store are ids of keys, names of tenants, and numbers alone."""
    host = HeldHost()
    plugin = await started(
        host, requests_per_minute=5, requests_per_minute_tenant=5, concurrent=5, input_tokens=100, body_bytes=1000
    )
    await ask(plugin, Asked(texts=[Piece("我的电话是13812345678")]))
    store = host.store
    assert isinstance(store, MemoryStore)
    assert [key.rpartition(":")[0] for key in store._entries] == ["concurrent:k1"]
    tables = store._tables["requests"]
    assert {scope: list(table._rows) for scope, table in tables.items()} == {"key": ["k1"], "tenant": ["t"]}


@pytest.mark.parametrize(
    ("texts", "tokens"),
    [
        ([], 0),
        (["hello"], 2),
        (["abcd", "abcd"], 2),
        (["a", "b", "c", "d"], 1),
        (["今天天气如何"], 6),
        (["我的 order 在哪里？"], 6 + 2),
        (["😀"], 1),
        (["\ud800"], 1),
    ],
)
def test_the_estimate_by_hand(texts: list[str], tokens: int) -> None:
    """Four ASCII characters to a token, one of any other script, over all texts together."""
    assert estimate(list(map(Piece, texts))) == tokens  # type: ignore[arg-type]  # it reads `kind` and `value` alone


def test_media_is_not_measured_in_tokens() -> None:
    """Models do not tokenise an image's base64; the body's ceiling bounds it."""
    assert estimate([Piece("iVBORw0KGgo=" * 1000, "media")]) == 0  # type: ignore[list-item]  # see above


@given(st.lists(st.text(max_size=50)))
def test_the_estimate_is_what_its_definition_says(texts: list[str]) -> None:
    """The fast way of counting equals the plain one."""
    joined = "".join(texts)
    narrow = sum(char.isascii() for char in joined)
    pieces = list(map(Piece, texts))
    assert estimate(pieces) == len(joined) - narrow + (narrow + 3) // 4  # type: ignore[arg-type]  # see above


def test_defaults() -> None:
    """Out of the box a key has 300 requests a minute, a trusted one any number, and nothing else is limited."""
    assert LimitsConfig() == LimitsConfig(
        requests_per_minute=300, requests_per_minute_tenant=0, concurrent=0, body_bytes=0, input_tokens=0,
        exempt_trusted=True,
    )  # fmt: skip
