"""The file `keys.json` in the data directory: what is known of every key, and never a key itself.

It is replaced as a whole (temporary file, fsync, rename, fsync of the directory), under a lock that all processes of this
gateway respect, so nobody ever reads half of it.
"""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from yumen.errors import CannotStart
from yumen.exchange import Principal
from yumen.operators import Right
from yumen.plainfile import plain_content

Role = Literal["app", "admin"]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
# Enough for some hundred thousand keys.
BYTES_MAX = 128 << 20
RESTORE = "restore it from a backup; deleting it makes every key unknown"


class Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One key. `id` is public; `hash` is its keyed digest in hexadecimal; times are RFC 3339 in UTC, `revoked` may be empty.

    An `app` key speaks to the data plane, an `admin` key to the control plane. `rights` are what an `admin` key may do
    beside what every such key may.
    """

    id: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9-]{1,32}$")]
    hash: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{64}$")]
    tenant: Name
    app: Name
    role: Role = "app"
    trusted: bool = False
    rights: tuple[Right, ...] = ()
    created: str = ""
    revoked: str = ""

    @property
    def principal(self) -> Principal:
        """Who holds this key, as plugins are told."""
        return Principal(self.tenant, self.app, self.id, self.trusted)


class _Content(msgspec.Struct, forbid_unknown_fields=True):
    version: Literal[1]
    keys: list[Entry]


# What tells one state of the file from another: a replaced file is another inode.
Stamp = tuple[int, int, int]


class KeyFile:
    """Reads and replaces the file. Errors of every method: `CannotStart`."""

    def __init__(self, data_dir: Path) -> None:
        self.path = data_dir / "keys.json"

    def stamp(self) -> Stamp | None:
        """The state of the file, or None where there is none."""
        try:
            status = self.path.stat()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None
        return status.st_ino, status.st_mtime_ns, status.st_size

    def read(self) -> list[Entry]:
        """Every key; none where there is no file."""
        try:
            content = msgspec.json.decode(plain_content(self.path, BYTES_MAX), type=_Content)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise self._unusable(error) from None
        except (msgspec.DecodeError, ValueError, RecursionError):
            # The library's message could quote the file, and a repaired file could let somebody in.
            raise CannotStart(f"{self.path} is not a key file of this version; {RESTORE}") from None
        entries = content.keys
        if len({entry.id for entry in entries}) < len(entries) or len({entry.hash for entry in entries}) < len(entries):
            raise CannotStart(f"{self.path} names a key twice; {RESTORE}")
        return entries

    def write(self, entries: list[Entry]) -> None:
        """Replace the file. Call it with the lock held."""
        content = msgspec.json.format(msgspec.json.encode(_Content(1, entries)), indent=2) + b"\n"
        temporary = self.path.with_name(f".keys.json.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(content)
                    file.flush()
                    os.fsync(descriptor)
                temporary.replace(self.path)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
            _sync_directory(self.path.parent)
        except OSError as error:
            raise self._unusable(error) from None

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock of all who change the file; waits for it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            # The lock has a file of its own: a lock on keys.json would be left behind on the replaced file.
            descriptor = os.open(self.path.with_name("keys.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise self._unusable(error) from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _unusable(self, error: OSError) -> CannotStart:
        return CannotStart(
            f"cannot use {self.path}: {error.strerror}; make {self.path.parent} writable, or set YUMEN_DATA"
        )


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
