"""Verifies ledgers, and makes proofs of what stands in them, from their files and public keys alone."""
