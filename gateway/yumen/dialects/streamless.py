"""What dialects without a stream format share. It is no part of a compiled module, from which nothing else could inherit."""

from __future__ import annotations

from yumen.dialects import Event, Payload
from yumen.engine import Delta
from yumen.errors import Problem

NO_STREAMS = "The engine streams, and this dialect has no streams."


class Streamless:
    """A streamed reply is refused."""

    def decode_event(self, data: bytes) -> Event:
        """Error: `Problem`, always."""
        raise Problem("engine_unavailable", NO_STREAMS)

    def encode_delta(self, delta: Delta, request: Payload, exchange_id: str, created: int) -> list[bytes]:
        """Error: `Problem`, always."""
        raise Problem("engine_unavailable", NO_STREAMS)
