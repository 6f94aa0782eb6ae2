"""Tenants are strangers: each says and is told words of its own, and none of them may come to the other."""

from __future__ import annotations

from typing import Any

from yumen.testing.calls import chat
from yumen.testing.conformance.examples import CANARIES
from yumen.testing.conformance.subject import BETWEEN_S, Subject
from yumen.testing.conformance.verdict import check, demand
from yumen.testing.outcome import Outcome

ONE, OTHER = "tenant-a", "tenant-b"
# Who asks, and whether for a stream: each after the other, and after itself, plain and streamed.
TURNS = ((ONE, False), (OTHER, True), (OTHER, False), (ONE, True))
REQUEST = "the other's request"
ANSWER = "the other's answer"
HIDDEN = "a value of the first that was hidden from the engine"


@check(
    "state.tenants",
    "What one tenant said, or was answered, never comes to another.",
    "Make `exchange.principal.tenant` part of every key and of every derived secret (`host.secret(purpose, tenant)`).",
)
async def state_tenants(subject: Subject) -> None:
    for example in subject.examples:
        async with subject.harness(example) as harness:
            for text in subject.texts(example):
                # The same question twice finds what is shared by its words, another one what is shared without.
                for own in (False, True):
                    await _take_turns(harness, text, own=own)
                await _echoed(harness, text)


async def _take_turns(harness: Any, text: str, *, own: bool) -> None:
    """Both ask, each with words of its own where `own` says so; each is answered with words of its own."""
    for tenant, stream in TURNS:
        harness.clock.move(BETWEEN_S)
        other = OTHER if tenant == ONE else ONE
        harness.engine.says(f"answer {_mark(tenant, 'answer')}")
        # In front, since what is kept may be cut off.
        said = f"{_mark(tenant, 'request')} {text}" if own else text
        outcome = await harness.ask(chat(said, stream=stream).by(tenant).of(session="s"))
        form = "streamed" if stream else "plain"
        for kind, what in (("request", REQUEST), ("answer", ANSWER)):
            _apart(outcome, _mark(other, kind), what, form)


def _mark(tenant: str, kind: str) -> str:
    """A word of a tenant, which no plugin takes for anything."""
    return {ONE: "marigold", OTHER: "tamarisk"}[tenant] + {"request": " asks", "answer": " hears"}[kind]


async def _echoed(harness: Any, text: str) -> None:
    """Have the engine say to the second tenant what it was given by the first."""
    harness.engine.says("ok")
    first_ = await harness.ask(chat(text).by(ONE).of(session="s"))
    hidden = [one for one in CANARIES if one in text and one not in first_.sent]
    if not hidden:
        return
    harness.engine.says(first_.sent)
    other = await harness.ask(chat("?").by(OTHER).of(session="s"))
    for one in hidden:
        _apart(other, one, HIDDEN, "plain")


def _apart(outcome: Outcome, value: str, what: str, form: str) -> None:
    wire = outcome.body.decode("utf-8", "replace") + outcome.reply.everything + repr(outcome.headers)
    demand(value not in wire, f"{what} comes to the second in a {form} reply")
    given = b"" if outcome.given is None else outcome.given.body
    demand(value.encode() not in given, f"{what} comes to the second's engine")
    noted = outcome.exchange.findings if outcome.exchange is not None else []
    demand(value not in repr(noted), f"{what} comes to the second's findings")
