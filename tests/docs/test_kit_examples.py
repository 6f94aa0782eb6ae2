"""The examples of docs/plugins/testing.md: every block of Python on the page stands here or beside it, and so it runs."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec
import pytest

from yumen import (
    Answer,
    Channel,
    Decision,
    Delta,
    Engine,
    EngineError,
    EngineManifest,
    EngineRequest,
    Events,
    Exchange,
    Host,
    Manifest,
    NoConfig,
    Plugin,
    Rule,
    StreamFilter,
)
from yumen import testing as kit
from yumen.testing import Harness, Outcome, Pause, ToolArguments, Used, app, chat, complete, embed, infer

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plugins" / "testing.md"


class QuotaConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    an_hour: Annotated[int, msgspec.Meta(ge=1, description="Requests that a tenant may send in an hour.")] = 2


class Quota(Plugin[QuotaConfig]):
    """So many requests an hour for each tenant; and no reply has a digit."""

    manifest: ClassVar[Manifest] = Manifest(name="quota", version="1.0.0", sees="raw", mutates=True)

    def rules(self) -> Sequence[Rule]:
        return [Rule("quota.spent", "refuses what is too much", ("an_hour",))]

    async def start(self, host: Host) -> None:
        self._host = host

    async def on_request(self, exchange: Exchange) -> Decision | None:
        key = f"{exchange.principal.tenant}/{int(self._host.now() // 3600)}"
        if await self._host.store.add(key, 1, ttl_s=3600) <= self.config.an_hour:
            return None
        self._host.metrics.count("refused", tenant=exchange.principal.tenant)
        self._host.log.info("quota_spent", exchange=exchange.id)
        exchange.find("quota.spent", category="quota")
        return exchange.block("quota.spent", code="rate_limited")

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter:
        return Dots()

    async def on_response(self, exchange: Exchange) -> None:
        for text in exchange.reply.texts if exchange.reply is not None else ():
            for found in re.finditer("[0-9]", text.value):
                text.replace(found.start(), found.end(), "•")


class Dots(StreamFilter):
    def feed(self, text: str) -> str:
        return re.sub("[0-9]", "•", text)


async def test_a_tenant_has_so_many_requests_an_hour() -> None:
    """What is too much reaches no engine, tenants do not count for one another, and an hour later all is well."""
    async with Harness.of(Quota, {"an_hour": 1}) as harness:
        (await harness.ask(chat("你好 hello"))).assert_answered("你好 hello")  # the engine repeats what it is asked
        outcome = await harness.ask(chat("还有 more"))
        outcome.assert_blocked(by="quota.spent", code="rate_limited")
        outcome.assert_engine_not_asked()
        (await harness.ask(chat("你好").by("another-tenant"))).assert_answered()
        harness.clock.move(3600)
        (await harness.ask(chat("你好 again"))).assert_answered()


async def test_every_dialect() -> None:
    """No kind of request is refused that is allowed."""
    calls = [
        chat("你好", "and hello", stream=True, temperature=0),  # `members` of the body go in as they are
        chat({"role": "system", "content": "用中文回答"}, "hello"),
        complete("从前 once upon a time"),
        embed("一个 text", "another 文本"),
        infer("classifier", text=["第一 row", "second 行"]),
        app("faq", {"question": "几点 open?"}),
    ]
    async with Harness.of(Quota, {"an_hour": 100}) as harness:
        for outcome in await harness.ask_all(*calls):
            assert outcome.status == 200, outcome.told()


async def test_who_asks() -> None:
    """The plugin is told tenant, session and headers as of a real caller."""
    call = (
        chat("你好").by("acme", app="desk", key="k1").of(session="s-1").saying(x_team="ops", cache_control="no-store")
    )
    async with Harness.of(Quota) as harness:
        outcome = await harness.ask(call)
        assert outcome.exchange is not None
        assert outcome.exchange.principal.tenant == "acme"


async def test_an_engine_in_your_hand() -> None:
    """Pieces, tools, failures and clients that leave come to the client as they should."""
    async with Harness.of(Quota, {"an_hour": 100}) as harness:
        harness.engine.says("打 11", "0 now")  # a stream brings it in these pieces, a plain reply at once
        (await harness.ask(chat("x", stream=True))).assert_answered("打 ••• now")
        harness.engine.says(ToolArguments(('{"city": "北', '京"}')))
        (await harness.ask(chat("x", tools=[{}]))).assert_client_got("北京")
        harness.engine.says("some 一些", EngineError("away"))  # fails in the middle
        (await harness.ask(chat("x", stream=True))).assert_failed("engine_unavailable")
        harness.engine.says("one", "二", Pause())  # and then nothing comes, until `release`
        left = await harness.ask(chat("x", stream=True).leaving(2))
        assert left.record is not None
        assert left.record.outcome == "client_disconnect"
        assert harness.engine.streams_begun == harness.engine.streams_ended
        assert harness.engine.asked.model == "test"


async def test_a_stream_reads_as_a_plain_reply() -> None:
    """Wherever the engine's answer is cut, the client reads the same."""
    said, read = "电话 110, or 120", "电话 •••, or •••"
    async with Harness.of(Quota, {"an_hour": 100}) as harness:
        harness.engine.says(said)
        (await harness.ask(chat("x"))).assert_answered(read)
        for outcome in await harness.at_every_split(chat("x", stream=True), said):
            outcome.assert_answered(read)


@pytest.mark.parametrize("knobs", [{"mode": "shadow"}, {"rules": {"quota.*": {"mode": "shadow"}}}])
async def test_in_shadow_nobody_is_refused(knobs: dict[str, object]) -> None:
    """What policy has on trial is on record only."""
    async with Harness.of(Quota, {"an_hour": 1}, **knobs) as harness:
        await harness.ask(chat("你好"))
        outcome = await harness.ask(chat("hello"))
        outcome.assert_answered()
        outcome.assert_would_have("quota.spent")
        outcome.assert_found_nothing()


async def test_behind_another_plugin() -> None:
    """A remote engine is given what the plugins before it have left."""
    chain = [Used(Quota, {"an_hour": 5}, {"on_error": "open"}), Used(Numbers)]
    async with Harness.of_chain(*chain, egress="remote") as harness:
        outcome = await harness.ask(chat("我的号码是 13812345678"))
        outcome.assert_engine_did_not_get("13812345678")


class Numbers(Plugin[NoConfig]):
    """Masks long numbers."""

    manifest: ClassVar[Manifest] = Manifest(name="numbers", version="1.0.0", sees="raw", masks=True)

    async def on_request(self, exchange: Exchange) -> None:
        for text in exchange.texts:
            for found in re.finditer("[0-9]{7,}", text.value):
                text.mask(found.start(), found.end(), "<NUMBER>")


async def test_nothing_that_was_said_stays() -> None:
    """Log and metrics tell that somebody was refused, and nothing of what was said."""
    async with Harness.of(Quota, {"an_hour": 1}) as harness:
        for _ in range(2):
            await harness.ask(chat("我的电话是 13812345678, mail li.na@example.com"))
        assert harness.metrics.total("refused", tenant="test") == 1
        assert [one["event"] for one in harness.log if one.get("instance") == "quota"] == ["quota_spent"]
        harness.assert_no_trace_of("13812345678", "li.na@example.com")


async def test_what_it_keeps_can_be_looked_at() -> None:
    """The plugin that is at work can be asked, and another harness knows nothing of it."""
    async with Harness.of(Quota) as harness:
        await harness.ask(chat("你好").by("acme"))
        quota = harness.plugin()  # with several plugins: harness.plugin("quota")
        assert await quota.ready() == ""
        assert quota.config.an_hour == 2
    async with harness.again() as anew:  # the same policy, and nothing of what was
        (await anew.ask(chat("你好").by("acme"))).assert_answered()


async def test_a_whole_bundle(yumen_bundle: Callable[..., Harness]) -> None:
    """The policy that will be served masks what it should."""
    async with yumen_bundle("starter") as harness:  # or a folder; the same as Harness.policies("starter")
        outcome = await harness.ask(chat("我的电话是13812345678"))
        outcome.assert_engine_did_not_get("13812345678")
        outcome.assert_client_got("13812345678")


async def test_an_installed_plugin(yumen_harness: Callable[..., Harness]) -> None:
    """A plugin is at work by its name in policies."""
    async with yumen_harness("limits", {"requests_per_minute": 1}) as harness:
        await harness.ask(chat("一"))
        (await harness.ask(chat("two"))).assert_blocked(code="rate_limited")


class Countdown(Engine[NoConfig]):
    """Counts down."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="countdown", version="1.0.0")

    async def generate(self, request: EngineRequest) -> Answer | Events:
        if "fail" in request.messages[-1].text:
            raise EngineError("out of numbers")
        return self._count() if request.streamed else Answer(["三 2 一"])

    async def _count(self) -> AsyncIterator[Delta]:
        for word in ("三", " 2", " 一"):
            yield Delta(word)
        yield Delta(finish_reason="stop")


async def test_an_engine_of_ones_own() -> None:
    """It answers, fails and lets go of its streams as engines do."""
    async with Harness.of_engine(Countdown, {}, Used(Quota, {"an_hour": 100})) as harness:
        (await harness.ask(chat("数 count"))).assert_answered("三 • 一")
        (await harness.ask(chat("数 count", stream=True))).assert_answered("三 • 一")
        (await harness.ask(chat("fail 失败"))).assert_failed("engine_unavailable")
        await harness.ask(chat("数 count", stream=True).leaving(1))
        assert harness.engine.streams_begun == harness.engine.streams_ended == 2


def test_every_example_of_the_page_is_one_that_runs() -> None:
    """What the page shows is a piece of these files as they stand, so that it cannot be wrong for long."""
    source = "\n".join(path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parent.glob("test_kit_*.py")))
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(blocks) >= 10
    for block in blocks:
        assert block.strip("\n") in source, block


def test_the_page_names_all_of_the_kit() -> None:
    """Nothing that the kit, an outcome, a call or the scripted engine has needs to be read from source."""
    page = PAGE.read_text(encoding="utf-8")
    names = set(kit.__all__)
    for one in (Outcome, Harness, kit.Call, kit.ScriptedEngine):
        names |= {name for name in vars(one) if not name.startswith("_") and callable(getattr(one, name))}
    inner = {"generate", "hold_next", "hold_none", "infer", "make_parts", "config_type"}
    missing = sorted(name for name in names - inner if re.search(rf"\b{name}\b", page) is None)
    assert missing == []
