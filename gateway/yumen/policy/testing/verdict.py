"""Compares what a case expects with what came of it. A failing condition is named; its values are kept apart."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from yumen.errors import Problem
from yumen.policy.cases import Case, Expect, Reply, Texts
from yumen.policy.testing.outcome import Outcome
from yumen.policy.testing.words import Words, decode, last_words

SHOWN_CHARS_MAX = 2000
BESIDE_CHARS = 40


class Condition(msgspec.Struct, frozen=True, omit_defaults=True):
    """A condition that does not hold.

    `name` is where it stands in the case, `why` a sentence of names and codes, never text of an exchange. `expected` and
    `actual` are what a person may look at who may see the case's own text.
    """

    name: str
    why: str = ""
    expected: str = ""
    actual: str = ""

    def __str__(self) -> str:
        return self.name + (f" ({self.why})" if self.why else "")


def judge(case: Case, expect: Expect, outcome: Outcome, request: bytes, prefix: str) -> list[Condition]:
    """What does not hold, in the order of the form; `audit` is looked at elsewhere, when the ledger is read."""
    return list(_judge(case, expect, outcome, request, prefix))


def _judge(case: Case, expect: Expect, outcome: Outcome, request: bytes, prefix: str) -> Iterator[Condition]:
    if expect == Expect():
        yield Condition(prefix, "it names nothing that must hold, so it cannot fail")
    # What is not there after an error proves nothing, unless the case says that there is to be one.
    failing = expect.decision == "block" or expect.code is not None
    why = outcome.fault if failing else _ended(outcome)
    for name in ("decision", "code", "rule", "route"):
        wanted, actual = getattr(expect, name), getattr(outcome, name)
        if wanted is not None and wanted != actual:
            yield Condition(f"{prefix}.{name}", why, wanted, actual or "none")
    for name in ("findings", "shadow"):
        names, found = getattr(expect, name), getattr(outcome, name)
        if names is not None and (set(names) != found or (outcome.exchange is None and not failing)):
            yield Condition(f"{prefix}.{name}", why, _listed(set(names)), _listed(found))
    if expect.forwarded is not None:
        if outcome.forwarded is not None:
            yield from _texts(f"{prefix}.forwarded", expect.forwarded, outcome.forwarded)
        elif not failing or expect.forwarded.includes or expect.forwarded.equals is not None:
            yield Condition(f"{prefix}.forwarded", f"the engine was not asked{why and '; '}{why}")
    if expect.reply is not None:
        if outcome.code and not failing:
            yield Condition(f"{prefix}.reply", why)
        else:
            yield from _texts(f"{prefix}.reply", expect.reply, outcome.reply)
    if expect.restored is not None:
        yield from _restored(case, expect.restored, outcome, request, f"{prefix}.restored")
    cache = {} if expect.cache is None else {"x-cache": expect.cache}
    for name, glob in {**expect.headers, **cache}.items():
        actual = outcome.headers.get(name.lower(), "")
        if not fnmatchcase(actual, glob):
            where = f"{prefix}.cache" if name in cache else f"{prefix}.headers.{name}"
            why = "" if name.lower() in outcome.headers else f"the reply has no header {name.lower()}"
            yield Condition(where, why, glob, actual)


def _texts(name: str, expect: Texts, words: Words) -> Iterator[Condition]:
    """Condition by condition, as they are numbered in the case."""
    for index, text in enumerate(expect.includes):
        if text not in words.everything:
            yield Condition(f"{name}.includes[{index}]", "", text, _cut(words.everything))
    for index, text in enumerate(expect.excludes):
        if text in words.everything:
            yield Condition(f"{name}.excludes[{index}]", "", f"without {text}", _around(words.everything, text))
    if expect.equals is not None and expect.equals != words.spoken:
        yield Condition(f"{name}.equals", "", expect.equals, _cut(words.spoken))


def _restored(case: Case, wanted: bool, outcome: Outcome, request: bytes, name: str) -> Iterator[Condition]:
    if case.reply != Reply():
        yield Condition(name, "only an engine that repeats tells this: take the case's `reply` away")
        return
    if outcome.code:
        yield Condition(name, _ended(outcome))
        return
    try:
        written = tuple(last_words(decode(outcome.path, request)))
    except Problem:  # it was answered, so somebody could read it
        written = ()
    contents = outcome.reply.contents
    # Where several answers were asked for, each of them repeats the one message.
    same = contents == written or (len(written) == 1 and set(contents) == set(written))
    if same != wanted:
        yield Condition(name, "", _cut("\n".join(written)), _cut("\n".join(contents)))


def subset(wanted: Any, actual: Any, where: str = "") -> tuple[str, Any, Any] | None:
    """The first place at which something wanted is not there, with what was wanted and what is; None where all is.

    Members of a mapping must be among the other's, or missing there where `null` is wanted; items of a list each match one
    of the other's; a text that ends in `*` is the beginning of the other.
    """
    if isinstance(wanted, dict) and isinstance(actual, dict):
        for name, value in wanted.items():
            below = f"{where}.{name}"
            if name not in actual:
                if value is None:
                    continue
                return below, value, None
            missing = subset(value, actual[name], below)
            if missing is not None:
                return missing
        return None
    if isinstance(wanted, list) and isinstance(actual, list):
        for index, value in enumerate(wanted):
            if all(subset(value, one) is not None for one in actual):
                return f"{where}[{index}]", value, actual
        return None
    if isinstance(wanted, str) and isinstance(actual, str) and wanted.endswith("*"):
        return None if actual.startswith(wanted[:-1]) else (where, wanted, actual)
    same = wanted == actual and isinstance(wanted, bool) == isinstance(actual, bool)
    return None if same else (where, wanted, actual)


def judge_record(wanted: dict[str, Any], record: dict[str, Any] | None, name: str) -> list[Condition]:
    """What of an audit record does not hold."""
    if record is None:
        return [Condition(name, "the chain has written no record of it; is there a plugin with a ledger in it?")]
    missing = subset(wanted, record)
    if missing is None:
        return []
    where, value, actual = missing
    why = "" if actual is not None else "the record has no such member"
    return [Condition(name + where, why, shown(value), "" if actual is None else shown(actual))]


def _ended(outcome: Outcome) -> str:
    """Which error ended it and what stood behind it, in names and codes, or empty."""
    if not outcome.code:
        return outcome.fault
    behind = outcome.fault or (f"rule {outcome.rule}" if outcome.rule else "")
    return f"the caller got the error {outcome.code}" + (f": {behind}" if behind else "")


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _around(text: str, part: str) -> str:
    """The first place of a part in a text, and a little of what stands beside it."""
    start = text.index(part)
    before, after = max(0, start - BESIDE_CHARS), start + len(part) + BESIDE_CHARS
    return "…" * (before > 0) + _cut(text[before:after]) + "…" * (after < len(text))


def _cut(text: str) -> str:
    return text if len(text) <= SHOWN_CHARS_MAX else f"{text[:SHOWN_CHARS_MAX]} … ({len(text)} characters)"


def shown(value: Any) -> str:
    """A value as a person reads it."""
    return value if isinstance(value, str) else _cut(msgspec.json.encode(value).decode())
