"""What every plugin is told of an exchange beside its texts: versions of all that takes part, and the cache's word."""

from __future__ import annotations

from typing import Any

import pytest
from tests.core.probes import Masker, Probe, engine
from tests.kit import exchange, step


async def test_versions_of_all_that_takes_part() -> None:
    """Every plugin sees the versions of the whole chain, by instance, and of the engine; nobody can change them."""
    seen: list[Any] = []
    probe = Probe("a", [], request=lambda view: seen.append((view.versions, view.engine_version)))
    await exchange([step(probe, name="first"), step(Masker("m", []), name="second")], engine())
    ((versions, engine_version),) = seen
    assert dict(versions) == {"first": "1", "second": "1"}
    assert engine_version == "1"
    with pytest.raises(TypeError):
        versions["first"] = "2"


@pytest.mark.parametrize("state", ["hit", "miss", "bypass"])
async def test_a_cache_says_so(state: str) -> None:
    """The other plugins and the caller are told; before that, and where there is no cache, it is empty."""
    seen: list[str] = []
    above = Probe("a", [], request=lambda view: seen.append(view.cache), complete=lambda view: seen.append(view.cache))
    cache = Probe("b", [], request=lambda view: view.set_cache(state))
    outcome = await exchange([step(above, name="above"), step(cache, name="cache")], engine())
    assert seen == ["", state]
    assert outcome.exchange.headers["x-cache"] == state


async def test_a_cache_says_nothing_else() -> None:
    """Another word is the plugin's fault and reaches no header."""
    outcome = await exchange([step(Probe("b", [], request=lambda view: view.set_cache("13812345678")))], engine())
    assert outcome.code == "plugin_fault"
    assert outcome.exchange.headers == {}
    assert outcome.exchange.cache == ""
