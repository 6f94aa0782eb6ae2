"""The HTTP side: two connection pools, timeouts and retries, up to the head of the reply.

pyreqwest 0.15 was read and measured for this (two cores, 32 requests in flight, nginx behind):

* a streamed request with its default read-ahead is as fast as an ordinary one (41,800 against 36,800 requests/s), and lets
  a long reply be refused; but it returns only when 64 KiB or the whole reply are there, so streams need a read-ahead of 0;
* its single-threaded runtime beats the multi-threaded one (38,400 against 28,600 requests/s);
* a timer of `asyncio.timeout` costs 4.5 microseconds, so plain requests use the library's own timers;
* cancelling a request before the head of its reply frees the caller at once, but the library goes on waiting for the
  upstream; hence every request carries a deadline of its own.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import timedelta

from pyreqwest.client import Client, ClientBuilder
from pyreqwest.exceptions import PyreqwestError
from pyreqwest.proxy import ProxyBuilder
from pyreqwest.request import RequestBuilder, StreamRequest
from pyreqwest.response import Response

from yumen import CannotStart, EngineError
from yumen_engines.openai.config import OpenAIConfig, check_credentials, root
from yumen_engines.openai.failures import CLOSING, LATE, RETRY_STATUSES, failure_of, refusal
from yumen_engines.openai.headers import asked_for, header

VERSION = "0.1.0"
BACKOFF_MS_MAX = 2_000
READ_BYTES = 65_536
# Statuses that say something about this gateway and the upstream, not about the client's request.
NOT_THE_CLIENTS = frozenset({401, 403, 408})
# The HTTP library's threads may still hold Python objects just after closing, and abort an interpreter that ends then.
CLOSE_GRACE_S = 0.05
CONNECT_FAILURES_MAX = 3
CONNECT_FAILURE_MEMORY_S = 30.0
NO_HEADERS: Mapping[str, str] = {}
NO_STATUSES: frozenset[int] = frozenset()


class Upstream:
    """One upstream server, reached with the engine's own credential.

    `monotonic` is the host's clock in seconds; `base` is what paths are appended to, by default the API's root below
    `base_url`; `streams`: whether there is a pool for streamed requests. Error: `CannotStart` for a URL, key or proxy that
    cannot be used.
    """

    def __init__(
        self, config: OpenAIConfig, monotonic: Callable[[], float], base: str | None = None, *, streams: bool = True
    ) -> None:
        check_credentials(config)
        self._root = root(config.base_url) if base is None else base
        self._monotonic = monotonic
        self._retries = config.retries
        self._backoff_ms = config.retry_backoff_ms
        # Plain replies and streams have a pool each: a crowd of long streams does not starve short replies.
        first_byte_s, idle_s = config.first_byte_timeout_ms / 1000, config.idle_timeout_ms / 1000
        self._plain = _client(config, "application/json", first_byte_s)
        self._streams = _client(config, "text/event-stream", max(first_byte_s, idle_s)) if streams else self._plain
        # The library has one timer for both; where it is the longer of the two, the head needs one of ours.
        self._head_timeout_s = first_byte_s if idle_s > first_byte_s else None
        self._closed = False
        self._connect_failures = 0
        self._connect_failed_at = 0.0
        self._connect_detail = ""

    async def send(
        self,
        path: str,
        body: bytes,
        *,
        deadline: float,
        streamed: bool = False,
        method: str = "POST",
        headers: Mapping[str, str] = NO_HEADERS,
    ) -> tuple[StreamRequest, Response]:
        """Send a request and wait for the head of its reply, trying again where that is safe.

        `headers` come beside those that are always sent, or in their place. A `GET` has no body.

        A completion is neither idempotent nor does it change anything: answering twice costs money and nothing else. So a
        request is sent again only where the upstream cannot have begun to answer it (no connection, or reset before a
        reply), or says itself that it did not (502, 503, 504) and not to come back any later than it would be asked again;
        never after a timeout, when it may still be at work. Error: `EngineError`.
        """
        attempt = 0
        while True:
            last = attempt >= self._retries
            try:
                builder = self._builder(method, path, body, headers, streamed, deadline)
                sent, response = await self._once(builder, streamed)
            except PyreqwestError as error:
                failure = failure_of(error)
                self._note(failure.message if failure.connect else "")
                if last or not failure.retry:
                    raise failure.error() from None
                wait_s = 0.0
            else:
                self._note("")
                if last or response.status not in RETRY_STATUSES:
                    return sent, response
                wait_s = asked_for(response) or 0.0
                if wait_s > BACKOFF_MS_MAX / 1000:
                    return sent, response
                await discard(sent)
            attempt += 1
            await asyncio.sleep(max(wait_s, self._backoff_s(attempt)))

    def _builder(
        self, method: str, path: str, body: bytes, headers: Mapping[str, str], streamed: bool, deadline: float
    ) -> RequestBuilder:
        if self._closed:
            raise EngineError(CLOSING)
        left_s = deadline - self._monotonic()
        if left_s <= 0:
            raise EngineError("no time was left for the upstream", timeout=True)
        builder = (self._streams if streamed else self._plain).request(method, f"{self._root}/{path}")
        for name, value in headers.items():
            builder = builder.header(name, value)
        builder = builder.timeout(timedelta(seconds=left_s))
        return builder if method == "GET" else builder.body_bytes(body)

    async def _once(self, builder: RequestBuilder, streamed: bool) -> tuple[StreamRequest, Response]:
        if not streamed:
            request = builder.build_streamed()
            return request, await request.__aenter__()
        request = builder.streamed_read_buffer_limit(0).build_streamed()
        try:
            async with asyncio.timeout(self._head_timeout_s):
                return request, await request.__aenter__()
        except PyreqwestError:
            raise  # some of these are TimeoutErrors too
        except TimeoutError:
            raise EngineError(LATE, timeout=True) from None

    def _backoff_s(self, attempt: int) -> float:
        ceiling_ms = min(self._backoff_ms << (attempt - 1), BACKOFF_MS_MAX)
        return ceiling_ms / 1000 * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, guards nothing

    def _note(self, connect_detail: str) -> None:
        """Remember whether this attempt could connect; any answer at all is a sign of life."""
        self._connect_failures = self._connect_failures + 1 if connect_detail else 0
        self._connect_failed_at = self._monotonic()
        self._connect_detail = connect_detail

    def health(self) -> str:
        """Why the upstream cannot be reached, or empty.

        Nothing is probed: this is what the last attempts met, and it is forgotten after half a minute, so that an engine
        taken out of traffic for it gets another chance.
        """
        recent = self._monotonic() - self._connect_failed_at < CONNECT_FAILURE_MEMORY_S
        return self._connect_detail if recent and self._connect_failures >= CONNECT_FAILURES_MAX else ""

    async def close(self) -> None:
        """Send nothing more."""
        if self._closed:
            return
        self._closed = True  # a request that races with closing might be sent by the library all the same
        await self._plain.close()
        await self._streams.close()
        # A closed client keeps its idle connections open for as long as it exists.
        del self._plain, self._streams


async def discard(request: StreamRequest) -> None:
    """Close a request that was answered and whose reply is not wanted; the connection goes with it."""
    with suppress(RuntimeError):  # it was closed before
        await request.__aexit__(None, None, None)


async def read_reply(
    request: StreamRequest, response: Response, bytes_max: int, *, answers: frozenset[int] = NO_STATUSES
) -> bytes:
    """The body of a reply that the client may have; without one the request is closed.

    `answers` are further statuses that are replies. Errors: `EngineError` for a status that is not the client's, a reply
    longer than `bytes_max`, or one that breaks off.
    """
    try:
        status = response.status
        refused = status >= 500 or status in NOT_THE_CLIENTS or status // 100 in (1, 3)
        if refused and status not in answers:
            raise refusal(status, asked_for(response))
        return await _read_whole(response, bytes_max)
    except PyreqwestError as error:
        await discard(request)
        raise failure_of(error).error() from None
    except BaseException:
        await discard(request)
        raise


async def _read_whole(response: Response, bytes_max: int) -> bytes:
    too_long = EngineError("the upstream's reply is longer than `reply_bytes_max`")
    declared = header(response, "content-length")
    if declared.isdigit() and int(declared[:18]) > bytes_max:
        raise too_long
    reader = response.body_reader
    chunks: list[bytes] = []
    total = 0
    while True:
        chunk = await reader.read(READ_BYTES)
        if chunk is not None:
            chunks.append(bytes(chunk))
            total += len(chunk)
        if total > bytes_max:
            raise too_long
        if chunk is None or len(chunk) < READ_BYTES:
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _client(config: OpenAIConfig, accept: str, read_timeout_s: float) -> Client:
    headers = {"content-type": "application/json", "accept": accept}
    if config.api_key:
        headers["authorization"] = f"Bearer {config.api_key}"
    connect = timedelta(milliseconds=config.connect_timeout_ms)
    builder = (
        ClientBuilder()
        .runtime_multithreaded(False)
        .default_headers(headers)
        .user_agent(f"yumen/{VERSION}")
        .follow_redirects(False)
        .referer(False)
        # Not asking for compression means that no small reply can unpack into a large one.
        .gzip(False)
        .brotli(False)
        .zstd(False)
        .deflate(False)
        .connect_timeout(connect)
        .read_timeout(timedelta(seconds=read_timeout_s))
        .max_connections(config.connections_max)
        .pool_timeout(connect)
        .pool_max_idle_per_host(config.idle_connections_per_host)
        .no_proxy()
    )
    try:
        if config.proxy:
            builder = builder.proxy(ProxyBuilder.all(config.proxy))
        return builder.build()
    except (ValueError, RuntimeError, PyreqwestError):
        raise CannotStart("the connection pool cannot be set up; check `proxy`, which must be a URL") from None
