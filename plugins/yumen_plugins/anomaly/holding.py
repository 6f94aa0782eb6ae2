"""`for` and `cooldown`: since when a condition has held, and until when a rule is not reported again.

Both are moments that counters keep (seconds since the epoch), each for one subject of a rule. So no engine needs timers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from yumen_plugins.anomaly.compiled import Ready

SINCE, QUIET = "since:", "quiet:"


def marks(rules: Iterable[Ready]) -> list[tuple[str, str]]:
    """The moments that rules keep: whose, and under which name."""
    found: list[tuple[str, str]] = []
    for rule in rules:
        if rule.for_s:
            found.append((rule.said.by, SINCE + rule.id))
        if rule.cooldown_s:
            found.append((rule.said.by, QUIET + rule.id))
    return found


class Held:
    """What becomes of rules at one moment. `fired` are those that fire, `told` those of them that are reported.

    `changes` are the moments to keep now, by name; 0 is none.
    """

    def __init__(self, known: Mapping[str, float], now: float) -> None:
        self.fired: list[Ready] = []
        self.told: list[Ready] = []
        self.changes: dict[str, float] = {}
        self._known = known
        self._now = now

    def take(self, rule: Ready, true: bool) -> None:
        """Look at one rule, whose condition is true or not."""
        if rule.for_s:
            true = self._holds(rule, true)
        if not true:
            return
        self.fired.append(rule)
        if rule.cooldown_s:
            name = QUIET + rule.id
            # A moment further away than any cooldown leads to was kept before the clock was set back.
            if self._now < self._known.get(name, 0.0) <= self._now + rule.cooldown_s:
                return
            self.changes[name] = self._now + rule.cooldown_s
        self.told.append(rule)

    def _holds(self, rule: Ready, true: bool) -> bool:
        """Whether a condition has been true for long enough."""
        name = SINCE + rule.id
        since = self._known.get(name, 0.0)
        if not true:
            if since:
                self.changes[name] = 0.0
            return False
        if not since or since > self._now:
            self.changes[name] = self._now
            return False
        return self._now - since >= rule.for_s
