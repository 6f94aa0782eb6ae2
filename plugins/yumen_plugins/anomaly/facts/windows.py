"""Durations, as rules and fact names write them: `90s`, `5m`, `2h`, `1d`."""

from __future__ import annotations

UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
DURATION = r"[1-9][0-9]{0,6}[smhd]"
# Those that facts are counted over, by the name that they have in facts.
WINDOWS = {"1s": 1, "10s": 10, "1m": 60, "5m": 300, "15m": 900, "1h": 3600, "6h": 21_600, "24h": 86_400}
# A slot of a baseline.
SLOTS = {"1m": 60, "5m": 300, "1h": 3600}


def seconds(duration: str) -> int:
    """A duration in seconds. It has the form `DURATION`."""
    return int(duration[:-1]) * UNITS_S[duration[-1]]
