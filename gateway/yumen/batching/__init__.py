"""Rows of many callers made into batches: at once when the model is idle, together while it is busy."""

from yumen.batching.batcher import Batcher
from yumen.batching.config import BatchConfig, Share
from yumen.batching.statistics import BatchStatistics, SizeStatistics

__all__ = ["BatchConfig", "BatchStatistics", "Batcher", "Share", "SizeStatistics"]
