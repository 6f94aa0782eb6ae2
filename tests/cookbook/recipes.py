"""The cookbook's policies: what its plugins are tested with, and what its pages show."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

PACKAGE = Path(__file__).parents[1] / "third_party" / "yumen-cookbook"
SOURCES = PACKAGE / "src" / "yumen_cookbook"
POLICIES = PACKAGE / "policies"


def config(name: str) -> Mapping[str, Any]:
    """What `config:` of a plugin's policy file says."""
    read: Mapping[str, Any] = yaml.safe_load((POLICIES / f"{name}.yaml").read_text()).get("config", {})
    return read
