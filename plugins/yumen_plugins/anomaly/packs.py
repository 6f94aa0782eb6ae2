"""Rules that come with Yumen, in packs that a policy takes by name: `packs: [injection]`.

A pack is a file of `pack_rules/`, in the form of `config.rules`. Its rules begin in shadow: they are recorded, and do
nothing until the policy's own `rules:` put them in force.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import msgspec

from yumen_plugins.anomaly.config import RuleConfig

FOLDER = Path(__file__).parent / "pack_rules"


class Pack(msgspec.Struct, frozen=True):
    """One pack. `name` is what policies call it, and what its rules' names begin with."""

    name: str
    description: str

    def rules(self) -> list[RuleConfig]:
        """Its rules, in the order of the file."""
        return list(_rules(self.name))


@cache
def _rules(name: str) -> tuple[RuleConfig, ...]:
    return msgspec.yaml.decode((FOLDER / f"{name}.yaml").read_bytes(), type=tuple[RuleConfig, ...])


PACKS: Mapping[str, Pack] = {
    pack.name: pack for pack in (Pack("injection", "prompt injection and jailbreaks: see docs/injection.md"),)
}
