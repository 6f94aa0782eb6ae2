"""What an `http` engine can be told."""

from __future__ import annotations

from typing import Annotated

import msgspec

from yumen_engines.openai.config import OpenAIConfig, client_config, ms, number, origin, text


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the application is, the credential it wants, how long to wait for it, and how much to take from it."""

    base_url: Annotated[str, text("Absolute http or https URL; what stands behind the app's name is added to it.")]
    api_key: Annotated[str, text("The engine's own credential, sent as a bearer token; empty for none.")] = ""
    connect_timeout_ms: Annotated[int, ms("For a connection, or a free place among `connections_max`.")] = 5_000
    first_byte_timeout_ms: Annotated[int, ms("From the request to the reply's head, and between its pieces.")] = 60_000
    total_timeout_ms: Annotated[int, ms("For the whole reply, retries included.")] = 120_000
    retries: Annotated[int, number(0, 5, "Further attempts; only for applications that may be asked twice.")] = 0
    retry_backoff_ms: Annotated[
        int, ms("Before the first retry; doubles each time, up to 2,000; half of it is jitter.")
    ] = 100
    connections_max: Annotated[int, number(1, 65_536, "Requests under way.")] = 1_024
    idle_connections_per_host: Annotated[int, number(0, 65_536, "Connections kept open for the next request.")] = 128
    proxy: Annotated[str, text("URL of a proxy; the environment's `HTTP_PROXY` and the like are not read.")] = ""
    reply_bytes_max: Annotated[int, number(1, 1 << 40, "The longest reply.")] = 16 * 1024 * 1024

    def __repr__(self) -> str:
        # A credential can stand in `api_key` and in `proxy`, and a repr ends up in logs and tracebacks.
        return f"HttpConfig(base_url={origin(self.base_url)!r})"

    def upstream(self) -> OpenAIConfig:
        """The same for the client, which the engine `openai` shares."""
        return client_config(self)
