"""What is otherwise about one exchange, and what cannot be known about it."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

from yumen.exchange import Finding
from yumen.policy.bundle import Bundle, Route
from yumen.policy.replay.recorded import ALLOWED, DIGEST, Decision, Recorded
from yumen.policy.replay.rerun import Rerun

Section = Literal["decisions", "routes", "findings", "shadow"]
SECTIONS: tuple[Section, ...] = ("decisions", "routes", "findings", "shadow")

# What a record does not tell, and what that means for the replay.
UNKNOWNS = {
    "masked": "values in the request are masked: whether a plugin that did not look then would find something in them",
    "absent": "texts of the request are not on record, only their digests or lengths: what they hold",
    "lengths": "how long raw texts were: what is measured is measured in the masked form",
    "reply": "they pass now and have no reply on record, as they were ended: what would be made of one",
    "reply_text": "the reply's text is not on record: what would be found in it",
    "answer": "the engine would get another text, or be another one: whether it would answer the same",
    "kept": "the decision rested on what is not on record, and is taken over from there",
    "failed": "a plugin failed in the replay: what it would have decided",
    "path": "the path is not on record, so the route of the same name is taken",
    "model": "the model's name is not on record, only its digest: which route would take it",
    "compressed": "larger than `body_bytes` of the new bundle, unless it came compressed",
    "lists": "the record holds only the first of many findings or hook calls",
}


class Difference(NamedTuple):
    """One thing that is otherwise: `subject` is the rule, or the pair of routes; `unsure`: it rests on what is not known."""

    section: Section
    kind: str
    subject: str
    unsure: bool = False


class Verdict(NamedTuple):
    """Everything about one exchange."""

    differences: list[Difference]
    unknown: list[str]


class Choice(NamedTuple):
    """The route that takes a recorded exchange now, or why the core refuses it; `unknown` is what could not be told."""

    route: Route | None
    refused: Decision | None
    unknown: tuple[str, ...] = ()


def choose(bundle: Bundle, recorded: Recorded) -> Choice:
    """What happens to an exchange before any plugin sees it."""
    form = recorded.form
    route, unknown = _route(bundle, recorded)
    if route is None:
        return Choice(None, Decision("no route"), unknown)
    dialects = bundle.engines[route.engine].engine_class.manifest.dialects
    limits = bundle.limits
    limit = ""
    if dialects and form.dialect not in dialects:
        limit = f"engine {route.engine} does not speak {form.dialect}"
    elif form.request_bytes > limits.decompressed_bytes:
        limit = "limits.decompressed_bytes"
    elif recorded.texts > limits.texts_per_exchange:
        limit = "limits.texts_per_exchange"
    elif form.request_bytes > limits.body_bytes:
        unknown = (*unknown, "compressed")
    return Choice(route, Decision("refused", "", limit) if limit else None, unknown)


def _route(bundle: Bundle, recorded: Recorded) -> tuple[Route | None, tuple[str, ...]]:
    form = recorded.form
    named = next((route for route in bundle.routes if route.id == form.route), None)
    if recorded.old:
        return named, ("path",)
    if DIGEST.fullmatch(form.model) is None:
        return bundle.route_for(form.path, form.model), ()
    # Any name will do where the first route that takes the path takes all of them.
    takers = [route for route in bundle.routes if any(fnmatchcase(form.path, glob) for glob in route.paths)]
    if not takers or "*" in takers[0].models:
        return (takers[0] if takers else None), ()
    return (named if named in takers else takers[0]), ("model",)


def judge(recorded: Recorded, rerun: Rerun, choice: Choice) -> Verdict:
    """What a rerun has shown."""
    unknown = [*choice.unknown, *_unknown(recorded, rerun)]
    differences: list[Difference] = []
    if recorded.decision != rerun.decided:
        differences += _decision(recorded, rerun)
    if recorded.form.route != rerun.exchange.route:
        differences.append(Difference("routes", "another route", f"{recorded.form.route} -> {rerun.exchange.route}"))
    if recorded.form.findings or rerun.fresh:
        differences += dict.fromkeys(_findings(recorded, rerun))
    if rerun.chain.shadowing or recorded.would:
        differences += _shadow(recorded, rerun)
    return Verdict(differences, unknown)


def refuse(recorded: Recorded, choice: Choice) -> Verdict:
    """What the core's refusal means."""
    assert choice.refused is not None
    was, now = recorded.decision, choice.refused
    difference = Difference("decisions", f"{was.kind} -> {now.kind}", now.by or recorded.form.route)
    return Verdict([difference], list(choice.unknown))


def _decision(recorded: Recorded, rerun: Rerun) -> Iterator[Difference]:
    was, now = recorded.decision, rerun.decided
    if was == now or (was.kind == now.kind and not was.plugin):
        return
    if now.kind == "failed" and now.plugin in rerun.broke:
        return  # counted among what cannot be known
    subject = f"{was.by} -> {now.by}" if was.by and now.by else was.by or now.by
    yield Difference("decisions", f"{was.kind} -> {now.kind}", subject, _unsure(recorded, rerun, now))


def _unsure(recorded: Recorded, rerun: Rerun, now: Decision) -> bool:
    """Whether a decision might be another one, were everything on record."""
    if now.kind == "blocked":
        seen = any((one.plugin, one.rule) == (now.plugin, now.rule) for one in rerun.exchange.findings)
        return not seen and (recorded.absent or rerun.uneven)
    return recorded.absent or recorded.masked


def _findings(recorded: Recorded, rerun: Rerun) -> Iterator[Difference]:
    for one in rerun.fresh:
        kind = "newly found, in shadow" if one.shadow else "newly found"
        yield Difference("findings", kind, f"{one.plugin}:{one.rule}")
    again = {id(one): shadow for one, shadow in rerun.again}
    for one in recorded.form.findings:
        shadow = again.get(id(one))
        if shadow is None:
            if _looked_for(rerun, one):
                yield Difference("findings", "no longer found", f"{one.plugin}:{one.rule}")
        elif shadow != one.shadow:
            kind = "now only in shadow" if shadow else "now enforced, was in shadow"
            yield Difference("findings", kind, f"{one.plugin}:{one.rule}")


def _looked_for(rerun: Rerun, finding: Finding) -> bool:
    """Whether it is known that a finding is not made any more: its plugin was asked, or does not stand here."""
    if (finding.plugin, finding.direction) in rerun.looked:
        return True
    # Where the exchange ends before the plugin is asked, nothing is known of its rules.
    standing = finding.plugin in rerun.stage.not_run or any(step.name == finding.plugin for step, _ in rerun.ran)
    return rerun.problem is None and not standing


def _shadow(recorded: Recorded, rerun: Rerun) -> Iterator[Difference]:
    """What rules in shadow would do now, and would have done then."""
    would = {(one.plugin, one.reason) for one in rerun.exchange.trace if one.shadow and one.decision == "block"}
    for plugin, rule in would - recorded.would:
        yield Difference("shadow", "would block", f"{plugin}:{rule}")
    for plugin, rule in recorded.would - would - rerun.would:
        if (rerun.decided.plugin, rerun.decided.rule) == (plugin, rule):
            yield Difference("shadow", "would have blocked, and does now", f"{plugin}:{rule}")
        else:
            unsure = recorded.absent or recorded.masked
            yield Difference("shadow", "would block no more", f"{plugin}:{rule}", unsure)


def _unknown(recorded: Recorded, rerun: Rerun) -> list[str]:
    form, unknown = recorded.form, []
    if recorded.masked:
        unknown.append("masked")
    if recorded.absent:
        unknown.append("absent")
    if rerun.uneven or (recorded.old and recorded.masked):
        unknown.append("lengths")
    if form.findings_left_out or form.trace_left_out:
        unknown.append("lists")
    if rerun.kept:
        unknown.append("kept")
    if rerun.broke:
        unknown.append("failed")
    if rerun.decided != ALLOWED:
        return unknown
    if recorded.decision != ALLOWED:
        return [*unknown, "reply"]
    if recorded.reply_absent:
        unknown.append("reply_text")
    if _other_text(recorded, rerun):
        unknown.append("answer")
    return unknown


def _other_text(recorded: Recorded, rerun: Rerun) -> bool:
    """Whether the engine would be another one, or be given another text."""
    if recorded.form.engine != rerun.exchange.engine:
        return True
    if rerun.fresh:
        masking = {step.name for step, _ in rerun.ran if step.manifest.masks}
        if any(one.plugin in masking and not one.shadow and one.direction == "request" for one in rerun.fresh):
            return True
    if not recorded.masked:
        return False
    again = {id(one): shadow for one, shadow in rerun.again}
    was_masked = [
        one for one in recorded.form.findings if one.plugin in recorded.maskers and one.direction == "request"
    ]
    return any(again.get(id(one), True) != one.shadow for one in was_masked)
