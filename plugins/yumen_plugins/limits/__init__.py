"""A plugin that bounds what one key or tenant may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from yumen import Block, CannotStart, Decision, Exchange, Host, Manifest, Mode, Plugin, Rule
from yumen_plugins.limits.config import LimitsConfig
from yumen_plugins.limits.rates import KEY, RESET_S, TENANT, WINDOW_S, Rates, Ruling
from yumen_plugins.limits.slots import Slots
from yumen_plugins.limits.tokens import estimate

__all__ = ["Limits", "LimitsConfig"]

# When a slot comes free cannot be known; a second is what a client may reasonably wait before it asks again.
SLOT_RETRY_S = 1.0
# Every rule, named after its field, and what it says.
RULES = {
    "body_bytes": "at most {} bytes of one request's body",
    "input_tokens": "at most {} tokens of one request's texts, estimated",
    "concurrent": "at most {} exchanges of one key under way at a time",
    "requests_per_minute": "at most {} requests of one key in a sliding minute",
    "requests_per_minute_tenant": "at most {} requests of all keys of a tenant in a sliding minute",
}
# Those that remember something from one exchange to the next.
COUNTING = frozenset({"concurrent", "requests_per_minute", "requests_per_minute_tenant"})


class Limits(Plugin[LimitsConfig]):
    """Refuses requests that are too large (`payload_too_large`) or too many (`rate_limited`).

    It is given raw texts and takes nothing but their lengths; nothing of them is kept.
    """

    manifest: ClassVar[Manifest] = Manifest(name="limits", version="0.1.0", sees="raw")

    def rules(self) -> Sequence[Rule]:
        """Those that are on."""
        limits = {rule: getattr(self.config, rule) for rule in RULES}
        return [Rule(rule, RULES[rule].format(limit), (rule,)) for rule, limit in limits.items() if limit]

    async def start(self, host: Host) -> None:
        """Error: `CannotStart` where several workers would each count for themselves."""
        self._on = frozenset(rule.id for rule in self.rules()) - host.disabled
        self._counting = self._on & COUNTING
        if self._counting and host.workers > 1 and not host.store.shared:
            raise CannotStart(
                f"rate limits need a store that all {host.workers} workers share; run one worker (YUMEN_WORKERS=1), or set "
                "`requests_per_minute`, `requests_per_minute_tenant` and `concurrent` to 0"
            )
        config = self.config
        self._now = host.now
        limits = {KEY: config.requests_per_minute, TENANT: config.requests_per_minute_tenant}
        self._rates = Rates(host.store, limits)
        self._slots = Slots(host.store, config.concurrent)

    async def on_request(self, exchange: Exchange) -> Decision | None:
        """Measure the request, then count it."""
        config = self.config
        if "body_bytes" in self._on and exchange.request_bytes > config.body_bytes:
            refused = exchange.block("body_bytes", "payload_too_large")
            if refused is not None:
                return refused
        if "input_tokens" in self._on and estimate(exchange.texts) > config.input_tokens:
            refused = exchange.block("input_tokens", "payload_too_large")
            if refused is not None:
                return refused
        if not self._counting or (config.exempt_trusted and exchange.principal.trusted):
            return None
        now = self._now()
        if self._mode("concurrent", exchange) != "off":
            slot = await self._slots.take(exchange.principal.key_id, now)
            if slot is not None:
                exchange.state["slot"] = slot
            elif (refused := exchange.block("concurrent", "rate_limited", SLOT_RETRY_S)) is not None:
                return refused
        refused = await self._count(exchange)
        if refused is not None:
            await self._free(exchange)
        return refused

    async def on_complete(self, exchange: Exchange) -> None:
        """Free the slot, whatever came of the exchange."""
        await self._free(exchange)

    def _mode(self, rule: str, exchange: Exchange) -> Mode:
        """The mode of a rule, on or not. One in shadow counts like any other, so that it knows what it would have done."""
        return exchange.mode(rule) if rule in self._on else "off"

    async def _count(self, exchange: Exchange) -> Block | None:
        """Count the request under the rules that are on; none counts it unless all that enforce let it pass.

        What a rule in shadow says reaches the record, and not the caller.
        """
        rules = [rule for rule in (KEY, TENANT) if self._mode(rule, exchange) != "off"]
        if not rules:
            return None
        rulings = await self._rates.take(exchange, rules)
        await self._rates.give_back(exchange, [ruling.rule for ruling in rulings if ruling.over])
        for ruling in rulings:
            if not ruling.over:
                continue
            wait_s = await self._rates.wait_s(exchange, ruling.rule)
            refused = exchange.block(ruling.rule, "rate_limited", float(wait_s))
            if refused is not None:
                await self._rates.give_back(exchange, [other.rule for other in rulings if not other.over])
                self._tell(exchange, [ruling])
                return refused
        self._tell(exchange, [ruling for ruling in rulings if not ruling.over])
        return None

    def _tell(self, exchange: Exchange, rulings: Sequence[Ruling]) -> None:
        """Tell the caller of the rule that leaves least, of those that enforce."""
        told = [ruling for ruling in rulings if self._mode(ruling.rule, exchange) == "enforce"]
        if told:
            _set_headers(exchange, min(told, key=lambda ruling: ruling.remaining))

    async def _free(self, exchange: Exchange) -> None:
        slot = exchange.state.pop("slot", None)
        if slot is not None:
            await self._slots.give_back(slot, self._now())


def _set_headers(exchange: Exchange, ruling: Ruling) -> None:
    """Those that OpenAI's clients know, and those of draft-ietf-httpapi-ratelimit-headers."""
    minutes, seconds = divmod(RESET_S, 60)
    exchange.set_header("x-ratelimit-limit-requests", str(ruling.limit))
    exchange.set_header("x-ratelimit-remaining-requests", str(ruling.remaining))
    exchange.set_header("x-ratelimit-reset-requests", f"{minutes}m{seconds}s")
    exchange.set_header("ratelimit-policy", f'"{ruling.rule}";q={ruling.limit};w={WINDOW_S}')
    exchange.set_header("ratelimit", f'"{ruling.rule}";r={ruling.remaining};t={RESET_S}')
