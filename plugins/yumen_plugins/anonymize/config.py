"""What an `anonymize` policy file may say."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated, Literal

import msgspec

from yumen_plugins.anonymize.detectors import CATALOGUE, select

Action = Literal["pseudonym", "redact", "mask", "hash", "keep", "block"]
PATTERNS_MAX, PATTERN_CHARS_MAX = 256, 1000
CONTEXT_WORDS_MAX, WORD_CHARS_MAX, DESCRIPTION_CHARS_MAX = 64, 64, 500
# What `detect` is when nobody wrote it, known by being this very list.
EVERYTHING = ["*"]


class Pattern(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something to look for that the policy's author describes."""

    id: Annotated[
        str,
        msgspec.Meta(
            pattern=r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$",
            description="A name with a dot, such as `acme.staff_no`; findings, tests and pseudonyms name it.",
        ),
    ]
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
    action: Annotated[
        Action | None, msgspec.Meta(description="What to do with it; if left out, `action` of the plugin says so.")
    ] = None


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
    mask_keep_last: Annotated[
        int, msgspec.Meta(ge=0, le=8, description="Characters that the action `mask` leaves readable.")
    ] = 4

    def __post_init__(self) -> None:
        """Error: ValueError for an id or glob that names no detector: a misspelt one would protect nothing."""
        if not self.detect and not self.patterns:
            raise ValueError("there is nothing to look for: `detect` and `patterns` are empty")
        own = [pattern.id for pattern in self.patterns]
        for glob in self.detect:
            if any(fnmatchcase(one, glob) for one in own) and not any(fnmatchcase(one.id, glob) for one in CATALOGUE):
                raise ValueError(
                    f"`{glob}` names a pattern, and patterns are always looked for: take it out of `detect`"
                )
        select(self.detect)
        select([glob for glob in self.action if glob != "default" and not any(fnmatchcase(one, glob) for one in own)])

    def action_of(self, rule: str) -> Action:
        """A pattern's own action beats all; else an exact id beats a glob, the first glob the others, a glob `default`."""
        for pattern in self.patterns:
            if pattern.id == rule and pattern.action is not None:
                return pattern.action
        if rule in self.action:
            return self.action[rule]
        globs = (glob for glob in self.action if glob != "default" and fnmatchcase(rule, glob))
        return self.action.get(next(globs, "default"), "pseudonym")
