"""Finds personal data: one pass over everything to learn which detectors matter, then those alone look closer.

Hyperscan reads all texts of an exchange at once and says which detectors could find something at all; on clean text that is
all that happens. Only the detectors it names run their own patterns, with the lookarounds that hyperscan has not. The
patterns of a policy's author take part in the same pass, and then run in RE2; so do the signs of an unusual spelling.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from yumen_plugins.anonymize.config import Spelling
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.encodings import decoded
from yumen_plugins.anonymize.hits import Allowed, Hit, Overlaps
from yumen_plugins.anonymize.look import Form, Region
from yumen_plugins.anonymize.memo import CHARS_MIN, TEXTS_MIN, Memo, Place
from yumen_plugins.anonymize.normalise import Speller, plain_spaces
from yumen_plugins.anonymize.own import SECONDS_MAX, Own
from yumen_plugins.anonymize.prefilter import automata, automata_of_own
from yumen_plugins.anonymize.windows import Pass, Seen
from yumen_plugins.anonymize.words import Lists, Words

# Between the name of a member and its value, where the two are read together.
NAMED = ": "


def enforce(rule: str) -> str:
    """The mode of every rule, where nobody says otherwise."""
    return "enforce"


class Scanner:
    """A set of detectors, compiled once.

    `own` are patterns of the policy's author, `lists` words, and `others` what is found elsewhere and only settled here.
    `keeps` are the rules that only report, `blocks` those that end exchanges.
    """

    def __init__(
        self,
        detectors: tuple[Detector, ...],
        own: tuple[Own, ...] = (),
        keeps: frozenset[str] = frozenset(),
        blocks: frozenset[str] = frozenset(),
        *,
        lists: tuple[Words, ...] = (),
        others: tuple[Detector, ...] = (),
        spelling: Spelling | None = None,
    ) -> None:
        self._own = own
        self._lists = Lists(lists)
        self._allowing = frozenset(one.detector.id for one in lists if not one.take)
        self._base64 = spelling is not None and spelling.base64
        self._speller = Speller(spelling or Spelling())
        every = (*detectors, *(one.detector for one in own), *(one.detector for one in lists), *others)
        self.every = every
        self._number = {detector.id: number for number, detector in enumerate(every)}
        self._overlaps = Overlaps(every, keeps, blocks)
        # Several detectors may share an expression.
        forms: dict[str, list[Form]] = {}
        for one in detectors:
            for expression, patterns in one.forms:
                forms.setdefault(expression, []).append(Form(one, patterns))
        self._forms = list(forms.values())
        signs = self._speller.expressions
        self._first_sign = len(self._forms)
        self._first_own = self._first_sign + len(signs)
        made = automata((*((expression.encode(), 0) for expression in forms), *signs))
        more, always = automata_of_own(tuple(one.expression for one in own), self._first_own)
        self._pass = Pass(made, more, always)
        self._memo = Memo()

    def scan(
        self,
        texts: Sequence[str],
        mode: Callable[[str], str] = enforce,
        *,
        names: Sequence[str] = (),
        found: Sequence[Sequence[Hit]] = (),
        tenant: str = "",
        key: bytes = b"",
    ) -> list[list[Hit]]:
        """The values in each text, in order, none overlapping another but those that are `covered`.

        `mode` says how policy has a rule: `enforce`, `shadow` or `off`. It is asked about rules that found something.
        `names` are the names of the members that hold the texts, where there are any; `found` what others have found in each
        text. `key` is a key of the tenant: with one, long conversations are remembered. Error: TimeoutError where authors'
        patterns are too slow for these texts.
        """
        until = time.perf_counter() + SECONDS_MAX
        raw = self._raw(self._read(texts, names), tenant, key, until)
        out: list[list[Hit]] = []
        for index, text in enumerate(texts):
            hits = raw[index]
            if names and names[index]:
                hits = _shifted(hits, len(names[index]) + len(NAMED))
                if self._own:
                    # To an author's pattern the edges of the value are edges.
                    hits = self._with_own(hits, self.readings(text, tenant))
            if found:
                hits = [*hits, *found[index]]
            out.append(self.settled(text, hits, mode) if hits else [])
        return out

    def readings(self, text: str, tenant: str = "") -> list[Hit]:
        """Every reading of a text, before any is chosen. Error: TimeoutError, as `scan`."""
        (hits,) = self._raw_anew([text], tenant, time.perf_counter() + SECONDS_MAX)
        return hits

    def settled(self, text: str, hits: Sequence[Hit], mode: Callable[[str], str]) -> list[Hit]:
        """Those readings of a text that count, with their values."""
        settled = self._overlaps.settle(list(hits), mode)
        return [hit.spelt(self._speller.value(text[hit.start : hit.end])) for hit in settled]

    def _with_own(self, hits: list[Hit], more: list[Hit]) -> list[Hit]:
        known = {(hit.detector.id, hit.start, hit.end) for hit in hits}
        return [
            *hits,
            *(one for one in more if one.detector.own and (one.detector.id, one.start, one.end) not in known),
        ]

    def plain(self, text: str) -> tuple[str, Callable[[int], int]]:
        """The plain spelling of a text, and where one of its characters begins in the text."""
        if not self._speller.needed(text):
            return text, _same
        plain, places = self._speller.spell(text)
        return plain, lambda place: places.span(place, place)[0]

    def _read(self, texts: Sequence[str], names: Sequence[str]) -> list[str]:
        """The texts as they are read: a member's name says what its value is."""
        if not names:
            return list(texts)
        return [f"{name}{NAMED}{text}" if name else text for name, text in zip(names, texts, strict=True)]

    def _raw(self, texts: list[str], tenant: str, key: bytes, until: float) -> list[list[Hit]]:
        """Every reading, before any is chosen."""
        if not key or len(texts) < TEXTS_MIN:
            return self._raw_anew(texts, tenant, until)
        digests = [Memo.digest(key, text) if len(text) >= CHARS_MIN else b"" for text in texts]
        known = [self._memo.get(digest) if digest else None for digest in digests]
        news = [index for index, places in enumerate(known) if places is None]
        fresh = dict(zip(news, self._raw_anew([texts[index] for index in news], tenant, until), strict=True))
        out: list[list[Hit]] = []
        for index, places in enumerate(known):
            if places is not None:
                out.append([self._hit(place) for place in places])
                continue
            hits = fresh[index]
            if digests[index]:
                self._memo.put(digests[index], tuple(self._place(hit) for hit in hits))
            out.append(hits)
        return out

    def _hit(self, place: Place) -> Hit:
        number, start, end, valid = place
        detector = self.every[number]
        kind = Allowed if detector.id in self._allowing else Hit
        return kind(detector, start, end, "", valid)

    def _place(self, hit: Hit) -> Place:
        return self._number[hit.detector.id], hit.start, hit.end, hit.valid

    def _raw_anew(self, texts: list[str], tenant: str, until: float) -> list[list[Hit]]:
        lists = self._lists.of(tenant)
        return [
            self._scan_one(text, seen, lists, until) if seen.numbers or lists or self._base64 else []
            for text, seen in zip(texts, self._pass.read(texts), strict=True)
        ]

    def _scan_one(
        self, text: str, seen: Seen, lists: Sequence[Words], until: float, *, inner: bool = False
    ) -> list[Hit]:
        """Every reading of one text."""
        hits: list[Hit] = []
        if self._signed(seen) and self._speller.needed(text):
            plain, places = self._speller.spell(text)
            (seen,) = self._pass.read([plain])
            self._look(plain_spaces(plain), seen, lists, hits, until)
            hits = [_at(hit, *places.span(hit.start, hit.end)) for hit in hits]
        else:
            self._look(plain_spaces(text), seen, lists, hits, until)
        if self._base64 and not inner:
            for start, end, inside in decoded(text):
                (within,) = self._pass.read([inside])
                # What is found inside stands for all of it; a part of it cannot be edited.
                hits += [
                    Hit(hit.detector, start, end, "", hit.valid)
                    for hit in self._scan_one(inside, within, lists, until, inner=True)
                    if not isinstance(hit, Allowed)
                ]
        return hits

    def _signed(self, seen: Seen) -> bool:
        """Whether there are signs of an unusual spelling."""
        return any(self._first_sign <= number < self._first_own for number in seen.numbers)

    def _look(self, plain: str, seen: Seen, lists: Sequence[Words], hits: list[Hit], until: float) -> None:
        """Add what is found in a text that is spelt plainly."""
        own: list[Own] = []
        whole = Region(0, len(plain))
        for number in sorted(seen.numbers):
            if number < self._first_sign:
                for form in self._forms[number]:
                    for region in seen.regions(number, form.detector, whole):
                        form.look(plain, region, hits)
            elif number >= self._first_own:
                own.append(self._own[number - self._first_own])
        if own:
            data = plain.encode("utf-8", "replace")
            for one in own:
                hits += [Hit(one.detector, start, end, "", True) for start, end in one.look(plain, data, until)]
        for words in lists:
            hits += words.find(plain)


def _same(place: int) -> int:
    return place


def _at(hit: Hit, start: int, end: int) -> Hit:
    """The same reading at another place."""
    kind = Allowed if isinstance(hit, Allowed) else Hit
    return kind(hit.detector, start, end, "", hit.valid)


def _shifted(hits: Sequence[Hit], by: int) -> list[Hit]:
    """The readings of the value alone, where it was read behind its name."""
    return [_at(hit, hit.start - by, hit.end - by) for hit in hits if hit.start >= by]
