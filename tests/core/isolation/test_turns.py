"""What comes in the same turn of the loop, late, or in vain costs no healthy process and loses nothing on the way."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from tests.core.isolation.flats import apart, instance, proxy
from tests.kit import exchange, request, saying

from yumen.isolation import conversation as conversation_module
from yumen.isolation.service import LOGGED_BYTES_MAX, Service
from yumen.isolation.wire import Given, Logged, Raised, Tell, Want, encode, read_order
from yumen.step import Step
from yumen.testing import completion

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Step]:
    """The guest in its process, which no test here ends."""
    async with apart(tmp_path_factory.mktemp("guest")) as found:
        yield found


@pytest.mark.parametrize("first", ["answer", "fault", "cancel"])
async def test_an_answer_in_the_last_turn(guest: Step, monkeypatch: pytest.MonkeyPatch, first: str) -> None:
    """A process that has answered in the turn in which nobody waits any more is not asked to, and is not taken to hang."""
    conversation = proxy(guest)._conversation()
    settle = conversation._settle

    def both(report: Any) -> None:
        if first == "cancel":
            task.cancel()
        settle(Raised(report.id, "LookupError") if first == "fault" else report)
        task.cancel()

    monkeypatch.setattr(conversation, "_settle", both)
    task = asyncio.create_task(conversation.ask(lambda number: Tell(number)))
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not conversation._cancelled
    assert not conversation._pending
    monkeypatch.undo()
    assert await guest.plugin.ready() == ""


async def test_a_gateway_that_was_busy_looks_again(guest: Step) -> None:
    """A process is not taken to hang where the gateway's own loop has stood still, and has read no answer yet."""
    conversation = proxy(guest)._conversation()
    conversation._late(0, asyncio.get_running_loop().time() - 2 * conversation_module.HANG_S)
    assert conversation.lives
    conversation._cancelled.pop(0).cancel()


async def test_an_order_that_is_too_long_takes_its_news_along(guest: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process was to hear with an order that was never sent it hears with the next one, and its notes are right."""
    waiting = proxy(guest)._conversation().ended_seats
    await exchange([guest], saying(completion("x")), request("stop"))
    gc.collect()  # its seat ends with the exchange, in which some things know one another
    known = list(waiting)
    assert known
    monkeypatch.setattr(conversation_module, "ORDER_BYTES_MAX", 1000)
    left: list[list[int]] = []

    async def before() -> None:
        left.append(list(waiting))
        monkeypatch.undo()

    step = Step(instance(on_error="open"), guest.plugin)
    with capture_logs() as logs:
        outcome = await exchange([step], saying(before, completion("x")), request("长" * 1000))
        await guest.plugin.ready()
    assert left == [known]
    faults = [(one.hook, one.reason) for one in outcome.exchange.trace if one.decision == "fault"]
    # The hook that never ran has noted nothing, which the next one finds in its process.
    assert faults == [("on_request", "OverflowError"), ("on_response", "KeyError")]
    assert [one["outcome"] for one in logs if one["event"] == "guest_completed"] == ["ok"]


async def test_questions_are_answered_by_number(guest: Step, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer to what a process must know at once carries the number of its question, an error among them."""
    conversation = proxy(guest)._conversation()
    sent: list[bytes] = []
    monkeypatch.setattr(conversation._wants, "send", sent.append)
    conversation._want(encode(Want(7, "secret", -1, ["masks", "t"])))
    conversation._want(encode(Want(8, "clean", -1, [])))
    assert [number_of(body) for body in sent] == [7, 8]


def number_of(body: bytes) -> int:
    """The number that an answer carries."""
    given = read_order(body)
    assert isinstance(given, Given)
    return given.id


async def test_what_it_logs_is_bounded_by_bytes(guest: Step) -> None:
    """A process that logs long lines writes so many bytes a second, and not so many lines."""
    service = Service(proxy(guest)._host)
    line = Logged("info", "long", {f"field{number}": "长" * 300 for number in range(64)})
    most = LOGGED_BYTES_MAX // len(encode(line))
    with capture_logs() as logs:
        for _ in range(5 * most):
            service.log(line)
    # Two seconds of the clock may be touched.
    assert most <= len(logs) <= 2 * most
