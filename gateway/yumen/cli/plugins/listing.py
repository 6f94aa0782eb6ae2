"""`yumen plugins list`: what is installed, where it comes from, what it may do, and which bundles use it."""

from __future__ import annotations

from typing import Literal

import click
import msgspec

from yumen import registry
from yumen.cli.listing import Installed, Uses, columns, installed, pinned_otherwise, table, uses, without_hash
from yumen.cli.plain import plain
from yumen.screen import display
from yumen.settings import Settings

UNREAD = "-"


class Row(Installed, frozen=True, kw_only=True):
    """A plugin, and what its manifest says; None of a plugin that has not been imported, and `wrong` where it cannot be."""

    api: int | None = None
    sees: Literal["raw", "masked"] | None = None
    stores: Literal["nothing", "masked", "raw"] | None = None
    mutates: bool | None = None
    masks: bool | None = None
    wrong: str = ""


@click.command("list")
@click.option("--policies", metavar="BUNDLE", multiple=True, help="Look into this bundle as well; repeatable.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON array, with whole hashes.")
@click.pass_obj
def list_(settings: Settings, policies: tuple[str, ...], as_json: bool) -> None:
    """Print every installed plugin with its distribution, file and hash, and the bundles that name it.

    The bundles are the one that is served (YUMEN_POLICIES) and those that are installed. What a plugin may do stands in its
    manifest, which is read only of plugins that one of them names: all others are not imported, and show a dash.
    """
    found = uses(settings, policies)
    rows = [_row(one, found) for one in installed("plugin", found)]
    if as_json:
        click.echo(msgspec.json.encode(rows).decode())
    else:
        heads = ("name", "distribution", "version", "API", "sees", "stores", "may", "bundles", "hash", "file")
        display(table([_cells(row) for row in rows], *heads))
        for line in without_hash(rows):
            click.echo(line)
    for problem in (*found.problems, *(row.wrong for row in rows if row.wrong)):
        click.echo(f"yumen: {plain(problem)}", err=True)


def _row(one: Installed, found: Uses) -> Row:
    row = Row(**msgspec.structs.asdict(one))
    if not one.bundles:
        return row
    if wrong := pinned_otherwise("plugin", one, found):
        return msgspec.structs.replace(row, wrong=wrong)
    try:
        manifest = registry.load_plugin(one.name).manifest
    except registry.RegistryError as error:
        return msgspec.structs.replace(row, wrong=str(error))
    return msgspec.structs.replace(
        row,
        api=manifest.api,
        sees=manifest.sees,
        stores=manifest.stores,
        mutates=manifest.mutates,
        masks=manifest.masks,
    )


def _cells(row: Row) -> dict[str, str]:
    read = row.api is not None
    may = ", ".join(word for word, allowed in (("edit", row.mutates), ("mask", row.masks)) if allowed)
    return {
        **columns(row),
        "API": str(row.api) if read else UNREAD,
        "sees": row.sees or UNREAD,
        "stores": row.stores or UNREAD,
        "may": may if read else UNREAD,
    }
