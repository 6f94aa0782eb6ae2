"""The plugin in a harness, and one request after the other."""

from __future__ import annotations

from typing import Any

from yumen import Mode
from yumen.testing import Harness, Outcome, Piece, Used, chat
from yumen_plugins.anomaly import Anomaly


def running(
    modes: dict[str, Mode] | None = None,
    *,
    knobs: dict[str, Any] | None = None,
    workers: int = 1,
    shared: bool = False,
    redis: str = "",
    **config: Any,
) -> Harness:
    """The plugin under a policy that gives some of its rules a mode; `knobs` are further ones of the core."""
    rules = {rule: {"mode": mode} for rule, mode in (modes or {}).items()}
    used = Used(Anomaly, config, {**({"rules": rules} if rules else {}), **(knobs or {})})
    return Harness.of_chain(used, workers=workers, shared=shared, redis=redis)


async def ask(
    harness: Harness,
    text: str = "hello",
    *,
    after: float = 0.0,
    reply: Piece | list[Piece] = "fine",
    **body: Any,
) -> Outcome:
    """One exchange, so many seconds after the last; several pieces are a streamed reply."""
    harness.clock.move(after)
    harness.engine.says(*(reply if isinstance(reply, list) else [reply]))
    return await harness.ask(chat(text, stream=isinstance(reply, list), **body))


def fired(outcome: Outcome) -> list[str]:
    """The rules on record, those in shadow with a star."""
    assert outcome.exchange is not None
    return [one.rule + "*" * one.shadow for one in outcome.exchange.findings]
