"""The modes of single rules: what a rule in shadow would have done is on record, and nothing of it is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from prometheus_client import REGISTRY
from tests.kit import Ledger, Outcome, exchange, given_to, request, saying, step

from yumen import Block, Channel, Manifest, Mode, NoConfig, Plugin, StreamFilter
from yumen.policy.bundle import RulePolicy
from yumen.step import Step
from yumen.testing import ScriptedEngine, chunk, completion

WORDS = {"alpha": "<A>", "贝塔": "<B>"}


def rules(**modes: Mode | dict[str, Any]) -> dict[str, RulePolicy]:
    """Rules by id, each with a mode, or with all that policy says of it."""
    return {
        name: RulePolicy(id=name, **(said if isinstance(said, dict) else {"mode": said}))
        for name, said in modes.items()
    }


class WordMasker(Plugin[NoConfig]):
    """Masks two words, each under a rule of its own, and restores nothing."""

    manifest: ClassVar[Manifest] = Manifest(name="masker", version="1", sees="raw", mutates=True, masks=True)

    async def on_request(self, exchange: Any) -> None:
        for text in exchange.texts:
            for rule, word in zip(("a", "b"), WORDS, strict=True):
                start = text.value.find(word)
                if start >= 0:
                    text.mask(start, start + len(word), WORDS[word], rule=rule)
                    exchange.find(rule, category="word", text=text, start=start, end=start + len(word))


class Judge(Plugin[NoConfig]):
    """Blocks by rules: through `exchange.block`, or with a bare decision."""

    manifest: ClassVar[Manifest] = Manifest(name="judge", version="1", sees="raw", mutates=True)

    def __init__(self, decide: Callable[[Any], Any]) -> None:
        super().__init__(NoConfig())
        self.decide = decide

    async def on_request(self, exchange: Any) -> Any:
        return self.decide(exchange)


def masker(**modes: Any) -> Step:
    return step(WordMasker(NoConfig()), rules=rules(**{"a": "enforce", "b": "enforce", **modes}))


def engine() -> ScriptedEngine:
    return saying(completion("fine"))


async def test_a_rule_in_shadow_masks_for_stores_only() -> None:
    """What a rule in shadow finds reaches the engine as it was; every store gets it masked; the others mask as ever."""
    asked, ledger = engine(), Ledger()
    outcome = await exchange([step(ledger), masker(b="shadow")], asked, request("alpha 和 贝塔"))
    assert "<A> 和 贝塔" in given_to(asked)
    assert ledger.records[0]["request"][-1] == "<A> 和 <B>"
    state = outcome.exchange
    assert {(one.rule, one.shadow) for one in state.findings} == {("a", False), ("b", True)}
    assert state.sent_form == "partly masked"
    shadow = [one for one in state.trace if one.shadow]
    assert [(one.plugin, one.decision, one.edits) for one in shadow] == [("masker", "allow", 1)]
    assert next(one for one in state.trace if one.plugin == "masker" and not one.shadow).edits == 1


async def test_a_rule_in_shadow_that_finds_nothing_changes_nothing() -> None:
    """Without a finding of the rule in shadow the exchange is as if all rules enforced."""
    asked = engine()
    outcome = await exchange([masker(b="shadow")], asked, request("alpha"))
    assert "<A>" in given_to(asked)
    assert outcome.exchange.sent_form == "masked"


async def test_a_rule_that_is_off_does_not_exist() -> None:
    """A rule that is off neither masks, for nobody, nor is its finding recorded."""
    asked, ledger = engine(), Ledger()
    outcome = await exchange([step(ledger), masker(b="off")], asked, request("alpha 和 贝塔"))
    assert "<A> 和 贝塔" in given_to(asked)
    assert ledger.records[0]["request"][-1] == "<A> 和 贝塔"
    assert [one.rule for one in outcome.exchange.findings] == ["a"]


@pytest.mark.parametrize(("reason", "sent"), [("", False), ("trial, ticket 17", True)])
async def test_a_remote_engine_needs_the_reason_of_the_rule(reason: str, sent: bool) -> None:
    """Raw text that a rule in shadow lets pass reaches a remote engine only where the rule says why."""
    asked = engine()
    outcome = await exchange(
        [masker(b={"mode": "shadow", "accept_raw": reason})], asked, request("贝塔"), egress="remote"
    )
    assert bool(asked.requests) is sent
    if not sent:
        assert outcome.code == "plugin_fault"


async def test_the_later_word_of_a_masked_editor_wins() -> None:
    """Behind a rule in shadow an edit of the masked form reaches the engine too: what is masked stays masked."""

    class Editor(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="editor", version="1", sees="masked", mutates=True)

        async def on_request(self, exchange: Any) -> None:
            exchange.texts[-1].replace(0, 0, "> ")

    asked = engine()
    await exchange([masker(b="shadow"), step(Editor(NoConfig()))], asked, request("贝塔"))
    assert "> <B>" in given_to(asked)


def by_rules(*names: str) -> Callable[[Any], Any]:
    """Block by the first of some rules that does."""

    def decide(exchange: Any) -> Any:
        return next((block for name in names if (block := exchange.block(name)) is not None), None)

    return decide


@pytest.mark.parametrize(
    ("modes", "blocked_by", "would"),
    [
        ({"a": "enforce", "b": "enforce"}, "a", []),
        ({"a": "shadow", "b": "enforce"}, "b", ["a"]),
        ({"a": "off", "b": "shadow"}, "", ["b"]),
        ({"a": "shadow", "b": "shadow"}, "", ["a", "b"]),
        ({"a": "off", "b": "off"}, "", []),
    ],
)
async def test_a_rule_in_shadow_hides_no_other(modes: dict[str, Any], blocked_by: str, would: list[str]) -> None:
    """A plugin that asks goes on with its next rule; what those in shadow would have done is on record."""
    outcome = await exchange([step(Judge(by_rules("a", "b")), rules=rules(**modes))], engine())
    blocks = [(one.reason, one.shadow) for one in outcome.exchange.trace if one.decision == "block"]
    assert outcome.status == (403 if blocked_by else 200)
    assert [reason for reason, shadow in blocks if shadow] == would
    assert [reason for reason, shadow in blocks if not shadow] == ([blocked_by] if blocked_by else [])


@pytest.mark.parametrize(
    ("mode", "status", "traced"), [("enforce", 403, [False]), ("shadow", 200, [True]), ("off", 200, [])]
)
async def test_a_bare_block_follows_the_mode_of_its_rule(mode: Mode, status: int, traced: list[bool]) -> None:
    """A plugin that knows nothing of modes is held to them all the same."""
    outcome = await exchange([step(Judge(lambda _: Block("a")), rules=rules(a=mode))], engine())
    assert outcome.status == status
    assert [one.shadow for one in outcome.exchange.trace if one.decision == "block"] == traced


async def test_replacing_under_a_rule() -> None:
    """An edit of what flows on is not done under a rule in shadow, and counted."""

    def decide(exchange: Any) -> None:
        exchange.texts[-1].replace(0, 1, "X", rule="a")
        exchange.texts[-1].replace(1, 2, "Y", rule="b")
        exchange.texts[-1].replace(2, 3, "Z", rule="c")

    asked = engine()
    outcome = await exchange(
        [step(Judge(decide), rules=rules(a="shadow", b="enforce", c="off"))], asked, request("hello")
    )
    assert "hYllo" in given_to(asked)
    assert [(one.edits, one.shadow) for one in outcome.exchange.trace] == [(1, False), (1, True)]


async def test_shadow_ends_at_its_time() -> None:
    """From `until` on an instance and a rule enforce; the time is the exchange's own."""
    judge = Judge(by_rules("a"))
    for until, status in ((0.0, 403), (4e12, 200)):
        whole = await exchange([step(judge, mode="shadow", until=until)], engine())
        single = await exchange([step(judge, rules=rules(a={"mode": "shadow", "until": until}))], engine())
        assert (whole.status, single.status) == (status, status)


async def test_a_sample_is_a_fact_of_the_exchange() -> None:
    """Outside its sample shadow does not look, whole or by rule; which exchanges are in it depends on their ids alone."""
    judge = Judge(by_rules("a"))
    # The id in this kit ends with zeros: it lies in every sample.
    inside = await exchange([step(judge, mode="shadow", sample=1e-9)], engine())
    assert [one.shadow for one in inside.exchange.trace] == [True]
    chained = step(judge, rules=rules(a={"mode": "shadow", "sample": 0.25}))
    state = inside.exchange
    for tail, looked in (("00000000", True), ("3fffffff", True), ("40000000", False), ("ffffffff", False)):
        state.id = "0" * 24 + tail
        posture = chained.posture(state)
        assert posture is not None
        assert posture.modes == {"a": "shadow" if looked else "off"}
        assert (step(judge, mode="shadow", sample=0.25).posture(state) is not None) is looked


async def test_every_mode_is_told_to_the_plugin() -> None:
    """A plugin can ask for the mode of its rules; in an instance in shadow all are."""
    seen: list[list[Mode]] = []

    def decide(exchange: Any) -> None:
        seen.append([exchange.mode(rule) for rule in ("a", "b", "c")])

    await exchange([step(Judge(decide), rules=rules(a="off", b="shadow", c="enforce"))], engine())
    await exchange([step(Judge(decide), rules=rules(a="off", c="enforce"), mode="shadow")], engine())
    assert seen == [["off", "shadow", "enforce"], ["off", "shadow", "shadow"]]


class Stopper(Plugin[NoConfig]):
    """Ends a stream at a word, by a rule."""

    manifest: ClassVar[Manifest] = Manifest(name="stopper", version="1", sees="raw")

    def __init__(self, asks: bool) -> None:
        super().__init__(NoConfig())
        self.asks = asks

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        asks = self.asks

        class Filter(StreamFilter):
            def feed(self, text: str) -> str | Block:
                for rule in ("a", "b"):
                    if rule in text:
                        block = exchange.block(rule) if asks else Block(rule)
                        if block is not None:
                            return block
                return text

        return Filter()


async def streamed(stopper: Step, *texts: str) -> Outcome:
    events = [*map(chunk, texts), chunk(finish="stop")]
    return await exchange([stopper], saying(*events), request(stream=True))


async def test_streams_under_rules() -> None:
    """A filter that asks goes on under a rule in shadow, and still stops under the next; each is on record once a hook."""
    shadow_a = rules(a="shadow", b="enforce")
    passed = await streamed(step(Stopper(True), rules=shadow_a), "xax", "xx", "ax")
    assert passed.channel() == "xaxxxax"
    stopped = await streamed(step(Stopper(True), rules=shadow_a), "xax", "xbx", "never")
    assert (stopped.channel(), stopped.code) == ("xax", "policy_blocked")
    assert [(one.reason, one.shadow) for one in stopped.exchange.trace] == [("a", True), ("b", False)]


async def test_a_filter_that_does_not_ask() -> None:
    """It is let go where all its rules are in shadow; where another enforces, the stream ends rather than go on unseen."""
    free = await streamed(step(Stopper(False), rules=rules(a="shadow", b="shadow")), "xax", "xbx")
    assert free.channel() == "xaxxbx"
    held = await streamed(step(Stopper(False), rules=rules(a="shadow", b="enforce")), "xax", "xbx")
    assert (held.channel(), held.code) == ("", "policy_blocked")


async def test_what_shadow_would_have_done_is_counted() -> None:
    """The metric sets what shadow would have done beside the outcome."""

    def value(**labels: str) -> float:
        return REGISTRY.get_sample_value("yumen_shadow_total", labels) or 0

    would_block = {"plugin": "judge", "rule": "a", "would": "block", "outcome": "ok"}
    would_find = {"plugin": "masker", "rule": "b", "would": "find", "outcome": "ok"}
    before = value(**would_block), value(**would_find)
    await exchange([step(Judge(by_rules("a")), rules=rules(a="shadow")), masker(b="shadow")], engine(), request("贝塔"))
    assert (value(**would_block), value(**would_find)) == (before[0] + 1, before[1] + 1)


async def test_a_masking_rule_is_in_every_sample() -> None:
    """Outside its sample too, what a masking rule in shadow would find reaches no store."""
    asked, ledger = engine(), Ledger()
    chained = masker(b={"mode": "shadow", "sample": 1e-9})
    state = (await exchange([step(ledger), chained], asked, request("alpha 和 贝塔"))).exchange
    state.id = "0" * 24 + "ffffffff"
    posture = chained.posture(state)
    assert posture is not None
    assert posture.modes == {"b": "shadow"}


@pytest.mark.parametrize("mode", ["enforce", "shadow", "off"])
async def test_a_masking_plugin_that_blocks_before_it_masks(mode: Mode) -> None:
    """What it has not looked at is neither sent nor stored as if it were clean, whatever the mode of the rule."""

    class Hasty(WordMasker):
        async def on_request(self, exchange: Any) -> Any:
            return Block("b")

    asked, ledger = engine(), Ledger()
    chained = step(Hasty(NoConfig()), rules=rules(a="enforce", b=mode))
    outcome = await exchange([step(ledger), chained], asked, request("alpha 和 贝塔"), egress="remote")
    assert outcome.status == 403
    assert asked.requests == []
    assert all(text.startswith("hmac:") for text in ledger.records[0]["request"])


async def test_a_bare_block_holds_where_another_rule_enforces() -> None:
    """A plugin that does not ask has stopped at a rule in shadow, and its other rules were never tried."""
    outcome = await exchange([step(Judge(lambda _: Block("a")), rules=rules(a="shadow", b="enforce"))], engine())
    assert outcome.status == 403
