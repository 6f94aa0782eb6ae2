"""What the ledgers of a harness say of its exchanges; read once for many cases."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from yumen.errors import CannotStart
from yumen.ledger import LedgerReader, open_ledger
from yumen.policy.testing.harness import Harness
from yumen.policy.testing.trial import Trial


def read_records(harness: Harness, trials: Iterable[Trial]) -> None:
    """Let every trial see the records that its case speaks of. They are durable: an exchange ends after its record."""
    waiting = [trial for trial in trials if trial.records]
    wanted = {exchange_id for trial in waiting for exchange_id, _, _ in trial.records}
    if not wanted:
        return
    found: dict[str, dict[str, Any]] = {}
    for reader in _ledgers(harness):
        found |= {one["id"]: one for one in reader.records(lambda _: None) if one.get("id") in wanted}
    for trial in waiting:
        trial.audit(found)


def _ledgers(harness: Harness) -> Iterable[LedgerReader]:
    """The readers of whatever lies in the data directory and is a ledger."""
    for folder in sorted(entry for entry in harness.data_dir.iterdir() if entry.is_dir()):
        try:
            yield open_ledger(folder, harness.settings)
        except CannotStart:
            continue  # another plugin's folder
