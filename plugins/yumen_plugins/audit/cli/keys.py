"""`yumen audit key` and `rotate`: the key that signs the ledger."""

from __future__ import annotations

import time
from pathlib import Path

import click
import msgspec
from rich.table import Table

from yumen import CannotStart, Operation, Settings, display, plain_content
from yumen_plugins.audit.cli.common import ACTOR, FOLDER, cell, folder_of, key_chain, recorded, writing
from yumen_plugins.audit.folder import logs_in, writer_folders
from yumen_plugins.audit.log.appender import HEAD, HEAD_BYTES
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.signing import KeyChain, Signing, replace_key


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def key(settings: Settings, as_json: bool) -> None:
    """Print the public keys of this gateway's ledger, to be given to whoever verifies it.

    Any of them is enough: the others are vouched for. Keep it where the gateway's own user cannot change it.
    """
    chain = key_chain(folder_of(settings, None))
    if as_json:
        keys = [
            {"number": era.number, "since": era.since, "key": verifier}
            for era, verifier in zip(chain.eras, chain.verifiers, strict=True)
        ]
        click.echo(msgspec.json.encode({"gateway": chain.gateway, "keys": keys}))
        return
    table = Table("number", "since", "key")
    for era, verifier in zip(chain.eras, chain.verifiers, strict=True):
        table.add_row(*map(cell, (era.number, era.since, verifier)))
    display(table)
    click.echo(chain.verifiers[-1])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.pass_obj
def rotate(settings: Settings, as_json: bool) -> None:
    """Have another key sign from now on, and destroy the one that signed until now.

    The old key vouches for the new one and for what every log has come to, so whoever steals the new one cannot change what
    was there before. Gateways that run take it within a second.
    """
    ledger = settings.data_dir / FOLDER
    chain = key_chain(folder_of(settings, None))
    try:
        with writing(settings) as folder:
            chain = replace_key(settings.data_dir, ledger, _heads(ledger, chain), moment(time.time()))
            folder.use(Signing.open(settings.data_dir, ledger, lambda: moment(time.time())))
            details = {"number": str(len(chain.eras)), "key": chain.verifiers[-1]}
            operation = Operation(kind="ledger_key_replaced", actor=ACTOR, at=time.time(), details=details)
            receipt = recorded(settings, folder, operation)
    except OSError as error:
        raise CannotStart(f"cannot replace the key: {error.strerror}; run this as the user who owns it") from None
    except ValueError as error:
        raise CannotStart(f"cannot replace the key: {error}") from None
    if as_json:
        click.echo(msgspec.json.encode({"number": len(chain.eras), "key": chain.verifiers[-1], "receipt": receipt}))
    else:
        click.echo(chain.verifiers[-1])


def _heads(ledger: Path, chain: KeyChain) -> dict[str, tuple[int, bytes]]:
    """What every log has come to, as its signed head says. Errors: OSError; `CannotStart` where one does not hold."""
    heads = {}
    for writer in writer_folders(ledger):
        for log in logs_in(writer):
            name = f"{writer.name}/{log.name}"
            found = chain.era_of(plain_content(log / HEAD, HEAD_BYTES).rstrip(b" "), name)
            if found is None:
                raise CannotStart(f"the head of {name} does not hold; run `yumen audit verify` first")
            heads[name] = (found[1].size, found[1].root)
    return heads
