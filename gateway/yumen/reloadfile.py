"""The file `reload.json` in the data directory, by which one worker asks all others to load the policy anew.

It is replaced as a whole, and says who asked; what cannot be read asks for nothing.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated

import msgspec

from yumen.plainfile import plain_content
from yumen.telemetry import log

BYTES_MAX = 1024


class _Content(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{32}$")]
    actor: Annotated[str, msgspec.Meta(pattern=r"^admin:[a-z0-9-]{1,32}$")]


class ReloadFile:
    """One worker's view of it: what it has put there itself, or has seen before, is not new."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "reload.json"
        self._stamp = self._look()
        self._known = self._read()

    def put(self, actor: str) -> None:
        """Ask all others. Error: `OSError`."""
        self._known = _Content(secrets.token_hex(16), actor)
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.json.encode(self._known))
            temporary.replace(self._path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise

    def new(self) -> str:
        """Who has asked since the last look; empty where nobody has."""
        stamp = self._look()
        if stamp == self._stamp:
            return ""
        self._stamp = stamp
        content = self._read()
        if content is None or content == self._known:
            return ""
        self._known = content
        return content.actor

    def _look(self) -> tuple[int, int, int]:
        try:
            status = self._path.stat()
        except OSError:
            return 0, 0, 0
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> _Content | None:
        try:
            return msgspec.json.decode(plain_content(self._path, BYTES_MAX), type=_Content)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, ValueError, RecursionError) as error:
            log.error("reload_file_unreadable", error=type(error).__name__)
            return None
