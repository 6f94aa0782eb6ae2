"""What tests of the semantic tier have in common: questions with vectors that a test chooses."""

from __future__ import annotations

import numpy as np

from yumen_plugins.cache.semantic import Known
from yumen_plugins.cache.semantic.vectors import Vector

DIMENSION = 8
CONTEXT = b"c" * 24


def vector(angle: float = 0.0, dimension: int = DIMENSION) -> Vector:
    """A vector of length 1; the cosine of two of them is that of the angle between."""
    made: Vector = np.zeros(dimension, np.float32)
    made[0], made[1] = np.cos(angle), np.sin(angle)
    return made


def known(
    key: str,
    text: str = "How do I pay?",
    *,
    angle: float = 0.0,
    context: bytes = CONTEXT,
    tenant: str = "acme",
    subject: str = "",
    stored_at: float = 1000.0,
    expires: float = 2000.0,
) -> Known:
    """A question whose answer is kept."""
    packed = vector(angle).astype(np.float16).tobytes()
    return Known(key.encode(), context, text, packed, tenant, subject, stored_at, expires)
