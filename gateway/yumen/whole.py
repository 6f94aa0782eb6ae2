"""A streamed reply that is held back whole, for a plugin that looks at replies but has no stream filter."""

from __future__ import annotations

from yumen.channels import KINDS, call_path, path_of
from yumen.dialects import Event, Piece
from yumen.dialects.document import Document
from yumen.dialects.openai_events import TOOL_NAME
from yumen.dialects.shape import NESTED, Walk
from yumen.engine import EngineError
from yumen.errors import Problem
from yumen.forms import CallState, TextState
from yumen.plugin import Channel

BYTES_MAX = 16 << 20
DEPTH_MAX = 64
TEXTS_MAX = 200_000


class WholeReply:
    """The events of one reply, until all of them are there. Error: `EngineError` beyond `BYTES_MAX`."""

    def __init__(self) -> None:
        self._events: list[Event] = []
        self._bytes = 0
        self._channels: dict[Channel, TextState] = {}
        self._documents: dict[Channel, tuple[Document, list[TextState]]] = {}
        self._loose: list[tuple[Piece, TextState]] = []

    def add(self, event: Event, size: int) -> None:
        """Keep one more event of `size` bytes."""
        self._bytes += size
        if self._bytes > BYTES_MAX:
            raise EngineError("the reply is longer than may be held back")
        self._events.append(event)

    def read(self, *, masked_words: bool) -> list[TextState]:
        """The reply's texts: one per channel, tool arguments taken apart where they are JSON, and what stands alone."""
        parts: dict[Channel, list[str]] = {}
        for event in self._events:
            for piece in event.pieces:
                parts.setdefault(piece.channel, []).append(piece.text)
            self._loose += [(piece, _loose(piece)) for piece in event.loose]
        texts: list[TextState] = []
        for channel, pieces in parts.items():
            source = "".join(pieces)
            path = path_of(channel)
            if channel.name != "tool_arguments" or not self._read_arguments(channel, source, path):
                self._channels[channel] = _text(path, KINDS.get(channel.name, "message"), source)
                texts.append(self._channels[channel])
            else:
                texts += self._documents[channel][1]
        texts += [text for _, text in self._loose]
        for text in texts:
            text.masked = text.raw if masked_words else None
        return texts

    def calls(self) -> list[CallState]:
        """The reply's tool calls, made of the texts that `read` has given."""
        calls: dict[tuple[int, int], CallState] = {}
        for piece, text in self._loose:
            if piece.channel.name == TOOL_NAME:
                _call(calls, piece.channel).names.append(text)
        for channel, (document, texts) in self._documents.items():
            call = _call(calls, channel)
            call.document, call.source, call.texts = document, document.source.decode(), texts
        for channel, text in self._channels.items():
            if channel.name == "tool_arguments":
                call = _call(calls, channel)
                call.source, call.texts = text.raw, [text]
        return [calls[place] for place in sorted(calls)]

    def _read_arguments(self, channel: Channel, source: str, path: str) -> bool:
        try:
            document = Document.parse(source.encode())
            texts = Walk(document, NESTED, depth_max=DEPTH_MAX, texts_max=TEXTS_MAX).texts
        except Problem:
            return False
        for text in texts:
            text.path, text.role = f"{path}#{text.path}", "assistant"
        self._documents[channel] = (document, texts)
        return True

    def render(self) -> list[bytes]:
        """The events again: a channel's text in the first event of that channel, events left empty dropped."""
        for piece, text in self._loose:
            piece.put(text.raw)
        rendered: list[bytes] = []
        started: set[Channel] = set()
        for event in self._events:
            had_text = has_text = False
            for piece in event.pieces:
                had_text = had_text or bool(piece.text)
                whole = "" if piece.channel in started else self._whole(piece.channel)
                started.add(piece.channel)
                has_text = has_text or bool(whole)
                piece.put(whole)
            if not (event.bare and had_text and not has_text):
                rendered.append(event.render())
        return rendered

    def _whole(self, channel: Channel) -> str:
        if channel not in self._documents:
            return self._channels[channel].raw
        document, texts = self._documents[channel]
        for text in texts:
            if text.edited:
                text.write(text.raw)
        return document.render().decode()


def _loose(piece: Piece) -> TextState:
    if piece.channel.name == TOOL_NAME:
        return _text(f"{call_path(piece.channel)}.function.name", "identifier", piece.text)
    return _text("event", "extra", piece.text)


def _call(calls: dict[tuple[int, int], CallState], channel: Channel) -> CallState:
    return calls.setdefault((channel.choice, channel.tool), CallState(channel.choice, call_path(channel), ""))


def _text(path: str, kind: str, raw: str) -> TextState:
    return TextState(path, "assistant", kind, raw, -1, None, 0)  # type: ignore[arg-type]  # KINDS holds kinds only
