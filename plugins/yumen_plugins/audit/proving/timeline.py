"""Follows the processes that wrote a log, their keys and their clock, from what its records say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from yumen_plugins.audit.proving.report import Findings
from yumen_plugins.audit.proving.scan import Event, OldHead, Scan, check_parts, moment, seconds
from yumen_plugins.audit.signing import KeyChain

# Two clocks, or one that is set right, may be apart by so much without anything being said.
CLOCK_S = 2.0
# A verifier's clock is another machine's.
FUTURE_S = 300.0
# A checkpoint is due every hour.
QUIET_S = 3600.0 + 300.0


class Run(NamedTuple):
    """What one process wrote: records from `first` to `last`. `why` says how it may have lost an outcome, or is empty."""

    first: int
    last: int
    why: str


class Timeline:
    """One log, told event by event and in order. `eras` are pairs of a record and the number of the key that signs from it
    on; number 0 where that is not known, behind records that were dropped.
    """

    def __init__(
        self, log: str, chain: KeyChain, statements: Sequence[bytes], grow: Callable[[], bool],
        findings: Findings, now: float,
    ) -> None:  # fmt: skip
        self.log = log
        self.eras: list[tuple[int, int]] = []
        self.runs: list[Run] = []
        self.first = self.last = ""
        self.kinds: dict[str, int] = {}
        # What starts say of writers of version 1.
        self.old: list[tuple[int, dict[str, OldHead]]] = []
        self._grow = grow
        self._findings = findings
        self.know(chain, statements)
        self._early, self._future = moment(self._since[0] - CLOCK_S), moment(now + FUTURE_S)
        self._now = now
        # None: not known, since nothing before is there.
        self._running: bool | None = False
        self._run_first, self._run_failed = 0, False
        self._seq = 0
        self._latest = 0.0
        self._marked: float | None = None
        self._parts: int | None = 0

    def know(self, chain: KeyChain, statements: Sequence[bytes]) -> None:
        """The gateway's keys, with the notes that state them."""
        self._chain, self._statements = chain, statements
        self._since = [seconds(era.since) or 0.0 for era in chain.eras]

    def _stated(self, number: int) -> bool:
        """Whether there is a key of a number: the gateway may have made it since keys were read."""
        return number >= 1 and (number <= len(self._chain.eras) or (self._grow() and number <= len(self._chain.eras)))

    def gap(self, end: int) -> None:
        """Records before `end` are not there."""
        self.eras.append((self._seq, 0))
        self._close(self._seq, "what came after it was dropped", None)
        self._run_first = end
        self._seq, self._parts, self._marked = end, None, None

    def feed(self, found: Scan) -> None:
        """Follow the records of a scan."""
        for seq, code, what in found.wrong:
            self._findings.add(code, what, seq=seq)
        self._findings.left_out += found.left_out
        for kind, count in found.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + count
        self._dates(found)
        self._lead(found)
        if self._seq == 0 and not (found.events and found.events[0][0].seq == 0 and found.events[0][0].kind == "start"):
            self._findings.add("no-start", "the log does not begin with a start")
        for event, peak in found.events:
            self._peak(peak)
            self._event(event)
        self._peak(found.peak)
        self._seq = found.first + found.size

    def end(self, size: int, running: bool) -> None:
        """There are no more records."""
        if self._running:
            if not running:
                self._findings.add("no-stop", "the log ends without a stop", seq=max(size - 1, 0))
            elif self._marked is not None and self._now - self._marked > QUIET_S:
                self._quiet(max(size - 1, 0), self._now)
            self._close(size, "its process is running" if running else "its process did not stop in good order", None)
        elif self._running is None:
            self._close(size, "its process is running" if running else "", None)

    def era_at(self, size: int) -> int:
        """The number of the key that signs checkpoints of a size, 0 where that is not known."""
        number = self.eras[0][1] if self.eras else 0
        for after, era in self.eras:
            if size <= after:
                break
            number = era
        return number

    @property
    def era(self) -> int:
        """The number of the key that signs now."""
        return self.eras[-1][1] if self.eras else 0

    def why(self, seq: int) -> str:
        """Why the outcome of what a record says may be missing, or empty."""
        return next((run.why for run in self.runs if run.first <= seq < run.last), "")

    # Records

    def _dates(self, found: Scan) -> None:
        if not found.high:
            return
        self.first = self.first or found.low
        self.last = max(self.last, found.high)
        if found.high > self._future:
            self._findings.add("future", f"it is dated {found.high}, which is yet to come", seq=found.high_seq)
        if found.low < self._early:
            what = f"it is dated {found.low}, before the gateway's first key was made"
            self._findings.add("early", what, seq=found.low_seq)

    def _lead(self, found: Scan) -> None:
        if found.lead_parts < 0:
            self._parts = None if self._parts is None else self._parts + found.lead
            return
        if self._parts is not None:
            where = Scan(found.first)
            check_parts(where, found.first + found.lead, self._parts + found.lead, found.lead_parts)
            for seq, code, what in where.wrong:
                self._findings.add(code, what, seq=seq)
        self._parts = found.tail

    def _peak(self, time: str) -> None:
        if time:
            self._latest = max(self._latest, seconds(time) or 0.0)

    # Events

    def _event(self, event: Event) -> None:
        at = seconds(event.time) or 0.0
        if at < self._latest - CLOCK_S:
            what = f"the clock went back by {self._latest - at:,.1f} s, or what stands before is dated too late"
            self._findings.add("clock", what, seq=event.seq)
        if event.kind in ("checkpoint", "stop") and self._marked is not None and at - self._marked > QUIET_S:
            self._quiet(event.seq, at)
        if event.kind in ("start", "checkpoint", "failure"):
            self._marked = at
        if event.kind == "start":
            self._start(event)
        elif event.kind == "stop":
            if self._running is False:
                self._findings.add("no-start", "a stop without a start", seq=event.seq)
            self._close(event.seq + 1, "", False)
            self._marked = None
        elif event.kind == "key":
            self._key(event, at)
        elif event.kind == "recovery":
            what = f"{event.cut_bytes} bytes that nobody was told of were cut off {event.file}"
            self._findings.add("recovery", what, seq=event.seq)
        elif event.kind == "failure":
            self._findings.add("failure", event.note, seq=event.seq)
            self._run_failed = True
        self._latest = at

    def _start(self, event: Event) -> None:
        if self._running:
            self._findings.add("killed", "the process before this start did not stop in good order", seq=event.seq)
        if self._running is not False:
            self._close(event.seq, "its process did not stop in good order", True)
        self._running, self._run_first, self._run_failed = True, event.seq, False
        if event.version_1:
            self.old.append((event.seq, event.version_1))
        if event.log != self.log:
            self._findings.add("form", f"it says that this is the log {event.log}", seq=event.seq)
        broken = event.broken if isinstance(event.broken, list) else [event.broken]
        for one in broken:
            self._findings.add("found-broken", f"a start found this broken: {one}", seq=event.seq)
        if not self._stated(event.key):
            self._findings.add("key", f"it names key {event.key}, of which there is no statement", seq=event.seq)
        elif self.era == 0:
            self.eras.append((event.seq, event.key))
        elif event.key != self.era:
            self._findings.add("key", f"it names key {event.key}, and key {self.era} is in force", seq=event.seq)

    def _key(self, event: Event, at: float) -> None:
        """A new key takes over: its statement must be the gateway's, and the key before must have signed all up to here."""
        number, seq = event.number, event.seq
        if number == 1 or not self._stated(number):
            self._findings.add("key", f"it takes up key {number}, of which there is no statement", seq=seq)
            return
        if event.statement.encode() != self._statements[number - 1]:
            self._findings.add("key", f"its statement is not the one of key {number}", seq=seq)
        if self.era and number <= self.era:
            self._findings.add("key", f"it takes up key {number}, and key {self.era} is in force", seq=seq)
        found = self._chain.era_of(event.before.encode(), self.log)
        if found is None or found[1].size != seq:
            self._findings.add("key", "it does not hold what the key before had signed last", seq=seq)
        if at < self._since[number - 1] - CLOCK_S:
            what = f"it is dated {event.time}, before its key was made"
            self._findings.add("clock", what, seq=seq)
        self.eras.append((seq, number))

    def _close(self, end: int, why: str, running: bool | None) -> None:
        why = why or ("writing had failed" if self._run_failed else "")
        self.runs.append(Run(self._run_first, end, why))
        self._run_first, self._run_failed, self._running = end, False, running

    def _quiet(self, seq: int, until: float) -> None:
        since = self._marked or 0.0
        what = f"no checkpoint from {moment(since)} to {moment(until)}, and one is due every hour"
        self._findings.add("quiet", what, seq=seq)
