"""What a failed exchange with the upstream means: what to say, whether it was too late, whether to try again.

Messages name the kind of failure only. Where the connection itself failed, the system's own words are added, which know
neither payload nor credential.
"""

from __future__ import annotations

from http import HTTPStatus

import msgspec
from pyreqwest import exceptions

from yumen import EngineError

# Answers that say "this server, at this moment": another attempt may meet another replica.
RETRY_STATUSES = frozenset({502, 503, 504})
CONNECT_PHASE = "client error (Connect)"
CAUSE_LENGTH_MAX = 120
CLOSING = "the engine is closing"
LATE = "the upstream did not begin its reply in time"


class Failure(msgspec.Struct, frozen=True):
    """`connect`: no connection came about. `retry`: the upstream cannot have begun to answer. `full`: it was not asked."""

    message: str
    timeout: bool = False
    connect: bool = False
    retry: bool = False
    full: bool = False

    def error(self) -> EngineError:
        return EngineError(self.message, timeout=self.timeout, again=self.retry or self.full)


def failure_of(error: exceptions.PyreqwestError) -> Failure:
    """Sort an exception of the HTTP library."""
    causes = _causes(error)
    connecting = CONNECT_PHASE in causes
    if isinstance(error, exceptions.PoolTimeoutError):
        return Failure("all `connections_max` connections to the upstream are in use", full=True)
    if isinstance(error, exceptions.ConnectTimeoutError):
        # The library uses this class for every timeout before the head of the reply.
        if connecting:
            return Failure("no connection to the upstream in time", timeout=True, connect=True, retry=True)
        return Failure(LATE, timeout=True)
    if isinstance(error, exceptions.RequestTimeoutError):
        return Failure("the upstream did not finish its reply in time", timeout=True)
    if isinstance(error, exceptions.ConnectError):
        if connecting:
            return Failure(f"cannot connect to the upstream: {causes[-1][:CAUSE_LENGTH_MAX]}", connect=True, retry=True)
        return Failure("the upstream closed the connection before its reply", retry=True)
    if isinstance(error, exceptions.WriteError):
        return Failure("the upstream closed the connection before its reply", retry=True)
    if isinstance(error, exceptions.NetworkError | exceptions.DecodeError):
        return Failure("the connection broke in the middle of the reply")
    if isinstance(error, exceptions.ClientClosedError):
        return Failure(CLOSING)
    return Failure(f"the request to the upstream failed: {type(error).__name__}")


def refusal(status: int, retry_after_s: int | None = None) -> EngineError:
    """The error for a status that must not reach the client as its own; a 503 may say when to come back."""
    if status in (401, 403):
        return EngineError(f"the upstream refused the gateway's own credential with status {status}; check `api_key`")
    timeout = status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.GATEWAY_TIMEOUT)
    return EngineError(
        f"the upstream answered with status {status}",
        timeout=timeout,
        again=status in RETRY_STATUSES,
        retry_after_s=retry_after_s if status == HTTPStatus.SERVICE_UNAVAILABLE else None,
    )


def _causes(error: exceptions.PyreqwestError) -> list[str]:
    details = getattr(error, "details", None)
    causes = details.get("causes") if isinstance(details, dict) else None
    return [str(cause.get("message", "")) for cause in causes or ()]
