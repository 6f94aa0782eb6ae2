"""How long the tests run that only more of the same makes surer: `make test-long` runs their long form."""

from __future__ import annotations

import os

LONG = os.environ.get("YUMEN_TEST_LONG") == "1"


def times(ordinary: int, long: int) -> int:
    """How often to repeat: seldom in every run of the suite, often when somebody asks for the long form."""
    return long if LONG else ordinary
