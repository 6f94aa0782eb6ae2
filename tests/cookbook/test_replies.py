"""The plugins of the cookbook that look at replies or ask somebody do what their pages say, in Chinese and English."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from aiohttp import web
from tests.cookbook.recipes import config
from yumen_cookbook.canary import Canary
from yumen_cookbook.moderation import Moderation
from yumen_cookbook.reply_label import ReplyLabel
from yumen_cookbook.tool_schema import ToolSchema

from yumen import registry
from yumen.errors import PolicyError
from yumen.testing import Harness, ToolArguments, Used, app, chat, complete

TOOLS = [{"type": "function", "function": {"name": "call"}}]
LABEL = config("reply_label")["label"]
SECRET = "金丝雀甲乙丙丁戊己"


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_has_its_label(stream: bool) -> None:
    """Prose has the label at its end, JSON and other dialects only have the header."""
    async with Harness.of(ReplyLabel, config("reply_label")) as harness:
        harness.engine.says("你好, ", "hello")
        for call in (chat("x", stream=stream), complete("x", stream=stream)):
            outcome = await harness.ask(call)
            outcome.assert_answered(f"你好, hello{LABEL}")
            outcome.assert_header("x-ai-generated", "true")
        harness.engine.says(" {", '"a": 1}')
        (await harness.ask(chat("x", stream=stream))).assert_answered(' {"a": 1}')
        harness.engine.says("你好")
        (await harness.ask(app("faq", {"q": "x"}))).assert_client_did_not_get(LABEL)


async def test_the_label_is_there_wherever_a_stream_is_cut() -> None:
    """However the answer comes, it has one label, and in shadow none."""
    async with Harness.of(ReplyLabel, config("reply_label")) as harness:
        for outcome in await harness.at_every_split(chat("x", stream=True), "你好 hi"):
            outcome.assert_answered(f"你好 hi{LABEL}")
    async with Harness.of(ReplyLabel, config("reply_label"), mode="shadow") as harness:
        (await harness.ask(chat("你好", stream=True))).assert_answered("你好")


@pytest.mark.parametrize("token", ["canary-7f3a91c2", SECRET])
async def test_a_canary_never_comes_back(token: str) -> None:
    """Neither a plain reply nor a stream, cut wherever, brings more than its harmless beginning; no log names it."""
    said = f"The prompt 提示词是 {token}."
    async with Harness.of(Canary, config("canary")) as harness:
        outcomes = await harness.at_every_split(chat("x", stream=True), said)
        harness.engine.says(said)
        for outcome in [*outcomes, await harness.ask(chat("x"))]:
            outcome.assert_blocked(by="canary.leaked")
            outcome.assert_found("canary.leaked")
            assert token[:4] not in outcome.text
        harness.assert_no_trace_of(token)


@pytest.mark.parametrize("stream", [False, True])
async def test_canaries_in_arguments_of_tools(stream: bool) -> None:
    """A canary that is written with the escapes of JSON is found, and what is none passes."""
    escaped = json.dumps({"city": SECRET})
    async with Harness.of(Canary, config("canary")) as harness:
        harness.engine.says(ToolArguments((escaped[:20], escaped[20:])))
        (await harness.ask(chat("x", stream=stream, tools=TOOLS))).assert_blocked(by="canary.leaked")
        harness.engine.says("金丝雀, a canary")
        (await harness.ask(chat("x", stream=stream))).assert_answered("金丝雀, a canary")
    async with Harness.of(Canary, config("canary"), mode="shadow") as harness:
        (await harness.ask(chat(SECRET, stream=stream))).assert_answered(SECRET)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("arguments", "fits"),
    [
        ('{"city": "上海", "days": 2}', True),
        ('{"city": "Beijing"}', True),
        ('{"city": "Atlantis"}', False),
        ('{"city": "上海", "days": 0}', False),
        ('{"city": "上海", "more": 1}', False),
        ('{"city": "上海"', False),
        ("", False),
    ],
)
async def test_arguments_have_to_fit_their_schema(arguments: str, fits: bool, stream: bool) -> None:
    """A client gets no call whose arguments are not what the tool takes, streamed in pieces or whole."""
    async with Harness.of(ToolSchema, config("tool_schema")) as harness:
        harness.engine.says(ToolArguments((arguments[:9], arguments[9:])))
        outcome = await harness.ask(chat("查天气 weather", stream=stream, tools=TOOLS))
        if fits:
            outcome.assert_answered(arguments)
        else:
            outcome.assert_blocked(by="tool_schema.wrong")
            assert outcome.text == ""
        assert harness.engine.streams_begun == harness.engine.streams_ended


async def test_a_tool_without_a_schema_is_not_called() -> None:
    """What nobody has described passes nowhere; replies without tools do."""
    async with Harness.of(ToolSchema, {"tools": {"other": {}}}) as harness:
        (await harness.ask(chat("你好 hello"))).assert_answered("你好 hello")
        harness.engine.says(ToolArguments(("{}",)))
        (await harness.ask(chat("x", tools=TOOLS))).assert_blocked(by="tool_schema.wrong")
    with pytest.raises(PolicyError):
        Harness.of(ToolSchema, {"tools": {"call": {"type": "nonsense"}}})


class Service:
    """A moderation service: flags a word, and goes wrong as it is told."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.status, self.reply = 200, ""
        self.answering = asyncio.Event()
        self.answering.set()

    async def answer(self, request: web.Request) -> web.Response:
        said = await request.json()
        self.asked.append(said)
        await self.answering.wait()
        flagged = any("bomb" in text or "炸弹" in text for text in said["texts"])
        return web.Response(status=self.status, text=self.reply or json.dumps({"flagged": flagged}))


@pytest.fixture
async def service() -> AsyncIterator[tuple[Service, Mapping[str, Any]]]:
    """A real server, and the configuration that names it."""
    made = Service()
    application = web.Application()
    application.router.add_post("/moderate", made.answer)
    runner = web.AppRunner(application, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    yield made, {"url": f"http://{host}:{port}/moderate", "timeout_s": 10}
    made.answering.set()
    await runner.cleanup()


def moderated(config: Mapping[str, Any], *, live: bool = True, **knobs: Any) -> Harness:
    anonymize = Used(registry.load_plugin("anonymize"))
    return Harness.of_chain(anonymize, Used(Moderation, config, knobs), live=live)


@pytest.mark.parametrize("stream", [False, True])
async def test_what_the_service_flags_is_refused(service: tuple[Service, Mapping[str, Any]], stream: bool) -> None:
    """The service decides before an engine is asked, and is told masked text only."""
    asked, config = service
    async with moderated(config) as harness:
        for text in ("how to build a bomb", "怎么做炸弹"):
            outcome = await harness.ask(chat(text, stream=stream))
            outcome.assert_blocked(by="moderation.flagged")
            outcome.assert_engine_not_asked()
        (await harness.ask(chat("我的电话是13812345678", stream=stream))).assert_answered()
    assert "我的电话是" in str(asked.asked[-1])
    assert "13812345678" not in str(asked.asked)


@pytest.mark.parametrize(("status", "reply"), [(503, ""), (200, "no json"), (200, "{}"), (302, ""), (200, "x" * 9000)])
async def test_a_service_that_fails_lets_nothing_pass(
    service: tuple[Service, Mapping[str, Any]], status: int, reply: str
) -> None:
    """Whatever is wrong with the answer, it is a fault, and policy decides; by default nothing passes."""
    asked, config = service
    asked.status, asked.reply = status, reply
    async with moderated(config) as harness:
        outcome = await harness.ask(chat("你好 hello"))
        outcome.assert_failed()
        outcome.assert_engine_not_asked()


async def test_a_service_that_hangs_or_is_not_there_lets_nothing_pass(
    service: tuple[Service, Mapping[str, Any]],
) -> None:
    """The plugin's own timeout ends the wait."""
    asked, config = service
    asked.answering.clear()
    async with moderated({**config, "timeout_s": 0.05}) as harness:
        (await harness.ask(chat("你好"))).assert_failed()
    async with moderated({**config, "url": "http://127.0.0.1:9/"}) as harness:
        (await harness.ask(chat("hello"))).assert_failed()
    async with moderated({**config, "url": "http://127.0.0.1:9/"}, on_error="open") as harness:
        (await harness.ask(chat("hello"))).assert_answered("hello")


async def test_nobody_is_told_what_is_not_masked_or_not_real(service: tuple[Service, Mapping[str, Any]]) -> None:
    """Where no masking plugin has run the exchange ends, and tests of policies ask nobody."""
    asked, config = service
    async with Harness.of(Moderation, config) as harness:
        (await harness.ask(chat("你好"))).assert_blocked(by="moderation.unmasked")
    async with moderated(config, live=False) as harness:
        (await harness.ask(chat("how to build a bomb"))).assert_answered()
    assert asked.asked == []
