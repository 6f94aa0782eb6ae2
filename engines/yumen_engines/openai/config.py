"""What an `openai` engine can be told."""

from __future__ import annotations

import re
from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from yumen import CannotStart

Milliseconds = Annotated[int, msgspec.Meta(ge=1, le=86_400_000)]
VERSION_SEGMENT = re.compile(r"v\d[a-z0-9]*")
HEADER_TOKEN = re.compile(r"[\x21-\x7e]*")


class OpenAIConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the upstream is, the credential it wants, how long to wait for it, and how much to take from it.

    `model` overrides the model's name on its way to the upstream. Times are in milliseconds, sizes in bytes.
    """

    base_url: str
    api_key: str = ""
    model: str = ""
    connect_timeout_ms: Milliseconds = 5_000
    first_byte_timeout_ms: Milliseconds = 120_000
    idle_timeout_ms: Milliseconds = 60_000
    total_timeout_ms: Milliseconds = 600_000
    retries: Annotated[int, msgspec.Meta(ge=0, le=5)] = 1
    retry_backoff_ms: Milliseconds = 100
    connections_max: Annotated[int, msgspec.Meta(ge=1, le=65_536)] = 1_024
    idle_connections_per_host: Annotated[int, msgspec.Meta(ge=0, le=65_536)] = 128
    proxy: str = ""
    reply_bytes_max: Annotated[int, msgspec.Meta(ge=1)] = 16 * 1024 * 1024
    sse_event_bytes_max: Annotated[int, msgspec.Meta(ge=1)] = 1024 * 1024

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


def root(base_url: str) -> str:
    """The URL that `chat/completions` is appended to, without a slash at its end.

    A path that names a version (`/v1`, `/api/paas/v4`, `/v1beta/openai`) is taken as it stands; to any other `/v1` is
    added. Error: `CannotStart` for what is not an absolute http or https URL, or holds a credential, query or fragment.
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
    if not any(VERSION_SEGMENT.fullmatch(segment) for segment in path.split("/")):
        path += "/v1"
    return f"{parts.scheme}://{parts.netloc}{path}"


def check_credentials(config: OpenAIConfig) -> None:
    """Error: `CannotStart` for an `api_key` that a header cannot carry. The message never holds it."""
    if not HEADER_TOKEN.fullmatch(config.api_key):
        raise CannotStart("`api_key` holds a blank, a control character or a non-ASCII one; check where it is set")
