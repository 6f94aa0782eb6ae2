"""What a detector is."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field

# How far from a value a word that names it may stand, in code points on either side.
CONTEXT_BEFORE, CONTEXT_AFTER = 24, 12


@dataclass(frozen=True)
class Detector:
    """One kind of personal data.

    `patterns` find it, each form with a pattern of its own, so that one that does not hold cannot hide another. Their edges
    are digit or ASCII edges, written as lookarounds: `\\b` and `\\w` break next to Han characters. They must be linear: no
    unbounded repeat inside another, and nothing longer than some hundred characters.

    `prefilter` is what hyperscan looks for in the one pass over everything; it may find more than `patterns` and must never
    find less. `needs` is a set of characters, as a regex class has it, one of which stands in every value: text without any
    of them is done with at once.

    `validate` says whether the checksum (or whatever makes it sure) holds; a value that fails is still taken where one of
    `context` stands near it, since people mistype. `canonical` is what makes two spellings the same value. `examples` and
    `counterexamples` run as tests. `description` says in a few words what is found. `own` marks what a policy's author
    wrote; that is looked for in `yumen_plugins.anonymize.own`, and has no `patterns` here.
    """

    id: str
    patterns: tuple[re.Pattern[str], ...]
    prefilter: str
    needs: str
    score: float
    validate: Callable[[str], bool] = field(default=lambda value: True)
    canonical: Callable[[str], str] = field(default=str.lower)
    context: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    counterexamples: tuple[str, ...] = ()
    description: str = ""
    own: bool = False

    @property
    def label(self) -> str:
        """The name that stands in pseudonyms: `cn.mobile` is `CN_MOBILE`."""
        return label_of(self.id)

    def named(self, text: str, start: int, end: int) -> bool:
        """Whether a context word stands near a span. Raw substrings: words have no edges in Chinese."""
        if not self.context:
            return False
        around = text[max(0, start - CONTEXT_BEFORE) : start] + "\n" + text[end : end + CONTEXT_AFTER]
        lower = around.lower()
        return any(word in lower for word in self.context)


def label_of(rule: str) -> str:
    """The label of the detector with this id."""
    return rule.upper().replace(".", "_")


def digits(value: str) -> str:
    """The digits of a value, and a closing X."""
    return "".join(char for char in value if char.isdigit() or char in "xX").upper()
