"""Reading a request from ASGI under its limits, and writing replies."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from yumen.deadline import Deadline
from yumen.errors import Problem

if TYPE_CHECKING:
    from yumen.policy.bundle import Limits

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

JSON = (b"content-type", b"application/json")
EVENT_STREAM = ((b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store"))
DRAIN_BYTES_MAX, DRAIN_S = 1 << 20, 1.0
NO_DIRECTIVES: Mapping[str, str] = MappingProxyType({})
PLAIN_DIRECTIVES = frozenset({b"no-store", b"no-cache"})
DIRECTIVES_BYTES_MAX = 500
GZIP_WINDOW = 16 + zlib.MAX_WBITS
# Each further member copies what is left of the body, so that many tiny ones would cost quadratic time.
GZIP_MEMBERS_MAX = 16


class Incoming:
    """The receiving side of one request, which knows whether its body has been read to the end."""

    __slots__ = ("_receive", "complete")

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self.complete = False

    async def __call__(self) -> dict[str, Any]:
        message = await self._receive()
        self.complete = not message.get("more_body", False)
        return message

    async def drain(self) -> None:
        """Read on after a refusal, up to a limit: a server closes a connection whose body was left unread.

        A client that is still sending would then see a broken connection instead of the reason.
        """
        left = DRAIN_BYTES_MAX
        with contextlib.suppress(TimeoutError), Deadline(DRAIN_S):
            while not self.complete and left > 0:
                left -= len((await self()).get("body", b""))


class ClientGone(Exception):
    """The client closed its connection before its request was complete."""


def header(headers: Headers, name: bytes) -> bytes:
    """One header's value, or empty. Error: `Problem` bad_request where it stands there twice."""
    values = [value for key, value in headers if key == name]
    if len(values) > 1:
        raise Problem("bad_request", f"The header {name.decode()} stands there {len(values)} times.")
    return values[0] if values else b""


def named_headers(headers: Headers, names: frozenset[str]) -> dict[str, str]:
    """The values of some headers by lower-case name; those of one that stands there several times joined by commas."""
    found: dict[str, str] = {}
    for key, value in headers:
        name, text = key.decode("latin-1"), value.decode("latin-1")
        if name in names:
            found[name] = f"{found[name]}, {text}" if name in found else text
    return found


def cache_control(headers: Headers) -> Mapping[str, str]:
    """The directives of Cache-Control that a caller may give (RFC 9111, section 5.2.1), with their seconds; no others."""
    given = [value for name, value in headers if name == b"cache-control"]
    if not given:
        return NO_DIRECTIVES
    found = {}
    for part in b",".join(given)[:DIRECTIVES_BYTES_MAX].lower().split(b","):
        name, _, seconds = part.strip().partition(b"=")
        if name in PLAIN_DIRECTIVES or (name == b"max-age" and re.fullmatch(rb"[0-9]{1,9}", seconds)):
            found[name.decode()] = seconds.decode() if name == b"max-age" else ""
    return found


def check_headers(headers: Headers, limits: Limits) -> None:
    """Error: `Problem` bad_request (431) for too many headers or too long ones."""
    size = sum(len(name) + len(value) for name, value in headers)
    if len(headers) > limits.headers or size > limits.header_bytes:
        raise Problem("bad_request", "The request's headers are too many or too long.", status=431)


async def read_body(headers: Headers, receive: Receive, limits: Limits) -> bytes:
    """The body, decompressed. Errors: `Problem` payload_too_large or bad_request; `ClientGone`."""
    announced = header(headers, b"content-length")
    length = -1
    if announced:
        if not announced.isdigit():
            raise Problem("bad_request", "The header content-length is not a number.")
        if len(announced) > 18 or int(announced) > limits.body_bytes:
            raise _too_large(limits.body_bytes)
        # Where the length is given and counts, no further message is needed to know that the body is complete.
        length = -1 if header(headers, b"transfer-encoding") else int(announced)
    encoding = header(headers, b"content-encoding").lower().strip()
    try:
        with Deadline(limits.request_read_ms / 1000):
            body = await _receive(receive, length, limits.body_bytes)
    except TimeoutError:
        raise Problem("bad_request", "The body did not arrive in time.", status=408) from None
    if encoding in (b"", b"identity"):
        return body
    if encoding not in (b"gzip", b"x-gzip"):
        raise Problem("bad_request", "The body's content-encoding is neither gzip nor identity.", status=415)
    return _gunzip(body, limits.decompressed_bytes)


async def _receive(receive: Receive, length: int, bytes_max: int) -> bytes:
    """The body as it was sent: until `length` bytes are there, or, where that is negative, until its end is announced."""
    parts: list[bytes] = []
    size = 0
    more = True
    while more and size != length:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        part = message.get("body", b"")
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        parts.append(part)
        more = message.get("more_body", False)
    return bytes(parts[0]) if len(parts) == 1 else b"".join(parts)


def _gunzip(body: bytes, size_max: int) -> bytes:
    """Decompress at most `size_max` bytes, so that a small bomb cannot become a large allocation."""
    out = bytearray()
    members = 0
    try:
        while body:
            members += 1
            if members > GZIP_MEMBERS_MAX:
                raise Problem("bad_request", f"The gzip body has more than {GZIP_MEMBERS_MAX} members.")
            inflate = zlib.decompressobj(GZIP_WINDOW)
            out += inflate.decompress(body, size_max + 1 - len(out))
            if len(out) > size_max:
                raise _too_large(size_max)
            if not inflate.eof:
                raise Problem("bad_request", "The gzip body is cut short.")
            body = inflate.unused_data
    except zlib.error:
        raise Problem("bad_request", "The body is not valid gzip.") from None
    return bytes(out)


def _too_large(size_max: int) -> Problem:
    return Problem("payload_too_large", f"The body is larger than {size_max} bytes.")


async def send_reply(send: Send, status: int, headers: Headers, body: bytes) -> None:
    """A whole reply."""
    length = (b"content-length", str(len(body)).encode())
    await send({"type": "http.response.start", "status": status, "headers": [JSON, length, *headers]})
    await send({"type": "http.response.body", "body": body})
