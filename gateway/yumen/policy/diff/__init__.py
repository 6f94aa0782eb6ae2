"""Compares two compiled bundles by what they do: who may see what comes first, then what is checked, and how strictly.

Comments, the order of keys and files, and defaults that somebody wrote out make no difference.
"""

from __future__ import annotations

from yumen.policy.diff.flows import compare_flow
from yumen.policy.diff.instances import compare_configs, compare_instances, compare_rules
from yumen.policy.diff.routes import compare_engines, compare_limits, compare_routes
from yumen.policy.diff.side import OPPOSITE, SECTIONS, Change, Effect, Section, Side

__all__ = ["OPPOSITE", "SECTIONS", "Change", "Effect", "Section", "Side", "compare"]

COMPARERS = (
    compare_flow,
    compare_routes,
    compare_engines,
    compare_instances,
    compare_rules,
    compare_limits,
    compare_configs,
)


def compare(old: Side, new: Side) -> list[Change]:
    """Everything that is not the same, in the order of `SECTIONS`."""
    return [change for comparer in COMPARERS for change in comparer(old, new)]
