"""Gives signed checkpoints of logs to a second place, which remembers how far each log had come and what it held.

Who can change the ledger and its keys cannot change what that place knows: a log that was cut or written anew no longer
agrees with it. A checkpoint is a signed note (https://c2sp.org/tlog-checkpoint): origin, size, root hash, and signatures.
"""

from __future__ import annotations

import asyncio
import os
import secrets
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from yumen import plain_content
from yumen_plugins.audit.log.tiles import is_number, sync_folder
from yumen_plugins.audit.sinks.config import FileWitness, HttpWitness, S3Witness, WitnessConfig
from yumen_plugins.audit.sinks.cursor import LOG
from yumen_plugins.audit.sinks.http import Poster
from yumen_plugins.audit.sinks.runner import CLOSE_S, Metrics
from yumen_plugins.audit.sinks.s3 import Bucket
from yumen_plugins.audit.sinks.target import Refused, Unreached, backoff_s, errno_of
from yumen_plugins.audit.sinks.worker import STOP_S, Worker

NOTE_BYTES_MAX = 65_536
# A log's first checkpoint does not wait: it would show at once that the log was set back while nobody wrote it.
TICK_S = 1.0
CONTENT_TYPE = "text/plain; charset=utf-8"
SMALLER = Refused("smaller than witnessed", "the log was cut or set back: keep it as it is, and find out why")
CONTRADICTS = Refused("contradicts what is witnessed", "compare the log with what the server has, and find out why")
OTHER = Refused("another than witnessed", "the log was written anew: keep it as it is, and find out why")


class Checkpoint(msgspec.Struct, frozen=True):
    """A signed checkpoint of a log of `size` leaves."""

    log: str
    size: int
    note: bytes

    @property
    def name(self) -> str:
        """Where it is kept: names of larger checkpoints come later in byte order."""
        return f"{self.log}/{self.size:020d}"

    def agrees(self, kept: bytes) -> bool:
        """Whether another note of this size says the same; signatures may be others."""
        return _said(kept) == _said(self.note)


class Place(Protocol):
    """Where checkpoints are kept."""

    async def keep(self, checkpoint: Checkpoint) -> None:
        """Keep it beside the smaller ones. Errors: `Unreached`; `Refused` also where it contradicts what is kept."""
        ...

    async def close(self) -> None: ...


class WitnessStatus(msgspec.Struct, frozen=True):
    """How the witness is: `refused` is an alarm, or needs somebody to do what `fix` says. `witnessed`: sizes by log."""

    to: str
    state: Literal["starting", "running", "failing", "refused", "ended"] = "starting"
    witnessed: dict[str, int] = {}
    last_ok: float = 0.0
    last_error: str = ""
    fix: str = ""


class Witness:
    """Keeps at its place, every `every_s`, the latest checkpoint of each log that was pushed.

    Error: `CannotStart` for a place that cannot be. Counted are `witness_checkpoints` and `witness_failures`.
    """

    def __init__(self, config: WitnessConfig, data_dir: Path, *, metrics: Metrics | None = None) -> None:
        self._every_s = config.every_s
        self._place = place_of(config, data_dir)
        self._metrics = metrics
        self._guard = threading.Lock()
        self._latest: dict[str, Checkpoint] = {}
        # By log, when the next one is due, and why the last one was refused.
        self._due: dict[str, float] = {}
        self._refused: dict[str, Refused] = {}
        self.status = WitnessStatus(str(type(config).__struct_config__.tag))
        self._worker = Worker("witness", self._work)

    def push(self, log: str, size: int, note: bytes) -> None:
        """Let a checkpoint be kept, unless a larger one of this log was pushed before. Never waits; any thread may call it.

        Error: ValueError where the note is no checkpoint of that size.
        """
        said = _said(note)
        if said is None or said[1] != str(size).encode() or not LOG.fullmatch(log) or len(note) > NOTE_BYTES_MAX:
            raise ValueError("this is no checkpoint of that size")
        with self._guard:
            before = self._latest.get(log)
            if before is None or before.size < size:
                self._latest[log] = Checkpoint(log, size, note)

    def start(self) -> None:
        """Begin to keep them."""
        self._worker.start()

    def cancel(self) -> None:
        """Let it end soon, without waiting for that."""
        self._worker.cancel()

    def stop(self, within_s: float = STOP_S) -> bool:
        """End within so many seconds. Returns whether the thread ended."""
        return self._worker.stop(within_s)

    async def _work(self) -> None:
        attempt = 0
        try:
            while True:
                attempt = attempt + 1 if await self._round() else 0
                await asyncio.sleep(backoff_s(attempt) if attempt else min(self._every_s, TICK_S))
        finally:
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_S):
                    await self._place.close()
            self._tell(state="ended")

    async def _round(self) -> bool:
        """Keep what is new. Returns whether something of it has to be tried again soon."""
        with self._guard:
            latest = list(self._latest.values())
        again = False
        for checkpoint in latest:
            log = checkpoint.log
            if self.status.witnessed.get(log) == checkpoint.size or time.monotonic() < self._due.get(log, 0.0):
                continue
            try:
                await self._keep(checkpoint)
                self._due[log] = time.monotonic() + self._every_s
            except Exception as error:
                again = True
                self._tell(last_error=error.kind if isinstance(error, Unreached) else f"fault {type(error).__name__}")
                self._count("witness_failures")
        refused = next(iter(self._refused.values()), None)
        if refused is not None:
            self._tell(state="refused", last_error=refused.kind, fix=refused.fix)
        else:
            self._tell(state="failing" if again else "running", fix="")
        return again

    async def _keep(self, checkpoint: Checkpoint) -> None:
        """Have it kept, or remember why it was refused; in either case the next is due later. Errors: all others."""
        try:
            await self._place.keep(checkpoint)
        except Refused as error:
            self._refused[checkpoint.log] = error
            self._count("witness_failures")
        else:
            self._refused.pop(checkpoint.log, None)
            self._tell(witnessed={**self.status.witnessed, checkpoint.log: checkpoint.size}, last_ok=time.time())
            self._count("witness_checkpoints")

    def _tell(self, **changes: object) -> None:
        self.status = msgspec.structs.replace(self.status, **changes)

    def _count(self, name: str) -> None:
        if self._metrics:
            self._metrics.count(name)


def place_of(config: WitnessConfig, data_dir: Path) -> Place:
    """The place that a configuration names. Error: `CannotStart`."""
    if isinstance(config, FileWitness):
        return FilePlace(data_dir / config.path)
    if isinstance(config, HttpWitness):
        return HttpPlace(Poster(config.url, config.headers_env, config.timeout_s, "the witness"))
    return S3Place(config)


class FilePlace:
    """A folder, one file for each checkpoint: `<log>/<size in 20 digits>`. Nothing in it is ever replaced."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def keep(self, checkpoint: Checkpoint) -> None:
        try:
            self._keep(self._path / checkpoint.name, checkpoint)
        except OSError as error:
            raise Unreached(f"file {errno_of(error)}") from None

    async def close(self) -> None:
        """There is nothing to let go of."""

    def _keep(self, path: Path, checkpoint: Checkpoint) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if max((name for name in os.listdir(path.parent) if is_number(name)), default="") > path.name:
            raise SMALLER
        temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(checkpoint.note)
                file.flush()
                os.fsync(descriptor)
            os.link(temporary, path)
        except FileExistsError:
            if not checkpoint.agrees(plain_content(path, NOTE_BYTES_MAX)):
                raise OTHER from None
        finally:
            temporary.unlink(missing_ok=True)
        sync_folder(path.parent)


class HttpPlace:
    """A server that is sent the note, with `x-yumen-log` and `x-yumen-size`; it answers 409 to one that contradicts."""

    def __init__(self, poster: Poster) -> None:
        self._poster = poster

    async def keep(self, checkpoint: Checkpoint) -> None:
        headers = {"content-type": CONTENT_TYPE, "x-yumen-log": checkpoint.log, "x-yumen-size": str(checkpoint.size)}
        try:
            await self._poster.post(checkpoint.note, headers)
        except Refused as error:
            raise CONTRADICTS if error.kind == "status 409" else error from None

    async def close(self) -> None:
        await self._poster.close()


class S3Place:
    """A bucket, one object for each checkpoint, as in a folder.

    An object lock keeps them even from whoever has the gateway's credential.
    """

    def __init__(self, config: S3Witness) -> None:
        self._bucket = Bucket(config, "the witness")

    async def keep(self, checkpoint: Checkpoint) -> None:
        before = f"{checkpoint.log}/{checkpoint.size - 1:020d}" if checkpoint.size else f"{checkpoint.log}/"
        kept = self._bucket.after(f"{checkpoint.log}/", before, 2)
        if any(name > checkpoint.name for name in kept):
            raise SMALLER
        if not kept and self._bucket.put(checkpoint.name, checkpoint.note, CONTENT_TYPE, new=True):
            return
        if not checkpoint.agrees(self._bucket.get(checkpoint.name)):
            raise OTHER

    async def close(self) -> None:
        self._bucket.close()


def _said(note: bytes) -> tuple[bytes, bytes, bytes] | None:
    """Origin, size and root hash of a checkpoint, or None where it is none."""
    lines = note.split(b"\n", 3)
    return (lines[0], lines[1], lines[2]) if len(lines) == 4 and all(lines[:3]) else None
