"""What counters in memory and in Redis have in common: what may be counted, where it is kept, and how exact it is.

A window of w seconds is kept as seven slices of w/6. What the window holds is estimated from the six newest, of which the
last is still growing, and the share of the oldest that still lies in the window:

    estimate = whole slices + oldest * (1 - elapsed share of the newest)

It is exact but for the oldest slice, of which it takes for granted that it came evenly.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from yumen.state import Reading, Scope, Series

SLICES = 6
# One more than lie in the window as a whole.
RING = SLICES + 1
WINDOW_S_MAX = 86_400
# So many members of a series that counts distinct ones are known at a time; beyond, the one seen longest ago goes.
DISTINCT_MAX = 256
KEEP_MAX = 64
SERIES_MAX = 64
# How much a slot moves what is usual: about the last ten slots decide. See `yumen.store.windows.Usual`.
ALPHA = 0.1
# How long what has no window is kept after its last change, and how many slots without a change what is usual outlives.
KEPT_S = 7 * 86_400
USUAL_SLOTS = 64
# Keeps what comes at the very instant it was told to come from being too early by a rounding error.
ROUNDING = 1e-6


def check(scopes: Sequence[Scope]) -> None:
    """Error: ValueError for scopes that cannot be counted."""
    if not scopes or len({scope.name for scope in scopes}) != len(scopes):
        raise ValueError("counters have at least one scope, and each has a name of its own")
    for scope in scopes:
        if not 1 <= len(scope.series) <= SERIES_MAX or len({one.name for one in scope.series}) != len(scope.series):
            raise ValueError(f"scope {scope.name}: 1 to {SERIES_MAX} series, each with a name of its own")
        if scope.keys_max < 1:
            raise ValueError(f"scope {scope.name}: keys_max is at least 1")
        for series in scope.series:
            _check_series(series)


def nothing(series: Series) -> Reading:
    """What is read of somebody who was never counted."""
    if series.kind in ("sum", "distinct"):
        return (0,) * len(series.windows_s)
    return {"usual": (0.0, 0.0, 0.0, 0.0), "until": (0.0,)}.get(series.kind, ())


def _check_series(series: Series) -> None:
    windows = series.windows_s
    if any(not 1 <= window <= WINDOW_S_MAX for window in windows):
        raise ValueError(f"series {series.name}: a window is 1 to {WINDOW_S_MAX} seconds")
    if series.kind in ("sum", "distinct") and not windows:
        raise ValueError(f"series {series.name}: a window is needed")
    if series.kind == "usual" and len(windows) != 1:
        raise ValueError(f"series {series.name}: exactly one window is needed, the length of a slot")
    if series.kind in ("recent", "until") and windows:
        raise ValueError(f"series {series.name}: it has no window")
    if not 1 <= series.keep <= KEEP_MAX:
        raise ValueError(f"series {series.name}: 1 to {KEEP_MAX} are kept")


def fields(series: Series) -> list[str]:
    """The names of what a series keeps for everybody: a ring for each window of a sum, one thing for all else.

    What is the same keeps its name whatever else of the policy changes, and so its counts.
    """
    name = f"{series.name}:{series.kind}"
    if series.kind == "sum":
        return [f"{name}:{window}" for window in series.windows_s]
    if series.kind == "recent":
        return [f"{name}:{series.keep}"]
    return [":".join([name, *map(str, series.windows_s)])]


def usual_slots(slot_s: int) -> int:
    """After so many slots without a change what is usual is not known any more."""
    return max(USUAL_SLOTS, math.ceil(KEPT_S / slot_s))


def needed_s(series: Series) -> float:
    """How long after its last change a series still says something."""
    if series.kind == "usual":
        return (usual_slots(series.windows_s[0]) + 2) * series.windows_s[0]
    if series.windows_s:
        return max(series.windows_s) * RING / SLICES
    return KEPT_S


def wait_s(newest: int, ring: Sequence[float], now: float, window_s: int, limit: float) -> int:
    """Whole seconds, at least 1, until a window has room for one more, if nothing comes before.

    `newest` is the number of the newest slice, `ring` the slices, each at the place of its number modulo `RING`. Solves the
    estimate for the time at which it falls to `limit - 1`: slices fade one after the other, each while one of time passes.
    """
    position = now / (window_s / SLICES)
    index = math.floor(position)
    if index < newest - 1:
        return 1  # the clock went back: whatever comes begins anew
    passed = max(0, index - newest)
    share = position - index if index >= newest else 0.0
    slices = [ring[(newest + later) % RING] for later in range(1, RING + 1)][passed:] + [0.0] * min(passed, RING)
    room = max(0.0, limit - 1)
    rest = sum(slices)
    for later, fading in enumerate(slices):
        rest -= fading
        if rest <= room + ROUNDING:
            faded = 1 - (room - rest) / fading if fading > 0 else 0.0
            wait = (later + max(faded, 0.0 if later else share) - share) * window_s / SLICES
            return max(1, math.ceil(wait - ROUNDING))
    raise AssertionError("without its newest slice a window is empty")
