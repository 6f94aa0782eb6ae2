"""Gives every tenant so many tokens a day (UTC); when they are used up, requests are refused until midnight.

What is under way when the budget ends is let through, so a day may end somewhat above it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from yumen import Decision, Exchange, Host, Manifest, Plugin, Rule

DAY_S = 86_400


class TokenBudgetConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    tokens: Annotated[int, Meta(ge=1, description="Tokens that a tenant has for a day.")]
    tenants: Annotated[dict[str, int], Meta(description="Tenants that have another number.")] = {}


class TokenBudget(Plugin[TokenBudgetConfig]):
    """Keeps numbers only, in the store that the workers share; where that does not answer, `on_error` decides."""

    manifest: ClassVar[Manifest] = Manifest(name="token_budget", version="1.0.0")

    def rules(self) -> Sequence[Rule]:
        return [Rule("token_budget.spent", "refuses requests of a tenant whose tokens are used up", ("tokens",))]

    async def start(self, host: Host) -> None:
        self._host = host

    async def on_request(self, exchange: Exchange) -> Decision | None:
        tenant = exchange.principal.tenant
        if await self._add(tenant, 0) < self.config.tenants.get(tenant, self.config.tokens):
            return None
        return exchange.block("token_budget.spent", "rate_limited", retry_after_s=DAY_S - self._host.now() % DAY_S)

    async def on_complete(self, exchange: Exchange) -> None:
        if not exchange.egress:  # no engine was asked
            return
        reply = exchange.reply
        texts = [*exchange.texts, *(reply.texts if reply is not None else ())]
        # A client that leaves must not have its tokens for nothing: where nobody has counted, a code point is a token.
        tokens = sum(text.raw_chars for text in texts)
        if reply is not None and reply.usage is not None:
            tokens = reply.usage.input_tokens + reply.usage.output_tokens
        await self._add(exchange.principal.tenant, tokens)

    async def _add(self, tenant: str, tokens: int) -> int:
        return await self._host.store.add(f"{tenant}/{int(self._host.now() // DAY_S)}", tokens, 2 * DAY_S)
