"""Makes bundles that prove to somebody who has only the gateway's verifier key that a record stands in its ledger, or
that a log has only grown. docs/verify_receipt.py verifies them, and needs nothing of ours.

Each is an object of JSON. Both have `format`, `gateway`, `log`, `checkpoint` (the newest signed note of the log), `keys`
(the notes that state the gateway's keys, in order), and `heads`: for each statement that names the log, its `number` and the
`proof` that what the log was by then is the beginning of what the checkpoint says. Hashes and entries are base64.

- `yumen-proof-1`: `index`, `entry`, `proof` (RFC 6962, section 2.1.1), `receipt`, and `parts`, which stand right before the
  record and have the first three members each.
- `yumen-consistency-1`: `old`, a signed note, and `proof` (RFC 6962, section 2.1.2) that it is the beginning of
  `checkpoint`.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from yumen_plugins.audit.log.files import LogFiles, Missing
from yumen_plugins.audit.log.merkle import leaf_hash, verify_consistency, verify_inclusion
from yumen_plugins.audit.log.note import Checkpoint
from yumen_plugins.audit.proving.keys import read_keys
from yumen_plugins.audit.proving.reading import read_head
from yumen_plugins.audit.proving.scan import ERRORS
from yumen_plugins.audit.signing import KeyChain

PROOF, CONSISTENCY = "yumen-proof-1", "yumen-consistency-1"
AGAIN = "try again in a minute"
VERIFY = "verify the ledger"


class _Record(msgspec.Struct):
    receipt: str = ""
    parts: int = 0


def prove(ledger: Path, log: str, seq: int, chain: KeyChain) -> dict[str, Any]:
    """The proof that a record stands in a log. Errors: `Missing`, whose sentence says what to do; OSError."""
    source = _Source(ledger, log, chain)
    entry = source.files.entry(seq)
    try:
        record = msgspec.json.decode(entry, type=_Record)
    except ERRORS:
        raise Missing(f"record {seq} is not what was written; {VERIFY}") from None
    if not 0 <= record.parts <= seq:
        raise Missing(f"record {seq} is not what was written; {VERIFY}")
    included = source.included(seq, entry)
    parts = [source.included(part, source.files.entry(part)) for part in range(seq - record.parts, seq)]
    return {
        "format": PROOF,
        **source.common(),
        **included,
        "receipt": record.receipt,
        "parts": parts,
    }


def consistency(ledger: Path, log: str, old_note: bytes, chain: KeyChain) -> dict[str, Any]:
    """The proof that a checkpoint that was kept is the beginning of the log as it is. Errors: `Missing`, whose sentence says
    what to do, also where it is not; OSError; ValueError where the note is no checkpoint of this log.
    """
    old = chain.era_of(old_note, log)
    if old is None:
        raise ValueError("that is not a signed checkpoint of this log; give the whole note")
    if old[1].size == 0:
        raise ValueError("that checkpoint is of the empty log, with which everything begins; give a later one")
    source = _Source(ledger, log, chain)
    proof = source.grown(old[1].size, old[1].root)
    return {"format": CONSISTENCY, **source.common(), "old": old_note.decode(), "proof": encoded(proof)}


class _Source:
    """A log, and the newest checkpoint of it that was acknowledged."""

    def __init__(self, ledger: Path, log: str, chain: KeyChain) -> None:
        folder = ledger / log
        try:
            head = read_head(folder) or b""
        except FileNotFoundError:
            raise Missing(f"there is no log {log}; name it as WRITER/CLASS") from None
        self.files = LogFiles(folder)
        self.log, self.chain = log, chain
        found = chain.era_of(head, log)
        if found is None:
            raise Missing(f"the head of {log} does not hold; {VERIFY}")
        self._era, self.checkpoint = found
        self._note = head
        self._statements = read_keys(ledger)[1]

    def common(self) -> dict[str, Any]:
        """The members that every bundle has."""
        heads = []
        for era in self.chain.eras:
            size, root = era.heads.get(self.log, (0, b""))
            if size:
                heads.append({"number": era.number, "proof": encoded(self.grown(size, root))})
        self._in_force()
        return {
            "gateway": self.chain.gateway,
            "log": self.log,
            "checkpoint": self._note.decode(),
            "keys": [one.decode() for one in self._statements[: len(self.chain.eras)]],
            "heads": heads,
        }

    def included(self, index: int, entry: bytes) -> dict[str, Any]:
        """A record with the proof that it is in the log."""
        size, root = self._tree()
        if not 0 <= index < size:
            raise Missing(f"record {index} is not acknowledged yet; {AGAIN}")
        proof = self.files.inclusion(index, size)
        if not verify_inclusion(leaf_hash(entry), index, size, proof, root):
            raise Missing(f"record {index} is not what was signed; {VERIFY}")
        return {"index": index, "entry": base64.b64encode(entry).decode(), "proof": encoded(proof)}

    def grown(self, old: int, root: bytes) -> list[bytes]:
        """The proof that the tree of `old` leaves with this root is the beginning of the log."""
        size, now = self._tree()
        if old > size:
            raise Missing(f"the log ends before record {size}, and had come to record {old - 1}; {VERIFY}")
        proof = self.files.consistency(old, size)
        if not verify_consistency(old, root, size, now, proof):
            raise Missing(f"the log of {old} records was another one than it is now; {VERIFY}")
        return proof

    def _tree(self) -> tuple[int, bytes]:
        checkpoint: Checkpoint = self.checkpoint
        return checkpoint.size, checkpoint.root

    def _in_force(self) -> None:
        """A key that was replaced proves no more than the log was then."""
        if self._era.number < len(self.chain.eras):
            following = self.chain.eras[self._era.number]
            if self.checkpoint.size > following.heads.get(self.log, (0, b""))[0]:
                raise Missing(f"the log has not taken up key {following.number} yet; start its gateway, or {AGAIN}")


def encoded(hashes: Sequence[bytes]) -> list[str]:
    """Hashes in base64."""
    return [base64.b64encode(one).decode() for one in hashes]
