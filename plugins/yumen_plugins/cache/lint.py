"""What does not hold together in a configuration of the cache."""

from __future__ import annotations

from collections.abc import Iterator

from yumen import Lint
from yumen_plugins.cache.config import CacheConfig

# Members that say what is asked: without one of them, different questions would share an answer.
ESSENTIAL = frozenset({"model", "messages", "prompt", "input", "inputs", "tools", "functions"})


def lints(config: CacheConfig) -> Iterator[Lint]:
    """What is wrong, or unwise."""
    for index, name in enumerate(config.leave_out):
        if name in ESSENTIAL:
            what = f"without `{name}`, different requests would get one another's replies"
            yield Lint(("leave_out", index), what, "take it out of the list", wrong=True)
    seen: dict[str, str] = {}
    for group, tenants in config.share.items():
        for index, tenant in enumerate(tenants):
            if tenant in seen:
                what = f"the tenant `{tenant}` is in the group `{seen[tenant]}` as well"
                yield Lint(("share", group, index), what, "name it in one of them", wrong=True)
            seen.setdefault(tenant, group)
    if not config.memory.bytes_max and not config.shared:
        yield Lint(("memory", "bytes_max"), "nothing is kept anywhere", "give it memory, or say `shared: true`")
    if config.semantic is not None and config.semantic.threshold < 0.75:
        what = "questions that are so little alike often mean different things"
        yield Lint(("semantic", "threshold"), what, "measure it on your own traffic, in shadow")
