"""Verifies ledgers, and makes proofs of what stands in them, from their files and public keys alone."""

from __future__ import annotations

from yumen_plugins.audit.proving.ledger import verify_ledger
from yumen_plugins.audit.proving.prove import consistency, prove
from yumen_plugins.audit.proving.report import LedgerReport, Wrong

__all__ = ["LedgerReport", "Wrong", "consistency", "prove", "verify_ledger"]
