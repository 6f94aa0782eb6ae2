"""`yumen engines`: what is installed, what of it works, and how fast; one file per verb, imported when it is called."""

from __future__ import annotations

import importlib

import click

VERBS = {
    "list": "List installed engines, and those of a bundle as they are loaded here.",
    "check": "Load a bundle's engines, and say what is wrong with them.",
    "bench": "Measure how fast a model of a bundle's engine runs.",
    "build": "Build ahead what an engine would build when it starts.",
}


class EngineVerbs(click.Group):
    """Loads a verb when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        name = "list_" if cmd_name == "list" else cmd_name
        module = importlib.import_module(f"yumen.cli.engines.{'listing' if cmd_name == 'list' else name}")
        command: click.Command = getattr(module, name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(VERBS.items()))


@click.group(cls=EngineVerbs)
def engines() -> None:
    """List, check, measure and build engines."""
