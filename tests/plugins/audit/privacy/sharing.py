"""Releases as the tests ask for them; as a program it releases until it is killed, and says what it handed out."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

from yumen_plugins.audit.privacy import Budget, Release, release

NOW = datetime(2026, 12, 3, tzinfo=UTC).timestamp()
CELLS = ("ok", "policy_blocked", "rate_limited")
COUNTS = {"ok": 4_000, "policy_blocked": 120}


def share(budget: Budget, counts: dict[str, int] | None = None, **options: Any) -> Release:
    """Outcomes of November of all tenants, unless told otherwise."""
    asked: dict[str, Any] = {
        "dataset": "*",
        "query": "outcomes/1",
        "months": ("2026-11", "2026-11"),
        "cells": CELLS,
        "now": NOW,
    }
    return release(budget, COUNTS if counts is None else counts, **(asked | options))


def main(folder: Path, doing: str) -> None:
    """`loop`: new releases for ever. `same`: one release. `die`: end in the middle of drawing."""
    if doing == "same":
        print(json.dumps(share(Budget(folder)).values), flush=True)
    elif doing == "die":
        share(Budget(folder), below=lambda n: os._exit(9))
    else:
        budget = Budget(folder, total=Fraction(10_000))
        number = 0
        while True:
            one = share(budget, query=f"outcomes/{os.getpid()}-{number}")
            print(json.dumps([one.details["query"], one.values]), flush=True)
            number += 1


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
