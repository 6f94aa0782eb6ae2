"""What dialects without a stream format share. It is no part of a compiled module, from which nothing else could inherit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from yumen.dialects import Event, Payload
from yumen.dialects.document import Document
from yumen.engine import Delta
from yumen.errors import Problem
from yumen.forms import CallState

NO_STREAMS = "The engine streams, and this dialect has no streams."


class Streamless:
    """A streamed reply is refused."""

    version = "1"
    options: frozenset[str] = frozenset()
    transport: Mapping[str, frozenset[str]] = MappingProxyType({})

    def complete(self, body: bytes) -> bool:
        """Any reply that can be read. Error: `Problem` for what is no JSON."""
        Document.parse(body, "reply")
        return True

    def counted(self, body: bytes) -> bool:
        """True: nobody counts here."""
        return True

    def calls_of(self, reply: Payload) -> list[CallState]:
        """None."""
        return []

    def events_of(self, body: bytes) -> list[bytes]:
        """None."""
        return []

    def whole_of(self, events: Sequence[bytes]) -> bytes:
        """Error: `Problem`, always."""
        raise Problem("engine_unavailable", NO_STREAMS)

    def decode_event(self, data: bytes) -> Event:
        """Error: `Problem`, always."""
        raise Problem("engine_unavailable", NO_STREAMS)

    def encode_delta(self, delta: Delta, request: Payload, exchange_id: str, created: int) -> list[bytes]:
        """Error: `Problem`, always."""
        raise Problem("engine_unavailable", NO_STREAMS)
