"""Callers who want more than their share: huge prompts, odd options, crowds, readers that never read, leaving."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest
import pytest_asyncio
from tests.engines.generate.asking import asked, begun, chat, deltas, loaded, says, until, whole
from tests.tiny_decoder import corpus

from yumen import EngineError, RequestRefused
from yumen_engines.generate import Generate
from yumen_engines.generate.decoder import Decoder
from yumen_engines.generate.replies import Replies

pytestmark = pytest.mark.asyncio(loop_scope="module")
ANSWERS = corpus.ANSWERS


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine() -> AsyncIterator[Generate]:
    """One engine for all tests of this file, with room for a crowd."""
    async with loaded(concurrent_max=4, queue_max=60, tenant_max=64, new_tokens_max=200) as engine:
        yield engine


def decoder(engine: Generate) -> Decoder:
    assert engine._decoder is not None
    return engine._decoder


async def test_a_crowd_gets_its_answers(engine: Generate) -> None:
    """Sixty-four callers at once, as many as fit, all get the answer to their own question."""
    questions = [list(ANSWERS)[number % len(ANSWERS)] for number in range(64)]
    answers = await asyncio.wait_for(asyncio.gather(*(says(engine, question) for question in questions)), 120)
    assert answers == [ANSWERS[question] for question in questions]


@pytest.mark.parametrize(
    "body",
    [
        chat("好" * 5_000_000),
        {"model": "m", "messages": [{"role": "user", "content": ""}, {"role": "system", "content": ""}] * 20_000},
    ],
    ids=["long", "many"],
)
async def test_what_cannot_fit_is_refused_unread(
    engine: Generate, body: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Millions of characters or messages reach neither the tokenizer nor the process of the model."""

    def never(*args: object) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(engine._prompter, "chat", never)
    monkeypatch.setattr(decoder(engine), "render", never)
    with pytest.raises(RequestRefused, match="1024 tokens"):
        await engine.generate(asked(body))


async def test_a_tenant_cannot_fill_the_queue(engine: Generate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever one tenant asks for, written, waiting or prepared, there is room for another's request."""
    monkeypatch.setattr(decoder(engine), "_tenant_max", 5)
    greedy = [await begun(engine, chat("Sing"), tenant="a") for _ in range(5)]
    for body in (chat("Hello"), chat("Pick fruits", temperature=1, n=2)):
        with pytest.raises(EngineError) as refused:
            await engine.generate(asked(body, tenant="a"))
        assert refused.value.retry_after_s is not None
    assert (await whole(engine, chat("谢谢"), tenant="b")).texts == [ANSWERS["谢谢"]]
    for stream in greedy:
        await stream.aclose()
    outcomes = await asyncio.gather(
        *(engine.generate(asked(chat("Hello"), tenant="a")) for _ in range(8)), return_exceptions=True
    )
    assert sum(isinstance(outcome, EngineError) for outcome in outcomes) == 3
    assert not engine._preparing


async def test_more_choices_than_there_is_ever_room_for_are_refused(
    engine: Generate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who could never be answered is not told to come back."""
    monkeypatch.setattr(engine, "config", msgspec.structs.replace(engine.config, tenant_max=2))
    with pytest.raises(RequestRefused) as refused:
        await engine.generate(asked(chat("Pick fruits", temperature=1, n=3)))
    assert refused.value.param == "n"


async def test_options_at_their_limits_do_not_fail(engine: Generate) -> None:
    """Whatever passes for an option is one that the library takes: callers cannot make the model look ill."""
    extremes: list[dict[str, Any]] = [
        {"temperature": 2, "top_k": 1 << 20, "top_p": 1},
        {"temperature": 0.01, "top_k": 1, "top_p": 1e-300},
        {"temperature": -0.0, "top_p": 1e-9},
        {"temperature": 1, "seed": -(1 << 70)},
        {"temperature": 1, "seed": 1 << 70},
        {"max_tokens": 1 << 80},
    ]
    for more in extremes:
        answer = await whole(engine, chat("Hello", **{"max_tokens": 3, **more}))
        assert answer.usage.output_tokens > 0
    assert await engine.health() == ""


@pytest.mark.parametrize("question", ["Pick fruits", "选水果"])
async def test_every_choice_says_why_it_ended(engine: Generate, question: str) -> None:
    """Among choices of which some are cut, each has its own reason, plain as streamed, and all are counted."""
    body = chat(question, temperature=1, seed=7, n=16, max_tokens=22)
    plain = await whole(engine, body)
    streamed = {delta.choice: delta.finish_reason for delta in await deltas(engine, body) if delta.finish_reason}
    assert [plain.reason(choice) for choice in range(16)] == [streamed[choice] for choice in range(16)]
    assert set(streamed.values()) == {"stop", "length"}


async def test_a_reader_that_never_reads_holds_nobody_up(engine: Generate) -> None:
    """An answer that nobody reads is written to its end, which is bounded, and its place is another's then."""
    unread = [await begun(engine, chat("Sing")) for _ in range(4)]
    assert await asyncio.wait_for(says(engine, "谢谢"), 60) == ANSWERS["谢谢"]
    await until(lambda: decoder(engine).under_way == 0)
    assert all(stream._said.qsize() <= 200 for stream in unread)
    assert sum([len(delta.text) async for delta in unread[0]]) == 200 * len(" la")
    for stream in unread:
        await stream.aclose()


async def test_closing_a_stream_that_another_task_reads_ends_its_waiting(engine: Generate) -> None:
    """Whoever reads is told, and does not wait for a piece that never comes."""
    crowd = [await begun(engine, chat("唱歌")) for _ in range(5)]
    reading = asyncio.create_task(anext(crowd[-1]))
    await asyncio.sleep(0)
    await crowd[-1].aclose()
    with pytest.raises(EngineError, match="closed"):
        await asyncio.wait_for(reading, 30)
    for stream in crowd:
        await stream.aclose()


@pytest.mark.parametrize("streamed", [False, True])
async def test_leaving_at_any_moment_leaves_nothing(engine: Generate, streamed: bool) -> None:
    """Whenever a caller leaves, his place is free at once, and the process of the model has stopped for him."""
    one = decoder(engine)
    for steps in [*range(12), *(12 << number for number in range(8))]:

        async def ask() -> None:
            if not streamed:
                await engine.generate(asked(chat("Sing")))
            else:
                replies = await engine.generate(asked(chat("Sing"), streamed=True))
                assert isinstance(replies, Replies)
                try:
                    async for _ in replies:
                        pass
                finally:
                    await replies.aclose()

        task = asyncio.create_task(ask())
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert (one.under_way, engine._preparing.total()) == (0, 0)
    # What the process has confirmed, it works on no more.
    await until(lambda: not one._owed())
    assert await says(engine, "Hello") == ANSWERS["Hello"]


async def test_closing_while_a_prompt_is_made_is_an_error_and_no_cancellation() -> None:
    """A request that was being prepared when the engine was closed fails as an engine does."""
    async with loaded() as engine:
        assert engine._threads is not None
        hold = asyncio.Event()
        loop = asyncio.get_running_loop()
        engine._threads.submit(lambda: asyncio.run_coroutine_threadsafe(hold.wait(), loop).result(30))
        task = asyncio.create_task(engine.generate(asked(chat("Hello"))))
        await until(lambda: engine._preparing.total() == 1)
        await asyncio.sleep(0)
        closing = asyncio.create_task(engine.close())
        await until(lambda: engine._threads is None)
        hold.set()
        with pytest.raises(EngineError):
            await asyncio.wait_for(task, 30)
        await closing
