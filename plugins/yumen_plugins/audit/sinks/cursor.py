"""How far a sink has come, in a file of its own, and the lock that lets one process at a time carry for it."""

from __future__ import annotations

import fcntl
import os
import re
import secrets
from pathlib import Path

import msgspec

from yumen import plain_content
from yumen_plugins.audit.log.tiles import sync_folder
from yumen_plugins.audit.proving.reading import NO_FILE
from yumen_plugins.audit.sinks.target import Refused, Unreached, errno_of

FOLDER = "sinks"
BYTES_MAX = 16 << 20
# Names of logs end up in keys, paths and headers.
LOG = re.compile(r"[0-9a-z-]{1,32}(/[0-9a-z-]{1,32})?")


class Cursor:
    """The file `data/sinks/<name>.json`: by log, the `seq` that comes next. It is replaced as a whole, durably.

    It is written after the target has the records, so it is never ahead of the target. Whoever deletes it has everything
    carried again.
    """

    def __init__(self, data_dir: Path, name: str) -> None:
        self.path = data_dir / FOLDER / f"{name}.json"

    def read(self) -> dict[str, int]:
        """How far the sink has come. Errors: `Refused` for what is no cursor, `Unreached` for what cannot be read."""
        try:
            after = msgspec.json.decode(plain_content(self.path, BYTES_MAX), type=dict[str, int])
            if all(LOG.fullmatch(log) and 0 <= seq < 1 << 63 for log, seq in after.items()):
                return after
        except FileNotFoundError:
            return {}
        except OSError as error:
            if error.errno not in NO_FILE:
                raise Unreached(f"cursor {errno_of(error)}") from None
        except (msgspec.DecodeError, ValueError):
            pass
        # The name of the file and not what is in it: that could be anything.
        raise Refused("cursor unreadable", f"delete sinks/{self.path.name}, and everything is carried again")

    def write(self, after: dict[str, int]) -> None:
        """Write it down durably. Error: `Unreached`."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        content = msgspec.json.format(msgspec.json.encode(after), indent=2) + b"\n"
        try:
            try:
                descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                temporary.replace(self.path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            sync_folder(self.path.parent)
        except OSError as error:
            raise Unreached(f"cursor {errno_of(error)}") from None


class Turn:
    """The lock `data/sinks/<name>.lock`: of several processes one carries, and another when that one is gone."""

    def __init__(self, data_dir: Path, name: str) -> None:
        self.path = data_dir / FOLDER / f"{name}.lock"
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Whether it is ours now. Error: `Unreached` where there can be no such file."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        except OSError as error:
            raise Unreached(f"lock {errno_of(error)}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return False
            raise Unreached(f"lock {errno_of(error)}") from None
        self._sweep()
        self._descriptor = descriptor
        return True

    def give(self) -> None:
        """Let another have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _sweep(self) -> None:
        """Remove what a killed process left of a cursor it was writing."""
        for left in self.path.parent.glob(f".{self.path.stem}.json.*"):
            left.unlink(missing_ok=True)
