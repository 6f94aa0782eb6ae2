"""Answers one exchange from what is kept, from a call of the engine under way, or by asking; and keeps what was answered."""

from __future__ import annotations

from typing import NamedTuple

from yumen import Answer, Ask, Events, Exchange, Host, Kept, Native
from yumen_plugins.cache.asked import Asked, asked, question_of
from yumen_plugins.cache.config import CacheConfig
from yumen_plugins.cache.entry import Entry, weight
from yumen_plugins.cache.flights import Flights, Recording
from yumen_plugins.cache.keys import Keys
from yumen_plugins.cache.lookups import Lookups, State
from yumen_plugins.cache.semantic import Question, Semantic
from yumen_plugins.cache.tiers import Found, Tiers

CATEGORY = "cache"
EXACT, COALESCE, SEMANTIC, SHARE = "exact", "coalesce", "semantic", "share"
RULES = {
    EXACT: "gives a kept reply to an equal request",
    COALESCE: "lets equal requests at the same time wait for one call of the engine",
    SEMANTIC: "gives a kept reply to a question of the same meaning",
}


class Pending(NamedTuple):
    """A reply on its way that may be kept when the exchange has ended well."""

    space: str
    key: bytes
    recording: Recording
    question: Question | None


class Answering:
    """What the plugin does for exchanges."""

    def __init__(
        self,
        config: CacheConfig,
        host: Host,
        keys: Keys,
        tiers: Tiers,
        flights: Flights,
        semantic: Semantic | None,
        lookups: Lookups,
    ) -> None:
        self._config = config
        self._host = host
        self._keys = keys
        self._tiers = tiers
        self._flights = flights
        self._semantic = semantic
        self._lookups = lookups

    async def answer(self, exchange: Exchange, ask: Ask) -> Answer | Native | Events:
        """What `Plugin.on_ask` returns."""
        wanted = asked(self._config, exchange)
        if wanted.bypass:
            self._count(exchange, "bypass", wanted.bypass)
            return await ask()
        space = self._keys.space(exchange.principal.tenant)
        key = self._keys.of(exchange, space)
        why = "no-cache"
        if wanted.reads:
            given, why = await self._equal(exchange, space, key, wanted)
            if given is not None:
                return given
        together = wanted.reads and self._config.coalesce is not None and exchange.mode(COALESCE) == "enforce"
        question = None
        # Whoever follows has no need of a question in other words, and a thousand of them are not embedded.
        if not (together and self._flights.under_way(key, exchange)):
            question, given, likely = await self._likely(exchange, space, wanted)
            if given is not None:
                return given
            why = likely or why
        lead = Lead(self, exchange, ask, why)
        fly = self._flights.fly if together else self._flights.alone
        flown = await fly(space, key, lead, exchange)
        if flown.led:
            exchange.state["pending"] = Pending(space, key, flown.recording, question)
        else:
            exchange.set_cache("hit", rule=COALESCE)
            exchange.set_header("x-cache-age", "0")
            self._note_shared(exchange, "")
            self._count(exchange, "coalesced", COALESCE)
        return flown.given

    async def keep(self, exchange: Exchange, *, wait: bool = False) -> None:
        """Keep the reply of an exchange that has ended, if it may be kept; `wait` until it can be found."""
        pending: Pending | None = exchange.state.pop("pending", None)
        if pending is None:
            return
        try:
            why = await self._keep(exchange, pending, wait=wait)
            if why:
                self._host.metrics.count("not_kept", reason=why, tenant=exchange.principal.tenant)
        finally:
            pending.recording.landed()

    async def _keep(self, exchange: Exchange, pending: Pending, *, wait: bool) -> str:
        """Why a reply was not kept, or empty."""
        given = pending.recording.given
        if given is None:
            return "broken-off"
        if not exchange.clean:
            return "not-clean"
        kept = exchange.keep(given)
        if kept is None:
            return "incomplete"
        if weight(kept) > self._config.reply_bytes_max:
            return "too-long"
        entry = self._entry(exchange, kept, pending.question)
        if not await self._tiers.put(pending.space, pending.key, entry, wait=wait):
            return "purged"
        if pending.question is not None and self._semantic is not None:
            self._semantic.add(pending.space, pending.question, pending.key, entry)
        return ""

    def _entry(self, exchange: Exchange, kept: Kept, question: Question | None) -> Entry:
        return Entry(
            kept=kept,
            tenant=exchange.principal.tenant,
            subject=exchange.subject,
            policy=exchange.policy_hash,
            # A purge takes what was asked before it, even where the answer came after.
            stored_at=exchange.received_at,
            ttl_s=self._config.ttl_s,
            question=question.text if question is not None else "",
            context=question.context if question is not None else b"",
            vector=question.vector_bytes if question is not None else b"",
        )

    async def _equal(
        self, exchange: Exchange, space: str, key: bytes, wanted: Asked
    ) -> tuple[Answer | Native | Events | None, str]:
        """What is given because the same was answered; or None, and why not."""
        if exchange.mode(EXACT) == "off":
            return None, "off"
        found = await self._tiers.get(space, key, wanted.max_age_s, events=exchange.streamed)
        return self._given(exchange, found, EXACT)

    async def _likely(
        self, exchange: Exchange, space: str, wanted: Asked
    ) -> tuple[Question | None, Answer | Native | Events | None, str]:
        """The question of a request, and what is given to it because one of the same meaning was answered.

        Where the rule is in shadow and would have given something, the last says so.
        """
        semantic = self._semantic
        if semantic is None or exchange.mode(SEMANTIC) == "off":
            return None, None, ""
        text = question_of(exchange, semantic.config.question_chars_max)
        if text is None:
            return None, None, ""
        question = await semantic.question(
            text.value, self._keys.context(exchange, space, text), exchange.principal.tenant
        )
        if question is None or not wanted.reads:
            return question, None, ""
        key = await semantic.find(space, question)
        if key is None:
            return question, None, ""
        found = await self._tiers.get(space, key, wanted.max_age_s, events=exchange.streamed)
        if found.why == "absent":
            semantic.drop(space, key)
        given, why = self._given(exchange, found, SEMANTIC)
        return question, given, why if why == "shadow" else ""

    def _given(self, exchange: Exchange, found: Found, rule: str) -> tuple[Answer | Native | Events | None, str]:
        """What is kept, in the form that this exchange wants; or None, and why a rule does not give it."""
        if found.entry is None:
            return None, found.why
        given = exchange.give_again(found.entry.kept)
        if given is None:
            return None, "no-usage"
        mode = exchange.mode(rule)
        if mode != "enforce":
            # In shadow, that it would have answered is on record.
            exchange.find(rule, category=CATEGORY)
            return None, mode
        exchange.set_cache("hit", rule=rule)
        exchange.set_header("x-cache-age", str(int(found.age_s)))
        self._note_shared(exchange, found.entry.tenant)
        self._count(exchange, "hit", rule)
        return given, ""

    def missed(self, exchange: Exchange, why: str) -> None:
        """Say everywhere that the engine is asked."""
        exchange.set_cache("miss")
        self._count(exchange, "miss", why)

    def _note_shared(self, exchange: Exchange, tenant: str) -> None:
        """Put on record that a reply comes, or may come, from an exchange of another tenant."""
        own = exchange.principal.tenant
        if self._keys.shares(own) and tenant != own:
            exchange.find(SHARE, category=CATEGORY)

    def _count(self, exchange: Exchange, state: State, reason: str) -> None:
        self._lookups.count(state, reason, exchange.principal.tenant)


class Lead:
    """Asks the engine for an exchange, and says so everywhere. See `yumen.Ask`."""

    def __init__(self, answering: Answering, exchange: Exchange, ask: Ask, why: str) -> None:
        self._answering = answering
        self._exchange = exchange
        self._ask = ask
        self._why = why

    @property
    def asked(self) -> bool:
        return self._ask.asked

    @property
    def left_s(self) -> float:
        return self._ask.left_s

    async def __call__(self) -> Answer | Native | Events:
        self._answering.missed(self._exchange, self._why)
        return await self._ask()
