"""Placeholder: helper D writes this file."""

from __future__ import annotations

from yumen.batching.config import BatchConfig
from yumen.engine import Engine
from yumen.plugin import ConfigT


class TensorEngine(Engine[ConfigT]):
    """See the module."""

    batch: BatchConfig = BatchConfig()
