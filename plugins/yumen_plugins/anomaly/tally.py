"""What has to be counted so that rules can read the facts they name, and the facts that counters then say.

Nothing is counted that no rule reads. All of one exchange's request goes to the counters, and comes back, in one call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from yumen import Counters, Entry, Exchange, Reading, Scope, Series, Store
from yumen_plugins.anomaly.facts.likeness import likeness
from yumen_plugins.anomaly.facts.subjects import Subjects
from yumen_plugins.anomaly.facts.windows import SLOTS, WINDOWS

# How many slots must have gone by before anything is called usual; until then there is no such fact.
SLOTS_MIN = 10
# Less than this is never taken for what is usual, or one request after a quiet night would be a hundred times it.
USUAL_MIN = 1.0
KEPT_PROMPTS = 16
PROMPTS = "prompts_of_"
# Of one scope, as counters allow it.
MARKS_MAX = 64
Read = Callable[[Reading, "Amounts"], float | None]
Amounts = Mapping[str, float | int]


class Wanted(msgspec.Struct, frozen=True):
    """One fact that counters say: whose counters, which series, what is added, and how a reading becomes the fact."""

    fact: str
    scope: str
    series: str
    kind: str
    source: str
    window_s: int = 0
    form: str = ""


def wanted(fact: str) -> Wanted | None:
    """What a fact needs of the counters; None for one that they do not say."""
    parts = fact.split(".")
    scope = next((part.removeprefix("per_") for part in parts if part.startswith("per_")), "")
    if not scope:
        return None
    last = parts[-1]
    if last in ("times_usual", "deviations"):
        return Wanted(fact, scope, f"{parts[0]}.usual.{parts[2]}", "usual", parts[0], SLOTS[parts[2]], last)
    if parts[0] == "distinct":
        return Wanted(fact, scope, f"distinct.{parts[1]}", "distinct", parts[1], WINDOWS[last])
    if parts[0] == "repeats":
        return Wanted(fact, PROMPTS + scope, "requests", "sum", "requests", WINDOWS[last])
    if parts[0] == "similarity":
        return Wanted(fact, scope, "signatures", "recent", "signature", 0, "similarity")
    return Wanted(fact, scope, parts[0], "sum", parts[0], WINDOWS[last])


class Tally:
    """The counters that facts need. `marks` are moments that rules keep, each with its scope and name (see `holding.py`)."""

    def __init__(self, facts: Iterable[str], marks: Iterable[tuple[str, str]]) -> None:
        needs = [need for fact in facts if (need := wanted(fact)) is not None]
        needs += [Wanted(name, scope, name, "until", name) for scope, name in _spread(marks)]
        grouped: dict[str, dict[str, list[Wanted]]] = {}
        for need in needs:
            grouped.setdefault(need.scope, {}).setdefault(need.series, []).append(need)
        self.names = list(grouped)
        self._series = [[_series(name, of) for name, of in series.items()] for series in grouped.values()]
        self._sources = [tuple(of[0].source for of in series.values()) for series in grouped.values()]
        self._reads = [
            [(need.fact, index, _read(need, one)) for index, one in enumerate(made) for need in of[one.name]]
            for made, of in zip(self._series, grouped.values(), strict=True)
        ]  # fmt: skip
        self.sources = frozenset(source for sources in self._sources for source in sources)
        # Whether the prompt has to be known: as a member, or because it is the subject.
        self.needs_prompts = "prompts" in self.sources or any(name.startswith(PROMPTS) for name in self.names)

    def open(self, store: Store, keys_max: int) -> Counters:
        """The counters of these series in a store."""
        scopes = [Scope(name, tuple(made), keys_max) for name, made in zip(self.names, self._series, strict=True)]
        return store.counters("anomaly", scopes)

    def place(self, series: str) -> tuple[int, int]:
        """Where the series of a moment stands: the index of its scope, and its own within it."""
        return next((scope, names.index(series)) for scope, names in enumerate(self._sources) if series in names)

    def subjects(self, exchange: Exchange, subjects: Subjects, amounts: Amounts) -> list[tuple[int, str]]:
        """Whom the exchange is counted for, by the index of the scope."""
        found = []
        for index, name in enumerate(self.names):
            scope, of_marks, _ = name.removeprefix(PROMPTS).partition("/")
            who = subjects.of(exchange, scope)
            if not who and of_marks:
                # Or leaving out who one is would be a way around what a rule keeps about him.
                who = exchange.principal.key_id
            if who and name.startswith(PROMPTS):
                who = f"{who}:{amounts['prompts']:016x}" if "prompts" in amounts else ""
            if who:
                found.append((index, who))
        return found

    def entries(self, subjects: Sequence[tuple[int, str]], amounts: Amounts) -> list[Entry]:
        """What to count: `amounts` by what they are of."""
        return [Entry(index, who, tuple(map(amounts.get, self._sources[index]))) for index, who in subjects]

    def changes(self, subjects: Sequence[tuple[int, str]], amounts: Amounts) -> list[Entry]:
        """The same without entries that would change nothing."""
        every = self.entries(subjects, amounts)
        return [entry for entry in every if any(change is not None for change in entry.changes)]

    def facts(
        self, entries: Sequence[Entry], readings: Sequence[Sequence[Reading]], amounts: Amounts
    ) -> dict[str, float]:
        """The facts that readings say, and the marks under their names; what is not known is left out."""
        found: dict[str, float] = {}
        for entry, reading in zip(entries, readings, strict=True):
            for fact, index, read in self._reads[entry.scope]:
                value = read(reading[index], amounts)
                if value is not None:
                    found[fact] = value
        return found


def _spread(marks: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Moments in scopes of their own, of which each has room for so many: `key/0`, `key/1`, ..."""
    counts: Counter[str] = Counter()
    spread = []
    for scope, name in marks:
        spread.append((f"{scope}/{counts[scope] // MARKS_MAX}", name))
        counts[scope] += 1
    return spread


def _series(name: str, needs: Sequence[Wanted]) -> Series:
    kind = needs[0].kind
    windows = tuple(sorted({need.window_s for need in needs})) if kind in ("sum", "distinct", "usual") else ()
    return Series(name, kind, windows, KEPT_PROMPTS)  # type: ignore[arg-type]  # `wanted` writes kinds only


def _read(need: Wanted, series: Series) -> Read:
    if need.kind in ("sum", "distinct"):
        place = series.windows_s.index(need.window_s)
        return lambda reading, _: reading[place]
    return {"times_usual": _times_usual, "deviations": _deviations, "similarity": _similarity}.get(need.form, _only)


def _only(reading: Reading, _: Amounts) -> float | None:
    return reading[0]


def _times_usual(reading: Reading, _: Amounts) -> float | None:
    current, mean, _deviation, slots = reading
    return None if slots < SLOTS_MIN else current / max(mean, USUAL_MIN)


def _deviations(reading: Reading, _: Amounts) -> float | None:
    current, mean, deviation, slots = reading
    return None if slots < SLOTS_MIN else (current - mean) / max(deviation, USUAL_MIN)


def _similarity(reading: Reading, amounts: Amounts) -> float | None:
    signature = amounts.get("signature")
    if signature is None:
        return None
    return max((likeness(int(signature), int(other)) for other in reading), default=0.0)
