"""What operators see and do at `/admin/anomalies`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from yumen import AdminCall, Host
from yumen_plugins.anomaly import firings
from yumen_plugins.anomaly.compiled import DAYS_MAX
from yumen_plugins.anomaly.facts.windows import DURATION, seconds
from yumen_plugins.anomaly.quarantine import Quarantined, Quarantines


class Operators:
    """Lists quarantines and firings; lifts and extends quarantines."""

    def __init__(self, host: Host, quarantines: Quarantines) -> None:
        self._host = host
        self._quarantines = quarantines

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any]:
        """Both, the latest first. Errors: ValueError for a parameter; those of the store."""
        if query:
            raise ValueError("this page takes no parameters but `instance`")
        active = await self._quarantines.active(self._host.now())
        return {
            "quarantines": [msgspec.to_builtins(one) for one in active],
            "firings": await firings.recent(self._host.store),
        }

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        """`lift`, or `extend` for so long from now.

        Errors: ValueError, LookupError; those of the store and of the ledger.
        """
        now = self._host.now()
        if call.action not in ("lift", "extend"):
            raise ValueError("an anomaly can be told to `lift` or to `extend` a quarantine")
        one = await self._quarantines.find(call.arguments.get("scope", "key"), call.arguments.get("who", ""), now)
        until = 0.0 if call.action == "lift" else now + self._duration(call.arguments.get("for", ""))
        changed = Quarantined(scope=one.scope, who=one.who, by=call.actor, at=now, until=until)
        kind = {"lift": "lifted", "extend": "extended"}[call.action]
        await call.record(scope=one.scope, who=one.who, put_by=one.by, until=f"{until:.0f}")
        await self._quarantines.put(changed)
        return {kind: msgspec.to_builtins(changed)}

    def _duration(self, text: str) -> int:
        if not re.fullmatch(DURATION, text) or seconds(text) > DAYS_MAX * 86_400:
            raise ValueError(f"`for` is a duration of at most {DAYS_MAX} days, such as 30m, 2h or 1d")
        return seconds(text)
