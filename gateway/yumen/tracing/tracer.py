"""Logs each exchange with every hook call, and keeps the last ones for whoever asks (`YUMEN_TRACE=plugins`)."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import islice

import msgspec

from yumen.exchange import Trace
from yumen.forms import ExchangeState
from yumen.telemetry import error_name, log
from yumen.tracing.notes import Notes, Place, StreamNote

# What one worker keeps: so many exchanges, and so many bytes of all of them together.
TRACES_MAX = 256
BYTES_MAX = 8 << 20
# Hook calls of one exchange; more are counted. A chain of 32 plugins has 160.
HOOKS_MAX = 256
RULE_CHARS_MAX = 100


class HookTraced(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One hook call. The words are those of `yumen policy explain`.

    `decision` is `allow`, `block`, `respond`, `fault` or `unsupported`; `rule` the rule that decided, or the error's type.
    `edits` counts all edits, `places` are the first of them. Of the hook `stream`, `channels` counts filters, `feeds` the
    pieces that they were given, and `held_max` is the most that one held back, in code points.
    """

    plugin: str
    hook: str
    ms: float
    decision: str
    rule: str = ""
    edits: int = 0
    places: tuple[Place, ...] = ()
    findings: int = 0
    shadow: bool = False
    channels: int = 0
    feeds: int = 0
    held_max: int = 0


class ExchangeTraced(msgspec.Struct, frozen=True, kw_only=True):
    """One exchange that has ended. `worker` is the process that served it; times are in milliseconds."""

    id: str
    worker: int
    route: str
    policy: str
    outcome: str
    status: int
    engine: str
    engine_ms: float | None
    ms: float
    hooks: tuple[HookTraced, ...]
    hooks_left_out: int


class Tracer:
    """One per worker. Nothing in it is text of a payload."""

    def __init__(self) -> None:
        self._kept: dict[str, bytes] = {}
        self._bytes = 0

    def begin(self, exchange: ExchangeState) -> None:
        """Take notes of an exchange."""
        exchange.traced = Notes()

    def end(self, exchange: ExchangeState) -> None:
        """Log and keep an exchange that has ended, or has broken. Raises nothing."""
        try:
            traced = trace_of(exchange)
            encoded = msgspec.json.encode(traced)
            told = msgspec.to_builtins(traced)
            log.info("trace", exchange=told.pop("id"), **told)
            self._keep(exchange.id, encoded)
        except Exception as error:  # whatever a plugin calls its rules, the exchange has ended well without this
            log.error("trace_failed", exchange=exchange.id, error=error_name(error))

    def _keep(self, exchange_id: str, encoded: bytes) -> None:
        self._bytes += len(encoded) - len(self._kept.pop(exchange_id, b""))
        self._kept[exchange_id] = encoded
        while len(self._kept) > TRACES_MAX or self._bytes > BYTES_MAX:
            self._bytes -= len(self._kept.pop(next(iter(self._kept))))

    def find(self, exchange_id: str) -> ExchangeTraced | None:
        """An exchange that is still kept."""
        encoded = self._kept.get(exchange_id)
        return None if encoded is None else msgspec.json.decode(encoded, type=ExchangeTraced)


def trace_of(exchange: ExchangeState) -> ExchangeTraced:
    """What is known of an exchange's hooks."""
    notes = exchange.traced or Notes()
    hooks = tuple(islice(_hooks(exchange, notes), HOOKS_MAX))
    every = len(exchange.trace) + len(notes.streams)
    timings = exchange.timings_ms
    return ExchangeTraced(
        id=exchange.id,
        worker=os.getpid(),
        route=exchange.route,
        policy=exchange.policy_hash,
        outcome=exchange.outcome,
        status=exchange.reply.status if exchange.reply is not None else 0,
        engine=exchange.engine,
        engine_ms=timings.get("engine"),
        ms=timings.get("total", 0.0),
        hooks=hooks,
        hooks_left_out=max(0, every - HOOKS_MAX),
    )


def _hooks(exchange: ExchangeState, notes: Notes) -> Iterator[HookTraced]:
    """The calls in their order; the filters of streams stand before the hooks that complete the exchange."""
    streams: dict[str, StreamNote] = dict(notes.streams)
    for index, one in enumerate(exchange.trace):
        if one.hook == "on_complete" and streams:
            yield from (_streamed(plugin, note) for plugin, note in streams.items())
            streams.clear()
        yield _called(one, index, notes)
    yield from (_streamed(plugin, note) for plugin, note in streams.items())


def _called(one: Trace, index: int, notes: Notes) -> HookTraced:
    note = notes.hooks.get(index)
    return HookTraced(
        plugin=one.plugin,
        hook=one.hook,
        ms=round(one.ms, 3),
        decision=one.decision,
        rule=one.reason[:RULE_CHARS_MAX],
        edits=one.edits,
        # A hook that failed has edited nothing.
        places=note.places if note is not None and one.decision not in ("fault", "unsupported") else (),
        findings=note.findings if note is not None else 0,
        shadow=one.shadow,
    )


def _streamed(plugin: str, note: StreamNote) -> HookTraced:
    return HookTraced(
        plugin=plugin,
        hook="stream",
        ms=round(note.ms, 3),
        decision="allow",
        channels=note.channels,
        feeds=note.feeds,
        held_max=note.held_max,
    )
