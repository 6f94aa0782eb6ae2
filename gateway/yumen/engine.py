"""The engine contract.

An engine is what answers: an adapter plus a model or an upstream. One that speaks the exchange's dialect may hand its
bytes through (`Native`, or `bytes` for each event of a stream); any other returns an `Answer` or `Delta`s and lets the
dialect give them their form.

1. Found by entry point in `yumen.engines`; imported when a bundle names it; heavy imports belong in `load`.
2. `load` is awaited once per process; raise `CannotStart` to refuse.
3. `generate` answers chat-like requests, `infer` a batch of tensors. Each engine has at least one of the two.
4. `health` is asked by `/readyz`; `close` is awaited once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, ClassVar, Generic

import msgspec

from yumen.errors import Code
from yumen.exchange import Answer, Usage
from yumen.plugin import ConfigT, Host, NoConfig, config_argument
from yumen.tensors.models import Models, Placement


class EngineManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine is: `dialects` it can take; empty means that it takes `EngineRequest.messages` of any.

    `api`: the version of the contract that it is written for; one that says nothing is written for the first.
    """

    name: str
    version: str
    api: int = 1
    dialects: tuple[str, ...] = ()


class Message(msgspec.Struct, frozen=True):
    """One message of a conversation, its text parts joined; already in the form that the engine may see."""

    role: str
    text: str


class EngineRequest(msgspec.Struct, frozen=True):
    """What the chain hands to an engine.

    `path` is below the dialect's root, e.g. `chat/completions`; `body` the encoded payload in the form that the engine may
    see, of which the first `json_bytes` are JSON, 0 for all; `deadline` is a `Host.monotonic` time, which `generate` need
    not watch itself: it is cancelled then; `tenant` is for fairness among callers and
    `affinity`, the session or else the caller, for those who are to stay where they were; neither is anything to send on.
    """

    exchange_id: str
    dialect: str
    path: str
    model: str
    streamed: bool
    body: bytes
    messages: list[Message]
    deadline: float
    json_bytes: int = 0
    tenant: str = ""
    affinity: str = ""


class Native(msgspec.Struct, frozen=True):
    """A reply in the exchange's own dialect, byte for byte. Only the headers named in docs/limits.md reach the client.

    `json_bytes` is how much of the body is JSON, 0 for all.
    """

    status: int
    body: bytes
    headers: Mapping[str, str] = {}
    json_bytes: int = 0


class Delta(msgspec.Struct, frozen=True):
    """The next piece of a streamed reply: text for one channel; the last one has a `finish_reason`.

    `choice` is the index of the choice it belongs to; -1 stands for every choice that was asked for.
    """

    text: str = ""
    choice: int = -1
    channel: str = "content"
    finish_reason: str = ""
    usage: Usage | None = None


Events = AsyncIterator[Delta | bytes]


class EngineError(Exception):
    """The engine failed; the message is for the log and holds no payload.

    `timeout` tells a late answer from none. `again` says that the engine cannot have begun to answer, so that another may be
    asked. `retry_after_s` says that it has too much to do, and when to come back: the caller gets a 503 that says so.
    `well` says that it tells nothing against the engine, so that a pool does not count it: what was asked for is not there
    now, or the caller's own time has passed.
    """

    def __init__(
        self,
        message: str,
        *,
        timeout: bool = False,
        again: bool = False,
        retry_after_s: float | None = None,
        well: bool = False,
    ) -> None:
        self.timeout = timeout
        self.again = again
        self.retry_after_s = retry_after_s
        self.well = well
        super().__init__(message)


class RequestRefused(EngineError):
    """The request is not what the engine's model takes. The message is for the caller, and holds nothing of the request.

    `param` is the field that it is about; `code` is `bad_request`, `not_found` or `unsupported_payload`.
    """

    def __init__(self, message: str, *, param: str | None = None, code: Code = "bad_request") -> None:
        self.param = param
        self.code: Code = code
        super().__init__(message)


class Engine(Generic[ConfigT]):
    """Base class of every engine. Subclass `Engine[YourConfig]`, set `manifest`, override `generate` or `infer`."""

    manifest: ClassVar[EngineManifest]
    config_type: ClassVar[type[msgspec.Struct]] = NoConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.config_type = config_argument(cls, Engine) or cls.config_type

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    async def load(self, host: Host) -> None:
        """Load the model or open the pool."""

    async def generate(self, request: EngineRequest) -> Answer | Native | Events:
        """Answer one request: a whole reply, or an iterator of events when `request.streamed`.

        The core closes the iterator (`aclose`) when the client leaves. Errors: `EngineError`.
        """
        raise EngineError(f"engine {self.manifest.name} does not generate")

    async def infer(self, batch: Mapping[str, Any]) -> Mapping[str, Any]:
        """Run a batch of named tensors, rows first; what else it may name is up to the engine. Errors: `EngineError`.

        Any batch may name its `tenant` and `deadline`, which are what `EngineRequest` says of them.
        """
        raise EngineError(f"engine {self.manifest.name} does not run tensors")

    def models(self) -> Models | None:
        """The models that it serves by the Open Inference Protocol, for `/v2`; None where it serves none."""
        return None

    def placements(self) -> Sequence[Placement]:
        """Where what it has loaded really runs, for `yumen engines list`, `/readyz` and metrics; called after `load`."""
        return ()

    def revision(self) -> str:
        """What answers now, where that can change under one configuration: a model's version. Part of cache keys."""
        return ""

    async def health(self) -> str:
        """Why this engine cannot answer at the moment, or empty."""
        return ""

    async def close(self) -> None:
        """Let go of the model or the pool."""
