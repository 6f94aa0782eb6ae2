"""What a detector is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

from yumen_plugins.anonymize.kept_patterns import compiled

# How far from a value a word that names it may stand, in code points on either side; and how much may stand between a long
# word and the value, `number: ` for example.
CONTEXT_BEFORE, CONTEXT_AFTER, BETWEEN = 24, 12, 10
# How far before a value a word may stand that says what else it is.
UNLESS_BEFORE = 12


def _always(value: str) -> bool:
    return True


@dataclass(frozen=True)
class Detector:
    """One kind of personal data.

    `patterns` find it, each form with a pattern of its own, so that one that does not hold cannot hide another. A pattern
    may have a group called `value`: then that is what is taken, and the rest says what it is (`password: …`). Their edges
    are digit or ASCII edges, written as lookarounds: `\\b` and `\\w` break next to Han characters. They must be linear: no
    unbounded repeat inside another, and nothing longer than `span_max` characters in all.

    `prefilter` is what hyperscan looks for in the one pass over everything, on UTF-8 bytes: Han characters stand in it as
    words and never in brackets. It must find something wherever `patterns` do, and the rarer it finds something else, the
    faster all is; `(?i)` at its beginning makes case not matter. Several of them go with as many `patterns`, one each: then
    only those patterns look closer whose own has found something.

    `validate` says whether the checksum (or whatever makes it sure) holds; a value that fails is still taken where one of
    `context` stands near it, since people mistype. Where patterns take as much as a value could be, `valid_part` says how
    many of its first characters hold, and 0 where none do. `weak` is a form that says nothing by itself: it is taken with
    context only, whatever `validate` says. `guessed` is one that the words around it give away and not its own form: any
    reading that is sure, and what a policy's author asked for, goes before it. `unless` are words that, close before a value
    that is not sure, say that it is something else. `hides` is the id of a detector that may read the end of a value that
    holds as the beginning of something else: none of its readings counts that begins there and goes on behind it.
    `canonical` is what makes two spellings the same value. `examples` and `counterexamples` run as tests. `description` says
    in a few words what is found.

    For streams: `span_max` is the longest match in code points, and `tight` says that it holds no blank and no character
    beyond ASCII, so that the first one of these ends it. One longer than 512 begins with `opener`; where it has none, or
    `span_max` is 0, only a whole text shows it. `own` marks what a policy's author wrote (a pattern, a word, a field); that
    is looked for elsewhere, and has no `patterns` here.
    """

    id: str
    patterns: tuple[str, ...]
    prefilter: str | tuple[str, ...]
    score: float
    validate: Callable[[str], bool] = _always
    valid_part: Callable[[str], int] | None = None
    canonical: Callable[[str], str] = field(default=str.lower)
    context: tuple[str, ...] = ()
    unless: tuple[str, ...] = ()
    weak: bool = False
    guessed: bool = False
    hides: str = ""
    span_max: int = 64
    tight: bool = False
    opener: str = ""
    examples: tuple[str, ...] = ()
    counterexamples: tuple[str, ...] = ()
    description: str = ""
    own: bool = False

    @property
    def compiled(self) -> tuple[re.Pattern[str], ...]:
        """The patterns, compiled when they are first asked for: all of them together take seconds."""
        return tuple(map(compiled, self.patterns))

    @property
    def forms(self) -> list[tuple[str, tuple[str, ...]]]:
        """Each expression of the one pass with the patterns that it stands for."""
        if isinstance(self.prefilter, str):
            return [(self.prefilter, self.patterns)]
        forms: dict[str, tuple[str, ...]] = {}
        for prefilter, pattern in zip(self.prefilter, self.patterns, strict=True):
            forms[prefilter] = (*forms.get(prefilter, ()), pattern)
        return list(forms.items())

    @property
    def label(self) -> str:
        """The name that stands in pseudonyms: `cn.mobile` is `CN_MOBILE`."""
        return label_of(self.id)

    @property
    def before(self) -> int:
        """How far before a value its context is read, in code points."""
        return max([CONTEXT_BEFORE, *(len(word) + BETWEEN for word in self.context)])

    def sure(self, value: str) -> int:
        """How many of the first characters of what a pattern took are surely a value."""
        if self.weak:
            return 0
        if self.valid_part is not None:
            return self.valid_part(value)
        return len(value) if self.validate(value) else 0

    def named(self, text: str, start: int, end: int, before: int = CONTEXT_BEFORE) -> bool:
        """Whether a context word stands near a span, `before` in front of it at most.

        Raw substrings: words have no edges in Chinese.
        """
        if not self.context:
            return False
        around = text[max(0, start - before) : start] + "\n" + text[end : end + CONTEXT_AFTER]
        return _holds(around.lower(), self.context)

    def denied(self, text: str, start: int) -> bool:
        """Whether a word close before a span says that it is something else."""
        if not self.unless:
            return False
        return _holds(text[max(0, start - UNLESS_BEFORE) : start].lower(), self.unless)


def _holds(text: str, words: tuple[str, ...]) -> bool:
    # A generator would take several times as long, and this is asked about every candidate.
    for word in words:  # noqa: SIM110
        if word in text:
            return True
    return False


def label_of(rule: str) -> str:
    """The label of the detector with this id."""
    return rule.upper().replace(".", "_")


def digits(value: str) -> str:
    """The digits of a value, and a closing X."""
    if value.isascii() and value.isdecimal():
        return value
    return "".join(char for char in value if char.isdigit() or char in "xX").upper()
