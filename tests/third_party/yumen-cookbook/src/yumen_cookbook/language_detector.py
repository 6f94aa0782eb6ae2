"""Says by the script of its letters in which language a request is written, and refuses languages that are not allowed."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from msgspec import Meta, Struct

from yumen import Decision, Exchange, Host, Manifest, Plugin, Rule

Language = Literal["zh", "en", "other"]
HAN, LATIN = re.compile(r"[\u3400-\u9fff\U00020000-\U000323af]"), re.compile(r"[A-Za-z]+")


class LanguageDetectorConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    allow: Annotated[
        tuple[Language, ...], Meta(description="The languages that pass; `other` is text in neither script.")
    ] = ("zh", "en", "other")


class LanguageDetector(Plugin[LanguageDetectorConfig]):
    """The reply says the language in `x-language`. Scripts tell Chinese from English; French counts as English here."""

    manifest: ClassVar[Manifest] = Manifest(name="language_detector", version="1.0.0", sees="raw")

    def rules(self) -> Sequence[Rule]:
        return [Rule("language_detector.refused", "refuses languages that are not allowed", ("allow",))]

    async def start(self, host: Host) -> None:
        self._metrics = host.metrics

    async def on_request(self, exchange: Exchange) -> Decision | None:
        said = [text.value for text in exchange.texts if text.kind == "message" and text.role in ("", "user")]
        found = language("\n".join(said))
        exchange.set_header("x-language", found)
        self._metrics.count("requests", language=found)
        return None if found in self.config.allow else exchange.block("language_detector.refused")


def language(text: str) -> Language:
    """A Han character stands for about as much as an English word, so that is what is counted of each."""
    han, latin = len(HAN.findall(text)), len(LATIN.findall(text))
    if not han and not latin:
        return "other"
    return "zh" if han >= latin else "en"
