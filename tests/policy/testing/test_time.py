"""The clock of a case: it moves only where the case says so, and no case counts with another."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from tests.policy.testing.bench import bundle, case, chain, conditions, failing, plugin, report

from yumen.exchange import Principal
from yumen.policy.testing import FakeClock, Harness, body_of, run_case
from yumen.policy.testing.clock import START

LIMITS = {"gateway.yaml": chain("limits"), "limits.yaml": plugin("limits", config={"requests_per_minute": 5})}
SLOTS = {
    "gateway.yaml": chain("limits"),
    "limits.yaml": plugin("limits", config={"requests_per_minute": 0, "concurrent": 3}),
}
MEMO = {"gateway.yaml": chain("memo"), "memo.yaml": plugin("guard_memo")}
REFUSED = {"code": "rate_limited"}
PASSES = {"decision": "allow"}


async def test_requests_of_one_case_count_together(tmp_path: Path) -> None:
    """The sixth request of a minute is refused, the five before it pass."""
    assert await conditions(tmp_path, case("你好", repeat=6, expect=REFUSED, expect_before=PASSES), LIMITS) == []


async def test_a_request_before_the_last_is_looked_at(tmp_path: Path) -> None:
    """The seventh is refused too, but so was the sixth, which `expect_before` says must pass."""
    wrong = await failing(tmp_path, case("hello", repeat=7, expect=REFUSED, expect_before=PASSES), LIMITS)
    assert wrong == ["request 6 of 7, expect_before.decision"]


@pytest.mark.parametrize(("every", "expect"), [("1s", REFUSED), ("11s", REFUSED), ("14s", PASSES), ("1h", PASSES)])
async def test_time_passes_between_requests(tmp_path: Path, every: str, expect: dict[str, Any]) -> None:
    """Five a minute are one every twelve seconds: faster is refused, five in 70 s pass, and nobody waits for it."""
    one = case("hello", repeat=20, every=every, expect=expect)
    assert await conditions(tmp_path, one, LIMITS) == []


async def test_no_time_passes_by_itself(tmp_path: Path) -> None:
    """Time stands still within a case, and a later case begins at the same moment."""
    moments = []
    files = bundle(tmp_path, case("hello", expect=PASSES), files=MEMO)
    async with Harness(files) as harness:
        for _ in range(2):
            harness.reset()
            body = body_of(files.cases[0].case.request, streamed=False)
            for _ in range(2):
                outcome = await harness.send("/v1/chat/completions", body, Principal("t", "a", "k"))
                moments.append(outcome.headers["x-time"].split()[0])
    assert moments == [f"{START:.3f}"] * 4


async def test_a_case_says_when_it_is(tmp_path: Path) -> None:
    """`at` is what exchanges, plugins and the ledger take for the present."""
    at = "2031-05-06T07:08:09.5+08:00"
    audit = {"time": "2031-05-05T23:08:09.500000Z"}
    files = {"gateway.yaml": chain("audit"), "audit.yaml": plugin("audit")}
    assert await conditions(tmp_path, case("hello", at=at, expect={"audit": audit}), files) == []


@pytest.mark.parametrize(("at", "shadow"), [("2026-05-31T23:59:59Z", True), ("2026-06-01", False), (None, True)])
async def test_a_shadow_phase_ends_by_the_clock_of_the_case(tmp_path: Path, at: str | None, shadow: bool) -> None:
    """`until` can be tested on both sides of its moment, whatever day it is; without `at` it is always the same day."""
    files = {
        "gateway.yaml": chain("words"),
        "words.yaml": plugin("guard_words", mode="shadow", until="2026-06-01T00:00:00Z", config={"block": ["禁止"]}),
    }
    expect = {"shadow": ["block.禁止"]} if shadow else {"rule": "block.禁止", "shadow": []}
    when = {} if at is None else {"at": at}
    assert await conditions(tmp_path, case("禁止", expect=expect, **when), files) == []


async def test_exchanges_of_cases_are_in_every_sample(tmp_path: Path) -> None:
    """A rule that is tried on one exchange in ten thousand is tried on those of its test cases every time."""
    files = {
        "gateway.yaml": chain("words"),
        "words.yaml": plugin("guard_words", mode="shadow", sample=0.0001, config={"note": ["falcon"]}),
    }
    one = case("falcon", repeat=50, expect={"shadow": ["note.falcon"]}, expect_before={"shadow": ["note.falcon"]})
    assert await conditions(tmp_path, one, files) == []


async def test_cases_do_not_count_together(tmp_path: Path) -> None:
    """Each case begins with nothing counted, also where two name the same key; so their order does not matter."""
    four = case("hello", repeat=4, caller={"tenant": "t", "key": "k"}, expect=PASSES)
    done = await report(tmp_path, four, four, case("hello", repeat=4, expect=PASSES), files=LIMITS)
    assert (done.passed, done.failed) == (3, 0)


async def test_a_case_without_a_tenant_has_its_own(tmp_path: Path) -> None:
    """Tenant and key of a case are its own where it names none, and the same in every run."""
    cases = [case("hello", expect=PASSES), {**case("hello", expect=PASSES), "name": "another 另一个"}]
    seen: list[Principal] = []
    for _ in range(2):
        compiled = bundle(tmp_path, *cases)
        async with Harness(compiled) as harness:
            seen += [await _principal(harness, placed) for placed in compiled.cases]
    assert seen[:2] == seen[2:]
    assert len({one.tenant for one in seen}) == len({one.key_id for one in seen}) == 2


async def _principal(harness: Harness, placed: Any) -> Principal:
    """Who asks in a case."""
    principals = []
    send = harness.send

    async def noting(path: str, body: bytes, principal: Principal, *more: Any) -> Any:
        principals.append(principal)
        return await send(path, body, principal, *more)

    harness.send = noting  # type: ignore[method-assign, assignment]  # the real one is called
    await run_case(harness, placed)
    harness.send = send  # type: ignore[method-assign]  # as it was
    return principals[0]


async def test_requests_at_once_are_under_way_together(tmp_path: Path) -> None:
    """What bounds how many are under way can be tested: with three slots the fourth finds none."""
    at_once = case("hello", repeat=4, at_once=True, expect={**REFUSED, "rule": "concurrent"}, expect_before=PASSES)
    assert await conditions(tmp_path, at_once, SLOTS) == []
    three = case("hello", repeat=3, at_once=True, stream=True, expect=PASSES, expect_before=PASSES)
    assert await conditions(tmp_path, three, SLOTS) == []
    one_by_one = case("hello", repeat=4, expect=PASSES, expect_before=PASSES)
    assert await conditions(tmp_path, one_by_one, SLOTS) == []


async def test_every_request_at_once_is_looked_at(tmp_path: Path) -> None:
    """The first that is not as it should be is named."""
    wrong = case("hello", repeat=5, at_once=True, expect=REFUSED, expect_before=PASSES)
    assert await failing(tmp_path, wrong, SLOTS) == ["request 4 of 5, expect_before.decision"]


async def test_a_slow_machine_fails_no_case(tmp_path: Path) -> None:
    """How long a plugin takes is not what cases are about: its timeout is not that of the policy."""
    files = {"gateway.yaml": chain("slow"), "slow.yaml": plugin("guard_slow", timeout_ms=1)}
    assert await conditions(tmp_path, case("hello", expect=PASSES), files) == []


def test_the_monotonic_clock_never_goes_back() -> None:
    """Going back to an earlier time of day takes nothing from what has passed."""
    clock = FakeClock()
    clock.move(10)
    clock.set(START - 1000)
    assert (clock.now(), clock.monotonic()) == (START - 1000, 10)
    clock.set(START)
    assert (clock.now(), clock.monotonic()) == (START, 1010)


async def test_waiting_takes_no_time(tmp_path: Path) -> None:
    """A thousand hours in a case are over long before one."""
    started = time.monotonic()
    assert await conditions(tmp_path, case("hello", repeat=100, every="10h", expect=PASSES), LIMITS) == []
    assert time.monotonic() - started < 3600
