"""Whom an exchange is counted for, within its tenant.

What is no id of ours goes into a keyed digest: no name or address is kept.
"""

from __future__ import annotations

from yumen import Exchange, Hmac

DIGEST_BYTES = 8
# Where OpenAI's clients name whom they ask for.
USER_PATHS = ("safety_identifier", "user")


class Subjects:
    """`key` is 32 bytes of this gateway's secret."""

    def __init__(self, key: bytes) -> None:
        self._mac = Hmac(key)

    def of(self, exchange: Exchange, scope: str) -> str:
        """Who that is on an exchange, or empty where nobody is known."""
        principal = exchange.principal
        if scope == "key":
            return principal.key_id
        if scope == "tenant":
            return principal.tenant
        named = {"ip": exchange.client, "model": exchange.model}[scope] if scope in ("ip", "model") else user(exchange)
        return self._hex(scope, principal.tenant, named) if named else ""

    def member(self, exchange: Exchange, what: str) -> int | None:
        """A number that stands for the address, user or model of an exchange; None where there is none."""
        named = {"ips": exchange.client, "users": user(exchange), "models": exchange.model}[what]
        return int.from_bytes(self._digest(what, exchange.principal.tenant, named)) if named else None

    def key(self, tenant: str) -> bytes:
        """32 bytes for digests of a tenant's prompts."""
        return self._mac(f"prompts\0{tenant}".encode("utf-8", "surrogatepass"))

    def _hex(self, *parts: str) -> str:
        return self._digest(*parts).hex()

    def _digest(self, *parts: str) -> bytes:
        return self._mac("\0".join(parts).encode("utf-8", "surrogatepass"))[:DIGEST_BYTES]


def user(exchange: Exchange) -> str:
    """The user that the request names, or empty."""
    named = {text.path: text.value for text in exchange.texts if text.kind == "identifier"}
    return next((named[path] for path in USER_PATHS if named.get(path)), "")
