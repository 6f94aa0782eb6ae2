"""Several replicas of one engine that answer as one."""

from yumen.pool.config import PoolConfig, Replicated
from yumen.pool.member import Replica
from yumen.pool.pool import Pool

__all__ = ["Pool", "PoolConfig", "Replica", "Replicated"]
