"""`yumen policy schema`: JSON Schemas for editors."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from yumen import registry
from yumen.cli.listing import uses
from yumen.cli.plain import plain
from yumen.errors import CannotStart
from yumen.policy.schema import GATEWAY, TESTS, Named, installed_schema, installed_schemas, write
from yumen.settings import Settings


@click.command()
@click.argument("name", required=False)
@click.option(
    "--out", type=click.Path(file_okay=False, path_type=Path), help="Write files into this folder, do not print."
)
@click.option("--policies", metavar="BUNDLE", multiple=True, help="Look into this bundle as well; repeatable.")
@click.pass_obj
def schema(settings: Settings, name: str | None, out: Path | None, policies: tuple[str, ...]) -> None:
    """Print the JSON Schema of one kind of policy file, or without NAME of all as one object by name.

    NAME is `gateway`, `tests` (for *.test.yaml), or the name of an installed plugin. Without NAME the plugins and engines
    are those that are built in, and those that a bundle names: the one that is served (YUMEN_POLICIES), those that are
    installed, and --policies. No other is imported. What is left out, and why, is said on standard error.
    """
    if name is None:
        schemas, left_out = installed_schemas(_named(settings, policies))
    elif name in (GATEWAY, TESTS) or name in registry.names("plugin"):
        one, left_out = installed_schema(name, _named(settings, policies) if name == GATEWAY else Named())
        schemas = {name: one}
    else:
        known = ", ".join([GATEWAY, TESTS, *registry.names("plugin")])
        raise CannotStart(f"there is no schema `{name}`; there are: {known}")
    for reason in left_out:
        click.echo(f"left out: {plain(reason)}", err=True)
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


def _named(settings: Settings, policies: tuple[str, ...]) -> Named:
    found = uses(settings, policies)
    for problem in found.problems:
        click.echo(f"yumen: {plain(problem)}", err=True)
    return Named(found.names, found.refused)
