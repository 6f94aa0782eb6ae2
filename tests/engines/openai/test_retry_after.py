"""`Retry-After`: what an upstream asks for reaches the caller where it makes sense, and nothing else does."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.openai.asking import loaded, plain, stream
from tests.upstream import BAD_DELAYS, Upstream

from yumen import EngineError
from yumen_engines.openai.headers import DAY_S, retry_after_s

NOW = 784_111_777.0  # Sun, 06 Nov 1994 08:49:37 GMT


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0),
        (" 30 ", 30),
        ("86400", DAY_S),
        ("86401", None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30),
        ("Sun Nov  6 08:50:07 1994", 30),
        ("Sun, 06 Nov 1994 08:49:30 GMT", 0),
        ("Mon, 07 Nov 1994 08:49:38 GMT", None),
        ("", None),
    ],
)
def test_seconds_and_dates(value: str, seconds: int | None) -> None:
    """Both forms of the header are read, in all three spellings of a date; a date that has passed is now."""
    assert retry_after_s(value, NOW) == seconds


@given(
    st.text(max_size=60) | st.from_regex(r"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,5} [0-9:]{1,9} [A-Z+0-9]*")
)
def test_any_value_gives_a_sane_time_or_none(value: str) -> None:
    """Whatever stands there, it is from 0 to a day, or nothing; it never fails."""
    seconds = retry_after_s(value, NOW)
    assert seconds is None or 0 <= seconds <= DAY_S


@pytest.mark.parametrize("asking", [plain, stream])
async def test_an_upstream_that_has_too_much_to_do_says_when_to_come_back(upstream: Upstream, asking: object) -> None:
    """A 503 with a delay becomes an error with that delay, plain and streamed, and is not asked again before it."""
    async with loaded(upstream.url, retries=3) as engine:
        for model, most in [("status-503+retry-7", 7), ("status-503+date-30", 30)]:
            upstream.clear()
            with pytest.raises(EngineError, match="503") as caught:
                await (plain if asking is plain else stream)(engine, model)
            assert caught.value.retry_after_s is not None
            # The date has no fractions of a second, and time goes on.
            assert most - 5 <= caught.value.retry_after_s <= most
            assert (caught.value.again, len(upstream.requests)) == (True, 1)


async def test_a_short_delay_is_waited_for(upstream: Upstream) -> None:
    """Where the upstream asks for no more time than there would be anyway between two attempts, it is asked again."""
    async with loaded(upstream.url, retries=1) as engine:
        assert (await plain(engine, "flaky-1+status-503+retry-0")).status == 200
    assert len(upstream.requests) == 2


async def test_a_date_of_a_429_becomes_seconds(upstream: Upstream) -> None:
    """The core and clients read seconds."""
    async with loaded(upstream.url) as engine:
        reply = await plain(engine, "status-429+date-30")
    assert 20 <= int(reply.headers["retry-after"]) <= 30


@pytest.mark.parametrize("number", range(len(BAD_DELAYS)))
async def test_what_makes_no_sense_is_not_passed_on(upstream: Upstream, number: int) -> None:
    """Neither client nor core sees a delay that is no number of seconds, or longer than a day."""
    async with loaded(upstream.url, retries=0) as engine:
        assert "retry-after" not in (await plain(engine, f"status-429+bad-{number}")).headers
        with pytest.raises(EngineError) as caught:
            await plain(engine, f"status-503+bad-{number}")
    assert caught.value.retry_after_s is None


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_other_failures_are_no_lack_of_time(upstream: Upstream, status: int) -> None:
    """Only 503 says that there is too much to do: what else fails is a failure, whatever header it comes with."""
    async with loaded(upstream.url, retries=0) as engine:
        with pytest.raises(EngineError) as caught:
            await plain(engine, f"status-{status}+retry-7")
    assert caught.value.retry_after_s is None


def test_a_clock_that_is_wrong_is_no_reason_to_fail() -> None:
    """Time before the epoch and long after it gives an answer too."""
    assert retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT", 0.0) is None
    assert retry_after_s("Sun, 06 Nov 1994 08:49:37 GMT", 1e12) == 0
    assert retry_after_s("7", -math.inf) == 7
