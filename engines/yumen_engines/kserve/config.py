"""What a `kserve` engine can be told."""

from __future__ import annotations

from typing import Annotated

import msgspec

from yumen_engines.openai.config import OpenAIConfig, client_config, ms, number, origin, root, text

VERSION_NUMBER = r"^([0-9]{1,18})?$"


class KServeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where the server is, the credential it wants, how long to wait for it, and how much to take from it."""

    base_url: Annotated[str, text("Absolute http or https URL; `/v2` is added where it does not end so.")]
    api_key: Annotated[str, text("The engine's own credential, sent as a bearer token; empty for none.")] = ""
    model: Annotated[str, text("Replaces the model's name on its way to the server; empty to leave it.")] = ""
    version: Annotated[
        str, msgspec.Meta(pattern=VERSION_NUMBER, description="The only version to ask for; empty for any.")
    ] = ""
    unbatched: Annotated[
        tuple[str, ...], text("Models whose first dimension is no batch although their metadata look so.")
    ] = ()
    control: Annotated[bool, text("Whether operators may load and unload the server's models.")] = False
    connect_timeout_ms: Annotated[int, ms("For a connection, or a free place among `connections_max`.")] = 5_000
    first_byte_timeout_ms: Annotated[int, ms("From the request to the reply's head, and between its pieces.")] = 60_000
    total_timeout_ms: Annotated[int, ms("For the whole reply, retries included.")] = 120_000
    catalogue_timeout_ms: Annotated[int, ms("For what is asked about the server and its models.")] = 5_000
    control_timeout_ms: Annotated[int, ms("For loading or unloading a model.")] = 300_000
    metadata_ttl_ms: Annotated[int, ms("How long a model's metadata hold.")] = 300_000
    retries: Annotated[int, number(0, 5, "Further attempts where the server cannot have begun to answer.")] = 1
    retry_backoff_ms: Annotated[
        int, ms("Before the first retry; doubles each time, up to 2,000; half of it is jitter.")
    ] = 100
    connections_max: Annotated[int, number(1, 65_536, "Requests under way.")] = 1_024
    idle_connections_per_host: Annotated[int, number(0, 65_536, "Connections kept open for the next request.")] = 128
    proxy: Annotated[str, text("URL of a proxy; the environment's `HTTP_PROXY` and the like are not read.")] = ""
    reply_bytes_max: Annotated[int, number(1, 1 << 40, "The longest reply.")] = 64 * 1024 * 1024

    def __repr__(self) -> str:
        # A credential can stand in `api_key` and in `proxy`, and a repr ends up in logs and tracebacks.
        return f"KServeConfig(base_url={origin(self.base_url)!r}, model={self.model!r})"

    @property
    def base(self) -> str:
        """What `v2/...` is appended to after a slash. Error: `CannotStart`."""
        return root(self.base_url, versioned=False).removesuffix("/v2")

    def upstream(self) -> OpenAIConfig:
        """The same for the client, which the engine `openai` shares."""
        return client_config(self)
