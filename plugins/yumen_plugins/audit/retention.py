"""Drops what has been kept as long as policy said, whole bundles of 256 records at a time.

The hashes stay, so every proof of what is left holds. What goes is said in a record before it goes: which records, of what
time and kinds, and the root over them. Where such a record goes itself, its statement is made anew first, in one with its
neighbours. A bundle of which a legal hold covers one record stays whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from yumen_plugins.audit.entries import PART, decoded
from yumen_plugins.audit.folder import WriterFolder, days_of
from yumen_plugins.audit.log.files import LogFiles
from yumen_plugins.audit.log.journal import journals
from yumen_plugins.audit.log.tiles import ENTRIES, WIDTH, full_indices, sync_folder, tile_path
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.signing import encoded

DAY_S = 86_400.0
RETENTION = "retention"
# What one call drops at most: exchanges wait for the writer meanwhile.
BUNDLES_MAX = 64

# Whether a legal hold covers records of this tenant and subject.
Held = Callable[[str, str], bool]


class Run(NamedTuple):
    """Bundles one after the other whose records have had their time: records `first` to `end`.

    `said` are the statements among these records, which must be made anew when they go.
    """

    first: int
    end: int
    since: str
    until: str
    kinds: dict[str, int]
    said: tuple[Run, ...] = ()


class _Bundle(NamedTuple):
    number: int
    since: str
    until: str
    kinds: Counter[str]
    held: bool
    torn: bool
    said: tuple[Run, ...]


def expired(log: Path, now: float, held: Held, bundles_max: int = BUNDLES_MAX) -> Iterator[Run]:
    """What may be dropped of a log, whose name says how long records are kept; `now` is in seconds since the epoch.

    It reads every bundle that is old enough, so it is not for a thread that others wait for. Error: OSError.
    """
    days = days_of(log.name)
    if not days:
        return
    files = LogFiles(log)
    limit = moment(now - days * DAY_S)
    run: list[_Bundle] = []
    found = 0
    for number in sorted(full_indices(files.folder, ENTRIES)):
        bundle = _read(files, number, held)
        if bundle is None or bundle.until >= limit or found == bundles_max:
            break
        found += not bundle.held
        if bundle.held or (run and run[-1].number + 1 != number):
            yield from _run(run)
            run = []
        if not bundle.held:
            run.append(bundle)
    yield from _run(run)


def retain(folder: WriterFolder, now: float, held: Held) -> list[Run]:
    """Drop what has had its time from all logs of a writer, which is open; what was dropped. Error: OSError.

    It drops so many bundles at most that nobody waits long for the writer: call it again until nothing is dropped.
    """
    due = {keep: list(expired(folder.path / keep, now, held)) for keep in folder.keeps}
    return [run for keep, runs in due.items() for run in drop(folder, keep, runs)]


def drop(folder: WriterFolder, keep: str, runs: list[Run]) -> list[Run]:
    """Drop what `expired` found in one log of a writer, which is open; what was dropped. Error: OSError."""
    if not runs:
        return []
    files = LogFiles(folder.path / keep)
    if runs[-1].end > files.journaled:
        # What a journal still held would not be gone.
        folder.log(keep).turn()
        files = LogFiles(folder.path / keep)
    runs = [run for run in runs if run.end <= files.journaled]
    for run in runs:
        for one in _merged([*run.said, run]):
            root = encoded(files.subtree(one.first, one.end))
            folder.say(keep, {"kind": RETENTION, **_statement(one, days_of(keep)), "root": root})
        for number in range(run.first // WIDTH, run.end // WIDTH):
            (files.folder / tile_path(ENTRIES, number)).unlink()
        sync_folder((files.folder / tile_path(ENTRIES, run.first // WIDTH)).parent)
    return runs


def kept_from(log: Path) -> int:
    """The number of the first record that a log still has whole: what is below it was dropped. Error: OSError."""
    bundles = min(full_indices(log, ENTRIES), default=None)
    first = journals(log)[0][0] if journals(log) else 0
    return first if bundles is None else min(first, bundles * WIDTH)


def _statement(run: Run, days: int) -> dict[str, Any]:
    return {"first": run.first, "end": run.end, "days": days, "from": run.since, "to": run.until, "kinds": run.kinds}


def _merged(runs: list[Run]) -> list[Run]:
    """Runs of which none begins where another ends, or within it."""
    merged: list[Run] = []
    for run in sorted(runs):
        last = merged[-1] if merged else None
        if last is None or run.first > last.end:
            merged.append(run)
        elif run.end > last.end:
            # What was dropped twice, after a crash between saying and dropping, is in one of them whole.
            kinds = run.kinds if run.first == last.first else Counter(last.kinds) + Counter(run.kinds)
            since, until = min(last.since, run.since), max(last.until, run.until)
            merged[-1] = Run(last.first, run.end, since, until, dict(sorted(kinds.items())))
    return merged


def _run(bundles: list[_Bundle]) -> Iterator[Run]:
    # A large record whose beginning would go while its end stays would be lost before its time.
    while bundles and bundles[-1].torn:
        bundles = bundles[:-1]
    if bundles:
        kinds: Counter[str] = Counter()
        for one in bundles:
            kinds.update(one.kinds)
        since = min(one.since for one in bundles if one.since)
        until = max(one.until for one in bundles)
        first, end = bundles[0].number * WIDTH, (bundles[-1].number + 1) * WIDTH
        said = tuple(one for bundle in bundles for one in bundle.said)
        yield Run(first, end, since, until, dict(sorted(kinds.items())), said)


def _read(files: LogFiles, number: int, held: Held) -> _Bundle | None:
    """What one bundle holds, or None where it cannot be read, so that nothing is known of it.

    One that holds nothing but parts says no time: it goes with the bundle in which their record ends.
    """
    entries = files.bundle(number)
    if entries is None:
        return None
    kinds: Counter[str] = Counter()
    times: list[str] = []
    said: list[Run] = []
    covered = last_is_part = False
    for entry in entries:
        record = decoded(entry)
        if record is None:
            return None
        kind = str(record.get("kind"))
        kinds[kind] += 1
        last_is_part = kind == PART
        if kind == RETENTION:
            said.append(Run(record["first"], record["end"], record["from"], record["to"], record["kinds"]))
        time = record.get("time")
        if isinstance(time, str):
            times.append(time)
        tenant = record.get("tenant")
        if not covered and isinstance(tenant, str):
            covered = held(tenant, str(record.get("subject", "")))
    if not times and not last_is_part:
        return None
    return _Bundle(number, min(times, default=""), max(times, default=""), kinds, covered, last_is_part, tuple(said))
