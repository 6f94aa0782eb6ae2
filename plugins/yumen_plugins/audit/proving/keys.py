"""Reads the statements of a gateway's keys as they stand in its ledger."""

from __future__ import annotations

from pathlib import Path

from yumen_plugins.audit.proving.reading import content_of
from yumen_plugins.audit.signing import KEYS, STATEMENT_BYTES_MAX, KeyChain


def read_keys(ledger: Path) -> tuple[KeyChain, list[bytes]]:
    """The keys of a ledger with the notes that state them. Errors: OSError; ValueError where they do not hold."""
    folder = ledger / KEYS
    count = sum(path.suffix == ".note" for path in folder.iterdir())
    statements = []
    for number in range(1, count + 1):
        try:
            content = content_of(folder / f"{number}.note", STATEMENT_BYTES_MAX)
        except FileNotFoundError:
            content = None
        if content is None:
            raise ValueError(f"statement {number} is not there")
        statements.append(content)
    return KeyChain(statements), statements
