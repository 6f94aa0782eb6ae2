"""An engine's reply in a form that can be kept and given again, plain or streamed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from yumen.engine import Delta, Events, Native
from yumen.errors import Problem
from yumen.exchange import Answer, Usage

if TYPE_CHECKING:
    from yumen.dialects import Dialect
    from yumen.forms import ExchangeState

# Why a choice ends of itself: a reply that ends otherwise is not all that the engine had to say.
ENDS = frozenset({"stop", "tool_calls", "function_call"})
# So many events are given again before others have their turn: nothing else on their way need ever wait.
TURN_EVENTS = 32


class Kept(msgspec.Struct, frozen=True):
    """A whole reply, in the words of the engine: masked ones, since a plugin that keeps replies sees nothing else.

    Of an engine that speaks the dialect, `body` is the message of a plain reply (of which `json_bytes` are JSON, 0 for all)
    and `events` those of a stream: one of the two is the engine's own, byte for byte, the other was made of it. There is no
    body where a stream did not say what a plain reply has to: how many tokens it took. Of any other engine, `answer` and
    `deltas` likewise.
    """

    body: bytes = b""
    events: tuple[bytes, ...] = ()
    json_bytes: int = 0
    answer: Answer | None = None
    deltas: tuple[Delta, ...] = ()


def clean(exchange: ExchangeState) -> bool:
    """See `yumen.exchange.Exchange.clean`."""
    reply = exchange.reply
    # What another engine said in the place of one that failed is not what that one would have said.
    if (
        exchange.fell_back
        or exchange.outcome not in ("", "ok")
        or reply is None
        or reply.code
        or exchange.findings_dropped
    ):
        return False
    # A plugin may answer where an engine would have; anywhere else it has replaced what the engine said.
    if any(
        one.decision != "allow" and (one.hook, one.decision) != ("on_ask", "respond") and not one.shadow
        for one in exchange.trace
    ):
        return False
    masking = exchange.masked_by
    # What masking rules find in a reply is somebody's, whatever is done about it.
    return not any(one.direction == "reply" if one.plugin == masking else not one.shadow for one in exchange.findings)


def kept_of(dialect: Dialect, given: Answer | Native | Sequence[Delta | bytes]) -> Kept | None:
    """A reply that an engine gave; of a stream all of its events, in their order.

    None where it is none that may be given again: an error, cut short, ended by the engine's own filter, or unreadable.
    """
    if isinstance(given, Answer):
        whole = given.texts and all(given.reason(choice) in ENDS for choice in range(len(given.texts)))
        return Kept(answer=given, deltas=tuple(deltas(given))) if whole else None
    try:
        if isinstance(given, Native):
            json_bytes = given.json_bytes or len(given.body)
            if given.status != 200 or not dialect.complete(given.body[:json_bytes]):
                return None
            return Kept(given.body, tuple(dialect.events_of(given.body)), given.json_bytes)
        events = [item for item in given if isinstance(item, bytes)]
        if len(events) < len(given):
            # An engine makes its stream of one kind; a mixture would have no single form.
            return None if events else _of_deltas([item for item in given if isinstance(item, Delta)])
        if not events:
            return None
        body = dialect.whole_of(events)
        if not dialect.complete(body):
            return None
        return Kept(body if dialect.counted(body) else b"", tuple(events))
    except Problem:
        return None


def given_again(kept: Kept, *, streamed: bool, usage: bool) -> Answer | Native | Events | None:
    """A kept reply as an engine would give it now; `usage` says whether a stream should end with it.

    None where it is wanted and not known. Where it is known and not wanted, the core takes it out of the stream.
    """
    if kept.answer is not None:
        return _iterate(kept.deltas) if streamed else kept.answer
    if not kept.body and (usage or not streamed):
        return None
    if streamed and kept.events:
        return _iterate(kept.events)
    return Native(200, kept.body, {}, kept.json_bytes) if kept.body else None


async def _iterate(events: Sequence[Delta | bytes]) -> AsyncIterator[Delta | bytes]:
    for number, event in enumerate(events, 1):
        yield event
        if number % TURN_EVENTS == 0:
            await asyncio.sleep(0)


def _of_deltas(given: list[Delta]) -> Kept | None:
    """The answer that deltas come to. None where one of them is of another channel than content, or does not end well."""
    texts: dict[int, list[str]] = {}
    ended: dict[int, str] = {}
    usage = Usage()
    for delta in given:
        if delta.channel != "content" or (delta.text and delta.choice in ended):
            return None
        if delta.text or delta.finish_reason:
            texts.setdefault(delta.choice, []).append(delta.text)
        if delta.finish_reason:
            ended[delta.choice] = delta.finish_reason
        usage = delta.usage or usage
    # A plain answer has the texts of its choices, or one for all of them; those that ended differently are not kept.
    reasons = set(ended.values())
    numbers = [-1] if -1 in texts else list(range(len(texts)))
    if not texts or sorted(texts) != numbers or set(ended) != set(texts) or len(reasons) > 1 or not reasons <= ENDS:
        return None
    joined = ["".join(texts[number]) for number in numbers]
    return Kept(answer=Answer(joined, reasons.pop(), usage), deltas=tuple(given))


def deltas(answer: Answer) -> list[Delta]:
    """A neutral answer as the deltas of a stream, its usage with the last."""
    every = len(answer.texts) == 1
    choices = [(-1 if every else index, text) for index, text in enumerate(answer.texts)]
    pieces = [Delta(text, choice) for choice, text in choices]
    ends = [Delta(choice=choice, finish_reason=answer.reason(max(choice, 0))) for choice, _ in choices]
    return [*pieces, *ends[:-1], *(replace(end, usage=answer.usage) for end in ends[-1:])]
