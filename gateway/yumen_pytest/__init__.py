"""Fixtures for pytest, there as soon as Yumen is installed (entry point `pytest11`); nothing else is imported before use.

Every run of pytest imports this where Yumen is installed, whatever it tests; a module within `yumen` would
import all of that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from yumen.testing.harness import Harness

Made = Callable[..., "Harness"]


@pytest.fixture
def yumen_harness() -> Made:
    """Makes a `yumen.testing.Harness` of an installed plugin, named as in policies: `yumen_harness("limits", {...})`.

    Further arguments are the core's knobs, such as `mode="shadow"`.
    """
    from yumen import registry
    from yumen.testing.harness import NOTHING, Harness

    def made(plugin: str, config: Mapping[str, Any] = NOTHING, **knobs: Any) -> Harness:
        return Harness.of(registry.load_plugin(plugin), config, **knobs)

    return made


@pytest.fixture
def yumen_bundle() -> Made:
    """Makes a `yumen.testing.Harness` of a whole bundle, a folder or the name of an installed one."""
    from yumen.testing.harness import Harness

    return Harness.policies
