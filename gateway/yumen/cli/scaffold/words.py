"""The names of a new package, all of them made of one; and which one cannot be taken."""

from __future__ import annotations

import builtins
import importlib.util
import keyword
import re
from typing import Literal

import msgspec

import yumen
from yumen import registry
from yumen.cli.plain import plain
from yumen.errors import CannotStart
from yumen.policy import schema

Kind = Literal["plugin", "engine"]

# Longer ones make lines of the templates longer than the formatter lets stand.
NAME_CHARS_MAX = 30
NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
# What YAML 1.1 reads as something else than text.
YAML_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
# Files of a bundle that are no plugin's, which a plugin of that name would take the place of.
FILE_WORDS = frozenset({schema.GATEWAY, schema.TESTS})
# What the templates define or import beside public names of Yumen; a class of the same name would hide it.
TEMPLATE_NAMES = frozenset({"Annotated", "Any", "AsyncIterator", "ClassVar", "Config", "Harness", "Iterable", "Path",
                            "Sequence", "ToolArguments", "Word", "WordFilter"})  # fmt: skip


class Words(msgspec.Struct, frozen=True):
    """`name` is what policies write, `distribution` what pip installs, `module` what Python imports."""

    name: str
    distribution: str
    module: str
    class_name: str


def words(kind: Kind, given: str, *, again: bool = False) -> Words:
    """The names of a package. `again`: it may be the one that is installed, which is written anew.

    Error: `CannotStart`, with what to do, for a name that cannot be taken.
    """
    shown = plain(given[:80])
    if len(given) > NAME_CHARS_MAX or NAME.fullmatch(given) is None:
        one = "an engine" if kind == "engine" else "a plugin"
        raise CannotStart(
            f"`{shown}` cannot be the name of {one}: Python modules and policies are called by it; take at most "
            f"{NAME_CHARS_MAX} of a-z, 0-9, - and _, beginning with a letter, such as `house-words`"
        )
    name = given.replace("-", "_")
    if name == "yumen" or name.startswith("yumen_"):
        rest = given[len("yumen-") :] or "house-words"
        raise CannotStart(f"`{shown}` begins with `yumen`, as every package does by itself; leave it out: `{rest}`")
    if keyword.iskeyword(name) or keyword.issoftkeyword(name) or name in YAML_WORDS:
        raise CannotStart(f"`{shown}` means something else in Python or YAML; take another, such as `my-{given}`")
    if name in FILE_WORDS:
        raise CannotStart(f"`{shown}` is the name of another kind of policy file; take another, such as `my-{given}`")
    made = Words(
        name=name,
        distribution=f"yumen-{name.replace('_', '-')}",
        module=f"yumen_{name}",
        class_name="".join(part.capitalize() for part in name.split("_")),
    )
    if made.class_name in {*yumen.__all__, *vars(builtins), *TEMPLATE_NAMES}:
        raise CannotStart(f"its class would hide `{made.class_name}`; take a longer name, such as `my-{given}`")
    _refuse_taken(kind, made, again)
    return made


def _refuse_taken(kind: Kind, made: Words, again: bool) -> None:
    """Error: `CannotStart` where something that is installed has one of the names."""
    owners = {one.distribution for one in registry.listings(kind) if one.name == made.name}
    own = made.distribution in owners
    if owners - {made.distribution}:
        owner = sorted(owners - {made.distribution})[0]
        raise CannotStart(f"the {kind} `{made.name}` is there already, from {owner}; take another name")
    if own and not again:
        raise CannotStart(
            f"{made.distribution} is installed and has the {kind} `{made.name}`; take another name, or --force to write "
            "it anew"
        )
    if not own and importlib.util.find_spec(made.module) is not None:
        raise CannotStart(f"there is a module `{made.module}` already; take another name")
