"""Sinks carry records of the ledger elsewhere; the witness keeps its checkpoints elsewhere. See config.py for both."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from yumen import CannotStart
from yumen_plugins.audit.sinks.config import (
    FileSink,
    FileWitness,
    HttpSink,
    HttpWitness,
    NatsSink,
    S3Sink,
    S3Witness,
    SinkConfig,
    WitnessConfig,
)
from yumen_plugins.audit.sinks.file import FileTarget
from yumen_plugins.audit.sinks.http import HttpTarget
from yumen_plugins.audit.sinks.nats import NatsTarget
from yumen_plugins.audit.sinks.runner import Metrics, Notice, Sink, Status
from yumen_plugins.audit.sinks.s3 import S3Target
from yumen_plugins.audit.sinks.target import Batch, Format, Item, Sized, Source, Target
from yumen_plugins.audit.sinks.witness import Witness, WitnessStatus
from yumen_plugins.audit.sinks.worker import STOP_S


def target_of(config: SinkConfig, data_dir: Path) -> Target:
    """The target of a sink; nothing is asked of it yet. Error: `CannotStart`."""
    match config:
        case FileSink():
            return FileTarget(config, data_dir)
        case HttpSink():
            return HttpTarget(config)
        case NatsSink():
            return NatsTarget(config)
        case S3Sink():
            return S3Target(config)


def _check_apart(configs: Sequence[SinkConfig], data_dir: Path) -> None:
    """Error: `CannotStart` where two sinks would share a cursor, or cut each other's lines off."""
    names = [config.name for config in configs]
    paths = [os.path.realpath(data_dir / config.path) for config in configs if isinstance(config, FileSink)]
    if len(set(names)) < len(names):
        raise CannotStart("two sinks have one name; give each a name of its own")
    if len(set(paths)) < len(paths):
        raise CannotStart("two sinks write to one file; give each a `path` of its own")


class Sinks:
    """All sinks of a gateway. Arguments: those of `Sink`. Error: `CannotStart`, also for two that are not apart."""

    def __init__(
        self,
        configs: Sequence[SinkConfig],
        source: Source,
        formats: Mapping[str, Format],
        data_dir: Path,
        *,
        metrics: Metrics | None = None,
        notice: Notice | None = None,
    ) -> None:
        _check_apart(configs, data_dir)
        self._sinks = [
            Sink(config, target_of(config, data_dir), source, formats, data_dir, metrics=metrics, notice=notice)
            for config in configs
        ]

    def start(self) -> None:
        """Begin to carry."""
        for sink in self._sinks:
            sink.start()

    def stop(self, within_s: float = STOP_S) -> bool:
        """End all of them within so many seconds, whatever their targets do. Returns whether every thread ended."""
        until = time.monotonic() + within_s
        for sink in self._sinks:
            sink.cancel()
        ended = [sink.stop(max(until - time.monotonic(), 0.0)) for sink in self._sinks]
        return all(ended)

    def status(self) -> list[Status]:
        """How each is."""
        return [sink.status for sink in self._sinks]


__all__ = [
    "Batch",
    "FileSink",
    "FileWitness",
    "Format",
    "HttpSink",
    "HttpWitness",
    "Item",
    "Metrics",
    "NatsSink",
    "Notice",
    "S3Sink",
    "S3Witness",
    "Sink",
    "SinkConfig",
    "Sinks",
    "Sized",
    "Source",
    "Status",
    "Target",
    "Witness",
    "WitnessConfig",
    "WitnessStatus",
    "target_of",
]
