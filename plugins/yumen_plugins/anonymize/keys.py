"""The keys of each tenant: for pseudonyms, for the vault, for what is sealed, and for what is remembered."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Mapping

from yumen import Exchange, Hmac, Host
from yumen_plugins.anonymize.pseudonym import Entry, Pseudonyms

TENANTS_MAX = 4096
KEY_BYTES = 32


class Keys:
    """Derived from the gateway's secret, and kept ready for so many tenants; `within` is where pseudonyms are the same."""

    def __init__(self, host: Host, within: str) -> None:
        self._host = host
        self._within = within
        self._macs: OrderedDict[tuple[str, str], Hmac] = OrderedDict()
        self._memos: OrderedDict[str, bytes] = OrderedDict()

    def mac(self, tenant: str, session: str = "") -> Hmac:
        """The key of a tenant's pseudonyms and digests, or of one session of it."""
        name = (tenant, session)
        mac = self._macs.get(name)
        if mac is None:
            context = (tenant, session) if session else (tenant,)
            mac = self._macs[name] = Hmac(self._host.secret("anonymize", *context))
            if len(self._macs) > TENANTS_MAX:
                self._macs.popitem(last=False)
        return mac

    def memo(self, tenant: str) -> bytes:
        """The key under which a tenant's texts are recognised; made anew at every start."""
        key = self._memos.get(tenant)
        if key is None:
            key = self._memos[tenant] = secrets.token_bytes(KEY_BYTES)
            if len(self._memos) > TENANTS_MAX:
                self._memos.popitem(last=False)
        return key

    def vault(self, tenant: str) -> bytes:
        """The key of a tenant's vault."""
        return self._host.secret("anonymize vault", tenant)

    def seal(self, tenant: str) -> bytes:
        """The key of what the action `encrypt` writes."""
        return self._host.secret("anonymize seal", tenant)

    def pseudonyms(self, exchange: Exchange, known: Mapping[str, Entry], restores: frozenset[str]) -> Pseudonyms:
        """Those of an exchange, as far as policy lets the same value have the same one."""
        tenant = exchange.principal.tenant
        if self._within == "tenant":
            mac = self.mac(tenant)
        elif self._within == "session" and exchange.session:
            mac = self.mac(tenant, exchange.session)
        else:
            # A request that names no session is one of its own: nobody may link it.
            mac = Hmac(secrets.token_bytes(KEY_BYTES))
        return Pseudonyms(mac, known, restores)
