"""How long the check takes on policy files that are made to be slow: `python -m tests.bench_parts.hostile_policies`."""

from __future__ import annotations

import time

from tests.policy.evil import EVIL
from tests.policy.test_hostile import checked


def main() -> None:
    """Print each file's time, the slowest first."""
    rows = []
    for name, (file, content) in EVIL.items():
        data = content.encode()
        started = time.process_time()
        found = checked(file, data)
        rows.append((time.process_time() - started, name, len(data), found[0].code if found else "accepted"))
    for seconds, name, size, first in sorted(rows, reverse=True):
        print(f"{seconds:6.2f} s  {size / 1000:6.0f} kB  {name:22} {first}")


if __name__ == "__main__":
    main()
