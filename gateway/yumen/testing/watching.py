"""What a harness looks over: log lines, metrics and records."""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any, ClassVar

import msgspec

from yumen.exchange import Exchange, Finding
from yumen.plugin import Manifest, NoConfig, Plugin


class Measured(msgspec.Struct, frozen=True):
    """One thing that was counted, set or observed: `kind` is `count`, `gauge` or `observe`."""

    kind: str
    instance: str
    name: str
    value: float
    labels: dict[str, str]


class CapturedMetrics:
    """The metrics of all plugins and engines, kept instead of exported."""

    def __init__(self) -> None:
        self.all: list[Measured] = []

    def of(self, instance: str) -> InstanceMetrics:
        """What one instance is given; see `yumen.Metrics`."""
        return InstanceMetrics(instance, self.all)

    def total(self, name: str, **labels: str) -> float:
        """What was counted under a name, with these labels among its own; of a gauge the last value."""
        found = [one for one in self.all if one.name == name and labels.items() <= one.labels.items()]
        gauges = [one.value for one in found if one.kind == "gauge"]
        return gauges[-1] if gauges else sum(one.value for one in found if one.kind == "count")


class InstanceMetrics:
    """See `yumen.Metrics`."""

    def __init__(self, instance: str, into: list[Measured]) -> None:
        self._instance = instance
        self._into = into

    def count(self, name: str, amount: float = 1, **labels: str) -> None:
        self._into.append(Measured("count", self._instance, name, amount, labels))

    def gauge(self, name: str, value: float, **labels: str) -> None:
        self._into.append(Measured("gauge", self._instance, name, value, labels))

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        self._into.append(Measured("observe", self._instance, name, seconds, labels))


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What a ledger that may see masked text only would write of one exchange.

    `request` and `reply` are the texts in their masked form; where no masking plugin has run that is their keyed digest.
    """

    outcome: str
    request: tuple[str, ...]
    reply: tuple[str, ...]
    findings: tuple[Finding, ...]


class Recorder(Plugin[NoConfig]):
    """Stands outermost in every chain of a harness, and keeps records in memory."""

    manifest: ClassVar[Manifest] = Manifest(name="yumen_testing_recorder", version="1", sees="masked", stores="masked")

    def __init__(self, config: NoConfig) -> None:
        super().__init__(config)
        self.records: dict[str, Record] = {}

    async def on_request(self, exchange: Exchange) -> None:
        """It must have been there for its later hooks to run."""

    async def on_complete(self, exchange: Exchange) -> None:
        """Write the record."""
        reply = exchange.reply
        self.records[exchange.id] = Record(
            outcome=exchange.outcome,
            request=tuple(text.value for text in exchange.texts),
            reply=tuple(text.value for text in reply.texts) if reply is not None else (),
            findings=tuple(exchange.findings),
        )


class LogLines(logging.Handler):
    """What goes through the standard library's logging: each line as it would be written, and what else a record has.

    There are formatters that write all of it.
    """

    def __init__(self) -> None:
        super().__init__(logging.NOTSET)
        self.lines: list[tuple[str, dict[str, Any]]] = []

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        more = {name: value for name, value in vars(record).items() if name not in OF_EVERY_RECORD}
        self.lines.append((self.format(record), more))


OF_EVERY_RECORD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
LogEvents = list[MutableMapping[str, Any]]
