"""`yumen cache`: look at the cache of a gateway that runs, and have it let go of what it keeps."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from rich.console import Console
from rich.table import Table

from yumen import CannotStart, Settings, display
from yumen_plugins.cache.cli import tables
from yumen_plugins.cache.cli.client import Client, address, key_of
from yumen_plugins.cache.operating import seconds_of

__all__ = ["cache"]

PAGE = "/admin/cache"
Command = TypeVar("Command", bound=Callable[..., Any])


def _gateway(command: Command) -> Command:
    """Options of every command: which gateway, and with which key."""
    options = [
        click.option("--url", default="", metavar="URL", help="The gateway; by default YUMEN_HOST and YUMEN_PORT say."),
        click.option(
            "--key-file",
            type=click.Path(path_type=Path, dir_okay=False),
            help="A file that holds an admin key; by default it is YUMEN_ADMIN_KEY.",
        ),
        click.option("--instance", default="", help="Which cache, where the policy has several."),
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def _duration(_: click.Context, parameter: click.Parameter, value: str) -> str:
    try:
        if value:
            seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error), param=parameter) from None
    return value


@click.group()
def cache() -> None:
    """Look at the cache of a running gateway, and let go of what it keeps."""


@cache.command()
@_gateway
@click.pass_obj
def stats(settings: Settings, url: str, key_file: Path | None, instance: str, as_json: bool) -> None:
    """Show how often what was kept could be given, and how much there is.

    Of several workers that one answers which happens to be asked; /metrics has the sums.

    Exit status: 0 shown, 1 the gateway could not be asked.
    """
    with _client(settings, url, key_file) as client:
        shown = client.get(PAGE, {"instance": instance} if instance else {})
    if as_json:
        click.echo(msgspec.json.encode(shown))
        return
    for table in (tables.lookups(shown), tables.parts(shown)):
        if table.row_count:
            display(table)


@cache.command()
@click.option("--tenant", default="", help="Only what exchanges of this tenant have left.")
@click.option("--subject", default="", help="Only of this subject of the tenant, as requests name it.")
@click.option("--older-than", default="", callback=_duration, metavar="AGE", help="Only what is older: 30m, 2h, 7d.")
@click.option("--all", "everything", is_flag=True, help="Everything of everybody.")
@click.option("--yes", is_flag=True, help="Do not ask whether it is meant.")
@_gateway
@click.pass_obj
def purge(
    settings: Settings,
    tenant: str,
    subject: str,
    older_than: str,
    everything: bool,
    yes: bool,
    url: str,
    key_file: Path | None,
    instance: str,
    as_json: bool,
) -> None:
    """Let go of kept replies; the ledger says who did it, before and after.

    It holds for every worker and every gateway that shares the store, and for what is read from disk after a restart.

    Exit status: 0 they are gone, 1 the gateway could not be asked, 2 some may be left.
    """
    if subject and not tenant:
        raise click.BadParameter("a subject is one of a tenant: name it with --tenant", param_hint="--subject")
    if everything == bool(tenant or older_than):
        raise click.UsageError("say what: --tenant, with --subject or without, --older-than, or --all alone")
    asked = {"tenant": tenant, "subject": subject, "older_than": older_than, "instance": instance}
    asked = {name: value for name, value in asked.items() if value} | ({"all": "true"} if everything else {})
    with _client(settings, url, key_file) as client:
        if not yes:
            _confirm(_meant(tenant, subject, older_than), client.where)
        with Console(stderr=True).status("purging"):
            answer = client.post(f"{PAGE}/purge", asked)
    _report(answer, as_json)
    if answer.get("under_way"):
        click.echo("yumen: it goes on; see `yumen audit show --operations` for what comes of it", err=True)
    elif not isinstance(answer.get("purged"), int):
        click.echo(f"yumen: {tables.cell(answer.get('left', 'something may be left'))}", err=True)
    else:
        return
    raise SystemExit(2)


def _client(settings: Settings, url: str, key_file: Path | None) -> Client:
    client = Client(url or address(settings), key_of(settings, key_file))
    if client.in_clear:
        click.echo(f"yumen: the key goes to {client.where} unencrypted; use https:// beyond this machine", err=True)
    return client


def _meant(tenant: str, subject: str, older_than: str) -> str:
    whose = f"the subject {subject} of the tenant {tenant}" if subject else f"the tenant {tenant}" if tenant else "all"
    return f"the kept replies of {whose}" + (f" that are older than {older_than}" if older_than else "")


def _confirm(what: str, where: str) -> None:
    """Ask whether it is meant. Error: `CannotStart` where nobody is there to say so; Abort where he says no."""
    if not _is_terminal():
        raise CannotStart("nobody is asked here whether it is meant; say --yes")
    click.confirm(f"Let {where} forget {what}?", abort=True, err=True)


def _is_terminal() -> bool:
    return sys.stdin.isatty()


def _report(answer: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(msgspec.json.encode(answer))
        return
    names = ("tenant", "subject", "older_than_s", "purged")
    table = Table("tenant", "subject", "older than, s", "purged")
    purged = "?" if answer.get("purged") is None else answer["purged"]
    table.add_row(*(tables.cell(answer.get(name, "") if name != "purged" else purged) for name in names))
    display(table)
