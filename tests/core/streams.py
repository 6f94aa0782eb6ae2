"""A masking plugin with a filter for streams, a request for a stream, and what a stream consists of."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.kit import Outcome, request

from yumen import Channel, Manifest, MaskingFilter, NoConfig, Plugin, StreamFilter
from yumen.testing import chunk

TOKEN, VALUE = "<S_1>", "秘密SECRET"


class TokenFilter(MaskingFilter):
    """Restores one token; holds back what may become one."""

    hold_max = len(TOKEN)

    def __init__(self) -> None:
        self._held = ""
        self._masked: list[str] = []

    def feed(self, text: str) -> str:
        self._masked.append(text)
        text = (self._held + text).replace(TOKEN, VALUE)
        keep = max((n for n in range(len(TOKEN)) if text.endswith(TOKEN[:n])), default=0)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        held, self._held = self._held, ""
        return held

    def masked(self) -> str:
        masked = "".join(self._masked)
        self._masked.clear()
        return masked


class Tokens(Plugin[NoConfig]):
    """A masking plugin with a filter."""

    manifest: ClassVar[Manifest] = Manifest(name="tokens", version="1", sees="raw", mutates=True, masks=True)

    def __init__(self, config: NoConfig | None = None) -> None:
        super().__init__(config or NoConfig())

    async def on_request(self, exchange: Any) -> None:
        for text in exchange.texts:
            start = text.value.find(VALUE)
            if start >= 0:
                text.mask(start, start + len(VALUE), TOKEN)

    def stream(self, exchange: Any, channel: Channel) -> StreamFilter:
        return TokenFilter()


def stream_request(**more: Any) -> bytes:
    return request(VALUE, stream=True, **more)


def sent(outcome: Outcome) -> str:
    return b"".join(outcome.frames).decode()


def contents(pieces: list[str], end: str = "stop") -> list[bytes]:
    return [*(chunk(piece) for piece in pieces), chunk(finish=end)]
