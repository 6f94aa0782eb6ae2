"""What the gateway and the process of a plugin say to each other: frames of MessagePack, each behind its length.

There are two sockets. On one, orders go to the process and reports come back, many at a time in any order. On the other the
process asks what its plugin must know at once, because the contract has no `await` there; the gateway never waits on either.

What comes from the process is read strictly: a message of another form is nonsense, and a process that talks nonsense is
ended.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from yumen.errors import RaisedElsewhere
from yumen.exchange import Answer, Block, CacheState, Finding, Mode, Principal, Trace, Usage
from yumen.operators import Erasure, Operation
from yumen.plugin import Channel, Plugin
from yumen.text import Kind, ToolCall

HEAD = struct.Struct("<I")
# A request and its reply with all that stands in them, and what a plugin may make of them.
ORDER_BYTES_MAX, REPORT_BYTES_MAX = 64 << 20, 32 << 20
# What operators may be shown of one plugin; and what one hook may do.
SHOWN_BYTES_MAX = 1 << 20
ACTS_MAX = 200_000
Word = Annotated[str, Meta(max_length=1000)]
Kind_ = Annotated[str, Meta(max_length=100)]
Number = Annotated[int, Meta(ge=-1, le=1 << 53)]
Natural = Annotated[int, Meta(ge=0, le=1 << 31)]

ExchangeHook = Literal["on_request", "on_send", "on_response", "on_complete"]


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """The first message to a process: which plugin it holds, with which configuration, and what its host says.

    `path` is `sys.path`. `told_time` says that the clock is not the machine's, and comes with every order. `level` is the
    lowest level that is logged.
    """

    module: str
    qualname: str
    config: bytes
    instance: str
    data_dir: str
    workers: int
    live: bool
    shared: bool
    disabled: tuple[str, ...]
    told_time: bool
    level: int
    path: tuple[str, ...]
    memory_bytes: int


class Passage(msgspec.Struct, frozen=True, array_like=True):
    """One text in the form that the plugin may see; `raw_chars` is the length of the other one."""

    path: str
    role: str
    kind: Kind
    value: str
    raw_chars: int


class SeenReply(msgspec.Struct, frozen=True, array_like=True):
    """A reply; `sent` says that it has left."""

    status: int
    code: str
    usage: Usage | None
    finish_reason: str
    texts: list[Passage]
    sent: bool
    tool_calls: list[ToolCall]


class Seen(msgspec.Struct, frozen=True, array_like=True):
    """An exchange at one moment, as one plugin may see it; `late` says that its texts cannot be edited any more."""

    id: str
    received_at: float
    principal: Principal
    session: str
    subject: str
    route: str
    dialect: str
    model: str
    engine: str
    engine_version: str
    versions: dict[str, str]
    streamed: bool
    wants_usage: bool
    policy_hash: str
    accept_raw: str
    path: str
    egress: str
    sent_form: str
    sent_bytes: int
    request_bytes: int
    reply_bytes: int
    client: str
    outcome: str
    cache: CacheState | Literal[""]
    cache_control: dict[str, str]
    headers: dict[str, str]
    findings: Sequence[Finding]
    trace: Sequence[Trace]
    timings_ms: Mapping[str, float]
    shadow: bool
    modes: Mapping[str, Mode]
    texts: list[Passage]
    late: bool
    reply: SeenReply | None


class Hook(msgspec.Struct, frozen=True, array_like=True, tag="hook"):
    """Run a hook. `seat` is the exchange's number here, `fresh` that it is new; `gone` are those that have ended."""

    id: int
    hook: ExchangeHook | Literal["whole"]
    seat: int
    fresh: bool
    gone: list[int]
    seen: Seen
    time: tuple[float, float] | None = None


class Opening(msgspec.Struct, frozen=True, array_like=True):
    """The first piece of a channel: what a filter for it is made of. The members are those of `Hook`."""

    channel: Channel
    fresh: bool
    gone: list[int]
    seen: Seen


class Feed(msgspec.Struct, frozen=True, array_like=True, tag="feed"):
    """Hand a piece to a stream filter, whose number is the exchange's own; `last`: and then its end."""

    id: int
    seat: int
    filter: int
    text: str
    last: bool
    opening: Opening | None = None
    time: tuple[float, float] | None = None


class Tell(msgspec.Struct, frozen=True, array_like=True, tag="tell"):
    """Run a hook that is about no exchange: `on_operation`, `on_erase`, or neither: `ready`."""

    id: int
    operation: Operation | None = None
    erasure: Erasure | None = None
    time: tuple[float, float] | None = None


class Look(msgspec.Struct, frozen=True, array_like=True, tag="look"):
    """An operator looks, or (`action`) does something."""

    id: int
    action: str | None
    arguments: dict[str, str]
    actor: str
    may: list[str]
    time: tuple[float, float] | None = None


class Cancel(msgspec.Struct, frozen=True, array_like=True, tag="cancel"):
    """Nobody waits for this order any more. It is answered all the same: a process that cannot is hanging."""

    id: int


class Given(msgspec.Struct, frozen=True, array_like=True, tag="given"):
    """What came of a `Call` or a `Want`; `error` is a kind, and `value` then a sentence or None."""

    id: int
    value: Any
    error: str = ""


class Stop(msgspec.Struct, frozen=True, array_like=True, tag="stop"):
    """Stop the plugin, and end."""


Order = Hook | Feed | Tell | Look | Cancel | Given | Stop


class Find(msgspec.Struct, frozen=True, array_like=True, tag="find"):
    """`Exchange.find`; a text is the index of one of the request's or the reply's, or -1."""

    rule: Word
    category: Word
    reply: bool
    text: Number
    start: Number
    end: Number
    score: float


class Edit(msgspec.Struct, frozen=True, array_like=True, tag="edit"):
    """`Text.replace`, or `Text.mask`."""

    mask: bool
    reply: bool
    text: Number
    start: Number
    end: Number
    new: str
    rule: Word


class Act(msgspec.Struct, frozen=True, array_like=True, tag="act"):
    """Another member of `Exchange` that was called, with its words."""

    what: Literal["block", "require_masking", "send_to", "set_cache", "set_header"]
    first: Word
    second: Annotated[str, Meta(max_length=2000)] = ""


class Done(msgspec.Struct, frozen=True, array_like=True, tag="done"):
    """A hook of an exchange has returned: what it did, in order, and what it decided; both None: nothing.

    `whole` is what the hook of that name has said. `dropped` findings are beyond the number that is kept.
    """

    id: int
    acts: Annotated[list[Find | Edit | Act], Meta(max_length=ACTS_MAX)] = []
    block: Block | None = None
    answer: Answer | None = None
    whole: bool = False
    dropped: Natural = 0


class Fed(msgspec.Struct, frozen=True, array_like=True, tag="fed"):
    """A stream filter has returned: what goes on now, or a block; what is ready masked; what it did to the exchange.

    `hold_max` is what the filter declares; None where there is none for the channel. `dropped`: as of `Done`.
    """

    id: int
    out: str
    masked: str
    hold_max: Number | None
    acts: Annotated[list[Find | Act], Meta(max_length=ACTS_MAX)] = []
    block: Block | None = None
    dropped: Natural = 0


class Told(msgspec.Struct, frozen=True, array_like=True, tag="told"):
    """Another hook has returned: a number, a reason, or JSON."""

    id: int
    number: Number = 0
    reason: Word = ""
    shown: Annotated[bytes, Meta(max_length=SHOWN_BYTES_MAX)] = b""


class Raised(msgspec.Struct, frozen=True, array_like=True, tag="raised"):
    """A hook has raised: the kind of error and where; the message only where operators are meant to read it.

    `begun`: it was a stream filter that had begun, and may have held text.
    """

    id: int
    kind: Kind_
    at: Annotated[str, Meta(max_length=500)] = ""
    unsupported: bool = False
    ledger: bool = False
    what: Annotated[str, Meta(max_length=1000)] = ""
    begun: bool = False


class Started(msgspec.Struct, frozen=True, array_like=True, tag="started"):
    """The plugin has started."""


class Refused(msgspec.Struct, frozen=True, array_like=True, tag="refused"):
    """The plugin has not started, and why; the process ends."""

    why: Annotated[str, Meta(max_length=1000)]


class Call(msgspec.Struct, frozen=True, array_like=True, tag="call"):
    """The plugin awaits something of its host: a method of the store, say. `hook` is the order that it belongs to, or -1."""

    id: Number
    hook: Number
    method: Kind_
    arguments: bytes


class Dropped(msgspec.Struct, frozen=True, array_like=True, tag="dropped"):
    """The plugin does not wait for a call any more."""

    id: Number


class Logged(msgspec.Struct, frozen=True, array_like=True, tag="log"):
    """The plugin has logged something."""

    level: Literal["debug", "info", "warning", "error", "critical"]
    event: Word
    fields: Annotated[dict[Kind_, Word | int | float | bool | None], Meta(max_length=64)]


class Measured(msgspec.Struct, frozen=True, array_like=True, tag="metric"):
    """The plugin has counted or measured something."""

    how: Literal["count", "gauge", "observe"]
    name: Kind_
    value: float
    labels: Annotated[dict[Kind_, Word], Meta(max_length=16)]


Report = Done | Fed | Told | Raised | Started | Refused | Call | Dropped | Logged | Measured


Wanted = Literal[
    "secret", "subject_id", "session_id", "counters", "engine", "revision", "options", "clean", "canonical"
]


class Want(msgspec.Struct, frozen=True, array_like=True, tag="want"):
    """What a plugin must know at once. `hook` is the order that it belongs to, or -1; `id` comes back with the answer."""

    id: Number
    what: Wanted
    hook: Number
    words: Annotated[list[str], Meta(max_length=10_000)]
    blob: bytes = b""


encode = msgspec.msgpack.Encoder().encode
read_order = msgspec.msgpack.Decoder(Order).decode
read_report = msgspec.msgpack.Decoder(Report).decode
read_want = msgspec.msgpack.Decoder(Want).decode
read_given = msgspec.msgpack.Decoder(Given).decode
read_setup = msgspec.msgpack.Decoder(Setup).decode


class PluginRaised(RaisedElsewhere):
    """The plugin has raised, in its process. A subclass has the name of what it was."""

    code = ""


class ProcessGone(Exception):
    """The plugin's process has ended, or is not there yet, or holds another's notes than those of this exchange."""


@lru_cache(256)
def raised(kind: str) -> type[PluginRaised]:
    """The error that stands for one of this name."""
    name = kind if kind.isidentifier() and kind.isascii() else "Error"
    return type(name, (PluginRaised,), {})


def why_not(plugin_class: type[Plugin[Any]]) -> str:
    """Why a plugin cannot have a process of its own, or empty."""
    if plugin_class.on_ask is not Plugin.on_ask:
        return "it stands before the engine (`on_ask`), and replies do not pass through another process"
    if "<locals>" in plugin_class.__qualname__ or plugin_class.__module__ == "__main__":
        return "another process could not import its class"
    return ""
