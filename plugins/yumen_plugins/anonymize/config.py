"""What an `anonymize` policy file may say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from typing import Annotated, Literal, TypeVar

import msgspec

from yumen_plugins.anonymize.detectors import CATALOGUE, names, select

Action = Literal["pseudonym", "redact", "mask", "hash", "generalise", "surrogate", "encrypt", "keep", "block"]
# A pseudonym that the engine did not get would tell the caller nothing.
ReplyAction = Literal["keep", "redact", "mask", "hash", "generalise", "surrogate", "encrypt", "block"]
Restore = Literal["caller", "never"]
RuleId = Annotated[
    str,
    msgspec.Meta(
        pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$",
        description="A name with a dot, such as `acme.staff_no`; findings, tests and pseudonyms name it.",
    ),
]
PATTERNS_MAX, PATTERN_CHARS_MAX = 256, 1000
CONTEXT_WORDS_MAX, WORD_CHARS_MAX, DESCRIPTION_CHARS_MAX = 64, 64, 500
LISTS_MAX, LIST_WORDS_MAX, LIST_WORD_CHARS_MAX = 64, 50_000, 200
FIELDS_MAX, FIELD_PATH_CHARS_MAX = 256, 500
OwnAction = Annotated[
    Action | None, msgspec.Meta(description="What to do with it; if left out, `action` of the plugin says so.")
]
Contents = Annotated[str, msgspec.Meta(max_length=DESCRIPTION_CHARS_MAX, description="What it holds, for people.")]
T = TypeVar("T")
# What `detect` is when nobody wrote it, known by being this very list.
EVERYTHING = ["*"]


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to look for that the policy's author describes."""

    id: RuleId
    pattern: Annotated[
        str,
        msgspec.Meta(
            min_length=1, max_length=PATTERN_CHARS_MAX, description="A regular expression in the syntax of RE2."
        ),
    ]
    context: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=WORD_CHARS_MAX)]],
        msgspec.Meta(max_length=CONTEXT_WORDS_MAX, description="If given, one of these words must stand near a value."),
    ] = msgspec.field(default_factory=list)
    description: Annotated[
        str, msgspec.Meta(max_length=DESCRIPTION_CHARS_MAX, description="What it finds, for people.")
    ] = ""
    score: Annotated[float, msgspec.Meta(ge=0, le=1, description="How sure a finding is.")] = 0.8
    action: OwnAction = None


class WordList(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Words of the author's own: names of people, projects, customers. Write `words: "${lines:FILE}"` for a file of them."""

    id: RuleId
    words: Annotated[
        list[Annotated[str, msgspec.Meta(min_length=1, max_length=LIST_WORD_CHARS_MAX)]],
        msgspec.Meta(
            max_length=LIST_WORDS_MAX, description="The words; `${lines:FILE}` reads them from a file beside."
        ),
    ]
    take: Annotated[
        bool, msgspec.Meta(description="true: each of them is a finding; false: none of them ever is one.")
    ] = True
    tenants: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=200)]],
        msgspec.Meta(max_length=1000, description="Globs of the tenants that it is for."),
    ] = msgspec.field(default_factory=lambda: ["*"])
    case: Annotated[bool, msgspec.Meta(description="Whether case matters.")] = False
    description: Contents = ""
    action: OwnAction = None


class Field(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A place in payloads that always holds one kind of thing, whatever it looks like."""

    path: Annotated[
        str,
        msgspec.Meta(
            min_length=1,
            max_length=FIELD_PATH_CHARS_MAX,
            description="A JSONPath: `$.customer.name`, `$.items[*].phone`, `$..password`.",
        ),
    ]
    id: Annotated[RuleId, msgspec.Meta(description="The rule that takes what stands there, such as `acme.customer`.")]
    description: Contents = ""
    action: OwnAction = None


class Spelling(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which unusual spellings are read. Full-width, mathematical and invisible characters always are."""

    numerals: Annotated[
        bool, msgspec.Meta(description="Numbers in Chinese numerals or circled digits: 一三八…, ①③⑧…")
    ] = True
    lookalikes: Annotated[
        bool, msgspec.Meta(description="Letters that look like digits inside a number, and other scripts' digits.")
    ] = True
    percent: Annotated[bool, msgspec.Meta(description="Percent-encoded text: li.na%40example.com")] = False
    base64: Annotated[bool, msgspec.Meta(description="Base64: what is found in it masks all of it.")] = False


class Ner(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model that finds names and places, run by an engine of this gateway."""

    engine: Annotated[str, msgspec.Meta(description="An engine of `gateway.yaml` that classifies tokens.")]
    labels: Annotated[
        dict[str, str],
        msgspec.Meta(description="From the model's labels to rules; a label that is not here is left alone."),
    ] = msgspec.field(
        default_factory=lambda: {"PER": "ner.person", "PERSON": "ner.person", "LOC": "ner.place", "GPE": "ner.place",
                                 "ADDRESS": "ner.address", "ORG": "ner.organisation"}
    )  # fmt: skip
    min_score: Annotated[float, msgspec.Meta(ge=0, le=1, description="How sure the model must be.")] = 0.8
    replies: Annotated[
        bool, msgspec.Meta(description="Whether replies are read too; streamed ones are then held back whole.")
    ] = True


class Vault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where what pseudonyms stand for is kept beyond the exchange, encrypted."""

    scope: Annotated[
        Literal["exchange", "session", "tenant"],
        msgspec.Meta(
            description="Who gets a value back: the exchange that brought it, its session too, or all of its tenant."
        ),
    ] = "session"
    ttl_s: Annotated[
        int, msgspec.Meta(ge=1, le=31_536_000, description="Seconds that a value is kept after it was last sent.")
    ] = 3600
    entries_max: Annotated[
        int, msgspec.Meta(ge=1, le=100_000, description="Values kept of one session or tenant; the oldest go first.")
    ] = 1000


class AnonymizeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What to look for and what to do with it."""

    detect: Annotated[
        list[Annotated[str, msgspec.Meta(max_length=100)]],
        msgspec.Meta(max_length=1000, description="Ids of detectors, or globs of them."),
    ] = msgspec.field(default_factory=lambda: EVERYTHING)
    patterns: Annotated[
        list[Pattern],
        msgspec.Meta(max_length=PATTERNS_MAX, description="Patterns of your own; all of them are looked for."),
    ] = msgspec.field(default_factory=list)
    action: Annotated[
        dict[str, Action],
        msgspec.Meta(description="What to do, by id or glob; `default` (pseudonym) is for all others."),
    ] = msgspec.field(default_factory=dict)
    replies: Annotated[
        dict[str, ReplyAction],
        msgspec.Meta(
            description="What to do with what the engine itself writes, by id or glob; `default` is `keep`, and `block` "
            "for what `action` blocks."
        ),
    ] = msgspec.field(default_factory=dict)
    restore: Annotated[
        dict[str, Restore],
        msgspec.Meta(description="`never`: what a pseudonym stands for is kept nowhere, and nobody gets it back."),
    ] = msgspec.field(default_factory=dict)
    pseudonyms: Annotated[
        Literal["tenant", "session", "exchange"],
        msgspec.Meta(description="Within what the same value has the same pseudonym."),
    ] = "tenant"
    vault: Annotated[Vault, msgspec.Meta(description="How long what pseudonyms stand for is known, and to whom.")] = (
        Vault()
    )
    lists: Annotated[
        list[WordList], msgspec.Meta(max_length=LISTS_MAX, description="Words that are always taken, or never.")
    ] = msgspec.field(default_factory=list)
    fields: Annotated[
        list[Field], msgspec.Meta(max_length=FIELDS_MAX, description="Places that always hold one kind of thing.")
    ] = msgspec.field(default_factory=list)
    spelling: Annotated[Spelling, msgspec.Meta(description="Which unusual spellings are read.")] = Spelling()
    ner: Annotated[Ner | None, msgspec.Meta(description="A model for names and places; none by default.")] = None
    mask_keep_last: Annotated[
        int, msgspec.Meta(ge=0, le=8, description="Characters that the action `mask` leaves readable.")
    ] = 4

    def __post_init__(self) -> None:
        """Error: ValueError for an id or glob that names no detector: a misspelt one would protect nothing."""
        if not self.detect and not self.own:
            raise ValueError(
                "there is nothing to look for: `detect`, `patterns`, `lists`, `fields` and `ner` are empty"
            )
        own = self.own
        for glob in self.detect:
            if any(fnmatchcase(one, glob) for one in own) and not any(names(one.id, glob) for one in CATALOGUE):
                raise ValueError(
                    f"`{glob}` names a rule of your own, which is always looked for: take it out of `detect`"
                )
        select(self.detect)
        for table in (self.action, self.replies, self.restore):
            select([glob for glob in table if glob != "default" and not any(fnmatchcase(one, glob) for one in own)])

    @property
    def own(self) -> dict[str, Action | None]:
        """The rules that are not in the catalogue, with the actions that stand beside them."""
        ner = {} if self.ner is None else dict.fromkeys(self.ner.labels.values())
        beside = [one for _, _, one in listed(self)]
        return {**ner, **{one.id: one.action for one in beside}}

    def action_of(self, rule: str) -> Action:
        """An action beside a rule of the author's own beats all; else see `chosen`."""
        own = self.own.get(rule)
        return own if own is not None else chosen(self.action, rule, "pseudonym")

    def reply_action_of(self, rule: str) -> ReplyAction:
        """What happens to what the engine itself wrote; what requests may not hold, replies may not either."""
        return chosen(self.replies, rule, "block" if self.action_of(rule) == "block" else "keep")

    def restores(self, rule: str) -> bool:
        """Whether a value may be given back to the caller."""
        return chosen(self.restore, rule, "caller") == "caller"


def chosen(table: Mapping[str, T], rule: str, otherwise: T) -> T:
    """What a table says of a rule: an exact id beats a glob, the first glob that fits the others, a glob `default`."""
    if rule in table:
        return table[rule]
    globs = (glob for glob in table if glob != "default" and names(rule, glob))
    return table.get(next(globs, "default"), otherwise)


def listed(config: AnonymizeConfig) -> Iterator[tuple[str, int, Pattern | WordList | Field]]:
    """What the author wrote himself, with the key and index where it stands."""
    yield from (("patterns", index, one) for index, one in enumerate(config.patterns))
    yield from (("lists", index, one) for index, one in enumerate(config.lists))
    yield from (("fields", index, one) for index, one in enumerate(config.fields))
