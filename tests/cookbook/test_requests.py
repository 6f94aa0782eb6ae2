"""The plugins of the cookbook that look at requests do what their pages say, in Chinese and English."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from tests.cookbook.recipes import config
from yumen_cookbook.business_hours import BusinessHours
from yumen_cookbook.header_guard import HeaderGuard
from yumen_cookbook.keyword_router import KeywordRouter
from yumen_cookbook.language_detector import LanguageDetector, language
from yumen_cookbook.pii_counter import PiiCounter
from yumen_cookbook.token_budget import TokenBudget

from yumen import registry
from yumen.errors import PolicyError
from yumen.testing import Harness, Pause, Used, chat

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:jsonschema")
SHANGHAI = ZoneInfo("Asia/Shanghai")


@pytest.mark.parametrize("stream", [False, True])
async def test_a_request_without_a_header_is_refused(stream: bool) -> None:
    """What a house wants to know of a request is there, or no engine is asked."""
    call = chat("你好 hello", stream=stream)
    async with Harness.of(HeaderGuard, config("header_guard")) as harness:
        for lacking in (call, call.of(session="s"), call.saying(x_team="ops"), call.of(session="s").saying(x_team="1")):
            outcome = await harness.ask(lacking)
            outcome.assert_blocked(by="header_guard.required", code="bad_request")
            outcome.assert_engine_not_asked()
        said = call.of(session="s").saying(x_team="ops")
        (await harness.ask(said.saying(x_debug=""))).assert_blocked(by="header_guard.refused", code="bad_request")
        (await harness.ask(said.saying(x_other="1"))).assert_answered("你好 hello")


@pytest.mark.parametrize("name", ["authorization", "cookie", "X-Team", "x team", ""])
def test_no_header_with_a_credential_can_be_named(name: str) -> None:
    """A bundle is refused whose plugin would read a credential, or what is no name of a header."""
    with pytest.raises(PolicyError, match=r"policy\.header"):
        Harness.of(HeaderGuard, {"refuse": [name]})


async def test_a_rule_of_headers_in_shadow_lets_the_next_decide() -> None:
    """A rule that policy has in shadow does not keep the others from being asked."""
    rules = {"header_guard.required": {"mode": "shadow"}}
    async with Harness.of(HeaderGuard, config("header_guard"), rules=rules) as harness:
        outcome = await harness.ask(chat("你好").saying(x_debug="1"))
    outcome.assert_blocked(by="header_guard.refused", code="bad_request")
    outcome.assert_would_have("header_guard.required")


@pytest.mark.parametrize(
    ("text", "engine"),
    [("写一段代码", "coder"), ("Some PYTHON, please", "coder"), ("这份合同", "lawyer"), ("你好 hello", "engine")],
)
async def test_words_choose_the_engine(text: str, engine: str) -> None:
    """A word in any case sends a request to its engine, and everything else goes where the route says."""
    harness = Harness.of_chain(Used(KeywordRouter, config("keyword_router")), engines=["coder", "lawyer"])
    async with harness:
        outcome = await harness.ask(
            chat({"role": "system", "content": "python 合同"}, {"role": "user", "content": text})
        )
    outcome.assert_answered()
    assert outcome.exchange is not None
    assert outcome.exchange.engine == engine


async def test_an_engine_that_is_not_there_is_refused() -> None:
    """The bundle names what a plugin may send to."""
    with pytest.raises(PolicyError, match="coder"):
        Harness.of(KeywordRouter, config("keyword_router"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [("今天天气怎么样", "zh"), ("How are you?", "en"), ("用 Python 写一个 web server", "zh"),
     ("Translate 你好 into English please", "en"), ("12345 !?", "other"), ("Привет", "other")],
)  # fmt: skip
async def test_the_language_is_told(text: str, expected: str) -> None:
    """The reply's header names the language, plain and streamed, and one that is not allowed is refused."""
    assert language(text) == expected
    async with Harness.of(LanguageDetector, config("language_detector")) as harness:
        for stream in (False, True):
            outcome = await harness.ask(chat(text, stream=stream))
            outcome.assert_header("x-language", expected)
            if expected == "other":
                outcome.assert_blocked(by="language_detector.refused")
            else:
                outcome.assert_answered(text)
        assert harness.metrics.total("requests", language=expected) == 2


@pytest.mark.parametrize("stream", [False, True])
async def test_a_budget_ends_and_begins_anew_at_midnight(stream: bool) -> None:
    """Tokens are counted as the engine says, for each tenant by itself, and the caller is told when to come back."""
    async with Harness.of(TokenBudget, {"tokens": 1, "tenants": {"rich": 1000}}) as harness:
        harness.clock.set(10 * 86_400 - 100)
        call = chat("你好 hello", stream=stream)
        (await harness.ask(call)).assert_answered()
        outcome = await harness.ask(call)
        outcome.assert_blocked(by="token_budget.spent", code="rate_limited")
        outcome.assert_header("retry-after", "100")
        (await harness.ask(call.by("other"))).assert_answered()
        for _ in range(3):
            (await harness.ask(call.by("rich"))).assert_answered()
        harness.clock.move(100)
        (await harness.ask(call)).assert_answered()
        harness.assert_no_trace_of("你好", "hello")


async def test_who_leaves_has_used_what_was_said() -> None:
    """A client that leaves before the engine has counted does not get its words for nothing."""
    async with Harness.of(TokenBudget, {"tokens": 10}) as harness:
        harness.engine.says("十个字十个字十个字十", "more", Pause())
        await harness.ask(chat("x", stream=True).leaving(2))
        (await harness.ask(chat("x"))).assert_blocked(by="token_budget.spent", code="rate_limited")


@pytest.mark.parametrize("stream", [False, True])
async def test_findings_are_counted_and_values_are_not_kept(stream: bool) -> None:
    """How much personal data comes in is known by rule; what it was, nowhere."""
    anonymize = Used(registry.load_plugin("anonymize"))
    async with Harness.of_chain(Used(PiiCounter), anonymize) as harness:
        await harness.ask(chat("我的电话是13812345678, mail li.na@example.com", stream=stream))
        await harness.ask(chat("你好 hello", stream=stream))
        assert harness.metrics.total("found", direction="request") == 2
        assert harness.metrics.total("exchanges", found="yes") == harness.metrics.total("exchanges", found="no") == 1
        harness.assert_no_trace_of("13812345678", "li.na@example.com")


@pytest.mark.parametrize(
    ("moment", "wait_s"),
    [
        ("2026-03-02 09:00", None),  # a Monday
        ("2026-03-02 17:59", None),
        ("2026-03-02 18:00", 15 * 3600),
        ("2026-03-02 08:00", 3600),
        ("2026-03-06 18:00", (6 + 48 + 9) * 3600),  # a Friday
        ("2026-03-07 12:00", (12 + 24 + 9) * 3600),
    ],
)
@pytest.mark.parametrize("text", ["上班了吗", "open?"])
async def test_business_hours(moment: str, wait_s: int | None, text: str) -> None:
    """In business hours, in the zone that policy names, requests pass; else the caller is told when they will."""
    async with Harness.of(BusinessHours, config("business_hours")) as harness:
        harness.clock.set(datetime.fromisoformat(moment).replace(tzinfo=SHANGHAI).timestamp())
        outcome = await harness.ask(chat(text))
    if wait_s is None:
        outcome.assert_answered(text)
    else:
        outcome.assert_blocked(by="business_hours.closed", code="forbidden")
        outcome.assert_header("retry-after", str(wait_s))


@pytest.mark.parametrize(
    "wrong", [{"zone": "Asia/Atlantis"}, {"zone": "../etc"}, {"opens": "18:00"}, {"closes": "25:00"}]
)
def test_hours_that_are_none_are_refused(wrong: dict[str, str]) -> None:
    """What cannot be meant is refused when the bundle is loaded."""
    with pytest.raises(PolicyError):
        Harness.of(BusinessHours, {**config("business_hours"), **wrong})
