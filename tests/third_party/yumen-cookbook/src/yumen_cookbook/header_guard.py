"""Refuses requests that lack a header which a house wants, say something else in it, or have one that it does not take."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from yumen import Decision, Exchange, Manifest, Plugin, Rule


class HeaderGuardConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    require: Annotated[
        dict[str, str], Meta(description="Headers that must be there, each with a glob that its value fits.")
    ] = {}
    refuse: Annotated[list[str], Meta(description="Headers that must not be there.")] = []


class HeaderGuard(Plugin[HeaderGuardConfig]):
    """See the module's docstring. To compare values it needs them as they are: a masked form is their digest."""

    manifest: ClassVar[Manifest] = Manifest(name="header_guard", version="1.1.0", sees="raw")

    def rules(self) -> Sequence[Rule]:
        return [
            Rule("header_guard.required", "refuses requests without what they must say", ("require",)),
            Rule("header_guard.refused", "refuses requests with what they must not say", ("refuse",)),
        ]

    def headers(self) -> Collection[str]:
        return {*self.config.require, *self.config.refuse}

    async def on_request(self, exchange: Exchange) -> Decision | None:
        sent = exchange.headers
        fits = all(name in sent and fnmatchcase(sent[name], glob) for name, glob in self.config.require.items())
        refused = None if fits else exchange.block("header_guard.required", "bad_request")
        if refused is None and not sent.keys().isdisjoint(self.config.refuse):
            refused = exchange.block("header_guard.refused", "bad_request")
        return refused
