"""Verifies one log: its bundles in chunks, then its journals, then what follows from both."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from yumen_plugins.audit.locks import is_open
from yumen_plugins.audit.log.appender import CHECKPOINT, HEAD
from yumen_plugins.audit.log.merkle import leaf_hash
from yumen_plugins.audit.log.note import Checkpoint, checkpoint_of, parse_note
from yumen_plugins.audit.log.tiles import WIDTH, hashes_in, tile_path
from yumen_plugins.audit.proving.anchors import Anchor, Anchors, Trees
from yumen_plugins.audit.proving.chunk import NOTED, TILE_BYTES, Bundle, Chunk
from yumen_plugins.audit.proving.matching import Matching
from yumen_plugins.audit.proving.reading import Snapshot, content_of
from yumen_plugins.audit.proving.report import Findings, LogReport
from yumen_plugins.audit.proving.retention import Drops
from yumen_plugins.audit.proving.scan import Event, OldHead, Scan, scan, seconds
from yumen_plugins.audit.proving.settled import Settled
from yumen_plugins.audit.proving.timeline import Timeline
from yumen_plugins.audit.signing import KeyChain

Progress = Callable[[int], None]
# A gateway that runs takes up another key within a second, or a little later where its disk is slow.
TAKE_S = 5.0
# Reads chunks of a log's folder, so many bundles in all, in order; the sizes are those whose edges are needed.
Chunks = Callable[[Path, int, Sequence[int]], Iterator[Chunk]]


class Said(NamedTuple):
    """What was read of a log before anything else: the notes in its head and its checkpoint; None where that is none."""

    head: bytes | None
    has_head: bool
    checkpoint: bytes | None
    has_checkpoint: bool


class Keys(NamedTuple):
    """The gateway's keys, the notes that state them, and how to read them anew: None where there are no more than these."""

    chain: KeyChain
    statements: Sequence[bytes]
    again: Callable[[Sequence[bytes]], Keys | None]


class LogCheck:
    """Verifies one log. Error of `check`: OSError."""

    def __init__(self, folder: Path, log: str, said: Said, keys: Keys, against: Iterable[bytes], now: float) -> None:
        self.folder, self.log = folder, log
        self.findings = Findings(log)
        self.report = LogReport(log)
        self.matching = Matching(self.findings)
        self._said, self._keys, self._against = said, keys, against
        self._anchors, self._trees = Anchors(), Trees()
        self._timeline = Timeline(log, keys.chain, keys.statements, self._grow, self.findings, now)
        self._drops = Drops(log, self.findings)
        # Who signed what: size, number of the key, and where it stands.
        self._signers: list[tuple[int, int, str, int]] = []
        self._odd: list[Bundle] = []
        self._must_reach: list[tuple[int, str]] = []

    def check(self, chunks: Chunks, progress: Progress) -> None:
        """Verify everything that is there."""
        running = is_open(self.folder.parent)
        snapshot = Snapshot(self.folder)
        running = running or is_open(self.folder.parent)
        self.report.running = running
        self._say(snapshot, running)
        self._known()
        for batch in snapshot.batches:
            self._batch(batch.size, batch.note, batch.file)
        self._bundles(snapshot, chunks, progress)
        self._tail(snapshot)
        progress(sum(map(len, snapshot.entries)))
        size = self._trees.size
        self._timeline.end(size, running)
        self._conclude(size, running)
        Settled(self.folder, self._trees, snapshot, self.findings, running).check()
        self._sum(size, snapshot)

    @property
    def old(self) -> list[tuple[int, dict[str, OldHead]]]:
        """What records of the log say of writers of version 1, each with the record's seq."""
        return self._timeline.old

    @property
    def unstated(self) -> list[tuple[int, int]]:
        """Bundles, from one number up to another, that are not there without a statement that says so."""
        return self._drops.unstated

    def report_open(self) -> None:
        """Say which intents stayed open, when other logs have been asked."""
        self.matching.report(self._timeline.why)
        self.report.wrong, self.report.notes = self.findings.wrong, self.findings.notes

    # What is known before the records are read

    def _say(self, snapshot: Snapshot, running: bool) -> None:
        for file, what in snapshot.broken:
            self.findings.add("changed", what, file=file)
        if snapshot.torn and not running:
            file, size = snapshot.torn
            what = f"{size} bytes at its end are of a batch that was not written whole; the next start cuts them off"
            self.findings.add("torn-tail", what, file=file)
        if not snapshot.any and ((self.folder / "tile").exists() or self._said.head):
            self.findings.add("journal-missing", "there is no journal", file="journal")
            # Then the head says how many bundles there should be.
            head = self._opened(self._said.head or b"")
            snapshot.start = head[1].size // WIDTH * WIDTH if head else 0

    def _known(self) -> None:
        said = self._said
        if not said.has_head:
            self.findings.add("head-missing", "nothing says how far the log had come", file=HEAD)
        if said.head != b"":
            self._note(said.head, HEAD, must_reach=True, missing=not said.has_head)
        if said.has_checkpoint:
            self._note(said.checkpoint, CHECKPOINT, must_reach=True)
        for note in self._against:
            self._note(note, "(against)", must_reach=True)
        for era in self._keys.chain.eras:
            if self.log in era.heads:
                size, root = era.heads[self.log]
                self._anchors.want(Anchor(size, root, f"keys/{era.number}.note", kind="statement"))
                self._must_reach.append((size, f"the statement of key {era.number}"))

    def _note(self, note: bytes | None, file: str, must_reach: bool = False, missing: bool = False) -> None:
        found = self._opened(note or b"")
        if found is None:
            if not missing:
                self._unsigned(note, file, 0)
            return
        number, checkpoint = found
        self._anchors.want(Anchor(checkpoint.size, checkpoint.root, file))
        self._signers.append((checkpoint.size, number, file, 0))
        if must_reach:
            self._must_reach.append(
                (checkpoint.size, "a checkpoint kept elsewhere" if file[0] == "(" else f"its {file}")
            )

    def _opened(self, note: bytes) -> tuple[int, Checkpoint] | None:
        """A checkpoint of this log, and the number of the key that signed it."""
        found = self._keys.chain.era_of(note, self.log)
        if found is None and self._grow():
            found = self._keys.chain.era_of(note, self.log)
        return (found[0].number, found[1]) if found else None

    def _grow(self) -> bool:
        """Whether the gateway, which goes on meanwhile, has stated keys since they were read; they are known then."""
        # Where nothing runs nothing grows, and a forger's many notes would each have the keys read again.
        newer = self._keys.again(self._keys.statements) if self.report.running else None
        if newer is None:
            return False
        self._keys = newer
        self._timeline.know(newer.chain, newer.statements)
        return True

    def _batch(self, size: int, note: bytes, file: str) -> None:
        """The note of a batch must be of the size that the batch ends with."""
        found = self._opened(note)
        if found is None:
            self._unsigned(note, file, size)
        elif found[1].size != size:
            self.findings.add("changed", f"a batch ends at {size}, and its checkpoint is of {found[1].size}", file=file)
        else:
            self._anchors.want(Anchor(size, found[1].root, file))
            self._signers.append((size, found[0], file, 0))

    def _unsigned(self, note: bytes | None, file: str, size: int) -> None:
        where = f"the checkpoint of size {size}" if size else "it"
        if note is None or checkpoint_of(parse_note(note)) is None:
            self.findings.add("changed", f"{where} is no checkpoint", file=file)
        else:
            self.findings.add(
                "signature", f"{where} is not signed by any of the gateway's keys for this log", file=file
            )

    # Records

    def _bundles(self, snapshot: Snapshot, chunks: Chunks, progress: Progress) -> None:
        expected = 0
        for chunk in chunks(self.folder, snapshot.start // WIDTH, self._anchors.sizes):
            progress(chunk.bytes)
            self.report.bytes += chunk.bytes
            for name in chunk.changed:
                self.findings.add("changed", "it is not a whole one", file=name)
            scans = {one.first: one for one in chunk.scans}
            for bundle in chunk.bundles:
                first = bundle.number * WIDTH
                found = scans.get(first)
                if found is not None:
                    if first != expected:
                        self._timeline.gap(first)
                    self._scanned(found)
                    expected = first + WIDTH
                self._bundle(bundle, found)
        if expected != snapshot.start:
            self._timeline.gap(snapshot.start)

    def _bundle(self, bundle: Bundle, found: Scan | None) -> None:
        first = bundle.number * WIDTH
        if not bundle.has_entries:
            self._drops.missing(bundle.number)
        if not bundle.has_tile:
            self.findings.add("tile-missing", "the tile is not there, or is none", file=tile_path(0, bundle.number))
        if bundle.at >= 0:
            self._odd.append(bundle)
        said = self._events(found)
        self._anchors.compare(first, self._trees.roots(), said.pop(first, ()))
        for size, edges in sorted(bundle.edges.items()):
            self._anchors.compare(size, self._trees.roots(edges), said.pop(size, ()))
        if bundle.own:
            self._trees.bundle(bundle.own, bundle.tile)
        else:
            above = self._above(bundle.number)
            self._trees.bundle(above, above)

    def _above(self, number: int) -> bytes:
        """The root of a bundle as the tile above says it."""
        try:
            content = content_of(self.folder / tile_path(1, number // WIDTH), TILE_BYTES)
        except FileNotFoundError:
            content = None
        hashes = hashes_in(content or b"") or []
        return hashes[number % WIDTH] if len(hashes) > number % WIDTH else bytes(32)

    def _tail(self, snapshot: Snapshot) -> None:
        found = scan(snapshot.entries, snapshot.start)
        if snapshot.entries:
            self._scanned(found)
        said = self._events(found)
        wanted = {*self._anchors.sizes, *said}
        for size, entry in enumerate(snapshot.entries, snapshot.start):
            if size in wanted:
                self._anchors.compare(size, self._trees.roots(), said.pop(size, ()))
            self._trees.leaf(leaf_hash(entry))
        self._anchors.compare(self._trees.size, self._trees.roots())

    def _scanned(self, found: Scan) -> None:
        self._timeline.feed(found)
        self.matching.feed(found)
        for event, _ in found.events:
            if event.kind == "retention":
                self._drops.state(event)

    def _events(self, found: Scan | None) -> dict[int, list[Anchor]]:
        """What records say the log was right before them."""
        said: dict[int, list[Anchor]] = {}
        for event, _ in found.events if found else ():
            if event.kind in NOTED:
                anchor = self._event(event)
                if anchor is not None:
                    said.setdefault(event.seq, []).append(anchor)
        return said

    def _event(self, event: Event) -> Anchor | None:
        note = (event.note if event.kind == "checkpoint" else event.before).encode()
        opened = self._opened(note)
        if opened is None or opened[1].size != event.seq:
            if event.kind == "checkpoint":
                self.findings.add("signature", "it does not hold a checkpoint of the log before it", seq=event.seq)
            return None
        self._signers.append((event.seq, opened[0], "", event.seq))
        return Anchor(event.seq, opened[1].root, "", event.seq)

    # What follows

    def _conclude(self, size: int, running: bool) -> None:
        if size and self._said.head == b"":
            self.findings.add("head-missing", "it is empty, and the log is not", file=HEAD)
        self._reached(size)
        self._compared()
        if self._anchors.holds < size and not self.findings.wrong:
            what = "no checkpoint covers it and what follows"
            self.findings.add("signature", what, seq=self._anchors.holds)
        self._drops.conclude(self._trees, self._anchors.holds)
        self.matching.dropped_to = self._drops.dropped_to
        for signed, number, file, seq in self._signers:
            era = self._timeline.era_at(signed)
            if era and number != era:
                what = f"the checkpoint of size {signed} is signed by key {number}, and key {era} was in force"
                self.findings.add("era", what, file=file, seq=seq)
        self._replaced(size, running)

    def _reached(self, size: int) -> None:
        far = [(wanted, who) for wanted, who in self._must_reach if wanted > size]
        if far:
            wanted, who = max(far)
            what = f"the log ends before record {size}, and by {who} it had come to record {wanted - 1}"
            self.findings.add("tail-missing", what, seq=size)

    def _compared(self) -> None:
        anchors = self._anchors
        for one in anchors.forks:
            if one.kind == "statement":
                what = f"the log is another one than the statement says, up to record {one.size - 1}"
                self.findings.add("statement", what, file=one.file)
            else:
                what = f"there is another log of size {one.size} that was signed too"
                self.findings.add("fork", what, file=one.file, seq=one.seq)
        for one in anchors.left:
            if one.size <= self._trees.size:
                self.findings.add("changed", "what it says of the log cannot be compared", file=one.file, seq=one.seq)
        for bundle in self._odd:
            self._differs(bundle)
        if anchors.broken and not self._odd:
            first = anchors.broken[0]
            what = (
                f"what was signed in {first.file or f'record {first.seq}'} is another log from record {anchors.holds}"
            )
            what += f" to {first.size - 1}"
            self.findings.add("changed", what, seq=anchors.holds)
            if first.kind == "statement":
                self.findings.add("statement", "the log is another one than the statement says", file=first.file)

    def _differs(self, bundle: Bundle) -> None:
        """A bundle and its tile say different things: say which of them is what was signed, if one is."""
        own, tile = self._anchors.good
        end = bundle.at + 1
        if own >= end and own > tile:
            what = f"the tile does not hold the hash of record {bundle.at}, which is what was signed"
            self.findings.add("changed", what, file=tile_path(0, bundle.number))
        else:
            known = "" if tile < end else "; its tile holds the hash of what was signed"
            self.findings.add("changed", f"the record is not what was written{known}", seq=bundle.at)

    @property
    def _era(self) -> int:
        """The number of the key that signs the log now, 0 where nothing is signed."""
        return self._timeline.era or max((number for _, number, _, _ in self._signers), default=0)

    def _replaced(self, size: int, running: bool) -> None:
        """A log whose key was replaced, and that has not taken up the new one, must have ended when that happened."""
        era = self._era
        if not era or era >= len(self._keys.chain.eras):
            return
        following = self._keys.chain.eras[era]
        heads: Mapping[str, tuple[int, bytes]] = following.heads
        end = heads[self.log][0] if self.log in heads else 0
        if size > end:
            what = f"from record {end} on it is signed by key {era}, which key {following.number} had replaced by then"
            late = (seconds(self._timeline.last) or 0.0) > (seconds(following.since) or 0.0) + TAKE_S
            self.findings.add("old-key", what, seq=end, severity="note" if running and not late else None)

    def _sum(self, size: int, snapshot: Snapshot) -> None:
        report, timeline = self.report, self._timeline
        root = self._trees.roots()[0 if self._anchors.good[0] >= self._anchors.good[1] else 1]
        report.size, report.root = size, base64.b64encode(root).decode()
        report.key = self._era
        report.kinds, report.dropped = timeline.kinds, self._drops.count
        report.first, report.last = timeline.first, timeline.last
        report.bytes += sum(map(len, snapshot.entries))
