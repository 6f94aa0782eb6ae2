"""What counters keep in memory: one column for each thing that is counted, with a row for everybody who is.

Numbers stand in arrays, since a million objects would take several times their room. Every method that takes `now`, in
seconds of a clock that should not go back, changes one row and says what it holds then; with None it only says so.

A clock that went back within one slice is taken to stand still; further back, what it had counted begins anew. The same
goes for Redis, whose script (`yumen.store.script`) does the same in another language.
"""

from __future__ import annotations

import math
from array import array
from bisect import bisect_right
from typing import Generic, Protocol, TypeVar

from yumen.store.counting import ALPHA, DISTINCT_MAX, KEPT_S, RING, SLICES, usual_slots, wait_s

HeldT = TypeVar("HeldT")


class Column(Protocol):
    """One thing that is counted. A row is there after `grow` has made it, and empty until the first change."""

    def grow(self, rows: int) -> None:
        """Make room, so that there are so many rows."""
        ...

    def forget(self, row: int) -> None:
        """Empty a row, for somebody else."""
        ...

    def clear(self) -> None:
        """Empty all rows, and give their room back."""
        ...

    def change(self, row: int, now: float, change: float | int | None) -> tuple[float, ...]:
        """Change a row; what it holds then."""
        ...


class Numbers:
    """Rows of so many floating-point numbers, all 0 at first."""

    width: int = 1

    def __init__(self) -> None:
        self._all = array("d")

    def grow(self, rows: int) -> None:
        self._all.frombytes(bytes(8 * max(0, rows * self.width - len(self._all))))

    def forget(self, row: int) -> None:
        at = row * self.width
        self._all[at : at + self.width] = array("d", bytes(8 * self.width))

    def clear(self) -> None:
        del self._all[:]


class Ring(Numbers):
    """One window of a sum: the number of the newest slice of time, the sum of all slices, and the slices."""

    # Plain numbers in `add`, which every exchange calls several times.
    width = 2 + RING

    def __init__(self, window_s: int) -> None:
        super().__init__()
        self.window_s = window_s
        self._slice_s = window_s / SLICES

    def add(self, row: int, now: float, amount: float | None) -> float:
        """What the window holds, after `amount` was added to it."""
        ring, at = self._all, row * 9
        position = now / self._slice_s
        index = int(position)
        if ring[at] != index:
            if amount is None:
                return self._peek(at, index, position)
            position = self._turn(at, index, position)
            index = int(position)
        total = ring[at + 1]
        if amount:
            if amount > 0:
                ring[at + 2 + index % 7] += amount
                ring[at + 1] = total = total + amount
            else:
                total = self._take(at, index, -amount)
        return total - ring[at + 2 + (index + 1) % 7] * (position - index)

    def change(self, row: int, now: float, change: float | None) -> tuple[float, ...]:
        """What the window holds."""
        return (self.add(row, now, change),)

    def wait_s(self, row: int, now: float, limit: float) -> int:
        """See `yumen.state.Counters`."""
        at = row * self.width
        return wait_s(int(self._all[at]), self._all[at + 2 : at + self.width], now, self.window_s, limit)

    def _peek(self, at: int, index: int, position: float) -> float:
        """What the window holds at a time for which the ring has not been turned; nobody's reading turns it."""
        before = self._all[at : at + self.width]
        position = self._turn(at, index, position)
        ring = self._all
        held = ring[at + 1] - ring[at + 2 + (int(position) + 1) % RING] * (position % 1)
        ring[at : at + self.width] = before
        return held

    def _turn(self, at: int, index: int, position: float) -> float:
        """Empty the slices that are over; where in time the ring is then, in slices."""
        ring = self._all
        newest = int(ring[at])
        if index == newest - 1:
            return float(newest)
        over = index - newest if 0 < index - newest < RING else RING
        for later in range(over):
            ring[at + 2 + (index - later) % RING] = 0.0
        ring[at] = index
        # Anew, so that rounding errors never add up.
        ring[at + 1] = sum(ring[at + 2 : at + self.width])
        return position

    def _take(self, at: int, index: int, amount: float) -> float:
        """Give back from the newest slices first; the sum of all."""
        ring = self._all
        for earlier in range(RING):
            slot = at + 2 + (index - earlier) % RING
            taken = min(amount, ring[slot])
            ring[slot] -= taken
            amount -= taken
            if amount <= 0:
                break
        ring[at + 1] = total = sum(ring[at + 2 : at + self.width])
        return total


class Usual(Numbers):
    """What a slot of time usually brings: exponentially weighted mean and standard deviation of the complete slots.

    With each complete slot x: d = x - mean; mean += a*d; variance = (1-a) * (variance + a*d*d). The first one is the mean.
    (T. Finch, "Incremental calculation of weighted mean and variance", 2009, section 9.) m slots of nothing, b = 1-a:
    variance = b^m * (variance + mean^2 * (1 - b^m)); mean = b^m * mean.

    A row: 1 + the number of the slot under way, or 0 for none; its sum; mean; variance; how many slots were complete.
    """

    width = 5

    def __init__(self, slot_s: int) -> None:
        super().__init__()
        self._slot_s = slot_s
        self._slots = usual_slots(slot_s)

    def change(self, row: int, now: float, change: float | None) -> tuple[float, ...]:
        """This slot's sum, mean and standard deviation of complete slots, and how many those are."""
        at = row * 5
        began, current, mean, variance, complete = self._all[at : at + 5]
        index = float(now // self._slot_s)
        passed = index - (began - 1)
        if not began or passed > self._slots or passed < -1:
            current = mean = variance = complete = 0.0
        elif passed > 0:
            if complete:
                off = current - mean
                mean += ALPHA * off
                variance = (1 - ALPHA) * (variance + ALPHA * off * off)
            else:
                mean = current
            faded = (1 - ALPHA) ** (passed - 1)
            variance = faded * (variance + mean * mean * (1 - faded))
            mean *= faded
            complete += passed
            current = 0.0
        elif passed == -1:
            index += 1
        if change is not None:
            current = max(0.0, current + change)
            self._all[at : at + 5] = array("d", (index + 1, current, mean, variance, complete))
        return current, mean, math.sqrt(variance), complete


class Until(Numbers):
    """A moment, and when it was set."""

    width = 2

    def change(self, row: int, now: float, change: float | None) -> tuple[float, ...]:
        """The moment, or 0.0."""
        at = 2 * row
        if change is not None:
            self._all[at], self._all[at + 1] = change, now
        return (self._all[at] if now - self._all[at + 1] <= KEPT_S else 0.0,)


class Rows(Generic[HeldT]):
    """A column of what most rows have none of."""

    def __init__(self) -> None:
        self._rows: dict[int, HeldT] = {}

    def grow(self, rows: int) -> None:
        pass

    def forget(self, row: int) -> None:
        self._rows.pop(row, None)

    def clear(self) -> None:
        self._rows.clear()


class Distinct(Rows[tuple["array[int]", "array[float]"]]):
    """Members, and when each was seen last, in that order. Most rows have none."""

    def __init__(self, windows_s: tuple[int, ...]) -> None:
        super().__init__()
        self._windows_s = windows_s
        self._longest_s = max(windows_s)
        self._none = tuple([0 for _ in windows_s])

    def change(self, row: int, now: float, change: float | int | None) -> tuple[float, ...]:
        """How many members were seen in each window."""
        held = self._rows.get(row)
        if held is None:
            if change is None:
                return self._none
            held = self._rows[row] = array("Q"), array("d")
        members, seen = held
        if seen and seen[-1] > now:
            if seen[-1] - now > self._longest_s / SLICES:
                if change is None:
                    return self._none
                del members[:], seen[:]
            else:
                now = seen[-1]
        if change is not None:
            if seen and seen[0] <= now - self._longest_s:
                gone = bisect_right(seen, now - self._longest_s)
                del members[:gone], seen[:gone]
            _see(members, seen, int(change), now)
        known = len(seen)
        return tuple([known - bisect_right(seen, now - window_s) for window_s in self._windows_s])


def _see(members: array[int], seen: array[float], member: int, now: float) -> None:
    """Put a member last; where there are too many, the first goes."""
    if members and members[-1] == member:
        seen[-1] = now
        return
    if member in members:
        at = members.index(member)
        del members[at], seen[at]
    elif len(members) >= DISTINCT_MAX:
        del members[0], seen[0]
    members.append(member)
    seen.append(now)


class Recent(Rows[tuple[float, "array[int]"]]):
    """The newest of something, and when the last one came. Most rows have none."""

    def __init__(self, keep: int) -> None:
        super().__init__()
        self._keep = keep

    def change(self, row: int, now: float, change: float | int | None) -> tuple[float, ...]:
        """Those that came before, the oldest first."""
        last, kept = self._rows.get(row) or (now, array("Q"))
        if now - last > KEPT_S:
            kept = array("Q")
        before = tuple(kept)
        if change is not None:
            kept.append(int(change))
            self._rows[row] = now, kept[-self._keep :]
        return before
