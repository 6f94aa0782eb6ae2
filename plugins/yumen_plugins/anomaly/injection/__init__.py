"""Signs of prompt injection and of jailbreaks in the texts of a request: see docs/injection.md.

Phrases are looked for as `fold` spells a text, so that case, widths, lookalike letters and invisible characters hide none.
Where letters stand apart or digits stand for letters, or where something is encoded, what can be made of that is looked at
too. A phrase between quotation marks, or near words about attacks, is spoken about: it counts as `mentioned` and as nothing
else. In what a tool brought it has to be both. These are heuristics: whoever tries for long enough gets past them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache

import msgspec

from yumen import Text
from yumen_plugins.anomaly.facts.texts import DELIMITERS, delimiters, encoded_share, ends
from yumen_plugins.anomaly.injection import unwrap
from yumen_plugins.anomaly.injection.phrasebook import Phrases, Span, expressions
from yumen_plugins.anomaly.words.fold import Folded, fold

LOOKED_AT_MAX = 262_144
SEPARATOR = "\n\x00\n"
OWN_ROLES, NOT_READ = frozenset(("system", "developer", "assistant")), frozenset(("media", "key"))
FETCHED_ROLES, FETCHED_KINDS = frozenset(("tool", "function")), frozenset(("tool_result",))
# What the first sign of a kind adds to the score (each other one adds half of it), and what all of a kind add at most.
WEIGHTS: Mapping[str, tuple[float, float]] = {
    "override": (5, 8),
    "tool_instructions": (5, 8),
    "role_play": (4, 7),
    "extraction": (4, 6),
    "encoded": (4, 6),
    "evasion": (4, 6),
    "unrestricted": (3, 5),
    "addressed": (3, 5),
    "errand": (3, 5),
    "secrecy": (2, 4),
    "delimiters": (1.5, 3),
    "flood": (3, 3),
    "persona": (1, 1),
    "mentioned": (1, 2),
}
# Commands; in what a tool brought they are somebody else's, and an errand is one there only.
COMMANDS = ("override", "role_play", "extraction", "unrestricted", "addressed", "secrecy")
PHRASES = (*COMMANDS, "errand", "encoded", "persona")
# What says that a text has to be looked at in another way, and is no sign by itself.
HINTS = {
    "apart": (unwrap.APART, unwrap.LEET, unwrap.MIXED),
    "payload": (unwrap.PAYLOAD,),
    "turned": (unwrap.TURNED,),
    "marks": tuple(one.lower() for one in DELIMITERS),
}
# How many code points around a phrase are looked at for quotation marks and for words about attacks.
AROUND = 160
CLOSELY_MAX = 64
PAIRS = (("“", "”"), ("「", "」"), ("『", "』"), ("《", "》"), ("‘", "’"), ('"', '"'), ("`", "`"))
APOSTROPHE = re.compile(r"(?:^|[\s(,:])'[^'\n]*$")


class Signals(msgspec.Struct, frozen=True):
    """What was found: how many signs of each kind, and the score of all together, 0 for none."""

    counts: Mapping[str, int]
    score: float


NOTHING = Signals({}, 0.0)


def signals(texts: Sequence[Text]) -> Signals:
    """What the texts of a request hold; only what comes from users, tools and documents is read."""
    return signals_of(*read(texts))


def read(texts: Sequence[Text]) -> tuple[str, str]:
    """What is read of the texts of a request: what was said, and what was fetched.

    Of each of these two the first and the last 131,072 code points.
    """
    said: list[str] = []
    fetched: list[str] = []
    for text in texts:
        if text.kind in FETCHED_KINDS or text.role in FETCHED_ROLES:
            fetched.append(text.value)
        elif text.role not in OWN_ROLES and text.kind not in NOT_READ:
            said.append(text.value)
    return ends(SEPARATOR.join(said), LOOKED_AT_MAX), ends(SEPARATOR.join(fetched), LOOKED_AT_MAX)


def signals_of(said: str, fetched: str) -> Signals:
    """What these hold; nothing but them decides."""
    counts: Counter[str] = Counter()
    if said:
        counts.update(_signs(said, False))
    if fetched:
        counts.update(_signs(fetched, True))
    return Signals(dict(counts), score(counts)) if counts else NOTHING


def prepare() -> None:
    """Read the phrases, which takes a second where nothing is kept; otherwise the first request waits for it."""
    _phrases()
    _solid_phrases()
    _discussion()


def score(counts: Mapping[str, int]) -> float:
    """The score of so many signs of each kind: 0 for none, and more for more kinds rather than for more of one."""
    total = 0.0
    for kind, count in counts.items():
        first, most = WEIGHTS[kind]
        total += min(most, first * (1 + (count - 1) / 2))
    return total


def _signs(text: str, fetched: bool) -> Counter[str]:
    folded = fold(text)
    plain = folded.text
    data = plain.encode("utf-8", "replace")
    counts: Counter[str] = Counter()
    found = _phrases().find(data, leave_out="" if fetched else "errand")
    if not found.spans and not found.hints:
        return counts
    hints = found.hints
    counts["flood"] += found.more
    # Of many phrases only the first are looked at closely, and the others taken as they are.
    for index, span in enumerate(found.spans):
        closely = index < CLOSELY_MAX
        meant = not closely or not _mentioned(data, span, fetched)
        counts[span.kind if meant else "mentioned"] += 1
        if closely and span.kind in COMMANDS and not text.isascii():
            counts["evasion"] += _disguised(text, folded, data, span)
    _decode(text, plain, hints, counts)
    if "apart" in hints:
        _solidify(plain, counts)
    if "marks" in hints:
        counts["delimiters"] += delimiters(text)
    if fetched:
        counts["tool_instructions"] += sum(counts[kind] for kind in COMMANDS)
        del counts["addressed"], counts["persona"]
    return +counts


def _decode(text: str, plain: str, hints: set[str], counts: Counter[str]) -> None:
    """Count what stands in a text in an encoding, or the wrong way round."""
    asked = counts.pop("encoded", 0)
    inside: list[str] = []
    if "payload" in hints:
        inside += unwrap.decoded(text)
    if "turned" in hints:
        inside += unwrap.turned(plain)
    hidden = _commands(_phrases(), (fold(one).text.encode("utf-8", "replace") for one in inside))
    counts.update(hidden)
    if hidden or (asked and encoded_share(text) > 0):
        counts["encoded"] += max(1, asked)


def _solidify(plain: str, counts: Counter[str]) -> None:
    """Count what is there only once letters that stand apart are put together."""
    found = _commands(_solid_phrases(), (line.encode("utf-8", "replace") for line in unwrap.solid(plain)))
    for kind, count in found.items():
        if count > counts[kind]:
            counts[kind] = count
            counts["evasion"] += 1


def _commands(phrases: Phrases, texts: Iterable[bytes]) -> Counter[str]:
    return Counter(span.kind for data in texts for span in phrases.find(data).spans if span.kind in COMMANDS)


def _mentioned(data: bytes, span: Span, fetched: bool) -> bool:
    """Whether a phrase is spoken about rather than meant."""
    before = data[max(0, span.start - 3 * AROUND) : span.start].decode("utf-8", "ignore")[-AROUND:]
    after = data[span.end : span.end + 3 * AROUND].decode("utf-8", "ignore")[:AROUND]
    quoted = _quoted(before.rpartition("\n")[2], after.partition("\n")[0])
    if quoted and not fetched:
        return True
    return quoted >= fetched and bool(_discussion().find(f"{before}\n\n{after}".encode()).spans)


def _quoted(before: str, after: str) -> bool:
    """Whether quotation marks are open between these."""
    for opening, closing in PAIRS:
        alike = opening == closing
        is_open = before.count(opening) % 2 == 1 if alike else before.rfind(opening) > before.rfind(closing)
        if is_open and closing in after:
            return True
    return "'" in after and APOSTROPHE.search(before) is not None


def _disguised(text: str, folded: Folded, data: bytes, span: Span) -> bool:
    """Whether a phrase is spelt with letters that only look like its own, or with invisible characters within."""
    first = len(data[: span.start].decode("utf-8", "replace"))
    found = data[span.start : span.end].decode("utf-8", "replace")
    start, end = folded.span(first, first + len(found))
    foreign = sum(char.isalpha() and not char.isascii() for char in text[start:end])
    own = sum(char.isalpha() and not char.isascii() for char in found)
    return end - start - len(found) >= 2 or foreign - own >= 2


@cache
def _phrases() -> Phrases:
    return Phrases(expressions(*PHRASES), HINTS)


@cache
def _solid_phrases() -> Phrases:
    return Phrases(expressions("override", "role_play", "extraction", "unrestricted", "secrecy", solid=True))


@cache
def _discussion() -> Phrases:
    return Phrases(expressions("discussion"))
