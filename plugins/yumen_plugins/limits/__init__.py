"""A plugin that bounds what one key or tenant may ask for."""

from __future__ import annotations

from typing import ClassVar

from yumen import Block, CannotStart, Decision, Exchange, Host, Manifest, Plugin
from yumen_plugins.limits.config import LimitsConfig
from yumen_plugins.limits.slots import Slots
from yumen_plugins.limits.tokens import estimate
from yumen_plugins.limits.window import Ruling, Window

__all__ = ["Limits", "LimitsConfig"]

# When a slot comes free cannot be known; a second is what a client may reasonably wait before it asks again.
SLOT_RETRY_S = 1.0


class Limits(Plugin[LimitsConfig]):
    """Refuses requests that are too large (`payload_too_large`) or too many (`rate_limited`).

    It is given raw texts and takes nothing but their lengths; nothing of them is kept.
    """

    manifest: ClassVar[Manifest] = Manifest(name="limits", version="0.1.0", sees="raw")

    async def start(self, host: Host) -> None:
        """Error: `CannotStart` where several workers would each count for themselves."""
        config = self.config
        if config.counts and host.workers > 1 and not host.store.shared:
            raise CannotStart(
                f"rate limits need a store that all {host.workers} workers share; run one worker (YUMEN_WORKERS=1), or set "
                "`requests_per_minute`, `requests_per_minute_tenant` and `concurrent` to 0"
            )
        self._now = host.now
        self._keys = Window(host.store, "requests_per_minute", config.requests_per_minute)
        self._tenants = Window(host.store, "requests_per_minute_tenant", config.requests_per_minute_tenant)
        self._slots = Slots(host.store, config.concurrent)

    async def on_request(self, exchange: Exchange) -> Decision | None:
        """Measure the request, then count it."""
        config = self.config
        if config.body_bytes and exchange.request_bytes > config.body_bytes:
            return Block("body_bytes", "payload_too_large")
        if config.input_tokens and estimate(exchange.texts) > config.input_tokens:
            return Block("input_tokens", "payload_too_large")
        if not config.counts or (config.exempt_trusted and exchange.principal.trusted):
            return None
        now = self._now()
        if config.concurrent:
            slot = await self._slots.take(exchange.principal.key_id, now)
            if slot is None:
                return Block("concurrent", "rate_limited", SLOT_RETRY_S)
            exchange.state["slot"] = slot
        refused = await self._count(exchange, now)
        if refused is not None:
            await self._free(exchange)
        return refused

    async def on_complete(self, exchange: Exchange) -> None:
        """Free the slot, whatever came of the exchange."""
        await self._free(exchange)

    async def _count(self, exchange: Exchange, now: float) -> Block | None:
        """Count the request under the rules that are on; none counts it unless all let it pass."""
        principal = exchange.principal
        told: Ruling | None = None
        if self._keys.limit:
            told = await self._keys.take(principal.key_id, now)
            if told.retry_after_s:
                return _refuse(exchange, self._keys.rule, told)
        if self._tenants.limit:
            ruling = await self._tenants.take(principal.tenant, now)
            if ruling.retry_after_s:
                if told is not None:
                    await self._keys.give_back(principal.key_id, now)
                return _refuse(exchange, self._tenants.rule, ruling)
            if told is None or ruling.remaining < told.remaining:
                told = ruling
        if told is not None:
            _tell(exchange, told)
        return None

    async def _free(self, exchange: Exchange) -> None:
        slot = exchange.state.pop("slot", None)
        if slot is not None:
            await self._slots.give_back(slot, self._now())


def _refuse(exchange: Exchange, rule: str, ruling: Ruling) -> Block:
    _tell(exchange, ruling)
    return Block(rule, "rate_limited", float(ruling.retry_after_s))


def _tell(exchange: Exchange, ruling: Ruling) -> None:
    """Set the headers that OpenAI's clients know, for the rule that leaves least."""
    minutes, seconds = divmod(ruling.reset_s, 60)
    exchange.set_header("x-ratelimit-limit-requests", str(ruling.limit))
    exchange.set_header("x-ratelimit-remaining-requests", str(ruling.remaining))
    exchange.set_header("x-ratelimit-reset-requests", f"{minutes}m{seconds}s" if minutes else f"{seconds}s")
