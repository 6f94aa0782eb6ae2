"""The facts that rules can read: what they are called, what they are, and when they are known.

Every name stands in one table, `FACTS`, of which `python -m yumen_plugins.anomaly.facts.page` makes docs/facts.md. Words and
findings have categories that somebody else names: those are facts by their form, see `lookup`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Literal

import msgspec

from yumen_plugins.anomaly.facts.windows import SLOTS, WINDOWS
from yumen_plugins.anomaly.injection import WEIGHTS

Phase = Literal["request", "reply"]
Type = Literal["number", "text", "bool"]

SCOPES = {
    "key": "one key of an application",
    "tenant": "all keys of a tenant",
    "user": "one user of a tenant, as the request names him (`user` or `safety_identifier`)",
    "ip": "one address that a tenant's requests come from",
    "model": "one model, for all who ask for it within a tenant",
}
MEASURES = {
    "requests": ("", "requests that came, whatever became of them"),
    "tokens": ("tokens", "tokens of requests and replies, as the engine counts them, or estimated"),
    "bytes": ("bytes", "bytes of requests and replies"),
    "errors": ("", "exchanges that an engine, a plugin or the caller's own request made fail"),
    "blocks": ("", "exchanges that policy ended"),
    "findings": ("", "findings of other plugins, those in shadow too"),
}
# What different ones are counted of, and for whom that can differ.
DISTINCT = {
    "ips": ("key", "tenant", "user", "model"),
    "users": ("key", "tenant", "ip", "model"),
    "models": ("key", "tenant", "user", "ip"),
    "prompts": ("key", "tenant", "user", "ip", "model"),
}
DISTINCT_MAX = 256
# Measures that are compared with what is usual.
USUAL = ("requests", "tokens", "bytes")
CATEGORY = "[a-z][a-z0-9_]{0,31}"
WEEKDAYS = frozenset(("mon", "tue", "wed", "thu", "fri", "sat", "sun"))
FINISHES = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """One fact. `unit` is empty for plain counts; `share` is a number from 0 to 1. `phase` is when it is known.

    `values` are all that a text can be; `maximum` what a number never exceeds. `shown`: its value may be shown to
    operators; it never holds the caller's words.
    """

    name: str
    type: Type
    what: str
    unit: str = ""
    phase: Phase = "request"
    values: frozenset[str] | None = None
    maximum: float | None = None
    shown: bool = True


def _counted() -> Iterator[Fact]:
    for measure, (unit, what) in MEASURES.items():
        for scope, whose in SCOPES.items():
            for window in WINDOWS:
                name = f"{measure}.per_{scope}.{window}"
                yield Fact(name=name, type="number", unit=unit, what=f"{what}; of {whose}; in the last {window}")


def _distinct() -> Iterator[Fact]:
    for what, scopes in DISTINCT.items():
        for scope in scopes:
            for window in WINDOWS:
                said = f"different {what} of {SCOPES[scope]}; in the last {window}; {DISTINCT_MAX} stands for more, too"
                name = f"distinct.{what}.per_{scope}.{window}"
                yield Fact(name=name, type="number", what=said, maximum=DISTINCT_MAX)


def _repeated() -> Iterator[Fact]:
    for scope in ("key", "tenant"):
        for window in WINDOWS:
            said = f"how often the last prompt came, but for case and blanks; of {SCOPES[scope]}; in the last {window}"
            yield Fact(name=f"repeats.per_{scope}.{window}", type="number", what=said)
    for scope in ("key", "tenant", "user"):
        said = f"how like the last prompt is to the one most like it of the 16 before it, 1 for the same; of {SCOPES[scope]}"
        yield Fact(name=f"similarity.per_{scope}", type="number", unit="share", what=said, maximum=1)


def _usual() -> Iterator[Fact]:
    for measure in USUAL:
        for scope in SCOPES:
            for slot in SLOTS:
                stem, of = f"{measure}.per_{scope}.{slot}", f"{measure} of {SCOPES[scope]} in this {slot}"
                yield Fact(name=f"{stem}.times_usual", type="number", what=f"{of}, in times of what is usual")
                said = f"{of}: by how many usual deviations they are above what is usual"
                yield Fact(name=f"{stem}.deviations", type="number", what=said)


TEXT_FACTS = (
    ("chars", "", "code points of all texts", None),
    ("tokens", "tokens", "tokens of all texts, as the engine counted them, or estimated;", None),
    ("texts", "", "how many texts", None),
    ("lines", "", "lines of all texts", None),
    ("longest_word", "", "code points of the longest word", None),
    ("entropy", "bits", "Shannon entropy of a code point", 21),
    ("han_share", "share", "share of Han characters", 1),
    ("latin_share", "share", "share of Latin letters", 1),
    ("digit_share", "share", "share of digits", 1),
    ("symbol_share", "share", "share of what is neither letter nor digit nor blank", 1),
    ("encoded_share", "share", "share that looks like Base64, hexadecimal digits, percent or other escapes", 1),
    ("delimiters", "", "marks that divide prompts, such as `<|im_start|>`, `[INST]`, `### System:`", None),
)


def _texts(direction: Phase) -> Iterator[Fact]:
    what = "bytes of the request's body" if direction == "request" else "bytes of all texts of the reply, in UTF-8"
    yield Fact(name=f"{direction}.bytes", type="number", unit="bytes", phase=direction, what=what)
    for name, unit, what, maximum in TEXT_FACTS:
        yield Fact(name=f"{direction}.{name}", type="number", unit=unit, what=f"{what} of the {direction}", phase=direction,
                   maximum=maximum)  # fmt: skip
    prefix = "" if direction == "request" else "reply."
    yield Fact(name=f"{prefix}words.all", type="number", phase=direction,
               what=f"sensitive words of all categories in the {direction}")  # fmt: skip
    yield Fact(name=f"{prefix}words.severity", type="number", phase=direction, maximum=5,
               what=f"the highest severity of a sensitive word in the {direction}, 0 for none")  # fmt: skip


SINGLE = (
    Fact(name="tenant", type="text", what="the tenant of the key"),
    Fact(name="app", type="text", what="the application of the key"),
    Fact(name="key", type="text", what="the public id of the key"),
    Fact(name="trusted", type="bool", what="whether an operator marked the key as trusted"),
    Fact(name="route", type="text", what="the route"),
    Fact(name="engine", type="text", what="the engine that the route names"),
    Fact(name="dialect", type="text", what="the wire format", values=frozenset(("openai", "kserve", "json"))),
    Fact(name="model", type="text", what="the model that was asked for", shown=False),
    Fact(name="streamed", type="bool", what="whether a stream was asked for"),
    Fact(name="time.hour", type="number", what="hour of the day in the tenant's zone, 0 to 23", maximum=23),
    Fact(name="time.minute", type="number", what="minute of the day in the tenant's zone, 0 to 1439", maximum=1439),
    Fact(name="time.weekday", type="text", what="day of the week in the tenant's zone", values=WEEKDAYS),
    Fact(name="time.weekend", type="bool", what="whether it is Saturday or Sunday in the tenant's zone"),
    Fact(name="injection.score", type="number", what="the score of the injection pack: see docs/injection.md"),
    Fact(name="findings.all", type="number", what="findings of other plugins on this exchange so far"),
    Fact(name="reply.refusal", type="bool", phase="reply", what="whether the reply reads like a refusal"),
    Fact(
        name="reply.latency",
        type="number",
        unit="ms",
        phase="reply",
        what="how long the engine took; of a stream, until its end",
    ),
    Fact(name="reply.finish_reason", type="text", phase="reply", values=FINISHES, what="why the engine ended"),
    Fact(name="reply.failed", type="bool", phase="reply", what="whether the exchange ended with an error"),
)


def _signals() -> Iterator[Fact]:
    for kind in WEIGHTS:
        yield Fact(name=f"injection.{kind}", type="number", what=f"signs of `{kind}`: see docs/injection.md")


FACTS: Mapping[str, Fact] = {
    fact.name: fact
    for fact in (
        *SINGLE, *_signals(), *_counted(), *_distinct(), *_repeated(), *_usual(), *_texts("request"), *_texts("reply")
    )
}  # fmt: skip
# Facts by their form: categories are named by word lists and by other plugins.
OPEN: tuple[tuple[re.Pattern[str], Phase, str], ...] = (
    (re.compile(rf"words\.({CATEGORY})"), "request", "sensitive words of a category in the request"),
    (re.compile(rf"words\.({CATEGORY})\.severity"), "request", "the highest severity of one in the request"),
    (re.compile(rf"reply\.words\.({CATEGORY})"), "reply", "sensitive words of a category in the reply"),
    (re.compile(rf"reply\.words\.({CATEGORY})\.severity"), "reply", "the highest severity of one in the reply"),
    (re.compile(rf"findings\.({CATEGORY}(\.{CATEGORY})?)"), "request", "findings of a category or rule so far"),
)


def lookup(name: str) -> Fact | None:
    """The fact of a name, or None."""
    known = FACTS.get(name)
    if known is not None:
        return known
    for form, phase, what in OPEN:
        if form.fullmatch(name):
            maximum = 5 if name.endswith(".severity") else None
            return Fact(name=name, type="number", what=what, phase=phase, maximum=maximum)
    return None


class Known(Mapping[str, Fact]):
    """All facts as a mapping, those by their form too; iterating gives those of the table."""

    def __getitem__(self, name: str) -> Fact:
        fact = lookup(name)
        if fact is None:
            raise KeyError(name)
        return fact

    def __iter__(self) -> Iterator[str]:
        return iter(FACTS)

    def __len__(self) -> int:
        return len(FACTS)
