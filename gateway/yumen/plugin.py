"""The plugin contract.

1. The registry finds a plugin's class by its entry point in `yumen.plugins`; nothing is imported until a bundle names it.
2. The policy file's `config:` becomes the plugin's own `Config`, checked strictly; `__init__` gets it.
3. `start` is awaited once per process before the first exchange; raise `CannotStart` to refuse.
4. `on_request` sees the exchange on its way down.
5. `on_send` is awaited for all of them, in the same order, right before an engine is asked: what leaves is made up by then,
   and can be stopped but not edited.
6. `on_ask` stands before the engine, of the last plugin of a chain: it asks, or answers in the engine's place.
7. `on_response` sees a plain reply on its way up; on a streamed reply the filters that `stream` returned do. A plugin that
   has `on_response` but no `stream`, or says so in `whole`, gets a streamed reply whole: the core holds it back until the
   hook has decided, so that asking for a stream is never a way around a plugin. Nor is not asking for one: a class that has
   `stream` but no `on_response` is refused.
8. `on_complete` is awaited when the outcome is known, before the last byte leaves.
9. `on_operation` is awaited when something was done to the gateway itself; `inspect` and `operate` when an operator asks;
   `on_erase` when what is kept of somebody must go.
10. `stop` is awaited once.

Where policy can switch single things off, say which: `rules` lists them, and every finding, block and edit names its rule.
`lint` says what is unwise or wrong in a configuration that has the right form, `engines` which engines it asks for,
`headers` which headers of requests it reads, and `judge` serves replays.

Every plugin whose request hook was reached gets its completion hook, in reverse order, always: on success, block, fault,
timeout and client disconnect. Its response hook comes before that wherever a plain reply goes back, an answer of a plugin
and an error among them; of a streamed one see 7, and an error in mid-stream comes to no response hook any more. Once the
client has left there is nobody to reply to, and a response hook that has not begun does not run.

The core, not the plugin, owns `mode`, `on_error`, `on_unsupported`, `timeout_ms` and `match`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Generic,
    Literal,
    Protocol,
    TypeVar,
    get_args,
    get_origin,
)

import msgspec

from yumen.exchange import Answer, Block, Decision, Exchange, Finding, Mode
from yumen.operators import AdminCall, Download, Erasure, Operation
from yumen.state import Store

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from yumen.engine import Engine, Events, Native


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a plugin is and what it may do; the core enforces it and the flow check rests on it.

    `api`: the version of this contract that it is written for; one that says nothing is written for the first. `sees`: the
    form of texts it is given. `mutates`: it may edit what flows on. `masks`: it computes the masked form (at most one such
    plugin runs on a route). `stores`: what it writes down somewhere that outlives the exchange. `admin`: the name below
    `/admin/` under which operators reach it, if they do.
    """

    name: str
    version: str
    api: int = 1
    sees: Literal["raw", "masked"] = "masked"
    mutates: bool = False
    masks: bool = False
    stores: Literal["nothing", "masked", "raw"] = "nothing"
    admin: str = ""


class Rule(msgspec.Struct, frozen=True):
    """One thing that a plugin may find or decide under its configuration, and that policy can name by its id.

    `id` is what stands in `Finding.rule` and `Block.reason`. `path` is where the configuration asks for it, as keys and
    indices below `config:`, so that people are shown the line; empty where no single place does. `mode` is what holds
    where policy says nothing of the rule.
    """

    id: str
    description: str = ""
    path: tuple[str | int, ...] = ()
    mode: Mode = "enforce"


class Lint(msgspec.Struct, frozen=True):
    """Something about a configuration that its form alone does not tell.

    `path` is a place below `config:`. `wrong` refuses the bundle (its code is then `policy.<code>`, else `warning.<code>`).
    `code` is a short word with hyphens: `regex`, `shadowed-rule`, or `config` for all else.
    """

    path: tuple[str | int, ...]
    what: str
    fix: str
    code: str = "config"
    wrong: bool = False


class EngineRef(msgspec.Struct, frozen=True):
    """An engine of the bundle that a plugin names, and the method of it that the plugin calls.

    `route`: the plugin does not call it, and may have it asked in the place of a route's own (`Exchange.send_to`). `path` is
    where the configuration names it, as keys and indices below `config:`.
    """

    name: str
    path: tuple[str | int, ...] = ()
    calls: Literal["infer", "generate", "route"] = "infer"


class NoConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For a plugin that has nothing to configure."""


class Channel(msgspec.Struct, frozen=True):
    """One strand of a streamed reply: `content`, `reasoning`, `refusal`, or `tool_arguments` (of tool call `tool`)."""

    choice: int
    name: str
    tool: int = 0


class StreamFilter:
    """Sees one channel of a streamed reply as it grows. The core keeps one per choice and channel.

    The concatenation of everything returned must not depend on where the stream was cut, and no prefix of it may hold
    what the plugin would have changed in the whole. `hold_max` is the largest number of code points ever held back; a
    filter that holds more is a fault.
    """

    hold_max: int = 0

    def feed(self, text: str) -> str | Block:
        """Take the next piece; return what may go on now. A `Block` ends the stream with an error event."""
        return text

    def finish(self) -> str | Block:
        """The channel is complete; return what was held back."""
        return ""


class MaskingFilter(StreamFilter):
    """The filter of a masking plugin: `feed` and `finish` return the client's form, `masked` the form for stores."""

    def masked(self) -> str:
        """Masked text that became ready since the last call; called after every `feed` and after `finish`."""
        return ""


class Ask(Protocol):
    """The way to an exchange's engine, once: with `on_send` before it, and within the route's timeout."""

    @property
    def asked(self) -> bool: ...
    @property
    def left_s(self) -> float:
        """Seconds until the engine's time is over; at least 0."""
        ...

    async def __call__(self) -> Answer | Native | Events:
        """What the engine gives. Whatever is raised must be raised on. Error: RuntimeError the second time."""
        ...


class Metrics(Protocol):
    """A plugin's own metrics; names get the prefix `yumen_<instance>_`. Labels are names and ids, never text."""

    def count(self, name: str, amount: float = 1, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, **labels: str) -> None: ...
    def observe(self, name: str, seconds: float, **labels: str) -> None: ...


class Host(Protocol):
    """What the gateway gives a plugin or an engine at `start`."""

    instance: str
    data_dir: Path
    workers: int
    store: Store
    metrics: Metrics
    # Whether exchanges are real. In tests of a policy and in replays they are not, and nobody outside may be told anything.
    live: bool
    # Rules of this instance that policy has switched off for good; what they would do is dropped by the core anyway.
    disabled: frozenset[str]

    @property
    def log(self) -> FilteringBoundLogger: ...
    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def secret(self, purpose: str, *context: str) -> bytes:
        """32 bytes derived from this gateway's secret for one purpose and context (a tenant, say); stable."""
        ...

    def subject_id(self, tenant: str, value: str) -> str:
        """`Exchange.subject` for what requests of a tenant call somebody."""
        ...

    def session_id(self, tenant: str, app: str, value: str) -> str:
        """`Exchange.session` for what requests of an app of a tenant call a session."""
        ...

    def engine(self, name: str) -> Engine[Any]:
        """A loaded engine that `Plugin.engines` has asked for. Error: KeyError for any other."""
        ...

    async def erase(self, erasure: Erasure) -> dict[str, int]:
        """Have every other plugin of this process forget (`Plugin.on_erase`), of policies on their way out too.

        Returns how many things each has forgotten, by instance, of those that have the hook; -1 for one that failed.
        """
        ...


ConfigT = TypeVar("ConfigT", bound=msgspec.Struct)


class Plugin(Generic[ConfigT]):
    """Base class of every plugin. Subclass `Plugin[YourConfig]`, set `manifest`, override at least one hook."""

    manifest: ClassVar[Manifest]
    config_type: ClassVar[type[msgspec.Struct]] = NoConfig

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls.config_type = config_argument(cls, Plugin) or cls.config_type

    def __init__(self, config: ConfigT) -> None:
        self.config = config

    def rules(self) -> Sequence[Rule]:
        """What this configuration can find or decide; called before `start`."""
        return ()

    def lint(self) -> Sequence[Lint]:
        """What is unwise or wrong in this configuration; called before `start`, by whoever checks the bundle."""
        return ()

    def engines(self) -> Sequence[EngineRef]:
        """The engines that this configuration asks for; called before `start`, by which they are loaded."""
        return ()

    def headers(self) -> Collection[str]:
        """The headers of requests that this configuration reads, in lower case; called before `start`.

        None that holds a credential can be had: a bundle whose plugin names one is refused.
        """
        return ()

    async def start(self, host: Host) -> None:
        """Open what the plugin needs."""

    async def on_request(self, exchange: Exchange) -> Decision | None:
        """The exchange on its way down."""

    async def on_send(self, exchange: Exchange) -> Decision | None:
        """An engine is asked next: `engine`, `egress`, `sent_form` and `sent_bytes` are known. A block sends nothing."""

    async def on_ask(self, exchange: Exchange, ask: Ask) -> Answer | Native | Events:
        """Stand before the engine: return what `await ask()` gives, or what an engine would in its place.

        Only the last plugin of a chain may have this hook; one that sees the masked form is passed over where the engine is
        given any other. It comes before `on_send`, which `ask` runs, and is bounded by the route's timeout for the engine.
        An iterator that it returns is closed (`aclose`) when the client leaves. In shadow an answer in the engine's place is
        recorded, and the engine is asked. Errors: `EngineError` has the exchange end as if the engine had raised it.
        """
        return await ask()

    def stream(self, exchange: Exchange, channel: Channel) -> StreamFilter | None:
        """The filter for one channel of a streamed reply, or None to let it pass."""

    def whole(self, exchange: Exchange) -> bool:
        """Whether `on_response` must see a streamed reply whole, although there are filters; asked when the reply begins."""
        return False

    async def on_response(self, exchange: Exchange) -> Decision | None:
        """The reply on its way up."""

    async def on_complete(self, exchange: Exchange) -> None:
        """The outcome is known, and the last byte has not left yet."""

    async def on_operation(self, operation: Operation) -> None:
        """Something was done to the gateway itself."""

    async def on_erase(self, erasure: Erasure) -> int:
        """Forget everything that is kept of a subject or tenant, beyond return; how many things that was.

        What was never kept under a subject need not be looked for. Raise where something may be left: whoever asked is told.
        """
        return 0

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any] | Download:
        """What operators may see at `/admin/<manifest.admin>`: what JSON can hold, and no text of a payload; or a file.

        `query` are the parameters as the caller wrote them. Errors: as of `operate`.
        """
        return {}

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        """Do what an operator asks for at `/admin/<manifest.admin>/<action>`; await `call.record` right before doing it.

        Errors: ValueError for what cannot be done, in a sentence for the operator; LookupError for what is not there;
        PermissionError, likewise in a sentence, for what this operator may not do (`call.may`).
        """
        raise ValueError("there is nothing that operators can do here")

    def judge(self, exchange: Exchange, finding: Finding) -> Decision | None:
        """What this configuration decides about something that it found once, when the value is not at hand any more.

        Replays call it for findings of this instance that are on record; the recorded text holds their masked form.
        """
        return None

    async def ready(self) -> str:
        """Why this plugin cannot work at the moment, or empty; asked by `/readyz`."""
        return ""

    async def stop(self) -> None:
        """Close what `start` opened."""


def config_argument(cls: type, base: type) -> type[msgspec.Struct] | None:
    """The Struct in `class X(base[Struct])`, or of a class made of `base`; None where the class does not name one itself."""
    for origin in getattr(cls, "__orig_bases__", ()):
        of = get_origin(origin)
        if isinstance(of, type) and issubclass(of, base):
            (argument,) = get_args(origin)
            return argument if isinstance(argument, type) else None
    return None
