"""Started plugins and engines: shared while they are used, and stopped whatever becomes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

import pytest

from yumen import CannotStart, Host, Manifest, NoConfig, Plugin, Secret, Settings
from yumen.parts import Parts
from yumen.policy.bundle import Instance


class Opening(Plugin[NoConfig]):
    """Counts what is open."""

    manifest: ClassVar[Manifest] = Manifest(name="opening", version="1")
    open: ClassVar[int] = 0
    fails: ClassVar[bool] = False

    async def start(self, host: Host) -> None:
        type(self).open += 1
        if self.fails:
            raise CannotStart("this does not start")

    async def stop(self) -> None:
        type(self).open -= 1


def instance(plugin: type[Plugin[Any]], **more: Any) -> Instance:
    return Instance(name="one", plugin_class=plugin, config=NoConfig(), **more)


async def test_the_same_is_started_once_and_stopped_by_the_last() -> None:
    """Two bundles with the same instance share its plugin; another configuration, or rules switched off, are another one."""
    parts = Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)))
    first, second = await parts.plugin(instance(Opening)), await parts.plugin(instance(Opening, timeout_ms=7))
    assert first is second
    assert Opening.open == 1
    await parts.give_back(first)
    assert Opening.open == 1
    await parts.give_back(second)
    assert Opening.open == 0


async def test_what_does_not_start_is_stopped() -> None:
    """A plugin that fails half-way lets go of what it had opened."""

    class Failing(Opening):
        fails: ClassVar[bool] = True

    parts = Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)))
    with pytest.raises(CannotStart, match="plugin one: this does not start"):
        await parts.plugin(instance(Failing))
    assert Failing.open == 0
