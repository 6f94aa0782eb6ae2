"""What rules that fired do to an exchange. The strictest decides; every one is on record."""

from __future__ import annotations

from collections.abc import Sequence

from yumen import Block, Exchange
from yumen_plugins.anomaly.compiled import Ready
from yumen_plugins.anomaly.facts.look import CATEGORY

SCORES = {"low": 0.25, "medium": 0.5, "high": 0.75, "critical": 1.0}


def report(exchange: Exchange, rules: Sequence[Ready]) -> None:
    """Findings for the record."""
    for rule in rules:
        exchange.find(rule.id, category=CATEGORY, score=SCORES[rule.said.severity])


def decide(exchange: Exchange, rules: Sequence[Ready]) -> Block | None:
    """Do what rules say, the strictest first, until one of them ends the exchange; of two routes the first is taken."""
    for rule in sorted(rules, key=lambda rule: (-rule.then.strictness, -rule.then.seconds)):
        then = rule.then
        refused = None
        if then.action == "block":
            refused = exchange.block(rule.id)
        elif then.action == "quarantine":
            refused = exchange.block(rule.id, retry_after_s=float(then.seconds))
        elif then.action == "throttle":
            refused = exchange.block(rule.id, "rate_limited", float(then.seconds))
        elif then.action == "require_masking":
            exchange.require_masking(rule.id)
        elif then.action == "route" and exchange.send_to(then.engine, rule.id):
            # What is less strict than this only flags.
            break
        if refused is not None:
            return refused
    return None
