"""What the plugin refuses, whom it spares, and what it tells."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen import CannotStart
from yumen.testing import Call, Harness, UnitHost, Used, chat, seen_by
from yumen_plugins.limits import Limits, LimitsConfig
from yumen_plugins.limits.slots import BUCKET_S
from yumen_plugins.limits.tokens import estimate

ASKED = chat("hello 你好")
OTHER = ASKED.by("test", "test", "k2")
TRUSTED = ASKED.by("test", "test", "k9", trusted=True)
RATE = "requests_per_minute"


def limits(workers: int = 1, *, shared: bool = False, off: tuple[str, ...] = (), **config: Any) -> Harness:
    """The plugin with every rule off but those that are given."""
    knobs = {"rules": {rule: {"mode": "off"} for rule in off}} if off else {}
    used = Used(Limits, {RATE: 0, **config}, knobs)
    return Harness.of_chain(used, workers=workers, shared=shared)


class Piece(NamedTuple):
    """What the estimate reads of a text; one of a payload could hold no half of a character."""

    value: str
    kind: str


def pieces(values: list[str], kind: str = "message") -> Any:
    """Texts that say this."""
    return [Piece(value, kind) for value in values]


def of_size(tokens: int) -> str:
    """A text of so many tokens."""
    return "汉" * tokens


def padded(body_bytes: int) -> Call:
    """A request of so many bytes."""
    return chat("x" * (body_bytes - len(chat("").body)))


async def test_requests_per_minute_of_a_key() -> None:
    """The request above the limit is rate limited, and told when to come back."""
    async with limits(requests_per_minute=3) as harness:
        for outcome in await harness.ask_all(ASKED, ASKED, ASKED):
            outcome.assert_answered()
        refused = await harness.ask(ASKED)
        refused.assert_blocked(by=RATE, code="rate_limited")
        refused.assert_header("retry-after", "64")
        (await harness.ask(OTHER)).assert_answered()
        harness.clock.move(64)
        (await harness.ask(ASKED)).assert_answered()


async def test_requests_per_minute_of_a_tenant() -> None:
    """Many keys of one tenant share its limit; another tenant is not touched."""
    async with limits(requests_per_minute_tenant=3) as harness:
        for number in range(3):
            (await harness.ask(ASKED.by("t", "a", f"k{number}"))).assert_answered()
        refused = await harness.ask(ASKED.by("t", "a", "k9"))
        refused.assert_blocked(by="requests_per_minute_tenant", code="rate_limited")
        (await harness.ask(ASKED.by("u", "a", "k9"))).assert_answered()


async def test_what_the_tenant_s_rule_refuses_is_not_counted_by_the_key_s() -> None:
    """A refusal counts nowhere, so a key does not pay for its neighbours."""
    async with limits(requests_per_minute=3, requests_per_minute_tenant=2) as harness:
        loud, quiet = ASKED.by("t", "a", "loud"), ASKED.by("u", "a", "loud")
        outcomes = await harness.ask_all(*[loud] * 12)
        assert [outcome.status for outcome in outcomes] == [200] * 2 + [429] * 10
        asked = await harness.ask(quiet)
        asked.assert_answered()
        asked.assert_header("x-ratelimit-remaining-requests", "0")


async def test_headers_tell_what_is_left() -> None:
    """The headers that OpenAI's clients read, and the standard's, stand on allowed and refused replies alike."""
    async with limits(requests_per_minute=2) as harness:
        harness.clock.move(10)
        seen = [outcome.headers for outcome in await harness.ask_all(ASKED, ASKED, ASKED)]
    assert [headers["x-ratelimit-remaining-requests"] for headers in seen] == ["1", "0", "0"]
    assert {headers["x-ratelimit-limit-requests"] for headers in seen} == {"2"}
    assert {headers["x-ratelimit-reset-requests"] for headers in seen} == {"1m10s"}
    assert {headers["ratelimit-policy"] for headers in seen} == {'"requests_per_minute";q=2;w=60'}
    assert [headers["ratelimit"] for headers in seen] == [f'"requests_per_minute";r={left};t=70' for left in (1, 0, 0)]


async def test_headers_are_the_rule_s_that_leaves_least() -> None:
    """With two rules on, the client learns of the one that it will meet first."""
    async with limits(requests_per_minute=100, requests_per_minute_tenant=5) as harness:
        (await harness.ask(ASKED)).assert_header("x-ratelimit-limit-requests", "5")


async def test_a_trusted_key_skips_what_counts_and_not_what_measures() -> None:
    """Trust is about traffic, not about size; it can be switched off."""
    config: dict[str, Any] = {RATE: 1, "concurrent": 1, "body_bytes": 1000, "input_tokens": 10}
    trusted = TRUSTED.caller
    async with limits(**config) as harness:
        for outcome in await harness.ask_all(*[TRUSTED] * 5):
            outcome.assert_answered()
        large = padded(1001).by(trusted.tenant, trusted.app, trusted.key_id, trusted=True)
        (await harness.ask(large)).assert_blocked(by="body_bytes", code="payload_too_large")
        long = chat(of_size(11)).by(trusted.tenant, trusted.app, trusted.key_id, trusted=True)
        (await harness.ask(long)).assert_blocked(by="input_tokens", code="payload_too_large")
    async with limits(**config, exempt_trusted=False) as strict:
        assert [outcome.code for outcome in await strict.ask_all(TRUSTED, TRUSTED)] == ["", "rate_limited"]


async def test_sizes_up_to_the_limit_pass() -> None:
    """The limit itself is allowed; one more is not."""
    async with limits(body_bytes=1000) as harness:
        (await harness.ask(padded(1000))).assert_answered()
        (await harness.ask(padded(1001))).assert_blocked(by="body_bytes", code="payload_too_large")
    named = len("test")  # the name of the model is a text too
    async with limits(input_tokens=5) as harness:
        (await harness.ask(chat("a" * (20 - named)))).assert_answered()
        (await harness.ask(chat("a" * (21 - named)))).assert_blocked(by="input_tokens", code="payload_too_large")


async def test_what_is_too_large_is_not_counted() -> None:
    """Measuring comes before counting."""
    async with limits(requests_per_minute=1, body_bytes=100) as harness:
        outcomes = await harness.ask_all(*[padded(101)] * 5, padded(100))
    assert [outcome.status for outcome in outcomes] == [413] * 5 + [200]


async def test_a_slot_is_held_until_the_exchange_ends_and_freed_once() -> None:
    """As many exchanges of a key as configured run at a time; completing twice frees one slot only."""
    async with limits(concurrent=2) as harness, harness.under_way(ASKED) as one, harness.under_way(ASKED):
        for refused in await harness.ask_all(ASKED, ASKED):
            refused.assert_blocked(by="concurrent", code="rate_limited")
            refused.assert_header("retry-after", "1")
        (await harness.ask(OTHER)).assert_answered()
        await one.end()
        async with harness.under_way(ASKED):
            (await harness.ask(ASKED)).assert_blocked(by="concurrent", code="rate_limited")


async def test_an_exchange_that_completes_twice_frees_one_slot() -> None:
    """Whoever calls the hook again finds nothing of this exchange left to free."""
    plugin = Limits(LimitsConfig(requests_per_minute=0, concurrent=2))
    await plugin.start(UnitHost())
    exchanges = [seen_by(Limits, ASKED) for _ in range(4)]
    for exchange in exchanges[:2]:
        assert await plugin.on_request(exchange) is None
    for _ in range(2):
        await plugin.on_complete(exchanges[0])
    assert [await plugin.on_request(exchange) is None for exchange in exchanges[2:]] == [True, False]


async def test_a_request_that_another_rule_refuses_holds_no_slot() -> None:
    """A rate limited request is not under way, even before its completion hook."""
    plugin, host = Limits(LimitsConfig(requests_per_minute=1, concurrent=1)), UnitHost()
    await plugin.start(host)
    one, refused, later = (seen_by(Limits, ASKED) for _ in range(3))
    assert await plugin.on_request(one) is None
    await plugin.on_complete(one)
    assert await plugin.on_request(refused) is not None
    host.clock.move(120)
    assert await plugin.on_request(later) is None


async def test_a_request_that_finds_no_slot_is_not_counted() -> None:
    """Being turned away at the door costs nothing of the minute's allowance."""
    async with limits(requests_per_minute=2, concurrent=1) as harness:
        async with harness.under_way(ASKED):
            for refused in await harness.ask_all(*[ASKED] * 10):
                refused.assert_blocked(by="concurrent", code="rate_limited")
        (await harness.ask(ASKED)).assert_answered()


async def test_slots_of_a_dead_worker_are_forgotten() -> None:
    """A slot that nobody gave back is free after two buckets, and giving it back later takes nobody else's."""
    async with limits(concurrent=1) as harness, harness.under_way(ASKED) as lost:
        harness.clock.move(BUCKET_S)
        (await harness.ask(ASKED)).assert_blocked(by="concurrent", code="rate_limited")
        harness.clock.move(BUCKET_S)
        async with harness.under_way(ASKED):
            await lost.end()
            (await harness.ask(ASKED)).assert_blocked(by="concurrent", code="rate_limited")


async def test_a_slot_may_be_given_back_in_a_later_bucket() -> None:
    """An exchange that runs over the end of a bucket frees the slot that it took."""
    async with limits(concurrent=1) as harness:
        async with harness.under_way(ASKED):
            harness.clock.move(BUCKET_S)
        (await harness.ask(ASKED)).assert_answered()


async def test_what_a_sample_leaves_out_takes_nothing() -> None:
    """On an exchange for which a rule is off, though it is on for others, it neither counts nor takes a slot."""
    plugin = Limits(LimitsConfig(requests_per_minute=1, concurrent=1))
    await plugin.start(UnitHost())
    for _ in range(3):
        assert await plugin.on_request(seen_by(Limits, ASKED, {RATE: "off", "concurrent": "off"})) is None
    assert [await plugin.on_request(seen_by(Limits, ASKED)) is None for _ in range(2)] == [True, False]


@pytest.mark.parametrize("rule", ["requests_per_minute", "requests_per_minute_tenant", "concurrent"])
async def test_several_workers_need_a_shared_store(rule: str) -> None:
    """Counting wrongly is worse than not starting; the message says what can be done."""
    config: dict[str, Any] = {rule: 5}
    with pytest.raises(CannotStart, match=r"YUMEN_WORKERS=1.*to 0"):
        async with limits(workers=2, **config):
            pass


async def test_several_workers_may_measure() -> None:
    """Rules that look at one request need no store."""
    async with limits(workers=2, body_bytes=100) as harness:
        (await harness.ask(padded(101))).assert_blocked(by="body_bytes", code="payload_too_large")


async def test_a_shared_store_serves_several_workers() -> None:
    """With a store that says it is shared, workers start and count together."""
    async with limits(workers=2, shared=True, requests_per_minute=1) as first, first.another_worker() as second:
        (await first.ask(ASKED)).assert_answered()
        (await second.ask(ASKED)).assert_blocked(by=RATE, code="rate_limited")


async def test_what_policy_switched_off_needs_no_store_and_refuses_nobody() -> None:
    """A rule that is off for good neither keeps several workers from starting, nor counts, nor measures."""
    off = (RATE, "concurrent", "body_bytes")
    on: dict[str, Any] = {RATE: 1, "concurrent": 1, "body_bytes": 10, "input_tokens": 100}
    async with limits(workers=2, off=off, **on) as harness:
        for outcome in await harness.ask_all(*[ASKED.by("acme", "test", "k1")] * 3):
            outcome.assert_answered()
        harness.assert_no_trace_of("k1", "acme")
        (await harness.ask(chat(of_size(101)))).assert_blocked(by="input_tokens", code="payload_too_large")


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
    text = "我的电话是13812345678"
    on: dict[str, Any] = {
        RATE: 5,
        "requests_per_minute_tenant": 5,
        "concurrent": 5,
        "input_tokens": 100,
        "body_bytes": 1000,
    }
    async with limits(**on) as harness:
        (await harness.ask(chat(text).by("acme", "test", "k1"))).assert_answered()
        harness.assert_no_trace_of(text, "电话", "13812345678")
        assert harness.traces_of("acme") == ["store of limits"]
        kept = [key async for key in harness.store.namespaced("limits").keys("")]
    assert [key.rpartition(":")[0] for key in kept] == ["concurrent:k1"]


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
    assert estimate(pieces(texts)) == tokens


def test_media_is_not_measured_in_tokens() -> None:
    """Models do not tokenise an image's base64; the body's ceiling bounds it."""
    assert estimate(pieces(["iVBORw0KGgo=" * 1000], "media")) == 0


@given(st.lists(st.text(max_size=50)))
def test_the_estimate_is_what_its_definition_says(texts: list[str]) -> None:
    """The fast way of counting equals the plain one."""
    joined = "".join(texts)
    narrow = sum(char.isascii() for char in joined)
    assert estimate(pieces(texts)) == len(joined) - narrow + (narrow + 3) // 4


def test_defaults() -> None:
    """Out of the box a key has 300 requests a minute, a trusted one any number, and nothing else is limited."""
    assert LimitsConfig() == LimitsConfig(
        requests_per_minute=300, requests_per_minute_tenant=0, concurrent=0, body_bytes=0, input_tokens=0,
        exempt_trusted=True,
    )  # fmt: skip
