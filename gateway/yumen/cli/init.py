"""`yumen init`: a bundle to begin with."""

from __future__ import annotations

import shutil
from pathlib import Path

import click

from yumen import registry
from yumen.errors import CannotStart


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--from", "name", default="starter", show_default=True, help="The installed bundle to copy.")
def init(folder: Path, name: str) -> None:
    """Copy a bundle into FOLDER, which must be new or empty."""
    source = registry.bundle_folder(name)
    if source is None:
        raise CannotStart(f"there is no bundle `{name}`; installed are: {', '.join(registry.names('bundle'))}")
    if folder.exists() and any(folder.iterdir()):
        raise CannotStart(f"{folder} is not empty; name a new folder, nothing is overwritten")
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("*.yaml")):
        shutil.copyfile(path, folder / path.name)
        click.echo(f"wrote {folder / path.name}")
    click.echo(f"Next:\n  yumen policy check {folder}\n  yumen serve --policies {folder}")
