"""Who is in quarantine: moments that counters keep, beside a list of them for operators."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from yumen import Counters, Entry, Reading, Store
from yumen_plugins.anomaly.compiled import DAYS_MAX, Ready
from yumen_plugins.anomaly.listed import listed
from yumen_plugins.anomaly.tally import Tally

NAME = "quarantine:"
# How many are listed, and how long the list is kept behind the last of them.
LISTED, LISTED_S = 1000, 31 * 86_400.0
LIST = "quarantines"

if TYPE_CHECKING:
    from yumen_plugins.anomaly.counting import Counted


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """One subject in quarantine: which rule or operator put it there, when, and until when."""

    scope: str
    who: str
    by: str
    at: float
    until: float


def marks(rules: Iterable[Ready]) -> list[tuple[str, str]]:
    """The moments that are kept: one for each kind of subject that a rule can put into quarantine."""
    return [
        (scope, NAME + scope) for scope in sorted({rule.said.by for rule in rules if rule.then.action == "quarantine"})
    ]


def until(known: Mapping[str, float], now: float) -> float:
    """Until when the exchange's subjects are in quarantine; 0 where none is."""
    return standing(max((moment for name, moment in known.items() if name.startswith(NAME)), default=0.0), now)


def standing(moment: float, now: float) -> float:
    """A moment until which something holds now, or 0; none lies further ahead than one is kept."""
    return moment if now < moment <= now + DAYS_MAX * 86_400 else 0.0


class Quarantines:
    """Puts subjects there, lifts and extends it."""

    def __init__(self, store: Store, tally: Tally, counters: Counters | None) -> None:
        self._store = store
        self._tally = tally
        self._counters = counters
        self.scopes = [name.removeprefix(NAME) for name in tally.sources if name.startswith(NAME)]

    async def put(self, one: Quarantined) -> None:
        """Set until when a subject is there; lifted where `until` is 0. Errors: those of the store."""
        assert self._counters is not None, "a rule that puts somebody there counts"
        await self._counters.count([self._entry(one.scope, one.who, one.until)])
        if one.until:
            await self._store.append(LIST, msgspec.json.encode(one), LISTED_S, LISTED)

    async def put_by(self, rules: Sequence[Ready], counted: Counted, now: float) -> None:
        """Put the subjects of an exchange there, as rules say: each for the longest, none for less than it is already."""
        longest: dict[str, Ready] = {}
        for rule in rules:
            other = longest.get(rule.said.by)
            if other is None or rule.then.seconds > other.then.seconds:
                longest[rule.said.by] = rule
        for scope, rule in longest.items():
            who, moment = counted.who(scope), now + rule.then.seconds
            if who and standing(counted.known.get(NAME + scope, 0.0), now) < moment:
                await self.put(Quarantined(scope=scope, who=who, by=rule.id, at=now, until=moment))

    async def active(self, now: float) -> list[Quarantined]:
        """Those that hold, the latest first. Errors: those of the store."""
        latest: dict[tuple[str, str], Quarantined] = {}
        for one in await listed(self._store, LIST, Quarantined):
            # Anew at the end: the order is that of the last time.
            latest.pop((one.scope, one.who), None)
            if one.scope in self.scopes:
                latest[one.scope, one.who] = one
        if not latest or self._counters is None:
            return []
        readings = await self._counters.count([self._entry(scope, who, None) for scope, who in latest])
        held = [
            msgspec.structs.replace(one, until=moment)
            for (key, one), reading in zip(latest.items(), readings, strict=True)
            if (moment := self._standing(key[0], reading, now))
        ]
        return held[::-1]

    async def find(self, scope: str, who: str, now: float) -> Quarantined:
        """One that holds. Error: LookupError where there is none."""
        if not who or scope not in self.scopes or self._counters is None:
            raise LookupError(f"no such {scope} is in quarantine")
        # Not in the list alone: that holds the latest only.
        (reading,) = await self._counters.count([self._entry(scope, who, None)])
        held = self._standing(scope, reading, now)
        if not held:
            raise LookupError(f"no such {scope} is in quarantine")
        listed = [one for one in await self.active(now) if (one.scope, one.who) == (scope, who)]
        return listed[0] if listed else Quarantined(scope=scope, who=who, by="", at=0.0, until=held)

    def _standing(self, scope: str, reading: tuple[Reading, ...], now: float) -> float:
        """Until when a subject is there by what counters say of it; 0 where it is not."""
        _, series = self._tally.place(NAME + scope)
        return standing(reading[series][0], now)

    def _entry(self, scope: str, who: str, moment: float | None) -> Entry:
        index, _ = self._tally.place(NAME + scope)
        (entry,) = self._tally.entries([(index, who)], {} if moment is None else {NAME + scope: moment})
        return entry
