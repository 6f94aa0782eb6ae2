"""Single rules in shadow and switched off: what the core cannot see to, a plugin must do itself."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, NamedTuple

from yumen.testing.conformance.canaries import applied
from yumen.testing.conformance.examples import Example
from yumen.testing.conformance.rules import used_in
from yumen.testing.conformance.streams import FINDS, found_the_same, same
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import DoesNotApply, NotReached, check, demand, none_of
from yumen.testing.harness import Harness
from yumen.testing.outcome import Outcome

# So many texts of an example are tried at most: for each rule the first by which it acted, and then others.
TEXTS_MAX = 8


class Tried(NamedTuple):
    """A rule that acted, and in what: asked once more, plain and streamed."""

    rule: str
    plain: Asked
    streamed: Asked


@check(
    "rules.modes",
    "A rule in shadow or off changes nothing, plain or streamed, and in shadow it finds what it finds otherwise.",
    "Ask `exchange.mode(rule)` before a filter edits, `exchange.block(rule)` for a block, and name the rule of each edit.",
)
async def rules_modes(subject: Subject) -> None:
    listing, reached = False, False
    for example in subject.examples:
        rules = {one.id for one in subject.made(example).rules()}
        if not rules:
            continue
        listing = True
        tried = await _acted(subject, example, rules)
        reached = reached or bool(tried)
        if not tried:
            continue
        await _all(subject, example, rules, tried, "shadow")
        # A masking plugin without its rules is refused, and without some of them others find what those have found.
        if not subject.plugin.manifest.masks:
            await _all(subject, example, rules, tried, "off")
        if subject.overrides("stream") and len(rules) > 1:
            await _each(subject, example, tried)
    if not listing:
        raise DoesNotApply("it lists no rules")
    if not reached:
        raise NotReached("no text made it do anything; examples would")


async def _acted(subject: Subject, example: Example, rules: Collection[str]) -> list[Tried]:
    """In what it acted, and by which of its rules; an act that names none counts as that of one without a name."""
    survey, bare = await subject.survey(example), await subject.survey(example, "without")
    first_: dict[str, Tried] = {}
    others: list[Tried] = []
    for plain, streamed in subject.pairs(example):
        at, streamed_at = survey.asked.index(plain), survey.asked.index(streamed)
        loud = survey.outcomes[at], survey.outcomes[streamed_at]
        without = bare.outcomes[at], bare.outcomes[streamed_at]
        used = {rule for one in loud for rule in used_in(subject, one)} & set(rules)
        differs = any(applied(one) != applied(other) for one, other in zip(loud, without, strict=True))
        for rule in sorted(used) or ([""] if differs else ()):
            one = Tried(rule, plain, streamed)
            if first_.setdefault(rule, one) is not one:
                others.append(one)
    return [*first_.values(), *others][:TEXTS_MAX]


async def _all(
    subject: Subject, example: Example, rules: Collection[str], tried: Sequence[Tried], mode: Literal["shadow", "off"]
) -> None:
    """With no rule that enforces all is as if the plugin were not there."""
    knobs = {rule: {"mode": mode} for rule in sorted(rules)}
    async with subject.without(example) as bare, subject.harness(example, rules=knobs) as harness:
        for one in tried:
            expected = await _both(subject, bare, one)
            both = await _both(subject, harness, one)
            if _failed(subject, example, both):
                continue
            for ours, theirs in zip(both, expected, strict=True):
                form = "a stream" if ours.streamed else "an exchange"
                demand(applied(ours) == applied(theirs), f"its rules are in mode `{mode}`, and yet it changes {form}")
            if mode == "shadow" and subject.overrides("stream"):
                demand(found_the_same(subject, *both), f"with its rules in shadow, {FINDS} than of a plain reply")


async def _each(subject: Subject, example: Example, tried: Sequence[Tried]) -> None:
    """With one rule in shadow a stream reads as the plain reply does, where the core sees to it."""
    for one in (one for one in tried if one.rule):
        async with subject.harness(example, rules={one.rule: {"mode": "shadow"}}) as harness:
            both = await _both(subject, harness, one)
            if not _failed(subject, example, both):
                demand(same(*both), f"with `{one.rule}` in shadow a stream differs from the plain reply")
                demand(found_the_same(subject, *both), f"with `{one.rule}` in shadow, {FINDS} than of a plain reply")


async def _both(subject: Subject, harness: Harness, tried: Tried) -> tuple[Outcome, Outcome]:
    """Ask it streamed, character by character, and plain."""
    letters = None if tried.streamed.says is None else tuple("".join(map(str, tried.streamed.says)))
    streamed = await subject.ask(harness, Asked(tried.streamed.call, letters))
    return streamed, await subject.ask(harness, tried.plain)


def _failed(subject: Subject, example: Example, both: tuple[Outcome, Outcome]) -> bool:
    """Whether a hook failed as it may here. Error: `Fails` where it failed otherwise."""
    faults = subject.faults(both)
    failed = [f"{one.hook} raised {one.reason}" for one in faults if one.reason not in subject.excused(example)]
    none_of(failed, "with rules that do not enforce a hook failed")
    return bool(faults)
