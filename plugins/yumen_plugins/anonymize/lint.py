"""What is unwise or wrong in a configuration, beyond its form."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yumen import Lint
from yumen_plugins.anonymize.characters import INVISIBLE
from yumen_plugins.anonymize.config import AnonymizeConfig, Field, Pattern, listed
from yumen_plugins.anonymize.detector import label_of
from yumen_plugins.anonymize.detectors import CATALOGUE, names, select
from yumen_plugins.anonymize.fields import PathError, steps_of
from yumen_plugins.anonymize.normalise import WIDE
from yumen_plugins.anonymize.pseudonym import LABEL_MAX
from yumen_plugins.anonymize.regex import problem

ID = re.compile(r"[a-z][a-z0-9_]*(?:\.[a-z][a-z0-9_]*)+")
LISTED_MAX = 5


def lints(config: AnonymizeConfig) -> list[Lint]:
    """Everything, each thing once, in the order of the places."""
    every = (*_own(config), *_detect(config), *_actions(config), *_tables(config), *_ner(config))
    found = {(one.path, one.what): one for one in every}
    return [found[key] for key in sorted(found)]


def _own(config: AnonymizeConfig) -> Iterator[Lint]:
    labels = {detector.label: detector.id for detector in CATALOGUE}
    for key, index, one in listed(config):
        known = labels
        if isinstance(one, Field):
            # Several places may hold the same kind of thing.
            same = {other.id for other in config.fields[:index]}
            known = {label: rule for label, rule in labels.items() if rule not in same}
        yield from _names((key, index, "id"), one.id, known)
        labels.setdefault(label_of(one.id), one.id)
        if isinstance(one, Pattern):
            yield from _expression((key, index, "pattern"), one)
        elif isinstance(one, Field):
            yield from _place((key, index, "path"), one.path)
        elif not one.words:
            yield Lint((key, index, "words"), "there are no words in it", "add some, or remove the list")


def _ner(config: AnonymizeConfig) -> Iterator[Lint]:
    if config.ner is None:
        return
    for label, rule in config.ner.labels.items():
        yield from _names(("ner", "labels", label), rule, {})
    for glob, action in config.replies.items():
        named = [rule for rule in config.own if names(rule, glob)]
        if not config.ner.replies and action != "keep" and named and set(named) <= set(config.ner.labels.values()):
            what = f"`{glob}` never applies: the model is not asked about replies"
            yield Lint(("replies", glob), what, "set `replies: true` of `ner`, or remove it here", code="shadowed-rule")


def _place(path: tuple[str | int, ...], written: str) -> Iterator[Lint]:
    try:
        steps_of(written)
    except PathError as error:
        fix = "write a path such as `$.customer.name`, `$.items[*].phone` or `$..password`"
        yield Lint(path, f"the path cannot be used: {error}", fix, wrong=True)


def _names(path: tuple[str | int, ...], rule: str, labels: dict[str, str]) -> Iterator[Lint]:
    """`labels` are those in use, each with its id."""
    label = label_of(rule)
    other = labels.get(label)
    if not ID.fullmatch(rule):
        yield Lint(path, "this is not a name with a dot", "write one such as `acme.staff_no`, in one line", wrong=True)
    elif other == rule:
        yield Lint(path, f"there is another `{rule}`", "give each its own name", wrong=True)
    elif other is not None:
        what = f"`{rule}` and `{other}` would both be `{label}` in pseudonyms"
        yield Lint(path, what, "use names that differ in more than dots and `_`", wrong=True)
    if len(label) > LABEL_MAX:
        what = f"`{label}` stands in pseudonyms, and has {len(label)} characters"
        yield Lint(path, what, f"use a name of at most {LABEL_MAX}", wrong=True)


def _expression(path: tuple[str | int, ...], pattern: Pattern) -> Iterator[Lint]:
    wrong = problem(pattern.pattern)
    if wrong is not None:
        what, fix = wrong
        yield Lint(path, f"the pattern cannot be used: {what}", fix, code="regex", wrong=True)
    never = sorted({char for char in pattern.pattern if ord(char) in WIDE or ord(char) in INVISIBLE})
    if never:
        shown = ", ".join(f"U+{ord(char):04X}" for char in never[:LISTED_MAX])
        what = f"texts are spelt plainly before they are matched, so they never hold {shown}"
        plain = ", ".join(f"`{chr(WIDE[ord(char)])}`" for char in never[:LISTED_MAX] if ord(char) in WIDE)
        yield Lint(path, what, f"write {plain}" if plain else "remove it")


def _detect(config: AnonymizeConfig) -> Iterator[Lint]:
    seen: set[str] = set()
    for index, glob in enumerate(config.detect):
        named = {detector.id for detector in select([glob])}
        if named <= seen:
            what = f"`{glob}` adds nothing: earlier entries already name {_listed(named)}"
            yield Lint(("detect", index), what, "remove it", code="shadowed-rule")
        seen |= named


def _actions(config: AnonymizeConfig) -> Iterator[Lint]:
    own = {rule: action is not None for rule, action in config.own.items()}
    active = [*(detector.id for detector in select(config.detect)), *own]
    earlier: list[str] = []
    for glob in config.action:
        if glob == "default":
            continue
        named = {rule for rule in active if names(rule, glob)}
        decided = {rule for rule in named if own.get(rule) or (rule != glob and _decided(config, rule, earlier))}
        path = ("action", glob)
        if not named:
            what = f"`{glob}` never applies: `detect` turns on nothing that it names"
            yield Lint(path, what, "add it to `detect`, or remove it here", code="shadowed-rule")
        elif named == decided:
            what = f"`{glob}` never applies: for {_listed(named)} something else comes first"
            fix = "remove it: a pattern's own action goes before all, then ids, then globs as they stand"
            yield Lint(path, what, fix, code="shadowed-rule")
        earlier.append(glob)
    if active and all(config.action_of(rule) == "keep" for rule in active):
        # A rule that keeps is like a detector left out. But what only looks on must not pass for what masks.
        yield Lint(("action",), "every rule keeps what it finds, so nothing is masked", "let some rule mask or block")


def _tables(config: AnonymizeConfig) -> Iterator[Lint]:
    """Entries about replies and restoring that name nothing that is on."""
    active = [*(detector.id for detector in select(config.detect)), *config.own]
    for key, table in (("replies", config.replies), ("restore", config.restore)):
        for glob in table:
            if glob != "default" and not any(names(rule, glob) for rule in active):
                what = f"`{glob}` never applies: `detect` turns on nothing that it names"
                yield Lint((key, glob), what, "add it to `detect`, or remove it here", code="shadowed-rule")


def _decided(config: AnonymizeConfig, rule: str, earlier: list[str]) -> bool:
    return rule in config.action or any(names(rule, glob) for glob in earlier)


def _listed(rules: set[str]) -> str:
    names = sorted(rules)
    return ", ".join(f"`{name}`" for name in names[:LISTED_MAX]) + (", …" if len(names) > LISTED_MAX else "")
