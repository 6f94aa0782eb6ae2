"""Tells a webhook what fired: one alert, one POST of JSON, in the order of their firing.

Whoever receives them can tell three things: that they come from here (`x-yumen-signature`, an HMAC of time and body), that
they are fresh (`x-yumen-timestamp`), and which it has seen already (`x-yumen-delivery` is the same in every attempt).
Requests never wait for a webhook, and where it fails alerts are lost: the ledger is what records firings, not this.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import random
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from typing import Annotated, Literal
from urllib.parse import urlsplit

import msgspec
from pyreqwest import exceptions
from pyreqwest.client import Client

from yumen import CannotStart, Host, Lint
from yumen_plugins import posting

SEVERITIES = ("low", "medium", "high", "critical")
BACKOFF_S, BACKOFF_S_MAX = 0.5, 30.0
AGE_S_MAX = 600.0
STOP_S = 2.0
CANCEL_AGAIN_S = 0.1
BODY_BYTES_MAX = 65_536
TOO_MANY = 429


class AlertsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where alerts go, and which."""

    url: Annotated[
        str,
        msgspec.Meta(description="The http or https URL that alerts are posted to; `${env:NAME}` for a secret one."),
    ]
    secret: Annotated[str, msgspec.Meta(description="What alerts are signed with; empty, and they are not signed.")] = (
        ""
    )
    min_severity: Annotated[
        Literal["low", "medium", "high", "critical"], msgspec.Meta(description="The least severe alerts that are sent.")
    ] = "low"
    queue: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Alerts that wait at a time; more are dropped and counted.")
    ] = 1_000
    attempts: Annotated[
        int, msgspec.Meta(ge=1, le=20, description="How often one alert is sent before it is given up.")
    ] = 5
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=60, description="Seconds that the webhook has to answer.")] = 5.0


class _Alert(msgspec.Struct, frozen=True):
    """An alert that waits; `since` is the host's monotonic clock in seconds."""

    body: bytes
    delivery: str
    since: float


class _Failure(msgspec.Struct, frozen=True):
    """Why an attempt failed, in a word; whether another may succeed, and how many seconds the webhook asks to wait."""

    kind: str
    retry: bool
    wait_s: float = 0.0


class Alerts:
    """Sends alerts to one webhook. Error: `CannotStart` for a URL that is none.

    Counted are `alerts_sent`, and `alerts_dropped` by their `reason`: `full` (too many wait), `unfit` (an alert that is no
    JSON or more than 64 KiB), `old` (it waited for more than 10 minutes), `refused` (the webhook does not want it),
    `undelivered` (the last attempt failed), `stopping`, and `fault` (an error of this module).
    """

    def __init__(self, config: AlertsConfig, host: Host) -> None:
        _check(config.url)
        self._config = config
        self._host = host
        self._lowest = SEVERITIES.index(config.min_severity)
        self._waiting: asyncio.Queue[_Alert] = asyncio.Queue(config.queue)
        self._stopping = False
        self._client: Client | None = None
        self._task: asyncio.Task[None] | None = None
        self._failing = ""

    async def start(self) -> None:
        """Begin to send; alerts may have been given before."""
        self._client = posting.client(timedelta(seconds=self._config.timeout_s))
        self._task = asyncio.create_task(self._work(self._client), name=f"{self._host.instance} alerts")

    def send(self, alert: Mapping[str, object]) -> bool:
        """Let an alert be sent, whose `severity` is one of `SEVERITIES`; never waits. Returns whether it will be tried.

        One that is less severe than `min_severity` is not, without being counted as dropped; one without severity is.
        """
        severity = alert.get("severity")
        if severity in SEVERITIES and SEVERITIES.index(str(severity)) < self._lowest:
            return False
        if self._stopping:
            return self._drop("stopping")
        try:
            body = msgspec.json.encode(dict(alert))
        except (TypeError, ValueError, OverflowError, RecursionError):
            return self._drop("unfit")
        if len(body) > BODY_BYTES_MAX:
            return self._drop("unfit")
        try:
            self._waiting.put_nowait(_Alert(body, uuid.uuid4().hex, self._host.monotonic()))
        except asyncio.QueueFull:
            return self._drop("full")
        return True

    async def stop(self) -> None:
        """Deliver what waits, for 2 seconds at most; drop the rest."""
        self._stopping = True
        if self._task is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._waiting.join(), STOP_S)
            while not self._task.done():
                # A cancellation that meets the end of a request is lost in the HTTP library.
                self._task.cancel()
                await asyncio.wait([self._task], timeout=CANCEL_AGAIN_S)
            self._task = None
        while not self._waiting.empty():
            self._waiting.get_nowait()
            self._drop("stopping")
        client, self._client = self._client, None
        if client is not None:
            await posting.close(client)

    async def _work(self, client: Client) -> None:
        """Deliver one alert after the other, whatever happens to any of them."""
        while True:
            alert = await self._waiting.get()
            try:
                await self._deliver(client, alert)
            except asyncio.CancelledError:
                self._drop("stopping")
                raise
            except Exception as error:
                self._drop("fault")
                self._host.log.error("alert_fault", error=type(error).__name__)
            finally:
                self._waiting.task_done()

    async def _deliver(self, client: Client, alert: _Alert) -> None:
        """Try until it is delivered, refused, given up or too old."""
        for attempt in range(1, self._config.attempts + 1):
            if self._host.monotonic() - alert.since > AGE_S_MAX:
                self._drop("old")
                return
            failure = await self._post(client, alert)
            self._note(failure)
            if failure is None:
                self._host.metrics.count("alerts_sent")
                return
            if not failure.retry:
                self._drop("refused")
                return
            if attempt < self._config.attempts:
                await asyncio.sleep(max(failure.wait_s, backoff_s(attempt)))
        self._drop("undelivered")

    async def _post(self, client: Client, alert: _Alert) -> _Failure | None:
        request = posting.request(client, self._config.url, self._headers(alert), alert.body)
        try:
            async with request as response:
                return self._failure(response.status, posting.retry_after(response))
        except exceptions.PyreqwestError as error:
            return _Failure(posting.kind_of(error), isinstance(error, TimeoutError | exceptions.NetworkError))

    def _headers(self, alert: _Alert) -> dict[str, str]:
        headers = {"content-type": "application/json", "x-yumen-delivery": alert.delivery}
        if self._config.secret:
            timestamp = str(int(self._host.now()))
            headers["x-yumen-timestamp"] = timestamp
            headers["x-yumen-signature"] = f"sha256={signature(self._config.secret, timestamp, alert.body)}"
        return headers

    def _failure(self, status: int, retry_after: str) -> _Failure | None:
        if 200 <= status < 300:
            return None
        retry = status == TOO_MANY or status >= 500
        return _Failure(f"status_{status}", retry, self._wait_s(retry_after) if retry else 0.0)

    def _wait_s(self, retry_after: str) -> float:
        """The seconds that a Retry-After header (RFC 9110, section 10.2.3) asks for, which may be a date; 60 at most."""
        return posting.wait_s(retry_after, self._host.now())

    def _note(self, failure: _Failure | None) -> None:
        """Log where the webhook begins to fail, in another way, or no more; not every alert that it fails."""
        kind = failure.kind if failure else ""
        if kind and kind != self._failing:
            self._host.log.warning("alerts_failing", kind=kind)
        elif self._failing and not kind:
            self._host.log.info("alerts_delivered_again")
        self._failing = kind

    def _drop(self, reason: str) -> bool:
        self._host.metrics.count("alerts_dropped", reason=reason)
        return False


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The HMAC-SHA-256 (RFC 2104), in hex, of `<timestamp>.<body>`."""
    return hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()


def backoff_s(attempt: int) -> float:
    """How many seconds to wait after a failed attempt, the first being 1: exponential backoff with full jitter.

    After Brooker, "Exponential Backoff And Jitter" (AWS Architecture Blog, 2015).
    """
    ceiling_s = min(BACKOFF_S * 2 ** min(attempt - 1, 16), BACKOFF_S_MAX)
    return random.uniform(0.0, ceiling_s)  # noqa: S311 - spreads retries, guards nothing


def alert_lints(config: AlertsConfig | None) -> Sequence[Lint]:
    """What is wrong with where alerts go."""
    if config is not None:
        try:
            _check(config.url)
        except CannotStart as error:
            what, _, fix = str(error).partition("; ")
            return [Lint(("alerts", "url"), what, fix, wrong=True)]
    return ()


def _check(url: str) -> None:
    """Error: `CannotStart` for a URL that nothing can be posted to. The message never holds it."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isascii() or not url.isprintable() or " " in url:
        raise CannotStart("`url` of the alerts is not an absolute http:// or https:// URL; check where it is set")
