"""The folder of one writer: locked as long as a process writes, with one log for each time that records are kept.

All of it runs in the writer's thread. `keep` names a log: `forever`, or `keep-184d` for records that are kept 184 days.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from yumen import plain_content
from yumen_plugins.audit.entries import encode, numbered
from yumen_plugins.audit.log.appender import Appender, Cut, LogBroken
from yumen_plugins.audit.log.tiles import sync_folder
from yumen_plugins.audit.record import moment
from yumen_plugins.audit.signing import Signing

VERSION = 2
WRITER = re.compile(r"[0-9a-f]{8}")
FOREVER = "forever"
KEEP = re.compile(r"forever|keep-([1-9][0-9]{0,4})d")
CHECKPOINT_S = 3600.0
OLD_HEAD_BYTES_MAX = 4096
JOURNAL_BYTES = 2 << 20

Settle = Callable[[Callable[[], None]], None]


def keep_of(days: int) -> str:
    """The name of the log whose records are kept so many days; 0 is for ever."""
    return f"keep-{days}d" if days else FOREVER


def days_of(keep: str) -> int:
    """How many days the records of a log are kept; 0 is for ever. Error: ValueError for what is no log's name."""
    match = KEEP.fullmatch(keep)
    if match is None:
        raise ValueError("that is no name of a log")
    return int(match[1] or 0)


def writer_folders(ledger: Path) -> list[Path]:
    """The folders of writers of this version, by name."""
    return sorted(
        path for path in ledger.iterdir() if WRITER.fullmatch(path.name) and _is_folder(path) and not is_old(path)
    )


def old_folders(ledger: Path) -> list[Path]:
    """The folders of writers of version 1, by name."""
    found = (path for path in ledger.iterdir() if _is_folder(path) and is_old(path))
    # A log has a head as well; where it lies beside these, this is the folder of one writer and no ledger.
    return sorted(path for path in found if not KEEP.fullmatch(path.name))


def logs_in(writer: Path) -> list[Path]:
    """The folders of a writer's logs, by name."""
    return sorted(path for path in writer.iterdir() if KEEP.fullmatch(path.name) and _is_folder(path))


def is_old(writer: Path) -> bool:
    """Whether a folder was written by version 1."""
    return (writer / "head").is_file() or any(writer.glob("*.log"))


class WriterFolder:
    """See the module's docstring. `clock` is in seconds since the epoch, `version` the gateway's."""

    def __init__(
        self,
        path: Path,
        signing: Signing,
        clock: Callable[[], float],
        version: str,
        journal_bytes: int = JOURNAL_BYTES,
        settle: Settle = lambda job: job(),
    ) -> None:
        """Take a folder. Errors: BlockingIOError where another process has it; OSError."""
        self.path = path
        self.writer = path.name
        self.signing = signing
        self._clock = clock
        self._version = version
        self._journal_bytes = journal_bytes
        self._settle = settle
        self._logs: dict[str, Appender] = {}
        self._checked_at: dict[str, float] = {}
        self._published: dict[str, int] = {}
        # What was cut and is not yet on record.
        self._cuts: dict[str, list[Cut]] = {}
        self._lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise

    @classmethod
    def take(
        cls,
        ledger: Path,
        signing: Signing,
        clock: Callable[[], float],
        version: str,
        *,
        journal_bytes: int = JOURNAL_BYTES,
        settle: Settle = lambda job: job(),
    ) -> WriterFolder:
        """The first folder that no process holds and that goes on, or a new one; its logs have begun. Error: OSError."""
        ledger.mkdir(parents=True, exist_ok=True, mode=0o700)
        broken: list[str] = []
        for path in writer_folders(ledger):
            with contextlib.suppress(BlockingIOError):
                folder = cls(path, signing, clock, version, journal_bytes, settle)
                try:
                    folder.begin("start", broken=broken)
                except LogBroken as error:
                    # It stays as it is, for the auditor to see.
                    broken.append(str(error))
                    folder.close()
                except BaseException:
                    folder.close()
                    raise
                else:
                    return folder
        while True:
            path = ledger / secrets.token_hex(4)
            path.mkdir(mode=0o700)
            sync_folder(ledger)
            # Another process that starts may have seen the new folder, and taken it, before it was locked here.
            with contextlib.suppress(BlockingIOError):
                folder = cls(path, signing, clock, version, journal_bytes, settle)
                try:
                    folder.begin("start", broken=broken, before=_old_heads(ledger))
                except BaseException:
                    folder.close()
                    raise
                return folder

    def begin(
        self, kind: str, *, broken: Sequence[str] = (), note: str = "", before: dict[str, Any] | None = None
    ) -> None:
        """Open the logs that there are, and `forever` in any case; say so in each. Errors: OSError; `LogBroken`."""
        keeps = sorted({path.name for path in logs_in(self.path)} | {FOREVER})
        for keep in keeps:
            # All of them hold before anything is added to one: else the folder stays as it is.
            self._open(keep)
        for keep in keeps:
            self._go_on(keep)
            body: dict[str, Any] = {"kind": kind, **({"note": note} if note else {})}
            if kind == "start" or not self._logs[keep].size:
                body = self._start(keep)
                if keep == FOREVER:
                    body |= ({"broken": list(broken)} if broken else {}) | ({"version_1": before} if before else {})
            self.say(keep, body)

    @property
    def closed(self) -> bool:
        """Whether the lock is another's to take."""
        return self._lock < 0

    @property
    def keeps(self) -> list[str]:
        """The names of the logs that are open."""
        return sorted(self._logs)

    def notes(self) -> list[tuple[str, int, bytes]]:
        """The last checkpoint of each log: its name, size and note."""
        return [(f"{self.writer}/{keep}", log.size, log.note) for keep, log in self._logs.items() if log.note]

    def log(self, keep: str) -> Appender:
        """The log of this name, which begins if there is none. Errors: OSError; `LogBroken`."""
        if keep not in self._logs:
            self._open(keep)
            self._go_on(keep)
            self.say(keep, self._start(keep))
        return self._logs[keep]

    def write(self, keep: str, entries: Sequence[bytes]) -> Appender:
        """Append entries that have no numbers yet; `sync` of the log that is returned makes them durable. Error: OSError."""
        log = self.log(keep)
        log.append(numbered(log.size, entries))
        return log

    def tick(self) -> None:
        """What is due: a checkpoint on record every hour, also where nothing happened. Error: OSError."""
        now = self._clock()
        for keep, log in self._logs.items():
            if now - self._checked_at[keep] >= CHECKPOINT_S:
                self._checked_at[keep] = now
                self.say(keep, {"kind": "checkpoint", "note": log.note.decode()})

    def publish(self) -> None:
        """Bring what readers of tiles see up to date. Error: OSError."""
        for keep, log in self._logs.items():
            if self._published.get(keep) != log.size:
                log.publish()
                self._published[keep] = log.size

    def use(self, signing: Signing) -> None:
        """Sign with another key from now on, and say so in each log. Error: OSError."""
        self.signing = signing
        for keep, log in self._logs.items():
            log.replace_signer(signing)
            self._note_key(keep)

    def fail(self, reason: str) -> None:
        """After an OSError: give up what was not acknowledged, and go on with a record that says so.

        Errors: OSError, and it can be called again; `LogBroken`.
        """
        for keep, log in list(self._logs.items()):
            log.give_up()
            self._cuts.setdefault(keep, []).extend(log.cuts)
            del self._logs[keep]
        self.begin("failure", note=reason)

    def stop(self) -> None:
        """Say in each log that the process ends in good order; `close` lets go. Error: OSError."""
        for keep in self._logs:
            self.say(keep, {"kind": "stop"})
        self.publish()

    def close(self) -> None:
        """Let go of the logs and the lock."""
        for log in self._logs.values():
            log.close()
        self._logs.clear()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _open(self, keep: str) -> None:
        name = f"{self.writer}/{keep}"
        try:
            log = self._logs[keep] = Appender(
                self.path / keep,
                self.signing.chain.origin(name),
                self.signing,
                journal_bytes=self._journal_bytes,
                settle=self._settle,
            )
        except LogBroken as error:
            raise LogBroken(f"{name}: {error}") from None
        self._checked_at[keep] = self._clock()
        self._cuts.setdefault(keep, []).extend(log.cuts)
        log.cuts.clear()

    def _go_on(self, keep: str) -> None:
        """Say what comes before anything else in a log that is open: another key, and what was cut off."""
        if self._logs[keep].size:
            self._note_key(keep)
            cuts = [self._body({"kind": "recovery", "file": one.file, "cut_bytes": one.size, "cut_sha256": one.sha256})
                    for one in self._cuts[keep]]  # fmt: skip
            if cuts:
                self.write(keep, cuts).sync()
        self._cuts[keep] = []

    def _note_key(self, keep: str) -> None:
        """Where the log's last checkpoint is signed by an earlier key, say which key signs from here on, and since what."""
        log, chain = self._logs[keep], self.signing.chain
        found = chain.era_of(log.note, f"{self.writer}/{keep}")
        if found is not None and found[0].number == self.signing.era.number:
            return
        statement = self.signing.statement.decode()
        number = self.signing.era.number
        self.say(keep, {"kind": "key", "number": number, "statement": statement, "before": log.note.decode()})

    def _start(self, keep: str) -> dict[str, Any]:
        return {
            "kind": "start",
            "log": f"{self.writer}/{keep}",
            "version": VERSION,
            "yumen": self._version,
            "key": self.signing.era.number,
        }

    def say(self, keep: str, body: dict[str, Any]) -> None:
        """Append one record of the writer's own, durably. Error: OSError."""
        self.write(keep, [self._body(body)]).sync()

    def _body(self, body: dict[str, Any]) -> bytes:
        return encode({**body, "time": moment(self._clock())})


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _old_heads(ledger: Path) -> dict[str, Any]:
    """How far the writers of version 1 had come, as their heads say: so that it stands in a log that is signed."""
    heads: dict[str, Any] = {}
    for path in old_folders(ledger):
        try:
            head = msgspec.json.decode(plain_content(path / "head", OLD_HEAD_BYTES_MAX).rstrip(b" \n"))
            heads[path.name] = {"records": int(head["seq"]), "code": str(head["code"])[:64]}
        except (OSError, msgspec.MsgspecError, ValueError, KeyError, TypeError):
            heads[path.name] = {"records": 0, "code": ""}
    return heads
