"""A plugin that bounds what one key or tenant may ask for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from yumen import Block, CannotStart, Decision, Exchange, Host, Manifest, Mode, Plugin, Rule
from yumen_plugins.limits.config import LimitsConfig
from yumen_plugins.limits.slots import Slots
from yumen_plugins.limits.tokens import estimate
from yumen_plugins.limits.window import Ruling, Window

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
        self._keys = Window(host.store, "requests_per_minute", config.requests_per_minute)
        self._tenants = Window(host.store, "requests_per_minute_tenant", config.requests_per_minute_tenant)
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
        refused = await self._count(exchange, now)
        if refused is not None:
            await self._free(exchange)
        return refused

    async def on_complete(self, exchange: Exchange) -> None:
        """Free the slot, whatever came of the exchange."""
        await self._free(exchange)

    def _mode(self, rule: str, exchange: Exchange) -> Mode:
        """The mode of a rule, on or not. One in shadow counts like any other, so that it knows what it would have done."""
        return exchange.mode(rule) if rule in self._on else "off"

    async def _count(self, exchange: Exchange, now: float) -> Block | None:
        """Count the request under the rules that are on; none counts it unless all that enforce let it pass.

        What a rule in shadow says reaches the record, and not the caller.
        """
        counted: list[tuple[Window, str]] = []
        told: Ruling | None = None
        for window, who in (self._keys, exchange.principal.key_id), (self._tenants, exchange.principal.tenant):
            mode = self._mode(window.rule, exchange)
            if mode == "off":
                continue
            ruling = await window.take(who, now)
            if not ruling.retry_after_s:
                counted.append((window, who))
            elif (refused := exchange.block(window.rule, "rate_limited", float(ruling.retry_after_s))) is not None:
                for other, whose in counted:
                    await other.give_back(whose, now)
                if mode == "enforce":
                    _tell(exchange, ruling)
                return refused
            if mode == "enforce" and (told is None or ruling.remaining < told.remaining):
                told = ruling
        if told is not None:
            _tell(exchange, told)
        return None

    async def _free(self, exchange: Exchange) -> None:
        slot = exchange.state.pop("slot", None)
        if slot is not None:
            await self._slots.give_back(slot, self._now())


def _tell(exchange: Exchange, ruling: Ruling) -> None:
    """Set the headers that OpenAI's clients know, for the rule that leaves least."""
    minutes, seconds = divmod(ruling.reset_s, 60)
    exchange.set_header("x-ratelimit-limit-requests", str(ruling.limit))
    exchange.set_header("x-ratelimit-remaining-requests", str(ruling.remaining))
    exchange.set_header("x-ratelimit-reset-requests", f"{minutes}m{seconds}s" if minutes else f"{seconds}s")
