"""What the plugin says of itself to policy: rules, lints and engines."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from yumen.plugin import EngineRef, Lint, Rule
from yumen.testing.calls import chat
from yumen.testing.conformance.examples import Example
from yumen.testing.conformance.naming import noting
from yumen.testing.conformance.subject import Asked, Subject
from yumen.testing.conformance.verdict import DoesNotApply, NotReached, check, demand, none_of
from yumen.testing.outcome import Outcome

DECIDED = ("block", "respond")


@check(
    "rules.form",
    "Rules, lints and engines have ids and descriptions, no rule twice, and point at places of the configuration.",
    "Return `Rule(id, description, path)`; `path` are keys and indices below `config:`, empty where no place does.",
)
async def rules_form(subject: Subject) -> None:
    for example in subject.examples:
        plugin = subject.made(example)
        config = msgspec.to_builtins(plugin.config)
        rules: Sequence[Any] = list(plugin.rules())
        said: Sequence[Any] = [*rules, *plugin.lint(), *plugin.engines()]
        for one in said:
            demand(isinstance(one, Rule | Lint | EngineRef), f"{type(one).__name__} is no Rule, Lint or EngineRef")
            demand(_leads(config, one.path), f"`path` {list(one.path)!r} leads nowhere in the configuration")
        ids = [one.id for one in rules]
        demand(all(ids), "a rule has no id")
        twice = sorted({one for one in ids if ids.count(one) > 1})
        none_of(twice, "a rule is listed twice")
        bare = [one.id for one in rules if not one.description]
        none_of(bare, "a rule has no description")


def _leads(config: Any, path: Sequence[str | int]) -> bool:
    for step in path:
        try:
            config = config[step]
        except (LookupError, TypeError):
            return False
    return True


@check(
    "rules.named",
    "Whatever the plugin finds, blocks or edits names one of the rules that it lists.",
    "List every id in `rules()`, so that policy can put each into shadow or switch it off.",
)
async def rules_named(subject: Subject) -> None:
    reached, listing = False, False
    for example in subject.examples:
        rules = {one.id for one in subject.made(example).rules()}
        listing = listing or bool(rules)
        used = await _used(subject, example) | await _edits(subject, example)
        reached = reached or bool(used)
        unknown = sorted(used - rules)
        none_of(unknown, "it acts by a rule that it does not list")
    if not reached and not listing:
        raise DoesNotApply("it lists no rules, and names none")
    if not reached:
        raise NotReached("no text made it find or block anything; examples would")


async def _edits(subject: Subject, example: Example) -> set[str]:
    """The rules that its edits name; an edit without one is that of the whole instance."""
    manifest = subject.plugin.manifest
    if subject.apart or not (manifest.mutates or manifest.masks):
        return set()
    noted: set[str] = set()
    twin = Subject(noting(subject.plugin, noted), [example])
    async with twin.harness(example) as harness:
        for text in twin.texts(example):
            await twin.ask(harness, Asked(chat(text)))
        for reply in twin.replies(example):
            await twin.ask(harness, Asked(chat("?"), (reply,)))
    return noted - {""}


async def _used(subject: Subject, example: Example) -> set[str]:
    """The rules by which it has found or blocked something."""
    outcomes = (await subject.survey(example)).outcomes
    return {rule for outcome in outcomes for rule in used_in(subject, outcome)}


def used_in(subject: Subject, outcome: Outcome) -> set[str]:
    """The rules by which it has found or blocked something in one exchange."""
    decided = {one.reason for one in subject.own(outcome) if one.reason and one.decision in DECIDED}
    return decided | set(subject.found(outcome))
