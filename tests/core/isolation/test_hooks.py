"""A plugin in a process of its own does what it does in the gateway's: decisions, edits, findings, faults, its host."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
import pytest_asyncio
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from tests.core.isolation.flats import apart, instance, proxy
from tests.core.isolation.guests import Guest, Keeping, Masked, Refusing
from tests.core.probes import Masker
from tests.kit import exchange, given_to, request, saying, step

from yumen import CannotStart, Erasure, NoConfig, Operation, Plugin, Principal, Secret, Settings
from yumen.parts import Parts
from yumen.policy.bundle import RulePolicy
from yumen.step import Step
from yumen.testing import UnitHost, chunk, completion

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def guest(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Step]:
    """The guest in its process, shared by the tests that do not end it."""
    async with apart(tmp_path_factory.mktemp("guest")) as found:
        yield found


def here(**knobs: Any) -> Step:
    """The same class in this process."""
    policy = instance(**knobs)
    plugin: Plugin[Any] = Guest(NoConfig())
    plugin.host = UnitHost()  # type: ignore[attr-defined]  # what its `start` would note
    return Step(policy, plugin)


def comparable(outcome: Any) -> dict[str, Any]:
    """What of an exchange must not depend on where the plugin runs."""
    state = outcome.exchange
    return {
        "status": outcome.status, "body": outcome.body, "outcome": state.outcome, "headers": state.headers,
        "findings": state.findings, "dropped": state.findings_dropped, "cache": state.cache,
        "trace": [(one.plugin, one.hook, one.decision, one.reason, one.edits, one.shadow) for one in state.trace],
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "hello",
        "a heron and 苍鹭",
        "stop",
        "请停",
        "header",
        "raise 错",
        "media",
        "decision",
        "range",
        "heron exit",
        "sleep",
        "many",
        "surrogate",
        "no finding",
        "",
    ],
)
async def test_it_is_the_same_plugin(guest: Step, text: str) -> None:
    """Decision, edits, findings, headers, faults and trace are those of the same class in the gateway's process."""
    reply = completion("the secret 你好", "fine")
    engines = saying(reply), saying(reply)
    apart_ = await exchange([guest], engines[0], request(text))
    together = await exchange([here()], engines[1], request(text))
    assert comparable(apart_) == comparable(together)
    assert [one.body for one in engines[0].requests] == [one.body for one in engines[1].requests]


@pytest.mark.parametrize("mode", ["shadow", "off"])
async def test_rules_that_do_not_enforce(guest: Step, mode: Any) -> None:
    """A rule in shadow or off does in a process what it does in the gateway's."""
    rules = {one: RulePolicy(id=one, mode=mode) for one in ("house.word", "house.stop")}
    apart_ = Step(instance(rules=rules), guest.plugin)
    for text in ("a heron, stop", "苍鹭 停"):
        one = await exchange([apart_], saying(completion("x")), request(text))
        other = await exchange([here(rules=rules)], saying(completion("x")), request(text))
        assert comparable(one) == comparable(other)


async def test_shadow_applies_nothing(guest: Step) -> None:
    """An instance in shadow records and edits nothing, in its process too."""
    engine = saying(completion("secret"))
    quiet = Step(instance(mode="shadow"), guest.plugin)
    outcome = await exchange([quiet], engine, request("a heron"))
    assert "heron" in given_to(engine)
    assert outcome.content == "secret"
    assert [one.shadow for one in outcome.exchange.findings] == [True]


async def test_exchanges_that_have_ended_are_forgotten(guest: Step) -> None:
    """The process hears of every exchange that has ended, so that it keeps notes on those under way only."""
    for text in ("hello", "stop", "raise", "answer") * 5:
        await exchange([guest], saying(completion("x")), request(text))
    waiting = proxy(guest)._conversation().ended_seats
    assert len(waiting) <= 1


async def test_metrics_that_are_none_are_left_out(guest: Step) -> None:
    """A metric that the library refuses costs a line in the log, and neither the hook nor the process."""
    pid = proxy(guest).pid
    with capture_logs() as logs:
        outcome = await exchange([guest], saying(completion("x")), request("odd metric"))
        await guest.plugin.ready()
    assert outcome.content == "x"
    assert [one["instance"] for one in logs if one["event"] == "plugin_metric_refused"] == ["guest"] * 2
    assert proxy(guest).pid == pid


async def test_it_answers_itself(guest: Step) -> None:
    """A plugin's own answer comes back whole, and its hooks see it."""
    engine = saying(completion("never"))
    outcome = await exchange([guest], engine, request("answer"))
    assert outcome.content == "here it is 在这里"
    assert not engine.requests


async def test_a_nonsense_code_is_a_fault_of_that_hook(guest: Step) -> None:
    """A decision that the core could not read is a fault, and does not cost the process."""
    pid = proxy(guest).pid
    outcome = await exchange([guest], saying(completion("x")), request("code"))
    assert outcome.code == "plugin_fault"
    assert proxy(guest).pid == pid


async def test_streams_are_held_back_whole(guest: Step) -> None:
    """A streamed reply is edited and blocked before any of it leaves, in English and Chinese."""
    events = [chunk("the se"), chunk("cret 你"), chunk("好"), chunk(None, "stop")]
    outcome = await exchange([guest], saying(*events), request("hi", stream=True))
    assert outcome.channel() == "the ****** 你好"
    for word in (["for", "bidden"], ["禁", "止"]):
        blocked = await exchange([guest], saying(*[chunk(one) for one in word]), request("hi", stream=True))
        assert blocked.code == "policy_blocked"
        assert word[0].encode() not in b"".join(blocked.frames)


async def test_its_host_is_there(guest: Step) -> None:
    """What a plugin asks of its host and exchange is what the gateway itself would say, and its secrets are derived."""
    body, masker = request("facts", temperature=0.5), step(Masker("m", []))
    await exchange([guest], saying(completion("x")), body)
    shown: Any = await guest.plugin.inspect({"instance": "guest"})
    facts = shown["facts"]
    assert facts["options"] == {"temperature": 0.5}
    assert facts["mode"] == "enforce"
    assert facts["canonical"] == -1
    assert facts["secret"] == Secret(b"s" * 32).derive("guest", "a").hex()
    assert len(facts["subject"]) == len(facts["session"]) == 32
    assert shown["query"] == {"instance": "guest"}
    assert shown["pid"] == proxy(guest).pid
    assert not [name for name in shown["env"] if name.startswith("YUMEN")]
    await exchange([masker, guest], saying(completion("x")), body)
    shown = await guest.plugin.inspect({})
    assert shown["facts"]["canonical"] > 10


async def test_it_logs_and_counts(guest: Step) -> None:
    """What the plugin logs and counts is the gateway's log and metrics, under its instance."""
    with capture_logs() as logs:
        await exchange([guest], saying(completion("x")), request("hi"))
        await guest.plugin.ready()
    assert [one["outcome"] for one in logs if one["event"] == "guest_completed"] == ["ok"]
    assert REGISTRY.get_sample_value("yumen_guest_completed_total", {"outcome": "ok"})


async def test_hooks_about_no_exchange(guest: Step) -> None:
    """Operations, erasure, readiness and what operators do reach the process; its refusals come back as they were."""
    plugin = guest.plugin
    assert await plugin.on_erase(Erasure("t", "abc")) == 3
    await plugin.on_operation(Operation(kind="tired", actor="start", at=0.0))
    assert await plugin.ready() == "not in the mood"
    assert await plugin.operate(Call("record")) == {"by": "admin:1", "reveal": True}
    assert Call.recorded == [{"what": "it"}]
    with pytest.raises(ValueError, match="only `record` can be done here"):
        await plugin.operate(Call("other"))


class Call:
    """What an operator asks for."""

    recorded: ClassVar[list[dict[str, str]]] = []
    actor = "admin:1"
    arguments: ClassVar[dict[str, str]] = {}

    def __init__(self, action: str) -> None:
        self.action = action

    def may(self, right: str) -> bool:
        return right == "reveal"

    async def record(self, **details: str) -> None:
        self.recorded.append(details)


async def test_what_it_raises_says_nothing(guest: Step) -> None:
    """The log has the kind of an error and where it was raised, and never its words, which may hold what was looked at."""
    with capture_logs() as logs:
        outcome = await exchange([guest], saying(completion("x")), request("raise"))
    assert outcome.code == "plugin_fault"
    assert [one["error"] for one in logs if one["event"] == "plugin_fault"] == ["LookupError"]
    assert "秘密" not in repr(logs)
    assert "秘密" not in repr(outcome.exchange.trace)


async def test_masked_plugins_are_shown_nothing_else(tmp_path: Path) -> None:
    """A plugin that may only see the masked form is sent that form, a digest where nobody has masked."""
    async with apart(tmp_path, Masked) as masked:
        digest = await exchange([masked], saying(completion("x")), request("my SECRET 秘密"))
        assert digest.content.startswith("hmac:")
        masker = step(Masker("m", []))
        known = await exchange([masker, masked], saying(completion("x")), request("my SECRET 秘密"))
        assert [one.masked for one in known.exchange.reply.texts if one.kind == "message"] == ["my <S_1> <S_2>"]


async def test_the_store_is_the_gateways(tmp_path: Path) -> None:
    """Every operation of the store works from a process, and what is kept is in the gateway's store."""
    parts = Parts(Settings(data_dir=tmp_path), Secret(b"s" * 32))
    part = await parts.plugin(instance(Keeping))
    try:
        await exchange([Step(instance(Keeping), part.made)], saying(completion("x")), request())
        shown = await part.made.inspect({})
        assert shown["get"] == "1234"
        assert shown["take"] == [True, False]
        assert shown["peek"] == ["12"]
        assert shown["add"] == 2
        assert shown["items"] == ["1"]
        assert shown["count"] == [[[1.0]]]
        assert shown["none"] is None
        assert shown["wrong"] == "ValueError"
        assert shown["wait"] >= 1
        assert {"a", "b", "c", "seen"} <= set(shown["keys"])
        assert await parts.store.namespaced("guest").get("seen") == b"0" * 32
    finally:
        await parts.give_back(part)


async def test_it_says_why_it_does_not_start(tmp_path: Path) -> None:
    """A plugin that refuses to start is refused in its own words."""
    with pytest.raises(CannotStart, match="there is no light; switch it on"):
        async with apart(tmp_path, Refusing):
            pass


class Parsed(msgspec.Struct, frozen=True):
    """A configuration that holds anything."""

    words: Any


@pytest.mark.parametrize(
    "words", [Principal("t", "a", "k"), float("nan"), re.compile("秘密"), {"a": {"b", "c"}}, 1 << 70]
)
async def test_a_configuration_that_does_not_survive_is_refused(tmp_path: Path, words: Any) -> None:
    """A plugin whose configuration would be another one in its process does not start, and the gateway says why."""
    parts = Parts(Settings(data_dir=tmp_path), Secret(b"s" * 32))
    with pytest.raises(CannotStart, match="its configuration does not reach another process as it is; remove"):
        await parts.plugin(msgspec.structs.replace(instance(), config=Parsed(words)))
