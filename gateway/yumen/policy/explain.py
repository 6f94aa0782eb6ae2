"""What became of one exchange, and why: the same answer for a request that is tried and for one that is on record.

Both come as a record (docs/ledger.md): ids, places, rules and lengths, never a value. The bundle adds what no record holds:
which routes were passed over and why, and in which file and line a rule stands. Where the bundle at hand is not the one that
the exchange ran under, that is said, and no line numbers are shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

import msgspec

from yumen.errors import PolicyError
from yumen.forms import ExchangeState
from yumen.policy.bundle import Bundle, Instance, Route
from yumen.policy.explanation import Explanation, HookSeen, RuleSeen, TextSeen
from yumen.policy.load import load_bundle
from yumen.settings import Settings

HASH_CHARS = 12


def facts(exchange: ExchangeState) -> dict[str, Any]:
    """An exchange that has just ended, as a record would hold it; no texts."""
    named = exchange.payload.model_text
    return {
        "id": exchange.id,
        "time": datetime.fromtimestamp(exchange.received_at, UTC).isoformat(timespec="milliseconds"),
        "tenant": exchange.principal.tenant,
        "app": exchange.principal.app,
        "subject": exchange.subject,
        "policy": exchange.policy_hash,
        "route": exchange.route,
        "path": exchange.path,
        "model": exchange.model if named is None else exchange.masked_form(named),
        "engine": exchange.engine,
        "egress": exchange.egress,
        "sent_form": exchange.sent_form,
        "sent_bytes": exchange.sent_bytes,
        "accept_raw": exchange.accept_raw,
        "outcome": exchange.outcome,
        "status": exchange.reply.status if exchange.reply is not None else 0,
        "findings": [msgspec.to_builtins(finding) for finding in exchange.findings],
        "findings_left_out": exchange.findings_dropped,
        "trace": [msgspec.to_builtins(one) for one in exchange.trace],
        "timings_ms": dict(exchange.timings_ms),
        "request": [
            {
                "path": text.path,
                "kind": text.kind,
                "raw_chars": len(text.raw),
                "chars": len(exchange.masked_form(text)),
            }
            for text in exchange.texts
        ],
    }


def explain_record(record: Mapping[str, Any], settings: Settings, policies: str = "") -> Explanation:
    """Explain an exchange that is on record. `policies` is the bundle to explain it by, by default that of the settings."""
    try:
        bundle: Bundle | None = load_bundle(policies or settings.policies)
    except PolicyError:
        bundle = None
    return explain(record, bundle)


def explain(record: Mapping[str, Any], bundle: Bundle | None, *more: str) -> Explanation:
    """Explain an exchange by the bundle at hand, or without one; `more` are notes for whoever reads it."""
    policy = _text(record, "policy")
    notes = list(more)
    if bundle is None:
        notes.append("the bundle at hand does not load: files and lines are not shown")
    elif bundle.hash[:HASH_CHARS] != policy[:HASH_CHARS]:
        notes.append(
            f"it ran under policy {policy or 'unknown'}, and the bundle at hand is {bundle.hash[:HASH_CHARS]}:"
            " files and lines are not shown"
        )
        bundle = None
    if record.get("findings_left_out") or record.get("trace_left_out"):
        notes.append("the record holds only the first of many findings or hook calls")
    route, why, passed_over = _route(record, bundle)
    hooks = tuple(_hooks(record, route, bundle))
    if any(hook.ms is None for hook in hooks):
        notes.append(
            "hooks without a time allowed and edited nothing: the record leaves them out (`trace: full` keeps them)"
        )
    timings = record.get("timings_ms")
    engine_ms = timings.get("engine") if isinstance(timings, dict) else None
    return Explanation(
        id=_text(record, "id"),
        time=_text(record, "time"),
        tenant=_text(record, "tenant"),
        app=_text(record, "app"),
        subject=_text(record, "subject"),
        policy=policy,
        route=_text(record, "route"),
        route_place=f"{route.file}:{route.line}" if route else "",
        why=why,
        passed_over=passed_over,
        hooks=hooks,
        texts=tuple(
            TextSeen(_text(one, "path"), _text(one, "kind"), _number(one, "raw_chars", "chars"), _number(one, "chars"))
            for one in _dicts(record, "request")
        ),
        engine=_text(record, "engine"),
        egress=_text(record, "egress"),
        sent_form=_text(record, "sent_form"),
        sent_bytes=_number(record, "sent_bytes"),
        engine_ms=engine_ms if isinstance(engine_ms, int | float) else None,
        accept_raw=_text(record, "accept_raw"),
        outcome=_text(record, "outcome"),
        status=_number(record, "status"),
        notes=tuple(notes),
    )


def _route(record: Mapping[str, Any], bundle: Bundle | None) -> tuple[Route | None, str, tuple[str, ...]]:
    """The route taken, why, and why those above it were not."""
    taken, path, model = _text(record, "route"), _text(record, "path"), _text(record, "model")
    if bundle is None or not path:
        return None, "as the record says", ()
    if not taken and bundle.route_for(path, model) is not None:
        return None, "it was refused before a route was looked for", ()
    passed_over: list[str] = []
    for route in bundle.routes:
        if route.id == taken:
            asked = "the model asked for" if model.startswith("hmac:") else f"the model {model}"
            return route, f"the first that takes the path {path} and {asked}", tuple(passed_over)
        reason = (
            f"its models are {' '.join(route.models)}"
            if any(fnmatchcase(path, glob) for glob in route.paths)
            else f"its paths are {' '.join(route.paths)}"
        )
        passed_over.append(f"not {route.id}: {reason}")
    return None, f"none takes the path {path} and the model {model}", tuple(passed_over)


def _hooks(record: Mapping[str, Any], route: Route | None, bundle: Bundle | None) -> Iterator[HookSeen]:
    """The hook calls in their order; on the way down those that the record leaves out as well, as far as it went."""
    traced = _dicts(record, "trace")
    findings = _dicts(record, "findings")
    down = [one for one in traced if one.get("hook") == "on_request"]
    ended = any(
        one.get("decision") in ("block", "fault", "unsupported", "respond") and not one.get("shadow") for one in down
    )
    chain = [instance for instance in route.chain if instance.mode != "off"] if route else []
    last = max((_index(chain, _text(one, "plugin")) for one in down), default=-1)
    shown: set[int] = set()
    for index, instance in enumerate(chain):
        if ended and index > last:
            break
        own = [number for number, one in enumerate(down) if _text(one, "plugin") == instance.name]
        shown.update(own)
        if not own:
            found = _found(findings, instance.name, "request", bundle)
            yield HookSeen(instance.name, "on_request", instance.mode, "allow", place=_place(instance), rules=found)
        for number in own:
            found = _found(findings, instance.name, "request", bundle) if number == own[0] else ()
            yield _hook(down[number], bundle, found)
    for number, one in enumerate(down):
        if number not in shown:
            yield _hook(one, bundle, _found(findings, _text(one, "plugin"), "request", bundle))
    for one in traced:
        if one.get("hook") == "on_send":
            yield _hook(one, bundle, ())
    told: set[str] = set()
    for one in traced:
        if one.get("hook") not in ("on_request", "on_send"):
            plugin = _text(one, "plugin")
            found = () if plugin in told else _found(findings, plugin, "reply", bundle)
            told.add(plugin)
            yield _hook(one, bundle, found)
    for plugin in sorted({_text(one, "plugin") for one in findings if one.get("direction") == "reply"} - told):
        mode = bundle.instances[plugin].mode if bundle and plugin in bundle.instances else ""
        yield HookSeen(plugin, "on_response", mode, "allow", rules=_found(findings, plugin, "reply", bundle))


def _hook(one: Mapping[str, Any], bundle: Bundle | None, found: tuple[RuleSeen, ...]) -> HookSeen:
    plugin, decision, reason = _text(one, "plugin"), _text(one, "decision"), _text(one, "reason")
    instance = bundle.instances.get(plugin) if bundle else None
    shadow = one.get("shadow") is True
    if decision == "block":
        found = (*found, _rule(reason, "would have blocked" if shadow else "blocked", shadow, bundle, plugin))
    ms = one.get("ms")
    return HookSeen(
        plugin=plugin,
        hook=_text(one, "hook"),
        mode=instance.mode if instance else "",
        decision=decision if decision in ("allow", "block", "respond") else f"{decision} ({reason})",
        ms=float(ms) if isinstance(ms, int | float) else None,
        edits=_number(one, "edits"),
        shadow=shadow,
        place=_place(instance) if instance else "",
        rules=found,
    )


def _found(
    findings: list[Mapping[str, Any]], plugin: str, direction: str, bundle: Bundle | None
) -> tuple[RuleSeen, ...]:
    return tuple(
        msgspec.structs.replace(
            _rule(_text(one, "rule"), f"found {_text(one, 'category')}", one.get("shadow") is True, bundle, plugin),
            path=_text(one, "path"),
            start=_number(one, "start"),
            end=_number(one, "end"),
            score=float(score) if isinstance(score := one.get("score"), int | float) else 1.0,
        )
        for one in findings
        if _text(one, "plugin") == plugin and one.get("direction", "request") == direction
    )


def _rule(rule: str, did: str, shadow: bool, bundle: Bundle | None, plugin: str) -> RuleSeen:
    instance = bundle.instances.get(plugin) if bundle else None
    policy = instance.rules.get(rule) if instance else None
    if policy is None:
        return RuleSeen(rule, did, shadow, place=_place(instance) if instance else "")
    place = f"{policy.file}:{policy.line}" if policy.file else ""
    return RuleSeen(rule, did, shadow, place=place, description=policy.description, cites=policy.cites)


def _place(instance: Instance) -> str:
    return f"{instance.file}:{instance.line}" if instance.file else ""


def _index(chain: list[Instance], name: str) -> int:
    return next((index for index, instance in enumerate(chain) if instance.name == name), -1)


def _text(record: Mapping[str, Any], name: str) -> str:
    value = record.get(name)
    return value if isinstance(value, str) else ""


def _number(record: Mapping[str, Any], *names: str) -> int:
    """The first of these members that is a whole number, or 0."""
    values = (record.get(name) for name in names)
    return next((value for value in values if isinstance(value, int) and not isinstance(value, bool)), 0)


def _dicts(record: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = record.get(name)
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
