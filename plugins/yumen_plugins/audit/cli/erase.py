"""`yumen audit erase`, legal holds, and dropping what has been kept long enough."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import UTC, datetime

import click
import msgspec
from rich.table import Table

from yumen import CannotStart, Operation, Settings, display, subject_id
from yumen_plugins.audit.cli.common import ACTOR, FOLDER, cell, open_keys, query_of, recorded, searching, writing
from yumen_plugins.audit.folder import WriterFolder, writer_folders
from yumen_plugins.audit.operating import erased
from yumen_plugins.audit.reading import root_secret
from yumen_plugins.audit.retention import retain as retain_folder
from yumen_plugins.audit.subjects import Erasure, Held, Keyring, KeyringUnavailable

Whom = tuple[str, bool]
tenant_option = click.option("--tenant", required=True, help="The tenant.")
subject_option = click.option("--subject", default="", help="The subject, as requests name it.")
everybody_option = click.option("--everybody", is_flag=True, help="Everybody of the tenant.")
json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.command()
@tenant_option
@subject_option
@everybody_option
@json_option
@click.pass_obj
def erase(settings: Settings, tenant: str, subject: str, everybody: bool, as_json: bool) -> None:
    """Destroy the keys under which a subject's texts are sealed, for good.

    Records, chain and proofs stay as they are; the texts can never be opened again. Gateways that run on this data directory
    forget the subject's pseudonyms and cached replies within a second, and say so in the ledger; others when they start.

    Exit status: 0 erased, 1 it could not be, 2 a legal hold forbids it.
    """
    digest, _ = _whom(settings, tenant, subject, everybody)
    keys = open_keys(settings)
    try:
        with writing(settings) as folder:
            receipt = ""
            erasure = _erase(settings, folder, keys, tenant, digest, everybody)
            if erasure is not None:
                receipt = recorded(settings, folder, erased(erasure, ACTOR, time.time()))
    except KeyringUnavailable as error:
        raise CannotStart(str(error)) from None
    finally:
        keys.close()
    if erasure is None:
        raise SystemExit(2)
    if not erasure.erased:
        click.echo("yumen: there was no key to destroy; see that tenant and subject are what requests say", err=True)
    if as_json:
        said = {"erased": erasure.erased, "subjects": erasure.subjects, "subject": digest, "receipt": receipt}
        click.echo(msgspec.json.encode(said))
    else:
        table = Table("tenant", "subject", "keys destroyed", "receipt")
        table.add_row(*map(cell, (tenant, digest or "everybody", erasure.erased, receipt)))
        display(table)


def _erase(
    settings: Settings, folder: WriterFolder, keys: Keyring, tenant: str, digest: str, everybody: bool
) -> Erasure | None:
    """Destroy the keys; None where a hold forbids it, which is then said and on record. Error: `KeyringUnavailable`."""
    try:
        return keys.erase(tenant, digest, ACTOR, whole_tenant=everybody)
    except Held as error:
        details = {"tenant": tenant, "subject": digest or "*", "hold": error.hold_id}
        recorded(settings, folder, Operation(kind="erasure_refused", actor=ACTOR, at=time.time(), details=details))
        click.echo(f"yumen: {error}", err=True)
        return None


@click.command()
@tenant_option
@subject_option
@everybody_option
@click.option("--reason", required=True, help="Why; it is kept, and shown to auditors.")
@click.option("--until", default="", help="When it ends by itself: RFC 3339 or a day.")
@json_option
@click.pass_obj
def hold(
    settings: Settings, tenant: str, subject: str, everybody: bool, reason: str, until: str, as_json: bool
) -> None:
    """Forbid erasing a subject, or dropping records of it, until the hold is released."""
    digest, _ = _whom(settings, tenant, subject, everybody)
    moment = query_of({"until": until}).until_us
    keys = open_keys(settings)
    try:
        with writing(settings) as folder:
            hold_id = keys.hold(tenant, digest, reason, ACTOR, None if moment is None else moment / 1e6)
            details = {"tenant": tenant, "subject": digest or "*", "hold": hold_id}
            receipt = recorded(
                settings, folder, Operation(kind="hold_set", actor=ACTOR, at=time.time(), details=details)
            )
    except (ValueError, KeyringUnavailable) as error:
        raise CannotStart(str(error)) from None
    finally:
        keys.close()
    click.echo(msgspec.json.encode({"hold": hold_id, "receipt": receipt}) if as_json else f"{hold_id}  {receipt}")


@click.command()
@click.argument("hold_id", metavar="HOLD")
@json_option
@click.pass_obj
def release(settings: Settings, hold_id: str, as_json: bool) -> None:
    """Release a legal hold."""
    keys = open_keys(settings)
    try:
        with writing(settings) as folder:
            found = keys.release(hold_id, ACTOR)
            details = {"tenant": found.tenant, "subject": found.subject or "*", "hold": found.id}
            operation = Operation(kind="hold_released", actor=ACTOR, at=time.time(), details=details)
            receipt = recorded(settings, folder, operation)
    except (LookupError, ValueError, KeyringUnavailable) as error:
        raise CannotStart(f"cannot release it: {error}; see `yumen audit holds`") from None
    finally:
        keys.close()
    click.echo(msgspec.json.encode({"hold": found.id, "receipt": receipt}) if as_json else f"{found.id}  {receipt}")


@click.command()
@json_option
@click.pass_obj
def holds(settings: Settings, as_json: bool) -> None:
    """List the legal holds that are in force."""
    keys = open_keys(settings)
    try:
        found = keys.holds()
    except KeyringUnavailable as error:
        raise CannotStart(str(error)) from None
    finally:
        keys.close()
    if as_json:
        click.echo(msgspec.json.encode({"holds": found}))
        return
    table = Table("hold", "tenant", "subject", "since", "until", "by", "reason")
    for one in found:
        until = _day(one.until) if one.until is not None else "it is released"
        table.add_row(
            *map(cell, (one.id, one.tenant, one.subject or "everybody", _day(one.since), until, one.actor, one.reason))
        )
    display(table)


@click.command()
@json_option
@click.pass_obj
def retain(settings: Settings, as_json: bool) -> None:
    """Drop what has been kept as long as policy said, from logs that no gateway is writing; a gateway drops from its own."""
    keys = open_keys(settings)
    ledger = settings.data_dir / FOLDER
    dropped = []
    try:
        for path in writer_folders(ledger):
            with suppress(BlockingIOError), writing(settings, path) as folder:
                while runs := retain_folder(
                    folder, time.time(), lambda tenant, subject: keys.held(tenant, subject) is not None
                ):
                    dropped += [{"writer": folder.writer, **run._asdict()} for run in runs]
        with searching(settings) as search:
            search.forget_dropped()
    except KeyringUnavailable as error:
        raise CannotStart(str(error)) from None
    finally:
        keys.close()
    if as_json:
        click.echo(msgspec.json.encode({"dropped": dropped}))
        return
    table = Table("writer", "first", "end", "since", "until", "kinds")
    for one in dropped:
        table.add_row(*map(cell, one.values()))
    display(table)


def _whom(settings: Settings, tenant: str, subject: str, everybody: bool) -> Whom:
    """The subject's digest, and whether everybody is meant. Error: `CannotStart`."""
    if bool(subject) == everybody:
        raise CannotStart("say whom: --subject, as requests name it, or --everybody")
    root = root_secret(settings)
    if root is None:
        raise CannotStart(f"there is no secret in {settings.data_dir}; set YUMEN_DATA")
    return (subject_id(root, tenant, subject) if subject else ""), everybody


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M")
