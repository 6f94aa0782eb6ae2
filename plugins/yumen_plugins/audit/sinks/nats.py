"""Publishes to NATS JetStream: one message for each record, acknowledged by the stream before the next is sent.

In order and one by one, because a message that fails must not be overtaken by those behind it. Each has a `Nats-Msg-Id`,
so within the stream's duplicate window what is sent again is stored once
(https://docs.nats.io/using-nats/developer/develop_jetstream/model_deep_dive#message-deduplication).
"""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from yumen import CannotStart
from yumen_plugins.audit.sinks.config import NatsSink, check_url, secret_of
from yumen_plugins.audit.sinks.target import Batch, Refused, Unreached

if TYPE_CHECKING:
    from nats.aio.client import Client

MESSAGE_ID = "Nats-Msg-Id"
CLOSE_S = 0.5


class NatsTarget:
    """Connects for the first batch, and anew after every failure. Error: `CannotStart`."""

    def __init__(self, config: NatsSink) -> None:
        who = f"the sink {config.name}"
        try:
            import nats.aio.client  # noqa: F401 - fails now, not with the first record
        except ImportError:
            raise CannotStart(f"{who} needs nats-py; install it with: pip install 'yumen[nats]'") from None
        for server in config.servers:
            check_url(server, who, ("nats", "tls"))
        self._config = config
        self._options = _options(config, who)
        self._options["error_cb"] = self._hear
        self._client: Client | None = None
        self._denied = False

    async def deliver(self, batch: Batch) -> None:
        import nats.errors

        try:
            client = await self._connected()
            for seq, line in batch.lines:
                await self._publish(client, f"{batch.log}/{seq}", line)
        except BaseException as error:
            # Whatever happened, the connection may be half used: the next attempt begins with a new one.
            await self.close()
            if self._denied:
                raise Refused("not permitted", "let the user of `token_env` or `credentials_file` publish") from None
            if isinstance(error, (OSError, nats.errors.Error)):
                raise _verdict(error) from None
            raise

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await client.close()

    async def _hear(self, error: Exception) -> None:
        """Note that a message was not permitted: it is not answered. The library would log errors, with addresses."""
        self._denied = self._denied or "permissions violation" in str(error).lower()

    async def _connected(self) -> Client:
        if self._client is not None:
            return self._client
        self._denied = False
        client, seen = _client("tls" in self._options)
        self._client = client
        async with asyncio.timeout(self._config.timeout_s):
            await client.connect(**self._options)
        if "tls" in self._options and not seen:
            raise Refused("no TLS", "use a version of nats-py that yumen[nats] allows")
        return client

    async def _publish(self, client: Client, message_id: str, line: bytes) -> None:
        config = self._config
        stream = client.jetstream(timeout=config.timeout_s)
        headers: dict[str, Any] = {MESSAGE_ID: message_id}
        acknowledged = await stream.publish(config.subject, line, stream=config.stream, headers=headers)
        if acknowledged.stream != config.stream:
            raise Refused("another stream", f"let the stream {config.stream} take the subject {config.subject}")


def _client(encrypted: bool) -> tuple[Client, list[bool]]:
    """A client; one that is encrypted talks to no server without TLS, and notes in the list that it looked.

    The library would go on in the clear where a server, or somebody in between, does not ask for TLS
    (nats-py 2.16, `Client._process_connect_init`).
    """
    import nats.aio.client
    import nats.errors

    seen: list[bool] = []

    class Encrypted(nats.aio.client.Client):
        async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
            if initial_connection and not info.get("tls_required"):
                raise nats.errors.SecureConnRequiredError
            seen.append(True)
            await super()._process_info(info, initial_connection)

    return (Encrypted() if encrypted else nats.aio.client.Client()), seen


def _options(config: NatsSink, who: str) -> dict[str, Any]:
    """How to connect. Error: `CannotStart` for a file or variable that is missing."""
    options: dict[str, Any] = {
        "servers": list(config.servers),
        "name": "yumen",
        # Waiting and trying again is the sink's matter; here it would only hide failures.
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0,
        "connect_timeout": config.timeout_s,
    }
    if config.token_env:
        options["token"] = secret_of(config.token_env, who)
    if config.credentials_file:
        if not Path(config.credentials_file).is_file():
            raise CannotStart(f"the credentials file of {who} is not there; check `credentials_file`")
        try:
            import nkeys  # type: ignore[import-untyped]  # noqa: F401 - nats-py imports it when it connects
        except ImportError:
            raise CannotStart(f"{who} needs nkeys; install it with: pip install 'yumen[nats]'") from None
        options["user_credentials"] = config.credentials_file
    if any(urlsplit(server).scheme == "tls" for server in config.servers):
        options["tls"] = _trust(config.ca_file, who)
    return options


def _trust(ca_file: str, who: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file or None)
    except OSError:  # which errors of certificates are too
        raise CannotStart(f"the certificates of {who} cannot be read; check `ca_file`") from None


def _verdict(error: Exception) -> Unreached | Refused:
    import nats.errors
    import nats.js.errors

    if isinstance(error, nats.errors.MaxPayloadError):
        return Refused("record too large", "raise `max_payload` of the server")
    if isinstance(error, nats.errors.SecureConnRequiredError):
        return Refused("no TLS", "let the server demand TLS; find out who answers, if it does")
    # While it connects the library has no error of its own for this.
    if "authorization violation" in str(error).lower():
        return Refused("not authorized", "check `token_env` or `credentials_file`, and what they may do")
    if isinstance(error, nats.js.errors.APIError):
        return _verdict_of(error)
    if isinstance(error, nats.js.errors.NoStreamResponseError):
        # A stream that is just electing its leader does not answer either, so this may pass.
        return Unreached("no stream")
    return Unreached("timeout" if isinstance(error, TimeoutError) else "connection")


def _verdict_of(error: Any) -> Unreached | Refused:
    """What an error reply of JetStream means: a code as of HTTP, and one of its own (nats-server, errors.json)."""
    kind = f"jetstream {error.err_code or error.code}"
    if (error.code or 500) < 500 and error.code not in (408, 429):
        return Refused(kind, "check `stream` and `subject`, and the limits of the stream")
    return Unreached(kind)
