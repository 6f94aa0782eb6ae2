"""Tables and trees for eyes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.console import RenderableType

    from yumen.policy.explanation import Explanation
    from yumen.settings import Settings

# What is read by another program has no edge to be cut at.
PIPE_COLUMNS = 240


def display(renderable: RenderableType) -> None:
    """Print to standard output with nothing left out: what is too long for the terminal goes on in the next line."""
    from rich.console import Console  # a server never prints, and need not load this
    from rich.table import Table

    if isinstance(renderable, Table):
        for column in renderable.columns:
            column.overflow = "fold"
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = PIPE_COLUMNS
    console.print(renderable)


def explain_record(record: Mapping[str, Any], settings: Settings, policies: str = "") -> Explanation:
    """Explain an exchange that is on record: a tree for people (`tree()`) and plain data (`data()`).

    `policies` is the bundle to explain it by, by default that of the settings.
    """
    from yumen.policy.explain import explain_record as explain  # as above

    return explain(record, settings, policies)


def rule_cites(settings: Settings, policies: str = "") -> dict[str, tuple[str, ...]]:
    """What the rules of a bundle cite, by rule: articles of laws and standards. Rules that are off are left out.

    `policies` is the bundle, by default that of the settings. Errors: `CannotStart`; those of a bundle that is wrong.
    """
    from yumen.policy.load import load_bundle  # as above

    bundle = load_bundle(policies or settings.policies)
    rules = [rule for instance in bundle.instances.values() for rule in instance.rules.values() if rule.mode != "off"]
    return {
        rule.id: tuple(sorted({cite for one in rules if one.id == rule.id for cite in one.cites})) for rule in rules
    }
