"""A group of verbs, one file each, imported when the verb is called."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

# What cannot be the name of a function, or would hide one.
FILES = {"list": ("listing", "list_")}


class VerbFiles(click.Group):
    """The verbs of one package: `verbs` says in a sentence what each does."""

    def __init__(self, *args: Any, package: str, verbs: Mapping[str, str], **more: Any) -> None:
        super().__init__(*args, **more)
        self._package = package
        self._verbs = verbs

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self._verbs)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self._verbs:
            return None
        name = cmd_name.replace("-", "_")
        file, function = FILES.get(name, (name, name))
        command: click.Command = getattr(importlib.import_module(f"{self._package}.{file}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the verbs without importing any of them."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._verbs.items()))
