"""What plugins share that post to a server: the HTTP client, and how a reply is read of which only the status matters."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime

from pyreqwest import exceptions
from pyreqwest.client import Client, ClientBuilder
from pyreqwest.request import StreamRequest
from pyreqwest.response import Response

# How long a server may ask to be left alone.
WAIT_S_MAX = 60.0
# Of a reply only the status is read; a short body is taken with it, so that its connection can be used again.
REPLY_BYTES_MAX = 4_096
# The HTTP library's threads may still hold Python objects just after closing, and abort an interpreter that ends then.
CLOSE_GRACE_S = 0.05


def client(timeout: timedelta) -> Client:
    """A client that follows nothing, says nothing of its own, and keeps one connection."""
    return (
        ClientBuilder()
        .runtime_multithreaded(False)
        .user_agent("yumen")
        .follow_redirects(False)
        .referer(False)
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .timeout(timeout)
        .connect_timeout(timeout)
        .pool_max_idle_per_host(1)
        .no_proxy()
        .build()
    )


def request(client: Client, url: str, headers: Mapping[str, str], body: bytes) -> StreamRequest:
    """A POST of whose reply only the status is read."""
    return (
        client.post(url)
        .headers(headers)
        .body_bytes(body)
        .streamed_read_buffer_limit(REPLY_BYTES_MAX)
        .build_streamed()
    )  # fmt: skip


async def close(client: Client) -> None:
    """Close a client and its connections."""
    await client.close()
    await asyncio.sleep(CLOSE_GRACE_S)


def kind_of(error: exceptions.PyreqwestError) -> str:
    """What went wrong, in a word."""
    if isinstance(error, TimeoutError):
        return "timeout"
    return "connection" if isinstance(error, exceptions.NetworkError) else type(error).__name__


def retry_after(response: Response) -> str:
    """The header `retry-after`; empty where there is none, or one that is not ASCII, which the HTTP library raises for."""
    try:
        return response.get_header("retry-after") or ""
    except ValueError:
        return ""


def wait_s(retry_after: str, now: float) -> float:
    """The seconds that a Retry-After header (RFC 9110, section 10.2.3) asks for, which may be a date; 60 at most.

    `now` is in seconds since the epoch.
    """
    if retry_after.isascii() and retry_after.isdigit():
        return min(float(retry_after[:9]), WAIT_S_MAX)
    try:
        left_s = parsedate_to_datetime(retry_after).timestamp() - now
    except (ValueError, OverflowError):
        return 0.0
    return min(max(left_s, 0.0), WAIT_S_MAX)
