"""`yumen keys`: make, list and revoke the keys that applications and operators hold."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.table import Table

from yumen.identity import NAME, RIGHTS, Keys
from yumen.keyfile import Entry, Role
from yumen.screen import display
from yumen.settings import Secret, Settings


def _name(_: click.Context, parameter: click.Parameter, value: str) -> str:
    if not NAME.fullmatch(value):
        raise click.BadParameter("must be 1 to 64 letters, digits, dots, underscores and hyphens", param=parameter)
    return value


@click.group()
def keys() -> None:
    """Make, list and revoke keys."""


@keys.command()
@click.option("--tenant", required=True, callback=_name, help="Whom the key's traffic belongs to.")
@click.option("--app", required=True, callback=_name, help="The application that will hold the key.")
@click.option(
    "--role", type=click.Choice(["app", "admin"]), default="app", show_default=True, help="Which plane it opens."
)
@click.option("--trusted", is_flag=True, help="Exempt it from the rules that count requests.")
@click.option(
    "--may",
    "rights",
    type=click.Choice(RIGHTS),
    multiple=True,
    help="A right that an admin key has beside what all of them may; can be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def create(
    settings: Settings, tenant: str, app: str, role: Role, trusted: bool, rights: tuple[str, ...], as_json: bool
) -> None:
    """Make a key and print it, this once."""
    if rights and role != "admin":
        raise click.BadParameter("only a key with `--role admin` can have it", param_hint="--may")
    entry, key = _open(settings).create(tenant=tenant, app=app, role=role, trusted=trusted, rights=rights)
    if as_json:
        click.echo(json.dumps({"key": key, **_shown(entry)}))
        return
    click.echo(key)
    click.echo(f"{entry.role} key {entry.id} of {entry.tenant}/{entry.app}; it is shown only now", err=True)


@keys.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def list_(settings: Settings, as_json: bool) -> None:
    """List what is known of every key, which is never the key."""
    entries = _open(settings).list()
    if as_json:
        click.echo(json.dumps([_shown(entry) for entry in entries]))
        return
    table = Table("id", "tenant", "app", "role", "trusted", "may", "created", "revoked", box=None, pad_edge=False)
    for entry in entries:
        table.add_row(
            entry.id,
            entry.tenant,
            entry.app,
            entry.role,
            "yes" if entry.trusted else "",
            " ".join(entry.rights),
            entry.created,
            entry.revoked,
        )
    # A fixed width, so that a pipe gets whole lines too.
    display(table)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(settings: Settings, key_id: str) -> None:
    """Revoke a key for good; a running gateway notices within a second."""
    entry = _open(settings).revoke(key_id)
    if entry is None:
        raise click.BadParameter("no key has this id; `yumen keys list` shows them", param_hint="ID")
    click.echo(f"{entry.role} key {entry.id} of {entry.tenant}/{entry.app} was revoked at {entry.revoked}")


def _open(settings: Settings) -> Keys:
    return Keys.open(settings.data_dir, Secret.open(settings.data_dir))


def _shown(entry: Entry) -> dict[str, Any]:
    """An entry without its digest."""
    return {name: getattr(entry, name) for name in entry.__struct_fields__ if name != "hash"}
