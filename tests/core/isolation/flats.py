"""A plugin with a process of its own, on a route, for as long as a test looks at it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.core.isolation.guests import Guest

from yumen import NoConfig, Plugin, Secret, Settings
from yumen.isolation.proxy import Proxy
from yumen.parts import Parts
from yumen.policy.bundle import Instance, RulePolicy
from yumen.step import Step


def instance(plugin_class: type[Plugin[Any]] = Guest, **knobs: Any) -> Instance:
    """The plugin under a policy that gives it a process; unless a test is about it, no slow machine makes a hook late."""
    knobs.setdefault("timeout_ms", 30_000)
    rules = {rule.id: RulePolicy(id=rule.id) for rule in plugin_class(NoConfig()).rules()}
    return Instance(
        name="guest", plugin_class=plugin_class, config=NoConfig(), isolation="process", **{"rules": rules, **knobs}
    )


@asynccontextmanager
async def apart(folder: Path, plugin_class: type[Plugin[Any]] = Guest, **knobs: Any) -> AsyncIterator[Step]:
    """A started one."""
    parts = Parts(Settings(data_dir=folder), Secret(b"s" * 32))
    policy = instance(plugin_class, **knobs)
    part = await parts.plugin(policy)
    try:
        yield Step(policy, part.made)
    finally:
        await parts.give_back(part)


def proxy(step: Step) -> Proxy:
    """What stands for the plugin."""
    assert isinstance(step.plugin, Proxy)
    return step.plugin


async def another(step: Step, pid: int | None) -> int:
    """The process that takes the place of one that has ended. Error: TimeoutError."""
    async with asyncio.timeout(60):
        while (now := proxy(step).pid) is None or now == pid:
            await asyncio.sleep(0.01)
    return now
