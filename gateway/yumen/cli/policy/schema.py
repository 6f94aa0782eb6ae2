"""`yumen policy schema`: JSON Schemas for editors."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from yumen import registry
from yumen.errors import CannotStart
from yumen.policy.schema import GATEWAY, TESTS, installed_schema, installed_schemas, write


@click.command()
@click.argument("name", required=False)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write files into this folder, do not print."
)
def schema(name: str | None, out: Path | None) -> None:
    """Print the JSON Schema of one kind of policy file, or without NAME of all as one object by name.

    NAME is `gateway`, `tests` (for *.test.yaml), or the name of an installed plugin. A plugin or engine that cannot be
    imported is left out and named on standard error.
    """
    if name is None:
        schemas, left_out = installed_schemas()
    elif name in (GATEWAY, TESTS) or name in registry.names("plugin"):
        one, left_out = installed_schema(name)
        schemas = {name: one}
    else:
        known = ", ".join([GATEWAY, TESTS, *registry.names("plugin")])
        raise CannotStart(f"there is no schema `{name}`; there are: {known}")
    for reason in left_out:
        click.echo(f"left out: {reason}", err=True)
    if out is None:
        printed = schemas if name is None else schemas[name]
        click.echo(msgspec.json.format(msgspec.json.encode(printed)).decode())
        return
    try:
        written = write(out, schemas)
    except OSError as error:
        raise CannotStart(f"cannot write into {out}: {error.strerror}") from None
    for path in written:
        click.echo(f"wrote {path}")
