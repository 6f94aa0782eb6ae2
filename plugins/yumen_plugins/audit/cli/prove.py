"""`yumen audit prove`: what anybody can check who has the gateway's public key."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from yumen import CannotStart, Settings
from yumen_plugins.audit.cli.common import folder_of, key_chain, searching
from yumen_plugins.audit.log.files import Missing
from yumen_plugins.audit.log.note import checkpoint_of, parse_note
from yumen_plugins.audit.proving.prove import consistency as prove_consistency
from yumen_plugins.audit.proving.prove import prove as prove_record


@click.command()
@click.argument("receipt", required=False)
@click.option(
    "--consistency",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="CHECKPOINT",
    help="Prove instead that the log of this earlier checkpoint has only grown since.",
)
@click.option("--ledger", type=click.Path(path_type=Path), help="A ledger elsewhere, such as a copy.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to write it, instead of printing.")
@click.pass_obj
def prove(
    settings: Settings, /, receipt: str | None, consistency: Path | None, ledger: Path | None, out: Path | None
) -> None:
    """Prove that the record of RECEIPT, or of an exchange's id, is in the ledger.

    The proof is one JSON object. docs/verify_receipt.py checks it with the key that `yumen audit key` prints.

    Exit status: 0 proven, 1 there is no such record, or it cannot be proven.
    """
    if (receipt is None) == (consistency is None):
        raise CannotStart("name a receipt, or an earlier checkpoint with --consistency")
    folder = folder_of(settings, ledger)
    chain = key_chain(folder)
    try:
        if consistency is not None:
            note = consistency.read_bytes()
            found = checkpoint_of(parse_note(note))
            if found is None:
                raise CannotStart(f"{consistency} is no checkpoint; take one from a witness, or a log's `checkpoint`")
            proof = prove_consistency(folder, "/".join(found.origin.split("/")[2:]), note, chain)
        else:
            log, seq = _place(settings, ledger, str(receipt))
            proof = prove_record(folder, log, seq, chain)
    except (Missing, ValueError) as error:
        raise CannotStart(f"it cannot be proven: {error}; run `yumen audit verify`") from None
    except OSError as error:
        raise CannotStart(f"it cannot be proven: {error.strerror}") from None
    content = msgspec.json.encode(proof)
    if out is None:
        click.echo(content)
        return
    try:
        out.write_bytes(content + b"\n")
    except OSError as error:
        raise CannotStart(f"cannot write {out}: {error.strerror}; name another file") from None


def _place(settings: Settings, ledger: Path | None, receipt: str) -> tuple[str, int]:
    """Where the record stands. Error: `CannotStart`."""
    with searching(settings, ledger, texts=False) as search:
        found = [place for place in search.locate(receipt) if "/" in place[0]]
    if not found:
        raise CannotStart("there is no such record, or it was written by version 1, which has no proofs")
    # An intent has the receipt of its exchange, and stands before it.
    return found[-1]
