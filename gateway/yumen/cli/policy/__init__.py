"""`yumen policy`: what a policy author asks of a bundle; one file per verb, imported when it is called."""

from __future__ import annotations

import importlib

import click

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


class PolicyVerbs(click.Group):
    """Loads a verb when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = cmd_name.replace("-", "_")
        command: click.Command = getattr(importlib.import_module(f"yumen.cli.policy.{name}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=PolicyVerbs)
def policy() -> None:
    """Check, test, explain, compare, replay, sign and format policy bundles."""
