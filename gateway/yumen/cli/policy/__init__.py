"""`yumen policy`: what a policy author asks of a bundle; one file per verb, imported when it is called."""

from __future__ import annotations

import click

from yumen.cli.verbs import VerbFiles

VERBS = {
    "check": "Say everything that is wrong with a bundle.",
    "test": "Run a bundle's test cases.",
    "explain": "Show what a bundle does with one request, and why.",
    "diff": "Compare two bundles by what they do.",
    "replay": "Run recorded exchanges under another bundle.",
    "shadow-report": "Compare what shadow would have done with what was done.",
    "fmt": "Write policy files in one form.",
    "schema": "Write JSON Schemas for editors.",
    "sign": "Sign a bundle.",
    "verify": "Verify a bundle's signature.",
}


@click.group(cls=VerbFiles, package=__name__, verbs=VERBS)
def policy() -> None:
    """Check, test, explain, compare, replay, sign and format policy bundles."""
