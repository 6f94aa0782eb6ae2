"""The command line: one file per verb, imported when it is called; plugins contribute verbs by entry point."""

from __future__ import annotations

import importlib
import importlib.metadata

import click

from yumen import registry
from yumen.errors import CannotStart, PolicyError
from yumen.settings import Settings

VERBS = {
    "serve": "Serve a policy bundle.",
    "init": "Copy a bundle as a beginning.",
    "policy": "Check, test, explain, compare, replay and sign policy bundles.",
    "keys": "Create, list and revoke keys.",
    "plugins": "List, check and begin plugins.",
    "engines": "List, check, measure, build and begin engines.",
}


class Verbs(click.Group):
    """Loads a verb when it is called, so that `yumen --help` imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*VERBS, *registry.names("command")]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in VERBS:
            command = getattr(importlib.import_module(f"yumen.cli.{cmd_name}"), cmd_name)
        elif cmd_name in registry.names("command"):
            command = registry.load_command(cmd_name)
        else:
            return None
        if not isinstance(command, click.Command):
            raise registry.RegistryError(f"command `{cmd_name}` is not a click command")
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any of them: one that cannot be imported must not spoil the help."""
        contributed = {one.name: f"From {one.distribution}." for one in registry.listings("command")}
        with formatter.section("Commands"):
            formatter.write_dl(list({**contributed, **VERBS}.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run; what is wrong is a sentence on standard error: exit 1 could not run, 2 the thing checked is wrong."""
        try:
            return super().invoke(ctx)
        except PolicyError as error:
            click.echo(str(error), err=True)
            ctx.exit(2)
        except (CannotStart, registry.RegistryError) as error:
            click.echo(f"yumen: {error}", err=True)
            ctx.exit(1)


@click.group(cls=Verbs, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(importlib.metadata.version("yumen"), prog_name="yumen")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Yumen, a compliance-first gateway for model traffic."""
    ctx.obj = Settings.from_env()
