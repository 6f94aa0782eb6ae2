"""Frames over one end of a socket, on an event loop."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import cast

from yumen.isolation.wire import HEAD


class Link(asyncio.Protocol):
    """Hands every whole message to `take`, and calls `ended` once, when the other end is gone or `take` has raised.

    `ended` is told what was wrong, in a word, or the empty string. What is sent within one round of the loop leaves
    together, but for the first, which leaves at once.
    """

    def __init__(self, take: Callable[[bytes], None], ended: Callable[[str], None], bytes_max: int) -> None:
        self._take = take
        self._ended: Callable[[str], None] | None = ended
        self._bytes_max = bytes_max
        self._buffer = bytearray()
        self._waiting: list[bytes] = []
        self._waiting_bytes = 0
        self._round = False
        self._transport: asyncio.WriteTransport | None = None

    async def open(self, sock: socket.socket) -> None:
        """Begin to read."""
        loop = asyncio.get_running_loop()
        self._loop = loop
        await loop.create_unix_connection(lambda: self, sock=sock)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See `asyncio.Protocol`."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if self._ended is None:
            return
        self._buffer += data
        buffer, start = self._buffer, 0
        try:
            while len(buffer) - start >= HEAD.size:
                (size,) = HEAD.unpack_from(buffer, start)
                if size > self._bytes_max:
                    raise ValueError("a message is too long")
                end = start + HEAD.size + size
                if len(buffer) < end:
                    break
                body = bytes(memoryview(buffer)[start + HEAD.size : end])
                start = end
                self._take(body)
        except Exception as error:  # whatever reading it raises, the other end has said what it must not
            self._over(type(error).__name__)
            self.close()
            return
        del buffer[:start]

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._transport = None
        self._buffer.clear()
        self._waiting.clear()
        self._over("")

    def _over(self, why: str) -> None:
        """Say once that nothing more comes."""
        ended, self._ended = self._ended, None
        if ended is not None:
            ended(why)

    def send(self, body: bytes) -> None:
        """Send a message; one that cannot be sent any more is dropped, and `ended` has told so, or will."""
        transport = self._transport
        if transport is None:
            return
        framed = HEAD.pack(len(body)) + body
        if not self._round:
            self._round = True
            self._loop.call_soon(self._flush)
            transport.write(framed)
        else:
            self._waiting.append(framed)
            self._waiting_bytes += len(framed)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        self._round, self._waiting_bytes = False, 0
        if waiting and self._transport is not None:
            self._transport.write(b"".join(waiting))

    @property
    def unsent_bytes(self) -> int:
        """How much the other end has not taken yet."""
        if self._transport is None:
            return 0
        return self._waiting_bytes + self._transport.get_write_buffer_size()

    def finish(self) -> None:
        """Close when everything has been sent."""
        self._flush()
        if self._transport is not None:
            self._transport.close()

    def close(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
