"""Who uses most of what all share, among so many tenants that looking at each would take long."""

from __future__ import annotations

import heapq
from collections.abc import Mapping

from yumen_plugins.cache.memory.fifo import Queues


class Largest:
    """A heap of what tenants used at some time. Of each there is one claim that counts, and it is never below what he uses.

    `Queues.ranked` is that claim. Whoever grows beyond it makes another; whoever shrank is found out when he comes first.
    """

    def __init__(self, tenants: Mapping[str, Queues]) -> None:
        self._tenants = tenants
        self._heap: list[tuple[int, str]] = []

    def grew(self, queues: Queues) -> None:
        """To be told after every growth."""
        if queues.bytes <= queues.ranked:
            return
        queues.ranked = queues.bytes
        heapq.heappush(self._heap, (-queues.ranked, queues.tenant))
        if len(self._heap) > 2 * len(self._tenants) + 16:
            self._heap = [(-one.ranked, name) for name, one in self._tenants.items()]
            heapq.heapify(self._heap)

    def first(self) -> Queues:
        """The tenant that uses most; there must be one."""
        while True:
            claim, name = self._heap[0]
            queues = self._tenants.get(name)
            if queues is None or queues.ranked != -claim:
                heapq.heappop(self._heap)
            elif queues.bytes < queues.ranked:
                queues.ranked = queues.bytes
                heapq.heapreplace(self._heap, (-queues.ranked, name))
            else:
                return queues
