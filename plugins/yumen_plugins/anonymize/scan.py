"""Finds personal data: one pass over everything to learn which detectors matter, then those alone look closer.

Hyperscan reads all texts of an exchange at once and says which detectors could find something at all; on clean text that is
all that happens. Only the detectors it names run their own patterns, with the lookarounds that hyperscan has not. The
patterns of a policy's author take part in the same pass, and then run in RE2; so do the signs of an unusual spelling.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from yumen_plugins.anonymize.config import Spelling
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.encodings import decoded
from yumen_plugins.anonymize.hits import Allowed, Hit, Overlaps
from yumen_plugins.anonymize.kept_patterns import prepare
from yumen_plugins.anonymize.look import Form, Region
from yumen_plugins.anonymize.memo import Memo, Place
from yumen_plugins.anonymize.normalise import Speller, plain_spaces
from yumen_plugins.anonymize.own import SECONDS_MAX, Own
from yumen_plugins.anonymize.prefilter import automata, automata_of_own
from yumen_plugins.anonymize.tables import NAMED, SIGN, Cells
from yumen_plugins.anonymize.windows import Pass, Seen
from yumen_plugins.anonymize.words import Lists, Words

# How a text was read: what is remembered of it depends on that.
WITH_TABLES, WITHOUT_TABLES = b"tables", b"no tables"


def enforce(rule: str) -> str:
    """The mode of every rule, where nobody says otherwise."""
    return "enforce"


class _Call(NamedTuple):
    """What one call looks for besides what is compiled: words of the tenant, and tables; `until` is when it must be over."""

    lists: Sequence[Words]
    tables: bool
    until: float


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
        forms: dict[str, list[tuple[Detector, tuple[str, ...]]]] = {}
        for one in detectors:
            for expression, patterns in one.forms:
                forms.setdefault(expression, []).append((one, patterns))
        signs = self._speller.expressions
        # In the order of their numbers: the detectors' expressions, the sign of tables, those of spelling, the authors'.
        self._tables = len(forms)
        self._first_sign = self._tables + 1
        self._first_own = self._first_sign + len(signs)
        expressions = (*((expression.encode(), 0) for expression in (*forms, SIGN)), *signs)
        with ThreadPoolExecutor(max_workers=1) as aside:
            # Hyperscan compiles without the interpreter's lock, while the patterns are compiled here.
            made = aside.submit(automata, expressions)
            prepare(pattern for one in detectors for pattern in one.patterns)
            self._forms = [[Form(one, patterns) for one, patterns in some] for some in forms.values()]
            more, always = automata_of_own(tuple(one.expression for one in own), self._first_own)
            self._pass = Pass(made.result(), more, always)
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
        tables: bool = True,
    ) -> list[list[Hit]]:
        """The values in each text, in order, none overlapping another but those that are `covered`.

        `mode` says how policy has a rule: `enforce`, `shadow` or `off`. It is asked about rules that found something.
        `names` are the names of the members that hold the texts, where there are any; `found` what others have found in each
        text. `key` is a key of the tenant: with one, texts are remembered. `tables` says whether the cells of
        tables are read behind their headings. Error: TimeoutError where authors' patterns are too slow for these texts.
        """
        call = self._call(tenant, tables=tables)
        raw = self._raw(self._read(texts, names), key, call)
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
        """Every reading of a text that may go on, before any is chosen. Error: TimeoutError, as `scan`."""
        (hits,) = self._raw_anew([text], self._call(tenant, tables=False))
        return hits

    def _call(self, tenant: str, *, tables: bool) -> _Call:
        return _Call(self._lists.of(tenant), tables, time.perf_counter() + SECONDS_MAX)

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

    def _raw(self, texts: list[str], key: bytes, call: _Call) -> list[list[Hit]]:
        """Every reading, before any is chosen."""
        if not key:
            return self._raw_anew(texts, call)
        how = WITH_TABLES if call.tables else WITHOUT_TABLES
        digests = [Memo.digest(key, text, how) for text in texts]
        known = [self._memo.get(digest) for digest in digests]
        news = [index for index, places in enumerate(known) if places is None]
        fresh = dict(zip(news, self._raw_anew([texts[index] for index in news], call), strict=True)) if news else {}
        out: list[list[Hit]] = []
        for index, places in enumerate(known):
            if places is None:
                hits = fresh[index]
                self._memo.put(digests[index], tuple([self._place(hit) for hit in hits]))
                out.append(hits)
            else:
                out.append([self._hit(place) for place in places] if places else [])
        return out

    def _hit(self, place: Place) -> Hit:
        number, start, end, valid = place
        detector = self.every[number]
        kind = Allowed if detector.id in self._allowing else Hit
        return kind(detector, start, end, "", valid)

    def _place(self, hit: Hit) -> Place:
        return self._number[hit.detector.id], hit.start, hit.end, hit.valid

    def _raw_anew(self, texts: list[str], call: _Call) -> list[list[Hit]]:
        return [
            self._scan_one(text, seen, call) if seen.numbers or call.lists or self._base64 else []
            for text, seen in zip(texts, self._pass.read(texts), strict=True)
        ]

    def _scan_one(self, text: str, seen: Seen, call: _Call, *, inner: bool = False) -> list[Hit]:
        """Every reading of one text."""
        if self._signed(seen) and self._speller.needed(text):
            plain, places = self._speller.spell(text)
            (seen,) = self._pass.read([plain])
            hits = [_at(hit, *places.span(hit.start, hit.end)) for hit in self._look(plain_spaces(plain), seen, call)]
        else:
            hits = self._look(plain_spaces(text), seen, call)
        if self._base64 and not inner:
            for start, end, inside in decoded(text):
                (within,) = self._pass.read([inside])
                # What is found inside stands for all of it; a part of it cannot be edited.
                hits += [
                    Hit(hit.detector, start, end, "", hit.valid)
                    for hit in self._scan_one(inside, within, call, inner=True)
                    if not isinstance(hit, Allowed)
                ]
        return hits

    def _signed(self, seen: Seen) -> bool:
        """Whether there are signs of an unusual spelling."""
        return any(self._first_sign <= number < self._first_own for number in seen.numbers)

    def _look(self, plain: str, seen: Seen, call: _Call) -> list[Hit]:
        """What is found in a text that is spelt plainly."""
        hits = self._built_in(plain, seen)
        if call.tables and self._tables in seen.numbers and "\n" in plain:
            hits += self._in_cells(Cells(plain))
        own = [self._own[number - self._first_own] for number in sorted(seen.numbers) if number >= self._first_own]
        if own:
            data = plain.encode("utf-8", "replace")
            for one in own:
                hits += [Hit(one.detector, start, end, "", True) for start, end in one.look(plain, data, call.until)]
        for words in call.lists:
            hits += words.find(plain)
        return hits

    def _built_in(self, plain: str, seen: Seen) -> list[Hit]:
        """What detectors that are built in find."""
        hits: list[Hit] = []
        whole = Region(0, len(plain))
        for number in sorted(seen.numbers):
            if number >= self._tables:
                break
            for form in self._forms[number]:
                for region in seen.regions(number, form.detector, whole):
                    form.look(plain, region, hits)
        return hits

    def _in_cells(self, cells: Cells) -> list[Hit]:
        """What detectors that are built in find in cells of tables, since a heading stands before them."""
        if not cells.text:
            return []
        (seen,) = self._pass.read([cells.text])
        placed = [(hit, cells.place(hit.start, hit.end)) for hit in self._built_in(cells.text, seen)]
        return [_at(hit, *place) for hit, place in placed if place is not None]


def _same(place: int) -> int:
    return place


def _at(hit: Hit, start: int, end: int) -> Hit:
    """The same reading at another place."""
    kind = Allowed if isinstance(hit, Allowed) else Hit
    return kind(hit.detector, start, end, "", hit.valid)


def _shifted(hits: Sequence[Hit], by: int) -> list[Hit]:
    """The readings of the value alone, where it was read behind its name."""
    return [_at(hit, hit.start - by, hit.end - by) for hit in hits if hit.start >= by]
