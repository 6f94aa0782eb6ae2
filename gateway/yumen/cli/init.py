"""`yumen init`: a bundle to begin with."""

from __future__ import annotations

from pathlib import Path

import click

from yumen import registry
from yumen.cli.listing import Uses
from yumen.cli.plain import plain
from yumen.errors import CannotStart
from yumen.policy.reader import read
from yumen.policy.schema import Named, file_name, installed_schemas, kind_of, write

SCHEMAS = ".schema"
MODELINE = b"# yaml-language-server:"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--from", "name", default="starter", show_default=True, help="The installed bundle to copy.")
def init(folder: Path, name: str) -> None:
    """Copy a bundle into FOLDER, which must be new or empty, with what editors need to check and complete it."""
    source = registry.bundle_folder(name)
    if source is None:
        raise CannotStart(f"there is no bundle `{name}`; installed are: {', '.join(registry.names('bundle'))}")
    if folder.exists() and any(folder.iterdir()):
        raise CannotStart(f"{folder} is not empty; name a new folder, nothing is overwritten")
    found = Uses()
    found.add(name)
    # Nothing is imported but what is built in and what the new bundle names.
    schemas, left_out = installed_schemas(Named(found.names, found.refused))
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.yaml")):
        content = path.read_bytes()
        kind = kind_of(path.name, read(path.name, content).data)
        if kind in schemas and MODELINE not in content:
            content = b"%s $schema=%s/%s\n%s" % (MODELINE, SCHEMAS.encode(), file_name(kind).encode(), content)
        (folder / path.name).write_bytes(content)
        click.echo(f"wrote {folder / path.name}")
    written = folder / SCHEMAS
    write(written, schemas)
    click.echo(f"wrote {written} for editors; `yumen policy schema --policies {folder} --out {written}` writes it anew")
    for reason in left_out:
        click.echo(f"left out: {plain(reason)}", err=True)
    click.echo(f"Next:\n  yumen policy check {folder}\n  yumen serve --policies {folder}")
