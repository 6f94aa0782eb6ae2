"""What waits for a run: in lanes by tenant and priority, first come first served in each.

Which lane is next: the best priority, of which a part counts one more for each `age_s` that it has waited; among equals the
tenant whose turn it is (tenants.py); then whoever came first. Every part is in two sets of lanes, that of all parts, which
says what the next run is about, and that of the parts which are like it, which says what runs along.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import OrderedDict
from collections.abc import Hashable, Iterator

from yumen.batching.tenants import Tenant, Tenants
from yumen.tensors.types import Rows, Tensors


class Part:
    """A request, or a part of one that has more rows than a run takes; `result` is what becomes of it.

    Times are seconds of the batcher's clock; `bytes` is 0 for what goes to an idle model, which waits for nothing; `order`
    is its place among all that came, -1 where it does not wait.
    """

    __slots__ = ("arrived", "bytes", "deadline", "key", "number", "order", "priority", "result", "rows", "tenant")

    def __init__(
        self, rows: Rows, number: int, key: Hashable, tenant: Tenant, *, priority: int, arrived: float, deadline: float,
        size: int, result: asyncio.Future[Tensors],
    ) -> None:  # fmt: skip
        self.rows = rows
        self.number = number
        self.key = key
        self.tenant = tenant
        self.priority = priority
        self.arrived = arrived
        self.deadline = deadline
        self.bytes = size
        self.result = result
        self.order = -1


class Lane:
    """The parts of one tenant at one priority; `head` is the first of them."""

    __slots__ = ("head", "parts", "priority", "rows", "tenant")

    def __init__(self, first: Part) -> None:
        self.tenant = first.tenant
        self.priority = first.priority
        self.head = first
        self.rows = 0
        self.parts: OrderedDict[int, Part] = OrderedDict()


# A lane, behind what says when it is its turn: the least first. Orders differ, so that lanes are never compared.
Ranked = tuple[int, float, int, Lane]


class Lanes(dict[tuple[str, int], Lane]):
    """Lanes in which something waits, by tenant and priority; `rows` in all of them."""

    rows = 0

    def add(self, part: Part) -> None:
        self.rows += part.number
        name = part.tenant.name, part.priority
        lane = self.get(name)
        if lane is None:
            lane = self[name] = Lane(part)
        lane.parts[part.order] = part
        lane.rows += part.number

    def drop(self, part: Part) -> None:
        self.rows -= part.number
        name = part.tenant.name, part.priority
        lane = self[name]
        del lane.parts[part.order]
        lane.rows -= part.number
        if not lane.parts:
            del self[name]
        elif lane.head is part:
            lane.head = next(iter(lane.parts.values()))


class Waiting:
    """All that waits for one model. `rows`, `bytes` and each tenant's are what bounds are held against."""

    def __init__(self, tenants: Tenants, age_s: float) -> None:
        self.bytes = 0
        self._tenants = tenants
        self._age_s = age_s
        self._lanes = Lanes()
        self._alike: dict[Hashable, Lanes] = {}
        self._order = 0

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return self._lanes.rows

    @property
    def kinds(self) -> int:
        """How many kinds of parts wait that cannot run together."""
        return len(self._alike)

    def holds(self, key: Hashable) -> bool:
        """Whether parts of this kind wait."""
        return key in self._alike

    def like(self, part: Part) -> int:
        """How many rows wait that may run with those of a part that waits, its own included."""
        return self._alike[part.key].rows

    def all(self) -> list[Part]:
        """Every part that waits."""
        return [part for lane in self._lanes.values() for part in lane.parts.values()]

    def add(self, part: Part) -> None:
        """Let a part wait."""
        part.order = self._order = self._order + 1
        self._lanes.add(part)
        alike = self._alike.get(part.key)
        if alike is None:
            alike = self._alike[part.key] = Lanes()
        alike.add(part)
        tenant = part.tenant
        self.bytes += part.bytes
        tenant.rows += part.number
        tenant.bytes += part.bytes

    def drop(self, part: Part) -> None:
        """A part waits no more, if it did."""
        if part.order < 0:
            return
        self._lanes.drop(part)
        alike = self._alike[part.key]
        alike.drop(part)
        if not alike:
            del self._alike[part.key]
        part.order = -1
        tenant = part.tenant
        self.bytes -= part.bytes
        tenant.rows -= part.number
        tenant.bytes -= part.bytes

    def next(self, now: float) -> Part | None:
        """What the next run is about; it still waits."""
        return min(self._ranked(self._lanes, now))[3].head if self._lanes else None

    def along(self, key: Hashable, now: float) -> Iterator[Part]:
        """What may run along with parts of this kind, in the order of turns.

        A part that has been dropped or served by the time the next is asked for makes room for the one behind it; where it
        still waits, it was not wanted, and neither is anything behind it.
        """
        heap = self._ranked(self._alike.get(key, Lanes()), now)
        heapq.heapify(heap)
        while heap:
            ranked = heapq.heappop(heap)
            lane = ranked[3]
            current = self._rank(lane, now)
            if current > ranked:
                # Its tenant has been served in the meantime, by this lane or another one.
                heapq.heappush(heap, current)
                continue
            part = lane.head
            yield part
            while not heap and lane.parts and part.order < 0:
                # Only this lane is left, and it is always its turn.
                part = lane.head
                yield part
            if heap and lane.parts and part.order < 0:
                heapq.heappush(heap, self._rank(lane, now))

    def ahead(self, tenant: Tenant, priority: int, rows: int) -> float:
        """How many of the rows that wait run before the last of so many more rows of a tenant, by priority and weight."""
        before = 0.0
        mine = self._lanes.get((tenant.name, priority))
        own = rows + (mine.rows if mine is not None else 0)
        for lane in self._lanes.values():
            if lane.priority < priority or lane is mine:
                before += lane.rows
            elif lane.priority == priority:
                before += min(lane.rows, own * lane.tenant.weight / tenant.weight)
        return before

    def _ranked(self, lanes: Lanes, now: float) -> list[Ranked]:
        # One look at each lane for every run, of which there may be thousands.
        floor, age_s = self._tenants.floor, self._age_s
        return [
            (
                max(lane.priority - int((now - lane.head.arrived) / age_s), 0) if lane.priority else 0,
                lane.tenant.clock if lane.tenant.clock > floor else floor,
                lane.head.order,
                lane,
            )
            for lane in lanes.values()
        ]

    def _rank(self, lane: Lane, now: float) -> Ranked:
        aged = lane.priority - int((now - lane.head.arrived) / self._age_s)
        return max(aged, 0), self._tenants.start(lane.tenant), lane.head.order, lane
