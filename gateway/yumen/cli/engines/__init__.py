"""`yumen engines`: what is installed, what of it works, and how fast; one file per verb, imported when it is called."""

from __future__ import annotations

import click

from yumen.cli.verbs import VerbFiles

VERBS = {
    "list": "List installed engines, and those of a bundle as they are loaded here.",
    "check": "Load a bundle's engines, and say what is wrong with them.",
    "bench": "Measure how fast a model of a bundle's engine runs.",
    "build": "Build ahead what an engine would build when it starts.",
    "new": "Write a package with an engine to begin with.",
}


@click.group(cls=VerbFiles, package=__name__, verbs=VERBS)
def engines() -> None:
    """List, check, measure, build and begin engines."""
