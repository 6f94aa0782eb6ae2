"""Whose rows run next."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest
from tests.core.batching.models import NEVER, Clock, Model, batcher, busy, done, rows, settled, start

from yumen.batching import Batcher, Share
from yumen.batching.tenants import REMEMBERED_MAX, Tenants


def backlog(one: Batcher, tenant: str, number: int, value: int, priority: int = 0) -> list[asyncio.Task[Any]]:
    return [start(one.submit(rows(value), tenant=tenant, deadline=NEVER, priority=priority)) for _ in range(number)]


async def finish(model: Model, *tasks: asyncio.Task[Any]) -> None:
    model.held = False
    await model.let_go(len(model.running))
    await done(*tasks)


async def test_rows_follow_weights() -> None:
    """While all tenants have rows waiting, each gets rows in proportion to its weight, whoever came first."""
    model = Model()
    shares = {"gold-*": Share(weight=5), "客户": Share(weight=2)}
    one = batcher(model, rows_max=8, tenants=shares)
    tasks = [await busy(one)]
    for tenant, value in (("other", 1), ("客户", 2), ("gold-a", 5)):
        tasks += backlog(one, tenant, 400, value)
    await model.let_go(1 + 40)
    counts = Counter(value for ran in model.ran[1:41] for value in ran)
    assert {value: counts[value] / 320 for value in (1, 2, 5)} == pytest.approx(
        {1: 1 / 8, 2: 2 / 8, 5: 5 / 8}, abs=0.02
    )
    await finish(model, *tasks)


async def test_large_requests_are_no_larger_share() -> None:
    """Rows are what turns are counted in: requests of eight rows get no more than single ones."""
    model = Model()
    one = batcher(model, rows_max=8)
    tasks = [await busy(one)]
    tasks += [start(one.submit(rows(*[8] * 8), tenant="large", deadline=NEVER)) for _ in range(40)]
    tasks += backlog(one, "small", 320, 1)
    await model.let_go(1 + 40)
    counts = Counter(value for ran in model.ran[1:41] for value in ran)
    assert counts[8] / 320 == pytest.approx(0.5, abs=0.05)
    await finish(model, *tasks)


async def test_a_newcomer_waits_for_one_turn_only() -> None:
    """A tenant with few rows is not behind all that a greedy one has waiting."""
    model = Model()
    one = batcher(model, rows_max=4)
    tasks = [await busy(one), *backlog(one, "greedy", 400, 1)]
    await model.let_go(20)
    tasks += backlog(one, "newcomer", 2, 2)
    await model.let_go(2)
    assert Counter(value for ran in model.ran for value in ran)[2] == 2
    await finish(model, *tasks)


async def test_turns_are_not_saved_up() -> None:
    """Who was away has no claim to what others got in the meantime."""
    model = Model()
    one = batcher(model, rows_max=2)
    tasks = [await busy(one), *backlog(one, "early", 1, 1), *backlog(one, "steady", 200, 2)]
    await model.let_go(60)
    model.ran.clear()
    tasks += backlog(one, "early", 100, 1)
    await model.let_go(20)
    counts = Counter(value for ran in model.ran[1:] for value in ran)
    assert counts[1] == pytest.approx(counts[2], abs=4)
    await finish(model, *tasks)


async def test_priority_goes_first() -> None:
    """Better priorities run before worse ones that came earlier, in the order of priorities."""
    model = Model()
    one = batcher(model, rows_max=1)
    tasks = [await busy(one)]
    for priority in (9, 5, 0, 7):
        tasks += backlog(one, "t", 1, priority, priority)
    await model.let_go(5)
    assert model.ran == [[0], [0], [5], [7], [9]]
    await done(*tasks)


async def test_waiting_counts_as_priority() -> None:
    """A row that has waited long enough goes before better ones that came later: nobody starves."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, rows_max=1, age_ms=100)
    tasks = [await busy(one), *backlog(one, "patient", 1, 9, 9)]
    await settled()
    turns = 0
    while [9] not in model.ran and turns < 12:
        turns += 1
        clock.at += 0.1
        tasks += backlog(one, "urgent", 2, 1)
        await model.let_go()
    assert 9 <= turns < 12
    await finish(model, *tasks)


async def test_priorities_are_no_second_helping() -> None:
    """A tenant that asks at many priorities gets no more of a batch, once they have aged, than one that asks at one."""
    model, clock = Model(), Clock()
    one = batcher(model, clock, rows_max=12, age_ms=100)
    tasks = [await busy(one), *backlog(one, "one", 12, 1)]
    for priority in range(10):
        tasks += backlog(one, "many", 2, 2, priority)
    await settled()
    clock.at += 10
    await model.let_go()
    assert Counter(model.ran[1]) == {1: 6, 2: 6}
    await finish(model, *tasks)


async def test_policy_says_how_urgent_a_tenant_may_be() -> None:
    """A tenant that policy gives priority 5 gets no better one by asking, while others may ask for a worse one."""
    model = Model()
    one = batcher(model, rows_max=1, tenants={"batch": Share(priority=5)})
    tasks = [await busy(one), *backlog(one, "batch", 1, 5, 0), *backlog(one, "t", 1, 6, 6), *backlog(one, "t", 1, 4, 4)]
    await model.let_go(4)
    assert model.ran == [[0], [4], [5], [6]]
    await done(*tasks)


async def test_tenants_share_runs_unless_isolated() -> None:
    """With `tenant_isolation` rows of two tenants are never in one run; each tenant's own still are."""
    for isolated in (False, True):
        model = Model()
        one = batcher(model, tenant_isolation=isolated)
        tasks = [await busy(one)]
        for _ in range(3):
            tasks += backlog(one, "甲", 1, 1) + backlog(one, "乙", 1, 2)
        await model.let_go(3 if isolated else 2)
        assert model.ran[1:] == ([[1, 1, 1], [2, 2, 2]] if isolated else [[1, 2, 1, 2, 1, 2]])
        await done(*tasks)


def test_those_with_priority_do_not_lock_newcomers_out() -> None:
    """A tenant whose clock has stood still may catch up by a few batches, not by all that others got."""
    tenants = Tenants({}, lag_max=8)
    slow, urgent = tenants.of("slow"), tenants.of("urgent")
    slow.rows = urgent.rows = 1
    for _ in range(1000):
        tenants.turn(urgent)
        tenants.serve(urgent, 1)
    newcomer = tenants.of("newcomer")
    assert tenants.start(newcomer) - tenants.start(slow) <= 8


def test_tenants_are_forgotten() -> None:
    """Names of tenants that do not wait are kept up to a bound, those that wait as long as they do."""
    tenants = Tenants({"g*": Share(weight=2)}, lag_max=8)
    waits = tenants.of("waits")
    waits.rows = 1
    for n in range(2 * REMEMBERED_MAX + 10):
        tenants.of(f"g{n}")
    assert len(tenants) <= REMEMBERED_MAX
    assert len(tenants._found) <= REMEMBERED_MAX
    assert tenants.of("waits") is waits
