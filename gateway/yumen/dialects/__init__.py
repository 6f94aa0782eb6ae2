"""Dialects: wire formats that turn bytes into texts and back, losslessly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from yumen.dialects.document import Document
from yumen.engine import Delta, Message
from yumen.errors import Problem
from yumen.exchange import Answer, Usage
from yumen.forms import CallState, TextState
from yumen.plugin import Channel


class Payload:
    """A decoded request or reply: its document and texts, and what the core must know of its structure.

    `choices` is how many answers were asked for; `include_usage` whether a stream should end with the usage. `path_text` is
    the path, where the caller's own words may stand in it; `tail` are bytes behind the document, which hold no text.
    """

    __slots__ = (
        "choices", "dialect", "document", "finish_reason", "include_usage", "model", "model_text", "path",
        "path_text", "size", "streamed", "tail", "texts", "usage",
    )  # fmt: skip

    def __init__(self, dialect: str, document: Document, texts: list[TextState]) -> None:
        self.dialect = dialect
        self.document = document
        self.texts = texts
        self.size = len(document.source)
        self.path = ""
        self.path_text: TextState | None = None
        self.tail = b""
        self.model = ""
        self.model_text: TextState | None = None
        self.streamed = False
        self.choices = 1
        self.include_usage = False
        self.usage: Usage | None = None
        self.finish_reason = ""

    def messages(self, *, masked: bool) -> list[Message]:
        """The conversation as roles and texts, as the engine gets them; parts of one message joined by newlines.

        A prompt that is no conversation is what a user says.
        """
        if self.path == "completions":
            prompts = [text for text in self.texts if text.kind == "message" and text.path.startswith("prompt")]
            return [Message("user", text.for_engine(masked)) for text in prompts]
        joined: dict[int, tuple[str, list[str]]] = {}
        for text in self.texts:
            if text.group >= 0 and text.kind in ("message", "tool_result"):
                joined.setdefault(text.group, (text.role, []))[1].append(text.for_engine(masked))
        return [Message(role, "\n".join(parts)) for role, parts in joined.values()]

    def model_for_engine(self, *, masked: bool) -> str:
        """The model's name as the engine gets it; `masked` says whether a masking plugin has enforced."""
        named = self.model_text
        return self.model if named is None else named.for_engine(masked)

    @property
    def model_for_reply(self) -> str:
        """The model's name in a reply that is made up here: its masked form, where there is one.

        The request's own name may have been masked for the engine, and a reply names what the engine was given.
        """
        named = self.model_text
        return self.model if named is None or named.masked is None else named.masked


class Piece(Protocol):
    """One text piece inside a stream event; `put` replaces it in the event."""

    channel: Channel
    text: str

    def put(self, text: str) -> None: ...


class Event(Protocol):
    """One event of a streamed reply, decoded.

    `pieces` grow channels; `loose` are texts that stand alone; `finished` are the choices that end with this event;
    `failed` means that the engine reports an error; `bare` that nothing but text pieces is in it, so that it can be
    dropped when they are held back.
    """

    pieces: list[Piece]
    loose: list[Piece]
    finished: list[int]
    finish_reason: str
    usage: Usage | None
    failed: bool
    bare: bool

    def render(self) -> bytes:
        """The event's JSON."""
        ...

    def drop_usage(self) -> bool:
        """Take out the usage; whether anything is left to send."""
        ...

    def carry(self, channel: Channel, text: str) -> bytes:
        """The JSON of a further event, made after this one's pattern, that carries only this text."""
        ...


class Dialect(Protocol):
    """Turns bytes into texts and back.

    `version` changes when requests or replies come to mean something else. Of the members of a request, `options` are
    declared numbers, truths and lists that change what an engine says; `transport` are those that only say how the reply
    is sent, each a truth, or an object of the truths that are named here.
    """

    name: str
    version: str
    options: frozenset[str]
    transport: Mapping[str, frozenset[str]]

    def decode(self, path: str, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        """A request, of which `json_bytes` are JSON, 0 for all. Error: `Problem` bad_request or payload_too_large."""
        ...

    def decode_reply(self, body: bytes, *, depth_max: int, texts_max: int, json_bytes: int = 0) -> Payload:
        """A plain reply. Error: `Problem`, which the core turns into engine_unavailable."""
        ...

    def decode_event(self, data: bytes) -> Event:
        """One event of a stream. Error: `Problem`, likewise."""
        ...

    def encode_answer(self, answer: Answer, request: Payload, exchange_id: str, created: int) -> bytes:
        """A neutral answer as a plain reply."""
        ...

    def encode_delta(self, delta: Delta, request: Payload, exchange_id: str, created: int) -> list[bytes]:
        """A neutral delta as events."""
        ...

    def complete(self, body: bytes) -> bool:
        """Whether a plain reply is all that the engine had to say. Error: `Problem` for what is no reply."""
        ...

    def counted(self, body: bytes) -> bool:
        """Whether a plain reply has the usage that clients expect of one. Error: `Problem`, likewise."""
        ...

    def calls_of(self, reply: Payload) -> list[CallState]:
        """The tool calls of a plain reply; none where the dialect has no such notion."""
        ...

    def events_of(self, body: bytes) -> list[bytes]:
        """A plain reply as the events of a stream; none where the dialect has no streams. Error: `Problem`."""
        ...

    def whole_of(self, events: Sequence[bytes]) -> bytes:
        """All events of a stream as a plain reply. Error: `Problem` where they do not come to one."""
        ...

    def error(self, problem: Problem) -> bytes:
        """An error body."""
        ...
