"""Posts to a server over HTTP: batches of lines for a collector, checkpoints for a witness."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta

from pyreqwest import exceptions
from pyreqwest.client import Client

from yumen_plugins import posting
from yumen_plugins.audit.sinks.config import HttpSink, check_url, headers_of
from yumen_plugins.audit.sinks.target import Batch, Refused, Unreached

CONTENT_TYPES = {"jsonl": "application/x-ndjson", "ocsf": "application/x-ndjson", "cef": "text/plain; charset=utf-8"}
# Statuses after which the same request may be taken later (RFC 9110 and RFC 6585), beside those from 500 on.
LATER = frozenset((408, 425, 429))
FIXES = {
    401: "check the credential in the variables that `headers_env` names",
    403: "check the credential in the variables that `headers_env` names, and what it may do",
    404: "check `url`",
    413: "set `batch_bytes` lower, or let the server take more",
}


class Poster:
    """Posts to one URL. `who` it posts for is named in errors. Error: `CannotStart` for a URL or header that is unfit."""

    def __init__(self, url: str, headers_env: Mapping[str, str], timeout_s: float, who: str) -> None:
        check_url(url, who)
        self._url = url
        self._headers = headers_of(headers_env, who)
        self._timeout = timedelta(seconds=timeout_s)
        self._client: Client | None = None

    async def post(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return after a status from 200 to 299. Errors: `Unreached`, `Refused`."""
        client = self._client = self._client or posting.client(self._timeout)
        request = posting.request(client, self._url, {**self._headers, **headers}, body)
        try:
            async with request as response:
                _judge(response.status, posting.retry_after(response))
        except exceptions.PyreqwestError as error:
            raise Unreached(posting.kind_of(error)) from None
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            # A cancellation that meets the end of a request is lost in the HTTP library.
            raise asyncio.CancelledError

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await posting.close(client)


class HttpTarget:
    """One POST for each batch. `x-yumen-delivery` names it: two with the same name hold the same records."""

    def __init__(self, config: HttpSink) -> None:
        self._poster = Poster(config.url, config.headers_env, config.timeout_s, f"the sink {config.name}")
        self._content_type = CONTENT_TYPES[config.format]

    async def deliver(self, batch: Batch) -> None:
        delivery = f"{batch.log}/{batch.first}-{batch.last}"
        await self._poster.post(batch.body, {"content-type": self._content_type, "x-yumen-delivery": delivery})

    async def close(self) -> None:
        await self._poster.close()


def _judge(status: int, retry_after: str) -> None:
    if 200 <= status < 300:
        return
    if status >= 500 or status in LATER:
        raise Unreached(f"status {status}", posting.wait_s(retry_after, time.time()))
    raise Refused(f"status {status}", FIXES.get(status, "see what the server's log says about it"))
