"""`yumen plugins`: what is installed, and where it comes from; one file per verb, imported when it is called."""

from __future__ import annotations

import click

from yumen.cli.verbs import VerbFiles

VERBS = {
    "check": "Check what plugins promise: their schema, manifest, streams, faults and leaks.",
    "list": "List installed plugins, what they may do, and which bundles use them.",
    "new": "Write a package with a plugin to begin with.",
}


@click.group(cls=VerbFiles, package=__name__, verbs=VERBS)
def plugins() -> None:
    """List, check and begin plugins."""
