"""What rules did of late, for operators: which rule fired, about whom, and the facts that it read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from yumen import Exchange, Store
from yumen_plugins.anomaly.compiled import Ready
from yumen_plugins.anomaly.facts.fact import lookup
from yumen_plugins.anomaly.language.conditions import SCALE, Facts
from yumen_plugins.anomaly.listed import listed

# How many are kept, and for how long.
KEPT, KEPT_S = 500, 86_400.0
LIST = "firings"


class Firing(msgspec.Struct, frozen=True, kw_only=True):
    """One firing. `at` is in seconds since the epoch; `facts` are those that the rule read, as far as they may be shown."""

    at: float
    rule: str
    severity: str
    action: str
    mode: str
    exchange: str
    tenant: str
    key: str
    route: str
    facts: dict[str, float | str | bool]


def firing(rule: Ready, exchange: Exchange, facts: Facts, at: float) -> Firing:
    """What is kept of a rule that fired on an exchange."""
    return Firing(
        at=round(at, 3),
        rule=rule.id,
        severity=rule.said.severity,
        action=rule.then.action,
        mode=exchange.mode(rule.id),
        exchange=exchange.id,
        tenant=exchange.principal.tenant,
        key=exchange.principal.key_id,
        route=exchange.route,
        facts={name: _plain(facts[name]) for name in sorted(rule.expression.facts()) if _shown(name, facts)},
    )


async def recent(store: Store) -> list[dict[str, Any]]:
    """Those that are kept, the latest first. Errors: those of the store."""
    return [msgspec.to_builtins(one) for one in reversed(await listed(store, LIST, Firing))]


async def keep(store: Store, firings: Sequence[Firing]) -> None:
    """Keep firings. Errors: those of the store."""
    for one in firings:
        await store.append(LIST, msgspec.json.encode(one), KEPT_S, KEPT)


def alert(one: Firing) -> Mapping[str, Any]:
    """The same for a webhook."""
    told: Mapping[str, Any] = {"kind": "anomaly", **msgspec.to_builtins(one)}
    return told


def _shown(name: str, facts: Facts) -> bool:
    fact = lookup(name)
    return name in facts and fact is not None and fact.shown


def _plain(value: int | str | bool) -> float | str | bool:
    return value if isinstance(value, str | bool) else value / SCALE
