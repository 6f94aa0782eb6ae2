"""What operators see and do, and what is told of the gateway itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from yumen.operators import Download, Erasure, Operation, Right
from yumen.testing.conformance.examples import CANARIES, Example
from yumen.testing.conformance.subject import Subject
from yumen.testing.conformance.verdict import DoesNotApply, Fails, check, demand, none_of

FEW = 4
# What `policy_reloaded` says.
HASHES = {"old": "0" * 64, "new": "1" * 64}
# What `Plugin.operate` may raise; see there.
REFUSALS = (ValueError, LookupError, PermissionError)


class Action:
    """See `yumen.AdminCall`: what an operator asks who has no rights; `records` counts what would be in the ledger."""

    actor = "admin:check"

    def __init__(self, action: str, arguments: Mapping[str, str]) -> None:
        self.action = action
        self.arguments = arguments
        self.records = 0

    def may(self, right: Right) -> bool:
        return False

    async def record(self, **details: str) -> None:
        self.records += 1


async def _asked(subject: Subject, harness: Any, example: Example) -> None:
    for one in subject.calls(example)[:FEW]:
        await subject.ask(harness, one)


@check(
    "admin.inspect",
    "What operators are shown is what JSON can hold, and no text of a payload.",
    "Show ids, rules, counts and times from `inspect`.",
)
async def admin_inspect(subject: Subject) -> None:
    if not subject.plugin.manifest.admin or not subject.overrides("inspect"):
        raise DoesNotApply("operators do not reach it, or are shown nothing")
    for example in subject.examples:
        async with subject.harness(example) as harness:
            await _asked(subject, harness, example)
            shown = await harness.plugin(subject.name).inspect({})
        if isinstance(shown, Download):
            continue
        try:
            text = msgspec.json.encode(shown).decode()
        except Exception as error:  # whatever cannot be encoded
            raise Fails(f"`inspect` returns what JSON cannot hold: {type(error).__name__}") from None
        demand(not any(one in text for one in CANARIES), "`inspect` shows a text of a payload")


@check(
    "admin.operate",
    "An action that there is not is refused in a sentence, and nothing of it is recorded as done.",
    "Raise ValueError or LookupError with a sentence from `operate`, before `call.record`.",
)
async def admin_operate(subject: Subject) -> None:
    if not subject.plugin.manifest.admin or not subject.overrides("operate"):
        raise DoesNotApply("operators can do nothing there")
    for example in subject.examples:
        async with subject.harness(example) as harness:
            call = Action("no-such-action", {"any": "猎鹰"})
            try:
                await harness.plugin(subject.name).operate(call)
            except REFUSALS:
                pass
            else:
                raise Fails("an action that there is not is taken")
            demand(not call.records, "an action that there is not is recorded")


@check(
    "operation.taken",
    "Whatever is done to the gateway is taken, of a kind that is not known yet too.",
    "Raise from `on_operation` only what must keep it from being done.",
)
async def operation_taken(subject: Subject) -> None:
    if not subject.overrides("on_operation"):
        raise DoesNotApply("it is not told")
    for example in subject.examples:
        async with subject.harness(example) as harness:
            for kind in ("policy_reloaded", "not_known_yet"):
                operation = Operation(kind=kind, actor="admin:check", at=harness.clock.now(), details=HASHES)
                await harness.runtime.note(operation)
            failed = [str(one["error"]) for one in harness.log if one["event"] == "operation_not_taken"]
        none_of(failed, "`on_operation` raises")


@check(
    "erase.counts",
    "What is forgotten is counted: nothing of whom nothing is kept, and nothing the second time.",
    "Return from `on_erase` how many things were forgotten, and look for all that the tenant or subject left.",
)
async def erase_counts(subject: Subject) -> None:
    if not subject.overrides("on_erase"):
        raise DoesNotApply("it keeps nothing of anybody, or does not say so")
    for example in subject.examples:
        async with subject.harness(example) as harness:
            plugin = harness.plugin(subject.name)
            _counted(await plugin.on_erase(Erasure("nobody")), "of a tenant that never was", 0)
            await _asked(subject, harness, example)
            _counted(await plugin.on_erase(Erasure("test", "0" * 32)), "of a subject that never was", 0)
            _counted(await plugin.on_erase(Erasure("test")), "of a tenant")
            _counted(await plugin.on_erase(Erasure("test")), "of a tenant that was forgotten before", 0)


def _counted(count: object, of: str, wanted: int | None = None) -> None:
    right = type(count) is int and count >= 0 and wanted in (None, count)
    demand(right, f"{of} it has forgotten {count!r}")
