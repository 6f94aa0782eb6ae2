"""What a pool tells of itself in metrics; the names of replicas are the only labels."""

from __future__ import annotations

from yumen.plugin import Metrics


class Counts:
    """Wraps the metrics of the engine that the pool stands for."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def begin(self, replica: str) -> None:
        """Show a replica from the start, so that an alert need not tell nothing from not yet."""
        self.in_flight(replica, 0)
        for name in ("pool_circuit_opens", "pool_ejections", "pool_retries", "pool_hedges"):
            self._metrics.count(name, 0, replica=replica)

    def in_flight(self, replica: str, number: int) -> None:
        """So many exchanges are at a replica now."""
        self._metrics.gauge("pool_in_flight", number, replica=replica)

    def opened(self, replica: str) -> None:
        """A circuit opened."""
        self._metrics.count("pool_circuit_opens", replica=replica)

    def ejected(self, replica: str) -> None:
        """A replica was taken out for being slower than others."""
        self._metrics.count("pool_ejections", replica=replica)

    def retried(self, replica: str) -> None:
        """An exchange that failed elsewhere went to a replica."""
        self._metrics.count("pool_retries", replica=replica)

    def hedged(self, replica: str) -> None:
        """A replica was asked beside one that was silent."""
        self._metrics.count("pool_hedges", replica=replica)
