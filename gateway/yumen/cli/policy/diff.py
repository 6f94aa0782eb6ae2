"""`yumen policy diff`: what one bundle does that another does not, flow changes first."""

from __future__ import annotations

from collections import Counter

import click
import msgspec
from rich.text import Text
from rich.tree import Tree

from yumen.cli.plain import plain
from yumen.errors import CannotStart, PolicyError
from yumen.policy.diff import SECTIONS, Change, Side, compare
from yumen.screen import display

FAILING = {"any": None, "unsure": ("loosened", "unsure"), "loosened": ("loosened",)}
STYLES = {"loosened": "bold red", "tightened": "green", "unsure": "yellow", "none": ""}


@click.command()
@click.argument("old")
@click.argument("new")
@click.option("--env", "variables", multiple=True, metavar="NAME=VALUE", help="Set a variable for both; repeatable.")
@click.option(
    "--fail-on",
    type=click.Choice(list(FAILING)),
    default="any",
    show_default=True,
    help="What makes the exit status 2: any difference, one that may be looser, or one that is.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(old: str, new: str, variables: tuple[str, ...], fail_on: str, as_json: bool) -> None:
    """Compare the bundles OLD and NEW, each a folder or an installed bundle's name, by what they do.

    Exit status: 0 no difference (of the kind that --fail-on names), 1 one of them cannot be compiled, 2 they differ.
    """
    env = dict(map(_variable, variables))
    sides = _read(old, env), _read(new, env)
    changes = compare(*sides)
    if as_json:
        click.echo(msgspec.json.encode(_report(*sides, changes)).decode())
    else:
        display(_tree(*sides, changes))
    effects = FAILING[fail_on]
    if any(effects is None or change.effect in effects for change in changes):
        raise SystemExit(2)


def _variable(said: str) -> tuple[str, str]:
    name, equals, value = said.partition("=")
    if not name or not equals:
        raise CannotStart("write a variable as NAME=VALUE")
    return name, value


def _read(name: str, env: dict[str, str]) -> Side:
    """A bundle; one that is wrong cannot be compared, which is not the same as a difference."""
    try:
        return Side.read(name, env)
    except PolicyError as error:
        raise CannotStart(f"{name} cannot be compiled\n{error}") from None


def _report(old: Side, new: Side, changes: list[Change]) -> dict[str, object]:
    bundles = [{"name": one.bundle.name, "path": one.bundle.path, "hash": one.bundle.hash} for one in (old, new)]
    return {"old": bundles[0], "new": bundles[1], "counts": Counter(one.effect for one in changes), "changes": changes}


def _tree(old: Side, new: Side, changes: list[Change]) -> Tree:
    tree = Tree(_said(f"{old.bundle.name} {old.bundle.hash[:12]} -> {new.bundle.name} {new.bundle.hash[:12]}"))
    for section in SECTIONS:
        found = [change for change in changes if change.section == section]
        if found:
            branch = tree.add(_said(f"{section}: {_counted(found)}"))
            for change in found:
                branch.add(_line(change))
    if not changes:
        same = old.bundle.hash == new.bundle.hash
        tree.add("no difference" if same else "no difference in what they do, though they are written differently")
    return tree


def _counted(changes: list[Change]) -> str:
    counts = Counter(_word(change) for change in changes)
    return ", ".join(f"{number} {word}" for word, number in counts.items())


def _word(change: Change) -> str:
    """What happened, in one word: how strict it is now where that is known, else what was done to it."""
    return change.effect if change.effect in ("loosened", "tightened") else change.kind


def _line(change: Change) -> Text:
    word = _word(change) if _word(change) == change.kind else f"{change.kind}, {change.effect}"
    inherited = f" (of {change.inherited})" if change.inherited else ""
    text = Text(f"{word}: ", style=STYLES[change.effect])
    text.append(f"{plain(change.subject)}: {plain(change.what)}", style="default")
    return text.append(f"\n{plain(change.file)}:{change.line}{plain(inherited)}", style="dim")


def _said(text: str) -> Text:
    return Text(plain(text))
