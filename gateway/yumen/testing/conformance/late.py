"""What comes late: in the batches in which some write, and when the gateway stops; and what stays of a tenant."""

from __future__ import annotations

from collections.abc import Iterator

from yumen.operators import Erasure
from yumen.testing.calls import chat
from yumen.testing.conformance.examples import CANARIES, Example
from yumen.testing.conformance.output import listening
from yumen.testing.conformance.subject import Asked, Subject, holds_one, places_of
from yumen.testing.conformance.verdict import DoesNotApply, check, demand, none_of
from yumen.testing.conformance.watch import reach
from yumen.testing.harness import Harness

# After so many exchanges a batch is full.
EXCHANGES = 128
# What is said beside the canaries: nothing that a plugin that masks would mask.
WORDS = ("quillback sandpiper", "石径云归处")
TENANT = "tenant-5b1d"
SAID = (f"{WORDS[0]} {CANARIES[0]} {CANARIES[3]}", f"{WORDS[1]}，{CANARIES[1]}，{CANARIES[2]}。")


@check(
    "text.late",
    "Nothing of a payload is told late: not in the batches in which a plugin writes, and not when it stops.",
    "What is written later is written by the same rules: ids, rules, lengths and counts, and texts only where they may lie.",
)
async def text_late(subject: Subject) -> None:
    for example in subject.examples:
        harness = subject.harness(example)
        with listening() as output, reach() as reached:
            async with harness:
                # A batch is as long whatever the configuration says.
                await _said(subject, harness, EXCHANGES if example is subject.examples[0] else len(SAID))
                await harness.runtime.stop()
                told = list(_late(subject, harness))
                told += [f"the file {one}" for one in reached.outside(harness.data_dir) if holds_one(one)]
        none_of(told + output.holding(CANARIES), "after many exchanges and its stop a raw value stands in")


async def _said(subject: Subject, harness: Harness, count: int) -> None:
    """Exchanges of one tenant, in which everything is said."""
    calls = [Asked(chat(text).by(TENANT), (text,)) for text in SAID]
    for number in range(count):
        await subject.ask(harness, calls[number % len(calls)])


def _late(subject: Subject, harness: Harness) -> Iterator[str]:
    raw = subject.plugin.manifest.stores == "raw"
    for place in sorted({at for canary in CANARIES for at in harness.traces_of(canary)}):
        if place.startswith(("log", "metrics")):
            yield place.partition("[")[0]
        elif not raw and not place.startswith("records["):
            yield place


@check(
    "stores.nothing",
    "A plugin whose manifest says `stores: nothing` keeps no text anywhere, masked or not.",
    'Keep counts and keyed digests (`host.secret`), or say `stores="masked"` in the manifest.',
)
async def stores_nothing(subject: Subject) -> None:
    if subject.plugin.manifest.stores != "nothing":
        raise DoesNotApply("it stores text, and says so")
    for example in subject.examples:
        async with subject.harness(example) as harness:
            await _said(subject, harness, len(SAID))
            await harness.runtime.stop()
            none_of(places_of(harness, WORDS), "a text stands in")


@check(
    "erase.done",
    "What is kept of a tenant is gone when the tenant is forgotten; who keeps something in the store can forget it.",
    "Write `on_erase`, and find there every key and file that the tenant's exchanges left.",
)
async def erase_done(subject: Subject) -> None:
    if subject.plugin.manifest.stores == "nothing":
        raise DoesNotApply("it stores nothing")
    for example in subject.examples:
        await _forgotten(subject, example)


async def _forgotten(subject: Subject, example: Example) -> None:
    words = (*WORDS, *CANARIES)
    async with subject.harness(example) as harness:
        await _said(subject, harness, len(SAID))
        if not subject.overrides("on_erase"):
            # A ledger in files, which is to stay, ends by its retention.
            stored = harness.parts.store.holding(TENANT.encode())
            stored += [at for at in places_of(harness, words) if at.startswith("store")]
            none_of(stored, "it has no `on_erase`, and something of the tenant stands in")
            return
        await harness.plugin(subject.name).on_erase(Erasure(TENANT))
        none_of(places_of(harness, words), "the tenant is forgotten, and a text of it still stands in")
        stored = harness.parts.store.holding(TENANT.encode())
        demand(not stored, "the tenant is forgotten, and the store still holds something under its name")
