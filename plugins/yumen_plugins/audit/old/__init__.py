"""Ledgers of version 1, which are read and verified, and not written any more; see docs/ledger-v1.md."""
