"""Reads server-sent events out of a stream of bytes cut anywhere.

The format is the WHATWG HTML standard's, section 9.2 "Server-sent events", of which only the `data` field matters here.
Work is on bytes: UTF-8 never has a line ending inside a character, so a character cut in two needs no care.
"""

from __future__ import annotations

BOM = b"\xef\xbb\xbf"


class EventTooLong(Exception):
    """One event held more bytes than allowed."""


class EventParser:
    """Feed it chunks; it returns the data of every event that they complete.

    `event_bytes_max` bounds what one event may hold, and so what is kept in memory.
    """

    def __init__(self, event_bytes_max: int) -> None:
        self._event_bytes_max = event_bytes_max
        self._line: list[bytes] = []  # pieces of a line whose end has not come
        self._line_bytes = 0
        self._data: list[bytes] = []  # data lines of an event whose blank line has not come
        self._data_bytes = 0
        self._first = True
        self._after_cr = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """The data of the events that this chunk completes. Error: `EventTooLong`."""
        if self._first:
            chunk = self._without_bom(chunk)
        if self._after_cr and chunk:
            # The line ended at the CR, without waiting for a LF that might be its second half.
            self._after_cr = False
            chunk = chunk.removeprefix(b"\n")
        if b"\n" not in chunk and b"\r" not in chunk:
            self._keep(chunk)
            return []
        self._after_cr = chunk.endswith(b"\r")
        lines = chunk.splitlines()
        rest = b"" if chunk.endswith((b"\n", b"\r")) else lines.pop()
        if self._line:
            self._line.append(lines[0])
            lines[0] = b"".join(self._line)
            self._line.clear()
            self._line_bytes = 0
        events: list[bytes] = []
        for line in lines:
            if line:
                self._take(line)
            elif self._data:
                events.append(self._event())
        self._keep(rest)
        return events

    def finish(self) -> bytes | None:
        """The data of an event that the end of the stream cut short of its blank line, or None.

        The standard throws it away; here the caller decides, because servers exist that end so after `[DONE]`.
        """
        if self._line:
            self._take(b"".join(self._line))
            self._line.clear()
        return self._event() if self._data else None

    def _without_bom(self, chunk: bytes) -> bytes:
        chunk = b"".join((*self._line, chunk))
        self._line.clear()
        self._line_bytes = 0
        if len(chunk) < len(BOM) and BOM.startswith(chunk):
            self._keep(chunk)
            return b""
        self._first = False
        return chunk.removeprefix(BOM)

    def _keep(self, piece: bytes) -> None:
        if piece:
            self._line.append(piece)
            self._line_bytes += len(piece)
            self._check()

    def _take(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        if name == b"data":
            value = value.removeprefix(b" ")
            self._data.append(value)
            self._data_bytes += len(value) + 1
            self._check()

    def _event(self) -> bytes:
        data = b"\n".join(self._data)
        self._data.clear()
        self._data_bytes = 0
        return data

    def _check(self) -> None:
        if self._line_bytes + self._data_bytes > self._event_bytes_max:
            raise EventTooLong
