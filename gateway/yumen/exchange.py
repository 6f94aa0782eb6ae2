"""The exchange as a plugin sees it: texts, findings, decisions.

An exchange is one request and its reply, with everything the chain learned about it. A plugin never sees raw JSON: it
reads and edits *texts*. For every text the exchange knows two forms, and a plugin's manifest says which one it is given:

* **raw**: what stands on the client's side;
* **masked**: what the engine was given and what the engine wrote. Where no masking plugin has run, the masked form of a
  text is its keyed digest (`hmac:` and 32 hexadecimal digits), so that a plugin that may only see masked text can never
  get raw text by standing in the wrong place.

Edits are buffered while a hook runs and applied when it returns, so a hook that fails half-way has edited nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol

import msgspec

from yumen.errors import Code
from yumen.text import Reply, Text

if TYPE_CHECKING:
    from yumen.engine import Delta, Events, Native
    from yumen.kept import Kept

Direction = Literal["request", "reply"]
Mode = Literal["enforce", "shadow", "off"]
CacheState = Literal["hit", "miss", "bypass"]


class Principal(msgspec.Struct, frozen=True):
    """Who asks: the tenant and app of the key, the key's public id, and whether an operator marked it trusted."""

    tenant: str
    app: str
    key_id: str
    trusted: bool = False


class Usage(msgspec.Struct, frozen=True):
    """Tokens as the engine counted them."""

    input_tokens: int = 0
    output_tokens: int = 0


class Answer(msgspec.Struct, frozen=True):
    """A plain reply without a wire format; the dialect of the exchange gives it its form.

    One text per choice; where there are fewer than were asked for, they repeat. `finish_reasons` has one for each text
    where they ended for different ones; without it `finish_reason` is that of all.
    """

    texts: list[str]
    finish_reason: str = "stop"
    usage: Usage = Usage()
    finish_reasons: list[str] = []

    def reason(self, choice: int) -> str:
        """Why a choice ended."""
        return self.finish_reasons[choice % len(self.finish_reasons)] if self.finish_reasons else self.finish_reason


class Finding(msgspec.Struct, frozen=True):
    """Something a plugin noticed. It says where and what kind, never the value.

    `rule` is the detector or rule id, `path` the text's path, `start` and `end` offsets in code points in the form that
    the plugin was given, `score` between 0 and 1. The core fills in `plugin`, and `shadow` where policy has the plugin or
    this rule in shadow: it was found, and nothing was done about it.
    """

    rule: str
    category: str
    path: str
    start: int = 0
    end: int = 0
    score: float = 1.0
    direction: Direction = "request"
    plugin: str = ""
    shadow: bool = False


class Allow(msgspec.Struct, frozen=True):
    """Let the exchange go on; the same as returning None."""


class Block(msgspec.Struct, frozen=True):
    """End the exchange with an error reply.

    `reason` is a rule id for the audit record; the caller never sees it. `code` is what the caller sees;
    `retry_after_s` is in seconds.
    """

    reason: str
    code: Code = "policy_blocked"
    retry_after_s: float | None = None


class Respond(msgspec.Struct, frozen=True):
    """Answer the exchange here; the plugins above still see the reply."""

    answer: Answer


Decision = Allow | Block | Respond


class Trace(msgspec.Struct, frozen=True):
    """One hook call: which plugin and hook, milliseconds, and what came of it.

    `decision` is `allow`, `block`, `respond` or `fault`; in shadow mode it is what *would* have happened.
    """

    plugin: str
    hook: str
    ms: float
    decision: str
    reason: str = ""
    edits: int = 0
    shadow: bool = False


class Exchange(Protocol):
    """One request and its reply, as one plugin instance is allowed to see it."""

    @property
    def id(self) -> str: ...
    @property
    def received_at(self) -> float:
        """Seconds since the epoch."""
        ...

    @property
    def principal(self) -> Principal: ...
    @property
    def session(self) -> str:
        """32 hexadecimal digits: a keyed digest of the request's `x-session-id` within its tenant and app; or empty."""
        ...

    @property
    def subject(self) -> str:
        """About whom it is: a keyed digest of what the request says where policy looks, within its tenant; or empty."""
        ...

    @property
    def route(self) -> str: ...
    @property
    def dialect(self) -> str: ...
    @property
    def model(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def engine_version(self) -> str:
        """The version of the engine's adapter; empty where a plugin answered."""
        ...

    @property
    def versions(self) -> Mapping[str, str]:
        """The version of every plugin of the chain, by instance."""
        ...

    @property
    def streamed(self) -> bool: ...
    @property
    def wants_usage(self) -> bool:
        """Whether the reply is to say how many tokens it took: a plain one is, a stream where the request asks for it."""
        ...

    @property
    def policy_hash(self) -> str: ...
    @property
    def accept_raw(self) -> str:
        """The reason a route gives for letting raw text reach a remote engine or a store, or empty."""
        ...

    @property
    def path(self) -> str:
        """The path of the request, as it was sent."""
        ...

    @property
    def egress(self) -> str:
        """`local` or `remote` once the engine is asked, from `on_send` on; empty before and where it never was."""
        ...

    @property
    def sent_form(self) -> str:
        """What the engine got: `masked`; `partly masked`, where rules in shadow found something; `raw`; or empty."""
        ...

    @property
    def sent_bytes(self) -> int:
        """Bytes of the payload that the engine was given."""
        ...

    @property
    def request_bytes(self) -> int: ...
    @property
    def reply_bytes(self) -> int: ...
    @property
    def client(self) -> str:
        """The address of the caller."""
        ...

    @property
    def texts(self) -> Sequence[Text]:
        """The request's texts, in the order of the payload."""
        ...

    @property
    def reply(self) -> Reply | None: ...
    @property
    def outcome(self) -> str:
        """Empty until known; then `ok`, `client_disconnect`, `engine_rejected` (the engine's own 4xx), or an error code."""
        ...

    @property
    def findings(self) -> Sequence[Finding]:
        """What every plugin found so far."""
        ...

    @property
    def trace(self) -> Sequence[Trace]:
        """The hook calls so far."""
        ...

    @property
    def timings_ms(self) -> Mapping[str, float]:
        """`total`, `engine`, `first_byte`: milliseconds, as far as they are known."""
        ...

    @property
    def state(self) -> dict[str, Any]:
        """A place for this instance's own notes on this exchange; nobody else sees it."""
        ...

    def find(
        self,
        rule: str,
        *,
        category: str,
        text: Text | None = None,
        start: int = 0,
        end: int = 0,
        score: float = 1.0,
    ) -> None:
        """Record a finding."""
        ...

    def mode(self, rule: str) -> Mode:
        """The mode that policy gives a rule of this plugin on this exchange."""
        ...

    def block(self, rule: str, code: Code = "policy_blocked", retry_after_s: float | None = None) -> Block | None:
        """The decision to end the exchange under a rule; return it where it is one.

        None where policy has the rule off, or in shadow (what it would have done is then on record): go on to the next rule.
        """
        ...

    def require_masking(self, rule: str) -> bool:
        """Let this exchange reach an engine in its masked form only, under a rule; whether the rule enforces.

        A masking plugin further down enforces then, with those of its rules that are in shadow; where none does, the
        exchange is blocked. Error: PermissionError once there is a reply.
        """
        ...

    def send_to(self, engine: str, rule: str) -> bool:
        """Have another engine asked than the route's own, under a rule; whether the rule enforces.

        The plugin has named it in `engines`, with `calls="route"`. Error: PermissionError once there is a reply.
        """
        ...

    @property
    def options(self) -> Mapping[str, int | float | bool]:
        """What the request asks of the engine beside text: declared numbers and truths; of lists and objects their length.

        Such as `temperature`, `seed`, `tools`. A number is at most a million either way.
        """
        ...

    @property
    def headers(self) -> Mapping[str, str]:
        """Those headers of the request that the plugin has named (`Plugin.headers`) and that were sent, by lower-case name.

        A header that stands there several times has its values joined by commas. A plugin that sees the masked form is
        given each value's keyed digest. In replays there are none, as they are not on record.
        """
        ...

    @property
    def cache_control(self) -> Mapping[str, str]:
        """What the caller's Cache-Control says: `no-store`, `no-cache`, and `max-age` with its seconds."""
        ...

    @property
    def clean(self) -> bool:
        """Whether all went well: answered, nothing refused, failed, passed over or replaced by a plugin, and nothing found.

        What a masking plugin found in the request, it has masked; that does not count, nor do rules in shadow of others.
        """
        ...

    def canonical(self, *, leave_out: Collection[str] = (), without: str = "") -> bytes:
        """The request as the engine gets it, in one spelling that no other request has: to compare, not to read.

        It does not depend on blanks, escapes, the order of members, or how the reply is to be sent. `leave_out` are members
        of the top level that do not count either; the text whose path is `without` counts as empty. Error: PermissionError
        where no masking plugin has enforced.
        """
        ...

    def keep(self, given: Answer | Native | Sequence[Delta | bytes]) -> Kept | None:
        """A reply of the engine, of a stream all events, to give again; None where it may not be. Error: PermissionError."""
        ...

    def give_again(self, kept: Kept) -> Answer | Native | Events | None:
        """A kept reply as the engine would give it to this exchange; None where it lacks the usage that is owed to it."""
        ...

    @property
    def cache(self) -> CacheState | Literal[""]:
        """What a plugin said by `set_cache`, or empty."""
        ...

    def set_cache(self, state: CacheState, *, rule: str = "") -> None:
        """Say whether the answer comes from a cache, and by which rule; `x-cache` says it too. Error: ValueError."""
        ...

    def set_header(self, name: str, value: str) -> None:
        """Set a header of the reply; in shadow none is set.

        Error: ValueError for a character that a header cannot hold, for what frames a reply or is the gateway's own, and for
        one header too many.
        """
        ...
