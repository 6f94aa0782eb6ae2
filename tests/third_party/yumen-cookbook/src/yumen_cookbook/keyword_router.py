"""Has another engine answer requests that hold certain words: code to one model, law to another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from yumen import EngineRef, Exchange, Manifest, Plugin, Rule

Words = Annotated[list[Annotated[str, Meta(min_length=1, max_length=100)]], Meta(min_length=1, max_length=1000)]


class Way(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where requests with one of these words go."""

    words: Annotated[Words, Meta(description="Words, in any case.")]
    engine: Annotated[str, Meta(description="An engine of the bundle.")]


class KeywordRouterConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    ways: Annotated[list[Way], Meta(max_length=100, description="The first of which a word is found is taken.")]


class KeywordRouter(Plugin[KeywordRouterConfig]):
    """Since it names its engines with `calls="route"`, the flow check knows where requests may go."""

    manifest: ClassVar[Manifest] = Manifest(name="keyword_router", version="1.0.0", sees="raw")

    def rules(self) -> Sequence[Rule]:
        ways = enumerate(self.config.ways)
        return [Rule(f"keyword_router.{place}", f"sends to {way.engine}", ("ways", place)) for place, way in ways]

    def engines(self) -> Sequence[EngineRef]:
        ways = enumerate(self.config.ways)
        return [EngineRef(way.engine, ("ways", place, "engine"), calls="route") for place, way in ways]

    async def on_request(self, exchange: Exchange) -> None:
        said = "\n".join(text.value.casefold() for text in exchange.texts if text.role in ("", "user"))
        for place, way in enumerate(self.config.ways):
            named = any(word.casefold() in said for word in way.words)
            # In shadow or off, `send_to` does nothing and says so: the next way may be the one.
            if named and exchange.send_to(way.engine, f"keyword_router.{place}"):
                return
