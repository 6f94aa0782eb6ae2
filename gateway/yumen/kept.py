"""An engine's reply in a form that can be kept and given again, plain or streamed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from yumen.engine import Delta, Events, Native
from yumen.errors import Problem
from yumen.exchange import Answer, Usage

if TYPE_CHECKING:
    from yumen.dialects import Dialect

# Why a choice ends of itself: a reply that ends otherwise is not all that the engine had to say.
ENDS = frozenset({"stop", "tool_calls", "function_call"})


class Kept(msgspec.Struct, frozen=True):
    """A whole reply, in the words of the engine: masked ones, since a plugin that keeps replies sees nothing else.

    Of an engine that speaks the dialect, `body` is the message of a plain reply (of which `json_bytes` are JSON, 0 for all)
    and `events` those of a stream: one of the two is the engine's own, byte for byte, the other was made of it. Of any other
    engine, `answer` and `deltas` likewise.
    """

    body: bytes = b""
    events: tuple[bytes, ...] = ()
    json_bytes: int = 0
    answer: Answer | None = None
    deltas: tuple[Delta, ...] = ()


def kept_of(dialect: Dialect, given: Answer | Native | Sequence[Delta | bytes]) -> Kept | None:
    """A reply that an engine gave; of a stream all of its events, in their order.

    None where it is none that may be given again: an error, cut short, ended by the engine's own filter, or unreadable.
    """
    if isinstance(given, Answer):
        return _of_answer(given) if given.finish_reason in ENDS else None
    try:
        if isinstance(given, Native):
            if given.status != 200 or not dialect.complete(given.body):
                return None
            return Kept(given.body, tuple(dialect.events_of(given.body)), given.json_bytes)
        events = [item for item in given if isinstance(item, bytes)]
        if len(events) < len(given):
            # An engine makes its stream of one kind; a mixture would have no single form.
            return None if events else _of_deltas([item for item in given if isinstance(item, Delta)])
        if not events:
            return None
        body = dialect.whole_of(events)
        return Kept(body, tuple(events)) if dialect.complete(body) else None
    except Problem:
        return None


def given_again(kept: Kept, *, streamed: bool) -> Answer | Native | Events:
    """A kept reply as an engine would give it now."""
    if kept.answer is not None:
        return _iterate(kept.deltas) if streamed else kept.answer
    if streamed and kept.events:
        return _iterate(kept.events)
    return Native(200, kept.body, {}, kept.json_bytes)


async def _iterate(events: Sequence[Delta | bytes]) -> AsyncIterator[Delta | bytes]:
    for event in events:
        yield event


def _of_answer(answer: Answer) -> Kept:
    return Kept(answer=answer, deltas=tuple(deltas(answer)))


def _of_deltas(given: list[Delta]) -> Kept | None:
    """The answer that deltas come to. None where one of them is of another channel than content, or does not end well."""
    texts: dict[int, list[str]] = {}
    ended: dict[int, str] = {}
    usage = Usage()
    for delta in given:
        if delta.channel != "content":
            return None
        if delta.text or delta.finish_reason:
            texts.setdefault(delta.choice, []).append(delta.text)
        if delta.finish_reason:
            ended[delta.choice] = delta.finish_reason
        usage = delta.usage or usage
    # Text for every choice beside text for single ones has no plain form.
    if not texts or set(ended) != set(texts) or (-1 in texts and len(texts) > 1) or not set(ended.values()) <= ENDS:
        return None
    if -1 not in texts and sorted(texts) != list(range(len(texts))):
        return None
    reasons = set(ended.values())
    if len(reasons) > 1:
        return None
    joined = ["".join(texts[choice]) for choice in sorted(texts)]
    return Kept(answer=Answer(joined, reasons.pop(), usage), deltas=tuple(given))


def deltas(answer: Answer) -> list[Delta]:
    """A neutral answer as the deltas of a stream."""
    every = len(answer.texts) == 1
    choices = [(-1 if every else index, text) for index, text in enumerate(answer.texts)]
    pieces = [Delta(text, choice) for choice, text in choices]
    ends = [Delta(choice=choice, finish_reason=answer.finish_reason) for choice, _ in choices]
    return [*pieces, *ends, Delta(choice=-1, usage=answer.usage)] if every else [*pieces, *ends]
