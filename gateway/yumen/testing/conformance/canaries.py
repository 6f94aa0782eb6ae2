"""Whether the manifest is true: canaries are said in requests and replies, and looked for wherever they must not be."""

from __future__ import annotations

from collections.abc import Iterator

from yumen.testing.conformance.examples import CANARIES
from yumen.testing.conformance.stand_ins import Masker
from yumen.testing.conformance.subject import Subject, Survey
from yumen.testing.conformance.verdict import DoesNotApply, check, demand, none_of
from yumen.testing.conformance.watch import reach, remembers
from yumen.testing.harness import Used
from yumen.testing.outcome import Outcome

EDITS = "PermissionError"
# What is written down in shadow is written down.
MODES = ("enforce", "shadow")
IN = {"enforce": "", "shadow": ", in shadow,"}


@check(
    "manifest.sees",
    "A plugin that sees the masked form holds no raw value, wherever it stands in the chain.",
    'Read texts by `exchange.texts` and `exchange.reply.texts` only, or say `sees="raw"` in the manifest.',
)
async def manifest_sees(subject: Subject) -> None:
    if subject.plugin.manifest.sees == "raw":
        raise DoesNotApply("it sees the raw form")
    subject.look_into()
    # One that stands before the engine, or edits the masked form, must stand behind a plugin that masks.
    held = subject.asks or subject.plugin.manifest.mutates
    places = [()] if held else [(), (Used(Masker),)]
    for example in subject.examples:
        for behind in places:
            # Where nothing masks in front of it, it is given digests.
            async with subject.harness(example, front=subject.front if held else (), behind=behind) as harness:
                # The engine repeats what it got, so that a reply holds no canary of its own where something masks.
                for asked in (one for one in subject.calls(example) if one.says is None):
                    await subject.ask(harness, asked)
                    found = remembers(harness.plugin(subject.name), CANARIES)
                    demand(not found, "it refers to a raw value that it was never given")


@check(
    "manifest.mutates",
    "A plugin whose manifest does not say `mutates` edits nothing, and does not try to.",
    "Say `mutates=True` (or `masks=True` for the masked form) in the manifest, or do not edit.",
)
async def manifest_mutates(subject: Subject) -> None:
    manifest = subject.plugin.manifest
    if manifest.mutates or manifest.masks:
        raise DoesNotApply("it may edit")
    for example in subject.examples:
        survey, bare = await subject.survey(example), await subject.survey(example, "without")
        tried = [f"{one.hook} was refused an edit" for one in subject.faults(survey.outcomes) if one.reason == EDITS]
        none_of(tried, "it edits")
        for ours, theirs in zip(survey.outcomes, bare.outcomes, strict=True):
            if _lets_pass(subject, ours):
                demand(sent(ours) == sent(theirs), "what the engine was given differs from what the client sent")
                demand(said(ours) == said(theirs), "what the client got differs from what the engine said")


def _lets_pass(subject: Subject, outcome: Outcome) -> bool:
    """Whether the plugin neither ended the exchange nor answered it nor failed."""
    return all(one.decision == "allow" for one in subject.own(outcome))


def read(outcome: Outcome) -> str:
    """What the client reads; of a stream the texts alone, since names and ids come again with every event."""
    return outcome.text if outcome.streamed else outcome.reply.everything


def sent(outcome: Outcome) -> bytes | None:
    """What the engine got, where it was asked."""
    return None if outcome.given is None else outcome.given.body


def said(outcome: Outcome) -> tuple[int, str, str]:
    """What the client got; of a stream that broke off not how much, which depends on what was held back."""
    broken = bool(outcome.code) and outcome.streamed
    return outcome.status, outcome.code, "" if broken else read(outcome)


def applied(outcome: Outcome) -> tuple[bytes | None, tuple[int, str, str]]:
    """What came of an exchange for the engine and for the client."""
    return sent(outcome), said(outcome)


@check(
    "manifest.stores",
    "Nothing raw stands in the store or in files, unless the manifest says `stores: raw`.",
    "Keep keyed digests (`host.secret`), or the masked form, or say what is stored in the manifest.",
)
async def manifest_stores(subject: Subject) -> None:
    if subject.plugin.manifest.stores == "raw":
        raise DoesNotApply("it stores raw text, and says so")
    for example in subject.examples:
        for mode in MODES:
            survey = await subject.survey(example, mode)
            kept = [one for one in survey.places if not one.startswith(("log", "metrics"))]
            kept += [f"the file {one}" for one in survey.telling]
            none_of(kept, f"a raw value stands{IN[mode]} in")


@check(
    "manifest.files",
    "Files are written below `host.data_dir` only.",
    "Write below `host.data_dir`: backups, rights and erasure cover it; a temporary folder is forgotten there.",
)
async def manifest_files(subject: Subject) -> None:
    subject.look_into()
    for example in subject.examples:
        files = (await subject.survey(example)).files
        none_of(files, "it writes")


@check(
    "host.live",
    "Nobody outside is told anything while `host.live` is false: no connection, no program.",
    "Look at `host.live` in `start`: in tests of a policy and in replays exchanges are not real.",
)
async def host_live(subject: Subject) -> None:
    subject.look_into()
    for example in subject.examples:
        with reach() as reached:
            async with subject.harness(example, live=False) as harness:
                for asked in subject.calls(example)[:6]:
                    await subject.ask(harness, asked)
        demand(not reached.connections, "it connects to somebody")
        none_of(sorted(reached.programs), "it starts a program")


@check(
    "text.out",
    "No text of a payload is told: in logs, on standard output, in warnings, metrics, findings, reasons, headers or errors.",
    "Write ids, rules, lengths and counts; the type of an exception and not its message.",
)
async def text_out(subject: Subject) -> None:
    for example in subject.examples:
        for mode in MODES:
            told = sorted(set(_told(subject, await subject.survey(example, mode))))
            none_of(told, f"a raw value stands{IN[mode]} in")


def _told(subject: Subject, survey: Survey) -> Iterator[str]:
    yield from survey.output
    yield from (one.partition("[")[0] for one in survey.places if one.startswith(("log", "metrics")))
    for outcome in survey.outcomes:
        if outcome.exchange is not None:
            noted = [one for one in outcome.exchange.findings if one.plugin == subject.name]
            if _any(repr(noted)):
                yield "a finding"
        if _any(repr(subject.own(outcome))):
            yield "the reason of a decision"
        if _any(repr(outcome.headers)):
            yield "a header of the reply"
        if outcome.code and not outcome.streamed and _any(outcome.body.decode("utf-8", "replace")):
            yield "an error reply"


def _any(text: str) -> bool:
    return any(one in text for one in CANARIES)
