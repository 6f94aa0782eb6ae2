"""How the plugin does its work: without faults, the same way twice, in shadow, and beside others."""

from __future__ import annotations

from typing import Any

from yumen.testing.calls import chat
from yumen.testing.conformance.canaries import EDITS, applied, read, sent
from yumen.testing.conformance.examples import CANARIES, TEXTS
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import DoesNotApply, NotReached, check, demand, none_of
from yumen.testing.conformance.watch import remembers
from yumen.testing.outcome import Outcome


def seen(outcome: Outcome) -> tuple[Any, ...]:
    """What client and engine got, and what was found."""
    return outcome.status, outcome.code, read(outcome), sent(outcome), sorted(outcome.findings), outcome.rule


@check(
    "hooks.sound",
    "No hook fails with a request, reply or engine's error that is allowed, however unusual.",
    "Look at the hook and line that are named; raise `Unsupported` for what the plugin cannot read.",
)
async def hooks_sound(subject: Subject) -> None:
    for example in subject.examples:
        survey = await subject.survey(example)
        expected = {EDITS, *subject.excused(example)}
        failed = [
            f"{one.hook} raised {one.reason}" for one in subject.faults(survey.outcomes) if one.reason not in expected
        ]
        places = [str(one.get("at")) for one in survey.log if one.get("event") == "plugin_fault"]
        none_of(failed, f"at {places[0]}" if places else "a hook failed")
        wrong = [str(one["event"]) for one in survey.log if one.get("log_level") == "critical"]
        none_of(wrong, "the core has logged")


@check(
    "hooks.repeatable",
    "The same exchange under the same clock and state comes out the same way.",
    "Take time from `host.now`, keys from `host.secret`, no chance; else say `repeatable=False` in the example.",
)
async def hooks_repeatable(subject: Subject) -> None:
    claimed = [example for example in subject.examples if example.repeatable]
    if not claimed:
        raise DoesNotApply("its examples say that it is not")
    for example in claimed:
        calls = subject.calls(example)
        before = (await subject.survey(example)).outcomes
        async with subject.harness(example) as harness:
            again = [await subject.ask(harness, one) for one in calls]
        for asked, one, other in zip(calls, before, again, strict=True):
            demand(seen(one) == seen(other), f"two runs of {asked.call.path} differ: {_difference(one, other)}")


def _difference(one: Outcome, other: Outcome) -> str:
    names = ("status", "error", "reply", "what the engine got", "findings", "rule")
    pairs = zip(names, seen(one), seen(other), strict=True)
    return ", ".join(name for name, ours, theirs in pairs if ours != theirs)


@check(
    "shadow.applies",
    "In shadow nothing of the plugin reaches client or engine: all is as if it were not there.",
    "Let the core apply edits, decisions and headers; act outside of them in no hook.",
)
async def shadow_applies(subject: Subject) -> None:
    acted = False
    for example in subject.examples:
        bare, quiet = await subject.survey(example, "without"), await subject.survey(example, "shadow")
        for asked, ours, theirs in zip(bare.asked, quiet.outcomes, bare.outcomes, strict=True):
            same = applied(ours) == applied(theirs)
            demand(same, f"{asked.call.path} differs from a chain without it: {_difference(ours, theirs)}")
            none_of(_headers(ours, theirs), "it sets a header in shadow")
            acted = acted or any(one.edits or one.decision != "allow" for one in subject.own(ours)) or bool(ours.shadow)
        loud = (await subject.survey(example)).outcomes
        pairs = zip(loud, bare.outcomes, strict=True)
        acted = acted or any(
            seen(one) != seen(other) or one.headers.keys() != other.headers.keys() for one, other in pairs
        )
    if not acted:
        raise NotReached("no text made it do anything, in shadow or not; examples would")


def _headers(one: Outcome, other: Outcome) -> list[str]:
    """Those in which two replies differ, but for what differs in any two of different policies."""
    return sorted({name for name, _ in one.headers.items() ^ other.headers.items()} - {"x-policy-hash", "x-request-id"})


@check(
    "state.instances",
    "Two instances beside each other know nothing of each other.",
    "Keep state in `self`, in `host.store` or below `host.data_dir`; none in the class or the module.",
)
async def state_instances(subject: Subject) -> None:
    for example in subject.examples:
        calls = [one for one in subject.calls(example) if one.says is None]
        # The other one is asked by the second text only, so what it knows of the first it has from its neighbour.
        alone, beside = subject.harness(example), subject.harness(example)
        asked = Asked(chat(TEXTS[1]))
        async with alone:
            lone = await subject.ask(alone, asked)
        async with subject.harness(example) as busy, beside:
            for one in calls:
                await subject.ask(busy, one)
            second = await subject.ask(beside, asked)
            plugin = beside.plugin(subject.name)
            shared = remembers(plugin, CANARIES[:1])
        demand(not shared, "what one instance was told stands in the other")
        if example.repeatable:
            demand(seen(lone) == seen(second), f"beside another it answers otherwise: {_difference(lone, second)}")
