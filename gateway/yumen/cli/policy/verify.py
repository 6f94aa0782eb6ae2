"""`yumen policy verify`: whether one of some keys has signed a bundle as it is now."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from yumen.errors import CannotStart, Diagnostic, PolicyError
from yumen.policy.folder import SIGNATURE, find, read_folder
from yumen.policy.sigfile import named_bases, unread
from yumen.policy.signature import Flaw
from yumen.policy.signature import verify as flaws_of
from yumen.policy.signers import PublicKey, UnusableKey, read_public


@click.command()
@click.argument("bundle")
@click.option("--key", "keys", multiple=True, type=click.Path(path_type=Path), help="A trusted public key; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify(bundle: str, keys: tuple[Path, ...], as_json: bool) -> None:
    """Say whether one of the keys has signed BUNDLE, and what changed since.

    Exit status: 0 one has, 1 it could not be verified, 2 none has signed what is there now.
    """
    if not keys:
        raise CannotStart("name at least one trusted public key with --key")
    try:
        path = find(bundle)
        trusted = [read_public(key) for key in keys]
    except (PolicyError, UnusableKey) as error:
        raise CannotStart(str(error)) from None
    folder = read_folder(path)
    wrong, flaws, holding = unread(folder), [], []
    if not wrong:
        contents = (folder.files, named_bases(folder), folder.signature)
        flaws = flaws_of(*contents, trusted)
        wrong = [flaw.diagnostic(str(path / SIGNATURE)) for flaw in flaws]
        holding = [key for key in trusted if not flaws_of(*contents, [key])]
    if as_json:
        click.echo(msgspec.json.encode(_report(path, trusted, holding, flaws, wrong)).decode())
    else:
        for diagnostic in wrong:
            click.echo(str(diagnostic))
        for key in holding:
            click.echo(f"signed with the key {key.id} ({key.file})")
    if wrong:
        raise SystemExit(2)


def _report(
    path: Path, trusted: list[PublicKey], holding: list[PublicKey], flaws: list[Flaw], wrong: list[Diagnostic]
) -> dict[str, object]:
    return {
        "ok": not wrong,
        "bundle": str(path),
        "keys": [{"file": key.file, "id": key.id, "signed": key in holding} for key in trusted],
        "changes": [{"kind": flaw.kind, "subject": flaw.subject} for flaw in flaws],
        "diagnostics": wrong,
    }
