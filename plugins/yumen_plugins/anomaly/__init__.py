"""A plugin that asks declarative rules about what traffic does, and acts by them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, ClassVar

from yumen import (
    AdminCall,
    Block,
    CannotStart,
    Channel,
    EngineRef,
    Exchange,
    Host,
    Lint,
    Manifest,
    Plugin,
    Rule,
    StreamFilter,
)
from yumen_plugins.anomaly import firings, injection, quarantine
from yumen_plugins.anomaly.alerts import Alerts, alert_lints
from yumen_plugins.anomaly.asking import Asked
from yumen_plugins.anomaly.compiled import QUARANTINE, Ready, Rules, facts_of
from yumen_plugins.anomaly.config import AnomalyConfig
from yumen_plugins.anomaly.counting import NOTHING, Counting
from yumen_plugins.anomaly.deciding import decide, report
from yumen_plugins.anomaly.facts import texts
from yumen_plugins.anomaly.facts.clock import Zones
from yumen_plugins.anomaly.facts.look import CATEGORY, Look
from yumen_plugins.anomaly.facts.remembered import Remembered
from yumen_plugins.anomaly.language.evaluators import CannotShard, EngineMissing
from yumen_plugins.anomaly.later import Later
from yumen_plugins.anomaly.lists import lists_of, word_lints
from yumen_plugins.anomaly.operators import Operators
from yumen_plugins.anomaly.seen import Seen
from yumen_plugins.anomaly.watching import ArgumentsFilter, WordFilter

__all__ = ["Anomaly", "AnomalyConfig"]


# Texts of more characters together are read in a thread.
LONG_CHARS = 20_000


class Anomaly(Plugin[AnomalyConfig]):
    """See docs/plugins/anomaly.md. It sees raw texts, and keeps counts, digests and rule ids of them, never text."""

    manifest: ClassVar[Manifest] = Manifest(name="anomaly", version="1.0.0", sees="raw", admin="anomalies")

    def __init__(self, config: AnomalyConfig) -> None:
        super().__init__(config)
        self._rules = Rules(config)
        self._signals = Remembered[injection.Signals]()
        self._opened = AsyncExitStack()

    def rules(self) -> Sequence[Rule]:
        """Those of the configuration and of its packs, and `quarantine` where one of them puts somebody there."""
        return self._rules.listed()

    def lint(self) -> Sequence[Lint]:
        """Conditions that cannot be read, and what else does not hold together."""
        return [*self._rules.lints, *word_lints(self.config), *alert_lints(self.config.alerts)]

    def engines(self) -> Sequence[EngineRef]:
        """The engines that rules send exchanges to."""
        return self._rules.engines()

    async def start(self, host: Host) -> None:
        """Errors: `CannotStart` where several workers would each count for themselves, or where something is missing."""
        self._host = host
        requests, replies = (self._rules.of(phase, host.disabled) for phase in ("request", "reply"))
        every = list({rule.id: rule for rule in (*requests, *replies)}.values())
        self._counting = Counting(every, host, self.config.keys_max)
        if self._counting.counts and host.workers > 1 and not host.store.shared:
            raise CannotStart(
                f"rules that count need a store that all {host.workers} workers share; name one in gateway.yaml "
                "(`store: {redis: ...}`), or run one worker (YUMEN_WORKERS=1)"
            )
        try:
            # All of it can take a while, and at a reload exchanges go on meanwhile.
            self._lists = await asyncio.to_thread(lists_of, self.config, every)
            await asyncio.to_thread(texts.prepare)
            if any(fact.startswith("injection.") for fact in facts_of(every)):
                await asyncio.to_thread(injection.prepare)
            self._requests = await asyncio.to_thread(Asked, requests, self.config.evaluator)
            self._opened.callback(self._requests.close)
            self._replies = await asyncio.to_thread(Asked, replies, self.config.evaluator)
            self._opened.callback(self._replies.close)
        except (EngineMissing, CannotShard) as error:
            raise CannotStart(str(error)) from None
        self._zones = Zones(self.config.zone, self.config.zones)
        self._later = Later(host, self._counting.counters)
        self._later.start()
        self._opened.push_async_callback(self._later.stop)
        self._quarantines = quarantine.Quarantines(host.store, self._counting.tally, self._counting.counters)
        # Cases of a policy fire rules as well, and nobody should be woken by them.
        self._alerts = Alerts(self.config.alerts, host) if self.config.alerts is not None and host.live else None
        if self._alerts is not None:
            self._opened.push_async_callback(self._alerts.stop)
            await self._alerts.start()
        self._operators = Operators(host, self._quarantines)
        in_replies = any(fact.startswith("reply.words.") for fact in facts_of(replies))
        self._words_in_replies = self._lists is not None and in_replies
        host.log.info("anomaly_rules", rules=len(every), requests=self._requests.runs, replies=self._replies.runs)

    async def on_request(self, exchange: Exchange) -> Block | None:
        now = self._host.now()
        look = self._look(exchange, now)
        counted = await self._counting.request(exchange, look)
        seen = exchange.state["seen"] = Seen(look, counted)
        held_until = quarantine.until(counted.known, now)
        if held_until and exchange.mode(QUARANTINE) != "off":
            exchange.find(QUARANTINE, category=CATEGORY)
            refused = exchange.block(QUARANTINE, retry_after_s=held_until - now)
            if refused is not None:
                seen.quarantined = True
                return refused
        return await self._ask(exchange, seen, self._requests, now)

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        if not self._words_in_replies or self._lists is None:
            return None
        seen = self._seen(exchange)
        seen.watched = True
        # Arguments are held for a rule that can end the stream; for all others they are read when they are there.
        holds = channel.name == "tool_arguments" and self._may_end(exchange, growing=True)
        kind = ArgumentsFilter if holds else WordFilter
        return kind(self._lists, seen.words, lambda: self._judge(exchange, seen))

    def whole(self, exchange: Exchange) -> bool:
        """Where a rule could end the exchange, and cannot tell before the reply is there."""
        return self._may_end(exchange, growing=False)

    def _may_end(self, exchange: Exchange, *, growing: bool) -> bool:
        """Whether a rule that enforces could end the exchange by its reply, while it grows or only when it is there."""
        return any(
            rule.then.action == "block" and rule.grows == growing and exchange.mode(rule.id) == "enforce"
            for rule in self._replies.rules
        )

    async def on_response(self, exchange: Exchange) -> Block | None:
        return await self._reply(exchange, self._seen(exchange))

    async def on_complete(self, exchange: Exchange) -> None:
        """Ask about a streamed reply, which has gone by now, and count what came of the exchange."""
        seen = self._seen(exchange)
        del exchange.state["seen"]
        if not seen.replied:
            await self._reply(exchange, seen)
        await self._later.put(self._counting.completion(exchange, seen))

    def _seen(self, exchange: Exchange) -> Seen:
        """What is kept of an exchange; where policy lets this plugin see replies only, nothing was counted before."""
        seen: Seen | None = exchange.state.get("seen")
        if seen is None:
            seen = exchange.state["seen"] = Seen(self._look(exchange, self._host.now()), NOTHING)
        return seen

    def _look(self, exchange: Exchange, now: float) -> Look:
        return Look(exchange, self._lists, self._counting.subjects, self._zones, now, self._signals)

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Who is in quarantine, and which rules fired of late."""
        return await self._operators.inspect(query)

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        """Lift or extend a quarantine."""
        return await self._operators.operate(call)

    async def stop(self) -> None:
        """Stop everything that was started, whatever becomes of the rest."""
        await self._opened.aclose()

    async def _reply(self, exchange: Exchange, seen: Seen) -> Block | None:
        seen.replied = True
        reply = exchange.reply
        # What was refused before any engine was asked says nothing about replies: a rule over them would only see itself.
        if not self._replies.rules or (reply is not None and reply.code and not exchange.egress):
            return None
        return await self._ask(exchange, seen, self._replies, self._host.now())

    async def _ask(self, exchange: Exchange, seen: Seen, asked: Asked, now: float) -> Block | None:
        """Ask the rules of one phase, keep what must be kept, and decide."""
        look = seen.looked()
        if look.chars > LONG_CHARS:
            # Reading it can take a second where somebody has made it for that, and others need not wait meanwhile.
            facts = await asyncio.to_thread(asked.facts, look, seen.counted.facts)
        else:
            facts = asked.facts(look, seen.counted.facts)
        held = asked.hold(exchange, facts, seen.counted.known, now)
        if held.changes:
            await self._later.put(self._counting.marks(seen.counted, held.changes))
        fresh = [rule for rule in held.fired if rule.id not in seen.fired]
        if not fresh:
            return None
        seen.fired.update(rule.id for rule in fresh)
        told = [rule for rule in held.told if rule in fresh]
        report(exchange, told)
        await self._quarantines.put_by(
            [rule for rule in fresh if rule.then.action == "quarantine" and exchange.mode(rule.id) == "enforce"],
            seen.counted,
            now,
        )
        await self._tell(exchange, told, facts, now)
        return decide(exchange, fresh)

    def _judge(self, exchange: Exchange, seen: Seen) -> Block | None:
        """Whether words in a streamed reply end it. Everything else is asked, and all is told, when the reply is there."""
        facts = self._replies.facts(seen.growing(), seen.counted.facts)
        held = self._replies.hold(exchange, facts, seen.counted.known, self._host.now())
        return decide(exchange, [rule for rule in held.fired if rule.grows and rule.then.action == "block"])

    async def _tell(self, exchange: Exchange, rules: Sequence[Ready], facts: Mapping[str, Any], now: float) -> None:
        """Keep firings for operators, count them, and send alerts of those that enforce."""
        if not rules:
            return
        told = [firings.firing(rule, exchange, facts, now) for rule in rules]
        for one in told:
            self._host.metrics.count("fired", rule=one.rule, mode=one.mode)
            if self._alerts is not None and one.mode == "enforce":
                self._alerts.send(firings.alert(one))
        await self._later.do(lambda: firings.keep(self._host.store, told))
