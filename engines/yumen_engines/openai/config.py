"""What an `openai` engine can be told."""

from __future__ import annotations

import re
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from yumen import CannotStart

VERSION_SEGMENT = re.compile(r"v\d[a-z0-9]*")
HEADER_TOKEN = re.compile(r"[\x21-\x7e]*")


def ms(description: str) -> msgspec.Meta:
    """A key that says how long to wait: up to a day."""
    return msgspec.Meta(ge=1, le=86_400_000, description=description)


def number(lowest: int, highest: int, description: str) -> msgspec.Meta:
    """A key that counts something."""
    return msgspec.Meta(ge=lowest, le=highest, description=description)


def text(description: str) -> msgspec.Meta:
    """A key of any text."""
    return msgspec.Meta(description=description)


class OpenAIConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the upstream is, the credential it wants, how long to wait for it, and how much to take from it."""

    base_url: Annotated[str, text("Absolute http or https URL; `/v1` is added where its path names no version.")]
    api_key: Annotated[str, text("The engine's own credential, sent as a bearer token; empty for none.")] = ""
    model: Annotated[str, text("Replaces the model's name on its way to the upstream; empty to leave it.")] = ""
    connect_timeout_ms: Annotated[int, ms("For a connection, or a free place among `connections_max`.")] = 5_000
    first_byte_timeout_ms: Annotated[
        int, ms("From the request to the reply's head, and to a stream's first event.")
    ] = 120_000
    idle_timeout_ms: Annotated[int, ms("Between two pieces of a stream.")] = 60_000
    total_timeout_ms: Annotated[int, ms("For the whole reply, retries included.")] = 600_000
    retries: Annotated[int, number(0, 5, "Further attempts where the upstream cannot have begun to answer.")] = 1
    retry_backoff_ms: Annotated[
        int, ms("Before the first retry; doubles each time, up to 2,000; half of it is jitter.")
    ] = 100
    connections_max: Annotated[int, number(1, 65_536, "Requests under way; plain and streamed counted apart.")] = 1_024
    idle_connections_per_host: Annotated[int, number(0, 65_536, "Connections kept open for the next request.")] = 128
    proxy: Annotated[str, text("URL of a proxy; the environment's `HTTP_PROXY` and the like are not read.")] = ""
    reply_bytes_max: Annotated[int, number(1, 1 << 40, "The longest reply that is not a stream.")] = 16 * 1024 * 1024
    sse_event_bytes_max: Annotated[int, number(1, 1 << 40, "The longest event of a stream.")] = 1024 * 1024

    def __repr__(self) -> str:
        # A credential can stand in `api_key` and in `proxy`, and a repr ends up in logs and tracebacks.
        return f"OpenAIConfig(base_url={origin(self.base_url)!r}, model={self.model!r})"


def origin(url: str) -> str:
    """The part of a URL that may be shown: scheme, host and port, or empty where it cannot be read."""
    try:
        parts = urlsplit(url)
        port = "" if parts.port is None else f":{parts.port}"
    except ValueError:
        return ""
    return f"{parts.scheme}://{parts.hostname}{port}" if parts.hostname else ""


def root(base_url: str, *, versioned: bool = True) -> str:
    """The URL that `chat/completions` is appended to, without a slash at its end.

    A path that names a version (`/v1`, `/api/paas/v4`, `/v1beta/openai`) is taken as it stands; to any other `/v1` is
    added, where `versioned`. Error: `CannotStart` for what is not an absolute http or https URL, or holds a credential,
    query or fragment.
    """
    unusable = CannotStart("`base_url` is not an absolute http:// or https:// URL; give e.g. http://127.0.0.1:9000/v1")
    try:
        parts = urlsplit(base_url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        raise unusable from None
    if not usable or not HEADER_TOKEN.fullmatch(base_url):
        raise unusable
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise CannotStart("`base_url` holds a credential, a query or a fragment; give the credential as `api_key`")
    path = parts.path.rstrip("/")
    if versioned and not any(VERSION_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


def check_credentials(config: OpenAIConfig) -> None:
    """Error: `CannotStart` for an `api_key` that a header cannot carry. The message never holds it."""
    if not HEADER_TOKEN.fullmatch(config.api_key):
        raise CannotStart("`api_key` holds a blank, a control character or a non-ASCII one; check where it is set")


def client_config(config: Any) -> OpenAIConfig:
    """What the client takes, of an engine that is configured alike and has one timeout for the head and for what follows."""
    same = (
        "base_url", "api_key", "connect_timeout_ms", "first_byte_timeout_ms", "retries", "retry_backoff_ms",
        "connections_max", "idle_connections_per_host", "proxy",
    )  # fmt: skip
    keys = {key: getattr(config, key) for key in same}
    return OpenAIConfig(**keys, idle_timeout_ms=config.first_byte_timeout_ms)
