"""Under which key a reply is kept, and with whom it is shared.

A key is HMAC-SHA-256 over the space, the route, the policy's hash and the request as the engine gets it
(`Exchange.canonical`, which brings the engine, its version and configuration, and the dialect and its version), framed by
MessagePack so that no part can pass for another. Only who has this gateway's secret can tell what a key is of.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from yumen import Exchange, Hmac, Host, Text
from yumen_plugins.cache.config import CacheConfig

# The dialect whose members `leave_out` names: elsewhere one of the same name may be what is asked.
LEFT_OUT_OF = "openai"
KEY_BYTES = 24
NAME_BYTES = 16
encode = msgspec.msgpack.Encoder().encode


class Keys:
    """Makes keys; `groups` are those of tenants that share entries, by their name."""

    def __init__(self, host: Host, config: CacheConfig) -> None:
        self._key = Hmac(host.secret("cache", "key"))
        self._name = Hmac(host.secret("cache", "name"))
        self._leave_out = config.leave_out
        self._groups = groups_of(config.share)

    def space(self, tenant: str) -> str:
        """The entries that a tenant can reach: its own, or those of its group."""
        group = self._groups.get(tenant)
        return f"tenant:{tenant}" if group is None else f"share:{group}"

    def shares(self, tenant: str) -> bool:
        """Whether a tenant reaches entries of others."""
        return tenant in self._groups

    def of(self, exchange: Exchange, space: str) -> bytes:
        """The key of a request."""
        return self._digest("exact", exchange, space, exchange.canonical(leave_out=self._left_out(exchange)))

    def context(self, exchange: Exchange, space: str, question: Text) -> bytes:
        """A digest of everything in a request but its question."""
        rest = exchange.canonical(leave_out=self._left_out(exchange), without=question.path)
        return self._digest(f"around {question.path}", exchange, space, rest)

    def name(self, word: str) -> str:
        """32 hexadecimal digits that stand for a tenant or subject where others can read."""
        return self._name(word.encode("utf-8", "surrogatepass"))[:NAME_BYTES].hex()

    def _left_out(self, exchange: Exchange) -> tuple[str, ...]:
        return self._leave_out if exchange.dialect == LEFT_OUT_OF else ()

    def _digest(self, kind: str, exchange: Exchange, space: str, request: bytes) -> bytes:
        return self._key(encode((kind, space, exchange.route, exchange.policy_hash, request)))[:KEY_BYTES]


def groups_of(share: Mapping[str, tuple[str, ...]]) -> dict[str, str]:
    """The group of each tenant that is in one; the first, where policy names it in several (which `lint` refuses)."""
    groups: dict[str, str] = {}
    for group, tenants in share.items():
        for tenant in tenants:
            groups.setdefault(tenant, group)
    return groups
