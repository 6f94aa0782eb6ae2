"""Verifies a whole ledger: its keys, the logs of all its writers, and what was written before version 2."""

from __future__ import annotations

import errno
import time
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from yumen import Hmac
from yumen_plugins.audit.log.appender import CHECKPOINT, HEAD, HEAD_BYTES
from yumen_plugins.audit.log.note import checkpoint_of, parse_note
from yumen_plugins.audit.log.tiles import ENTRIES, WIDTH, tile_path
from yumen_plugins.audit.old.chain import PREFIX, REST
from yumen_plugins.audit.old.verify import WriterReport as OldReport
from yumen_plugins.audit.old.verify import printable, read_writer
from yumen_plugins.audit.proving.chunk import Chunk, read_chunk
from yumen_plugins.audit.proving.keys import read_keys
from yumen_plugins.audit.proving.onelog import Chunks, Keys, LogCheck, Progress, Said
from yumen_plugins.audit.proving.reading import content_of, read_head
from yumen_plugins.audit.proving.report import Findings, LedgerReport
from yumen_plugins.audit.proving.scan import OldHead, seconds
from yumen_plugins.audit.proving.timeline import FUTURE_S
from yumen_plugins.audit.signing import KEYS, NAME, KeyChain

# So many bundles are a task of one process.
CHUNK_BUNDLES = 16
# Below so many bytes it takes longer to start processes than to do without.
PARALLEL_BYTES = 16 << 20
OLD_SUFFIX = ".log"
# How often a log is verified at most whose gateway drops records each time.
CHECKS = 8


def verify_ledger(
    folder: Path,
    trusted: Sequence[bytes] | None,
    *,
    old_mac: Hmac | None = None,
    jobs: int = 1,
    against: Sequence[bytes] = (),
    gateway: str = "",
    progress: Progress = lambda size: None,
    now: Callable[[], float] = time.time,
) -> LedgerReport:
    """Verify everything in the folder of a ledger, beside a gateway that writes it or on a copy.

    `trusted` are public keys, 32 bytes each, of which one at least must be the gateway's; with `gateway`, the 16 digits in a
    verifier key's name, the ledger must be that gateway's too, so that somebody who has stolen one key cannot begin another
    history with it. `old_mac` is for what was written before version 2. `jobs` is how many processes take part. `against`
    are checkpoints, signed notes, that were kept elsewhere. `progress` is told how many bytes have been read. `now` is the
    time in seconds since 1970. Error: OSError.
    """
    return _Ledger(folder, against, now).verify(trusted, gateway, old_mac, jobs, progress)


class _Ledger:
    def __init__(self, folder: Path, against: Sequence[bytes], now: Callable[[], float]) -> None:
        self.folder, self._against, self._now = folder, against, now
        self._findings = Findings()
        self._report = LedgerReport(ok=True)
        # What signed records say of writers of version 1.
        self._old_heads: dict[str, list[OldHead]] = {}

    def verify(
        self, trusted: Sequence[bytes] | None, gateway: str, old_mac: Hmac | None, jobs: int, progress: Progress
    ) -> LedgerReport:
        # What says how far logs had come is read first, then the keys, then the logs: a gateway that writes meanwhile is
        # then only ever further.
        logs = {log: _said(self.folder / log) for log in self._logs()}
        old = self._old_writers()
        if logs or not old or trusted or self._against or (self.folder / KEYS).exists():
            keys = self._keys()
            if keys is not None and self._trusts(keys.chain, trusted, gateway):
                self._verify_logs(logs, keys, jobs, progress)
        for name in sorted(self._old_heads.keys() - {path.name for path in old}):
            what = "the writer of version 1 is not there, and a start names it"
            self._findings.add("log-missing", what, file=name)
        for writer in old:
            self._verify_old(writer, old_mac, progress)
        self._findings.into(self._report)
        return self._report

    # What is there

    def _folders(self, parent: Path) -> Iterator[Path]:
        for path in sorted(parent.iterdir()):
            place = path.relative_to(self.folder).as_posix()
            if path.is_symlink():
                self._findings.add("link", "a link is not followed", file=place)
            elif path.is_dir():
                yield path
            elif parent == self.folder:
                self._findings.add("foreign", "it is no part of the ledger", file=place)

    def _logs(self) -> list[str]:
        """Every folder below a writer's: what is no log does not hold as one."""
        self._writers = [path for path in self._folders(self.folder) if path.name != KEYS]
        return [f"{writer.name}/{path.name}" for writer in self._writers for path in self._folders(writer)]

    def _old_writers(self) -> list[Path]:
        """The folders that a writer of version 1 has written."""
        return [path for path in self._writers if (path / HEAD).exists() or any(path.glob(f"*{OLD_SUFFIX}"))]

    # Keys

    def _keys(self) -> Keys | None:
        folder = self.folder / KEYS
        if not folder.is_dir() or folder.is_symlink():
            self._findings.add("keys", "no statement says which keys sign, so no log can be verified", file=KEYS)
            return None
        for path in sorted(folder.iterdir()):
            if path.suffix != ".note":
                self._findings.add("foreign", "it is no part of the ledger", file=f"{KEYS}/{path.name}")
        try:
            chain, statements = read_keys(self.folder)
        except ValueError as error:
            self._findings.add("keys", f"the keys do not hold: {error}", file=KEYS)
            return None
        self._report.gateway, self._report.keys = chain.gateway, chain.verifiers
        for era in chain.eras:
            since = seconds(era.since)
            if since is None or since > self._now() + FUTURE_S:
                what = f"the key is dated {era.since}, which is no time or yet to come"
                self._findings.add("future", what, file=f"{KEYS}/{era.number}.note")
        return Keys(chain, statements, self._keys_again)

    def _keys_again(self, known: Sequence[bytes]) -> Keys | None:
        try:
            chain, statements = read_keys(self.folder)
        except (OSError, ValueError):
            return None
        grown = len(statements) > len(known) and statements[: len(known)] == list(known)
        return Keys(chain, statements, self._keys_again) if grown else None

    def _trusts(self, chain: KeyChain, trusted: Sequence[bytes] | None, gateway: str) -> bool:
        if trusted is None:
            what = "no key was given to trust, so this may be a ledger that somebody else has made"
            self._findings.add("key-not-pinned", what, file=KEYS)
            return True
        if any(chain.trusts(public) for public in trusted) and gateway in ("", chain.gateway):
            return True
        what = f"none of the keys of gateway {chain.gateway} is trusted, so nothing in this ledger is"
        self._findings.add("key-not-trusted", what, file=KEYS)
        return False

    # Logs

    def _verify_logs(self, logs: dict[str, Said], keys: Keys, jobs: int, progress: Progress) -> None:
        kept = self._kept(logs, keys.chain)
        with ExitStack() as stack:
            chunks = self._chunks(stack, logs, jobs)
            checks: dict[str, list[LogCheck]] = {}
            for log, said in logs.items():
                check = self._check(log, said, keys, kept.get(log, []), chunks, progress)
                checks.setdefault(log.partition("/")[0], []).append(check)
        for same_writer in checks.values():
            for one in same_writer:
                for other in same_writer:
                    if one is not other:
                        one.matching.across(other.matching)
            for one in same_writer:
                for _, heads in one.old:
                    for name, head in heads.items():
                        self._old_heads.setdefault(name, []).append(head)
                one.report_open()
                one.findings.into(self._report)
                self._report.logs.append(one.report)

    def _check(
        self, log: str, said: Said, keys: Keys, kept: list[bytes], chunks: Chunks, progress: Progress
    ) -> LogCheck:
        before: list[tuple[int, int]] = []
        left = CHECKS
        while True:
            check = LogCheck(self.folder / log, log, said, keys, kept, self._now())
            check.check(chunks, progress)
            left -= 1
            if not left or not check.report.running or check.unstated in ([], before):
                return check
            # Retention may have stated and dropped them while the log was read. Then the statement is found the next time,
            # when retention may have dropped more.
            before = check.unstated

    def _kept(self, logs: dict[str, Said], chain: KeyChain) -> dict[str, list[bytes]]:
        """The checkpoints that were kept elsewhere, by log; and what is said of logs that are gone."""
        kept: dict[str, list[bytes]] = {}
        named: dict[str, str] = {}
        for note in self._against:
            found = checkpoint_of(parse_note(note))
            prefix = f"{NAME}/{chain.gateway}/"
            log = found.origin.removeprefix(prefix) if found and found.origin.startswith(prefix) else ""
            if not log or chain.era_of(note, log) is None:
                what = "a checkpoint that was kept elsewhere is not one of this gateway"
                self._findings.add("signature", what, file="(against)")
            else:
                kept.setdefault(log, []).append(note)
                named.setdefault(log, "a checkpoint that was kept elsewhere")
        for era in chain.eras:
            for log in era.heads:
                named.setdefault(log, f"the statement of key {era.number}")
        for log, who in sorted(named.items()):
            if log not in logs:
                self._findings.add("log-missing", f"the log is not there, and {who} names it", file=log)
        return kept

    def _chunks(self, stack: ExitStack, logs: dict[str, Said], jobs: int) -> Chunks:
        pool: ProcessPoolExecutor | None = None
        if jobs > 1 and sum(_bundle_bytes(self.folder / log) for log in logs) > PARALLEL_BYTES:
            pool = stack.enter_context(ProcessPoolExecutor(jobs, mp_context=get_context("spawn")))

        def chunks(folder: Path, bundles: int, sizes: Sequence[int]) -> Iterator[Chunk]:
            waiting: deque[Future[Chunk]] = deque()
            for first in range(0, bundles, CHUNK_BUNDLES):
                count = min(CHUNK_BUNDLES, bundles - first)
                wanted = sizes[bisect_left(sizes, first * WIDTH) : bisect_left(sizes, (first + count) * WIDTH)]
                if pool is None:
                    yield read_chunk(str(folder), first, count, wanted)
                    continue
                waiting.append(pool.submit(read_chunk, str(folder), first, count, wanted))
                if len(waiting) > 2 * jobs:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()

        def guarded(folder: Path, bundles: int, sizes: Sequence[int]) -> Iterator[Chunk]:
            try:
                yield from chunks(folder, bundles, sizes)
            except BrokenExecutor:
                raise OSError(errno.ENOMEM, "a process that took part was killed") from None

        return guarded

    # What was written before version 2

    def _verify_old(self, writer: Path, mac: Hmac | None, progress: Progress) -> None:
        name = printable(writer.name)
        if mac is None:
            what = "it was written before version 2, and is not verified without the gateway's secret"
            self._findings.add("not-verified", what, file=name)
            return
        report, codes = (
            OldReport(writer=name),
            {head.records - 1: head for head in self._old_heads.get(writer.name, ())},
        )
        codes.pop(-1, None)
        for line, record in read_writer(writer, mac, report, progress):
            head = codes.pop(record.seq, None) if codes else None
            if head is not None and line[len(PREFIX) : REST].decode() != head.code:
                what = "the record is another one than it was when version 2 began, with the right secret all the same"
                self._findings.add("old", what, file=name, seq=record.seq)
        for seq in codes:
            self._findings.add("tail-missing", f"a start says that record {seq} was there", file=name, seq=seq)
        for one in report.wrong:
            self._findings.add("old", f"{one.code}: {one.what}", file=one.file, seq=one.line)
        self._findings.left_out += report.wrong_left_out
        self._report.old.append(report)


def _said(log: Path) -> Said:
    """What a log says of itself, read before anything else of it."""
    head: bytes | None = None
    checkpoint: bytes | None = None
    has_head = has_checkpoint = True
    try:
        head = read_head(log)
    except FileNotFoundError:
        has_head = False
    try:
        checkpoint = content_of(log / CHECKPOINT, HEAD_BYTES)
    except FileNotFoundError:
        has_checkpoint = False
    return Said(head, has_head, checkpoint, has_checkpoint)


def _bundle_bytes(log: Path) -> int:
    """About how many bytes the bundles of a log are, from the first of every thousand."""
    total, number = 0, 0
    while (path := log / tile_path(ENTRIES, number)).is_file() or number == 0:
        total += path.stat().st_size * 1000 if path.is_file() else 0
        number += 1000
    return total
