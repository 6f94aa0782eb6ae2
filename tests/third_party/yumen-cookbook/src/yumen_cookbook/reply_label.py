"""Says at the end of every answer, and in a header, that a machine has written it."""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta, Struct

from yumen import Channel, Exchange, Manifest, Plugin, StreamFilter


class ReplyLabelConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    label: Annotated[str, Meta(min_length=1, max_length=200, description="What stands at the end of an answer.")] = (
        "\n\n（本内容由人工智能生成 AI-generated）"
    )


class ReplyLabel(Plugin[ReplyLabelConfig]):
    """An answer that begins like JSON is left alone, since programs read it; the header tells them."""

    manifest: ClassVar[Manifest] = Manifest(name="reply_label", version="1.0.0", sees="raw", mutates=True)

    async def on_request(self, exchange: Exchange) -> None:
        # Headers of a stream leave before its first word, so this is the time to set one.
        exchange.set_header("x-ai-generated", "true")

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        return Labelled(self.config.label) if channel.name == "content" and exchange.dialect == "openai" else None

    async def on_response(self, exchange: Exchange) -> None:
        for text in exchange.reply.texts if exchange.reply is not None and exchange.dialect == "openai" else ():
            if text.path.endswith((".message.content", "].text")) and prose(text.value):
                text.replace(len(text.value), len(text.value), self.config.label)


class Labelled(StreamFilter):
    """Lets everything pass at once, and has one more word at the end."""

    def __init__(self, label: str) -> None:
        self._label, self._begin = label, ""

    def feed(self, text: str) -> str:
        self._begin = self._begin or text.lstrip()[:1]
        return text

    def finish(self) -> str:
        return self._label if prose(self._begin) else ""


def prose(text: str) -> bool:
    """Whether an answer is for people."""
    return text.strip()[:1] not in ("", "{", "[")
