"""Structured logs: `structlog`, loaded as if there were no `rich`.

With it, structlog shows what every variable held where an error was raised, and that may be the text of a request. Without
it, each of our processes also starts a tenth of a second sooner. Whoever wants tables imports `rich` afterwards, as ever.
"""

from __future__ import annotations

import sys
from typing import Any

__all__ = ["structlog"]

# What Python takes for a module that is not there.
_absent: Any = None
_found: Any = sys.modules.setdefault("rich", _absent)
import structlog  # noqa: E402  # not before

if _found is None:
    del sys.modules["rich"]
