"""Compiles what a bundle says about single rules: their modes, what they cite, and which of them are switched off."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import msgspec

from yumen.exchange import Mode
from yumen.plugin import Rule
from yumen.policy.bundle import Instance, RulePolicy
from yumen.policy.cases import timestamp
from yumen.policy.files import PluginFile, RuleFile
from yumen.policy.reader import Path, Source
from yumen.policy.shape import nearest

DESCRIPTION_CHARS_MAX = 500


def compile_rules(source: Source, form: PluginFile, listed: Iterable[Rule]) -> dict[str, RulePolicy]:
    """The rules of an instance under its policy, by id."""
    rules = {rule.id: rule for rule in listed}
    for name in form.rules:
        if not any(fnmatchcase(rule, name) for rule in rules):
            _unknown(source, ("rules", name), name, rules, key=True)
    out = {}
    for rule in rules.values():
        key = rule.id if rule.id in form.rules else next((one for one in form.rules if fnmatchcase(rule.id, one)), "")
        out[rule.id] = _compile(source, form, rule, key)
    return out


def _compile(source: Source, form: PluginFile, rule: Rule, key: str) -> RulePolicy:
    said = form.rules.get(key) or RuleFile()
    path: Path = ("rules", key) if key else ()
    # A rule that begins in shadow stays there until policy says otherwise.
    mode = said.mode or (rule.mode if form.mode == "enforce" else form.mode)
    if form.mode == "shadow" and said.mode == "enforce":
        what = f"`{rule.id}` cannot enforce while all of `{form.plugin}` is in shadow"
        source.wrong(
            (*path, "mode"), "policy.rule-mode", what, "let the file enforce, and put the other rules in shadow"
        )
    if (said.mode or rule.mode) != "shadow":
        for name in ("sample", "until", "accept_raw"):
            if getattr(said, name):
                not_shadow(source, (*path, name), name)
    place = source.place(("config", *rule.path) if rule.path else path or ("plugin",))
    return RulePolicy(
        id=rule.id,
        mode="enforce" if form.mode == "shadow" and said.mode is None else mode,
        description=(said.description or rule.description)[:DESCRIPTION_CHARS_MAX],
        cites=said.cites or form.cites,
        sample=said.sample or 1.0,
        until=moment(source, (*path, "until"), said.until),
        accept_raw=said.accept_raw,
        file=place.file,
        line=place.line,
    )


def not_shadow(source: Source, path: Path, name: str) -> None:
    """Note a key that means nothing outside shadow."""
    what = f"`{name}` is about shadow, and this is not in shadow"
    source.wrong(path, "policy.not-shadow", what, "add `mode: shadow`, or remove it")


def moment(source: Source, path: Path, text: str | None) -> float | None:
    """A date or time in seconds since the epoch; one that does not exist is noted as wrong."""
    if text is None:
        return None
    try:
        return timestamp(text)
    except ValueError:
        source.wrong(
            path, "policy.time", f"there is no moment `{text[:40]}`", "write it like 2026-12-31T08:00:00+08:00"
        )
        return None


def disable(gateway: Source, names: Iterable[str], instances: dict[str, Instance]) -> None:
    """Switch rules off, by id or glob, of all instances or of the one before a colon."""
    for index, name in enumerate(names):
        before, colon, glob = name.rpartition(":")
        owners = [
            instance
            for instance in instances.values()
            if (not colon or instance.name == before) and any(fnmatchcase(rule, glob) for rule in instance.rules)
        ]
        if not owners:
            known = [rule for instance in instances.values() for rule in instance.rules]
            _unknown(gateway, ("disable", index), name, known)
        for owner in owners:
            instances[owner.name] = without(owner, glob)


def without(instance: Instance, glob: str) -> Instance:
    """The instance with the rules that a glob names switched off."""
    off: Mode = "off"
    rules = {
        name: msgspec.structs.replace(rule, mode=off) if fnmatchcase(name, glob) else rule
        for name, rule in instance.rules.items()
    }
    return msgspec.structs.replace(instance, rules=rules)


def _unknown(source: Source, path: Path, name: str, known: Iterable[str], *, key: bool = False) -> None:
    names = sorted(set(known))
    listed = ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
    fix = nearest(name, names, f"rules here are: {listed or 'none, this plugin has no rules that can be named'}")
    source.wrong(path, "policy.unknown-rule", f"there is no rule `{name[:60]}`", fix, key=key)
