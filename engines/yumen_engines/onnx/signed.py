"""Files that are nearly programs, and are taken only with this gateway's own signature on them.

A file is `MAGIC`, 32 bytes of HMAC-SHA256, and what is kept. Signed are the kind of the file, its key and everything that is
kept, which stand in one file: nothing can be exchanged between check and use. It is written beside its place, then
renamed.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from yumen import plain_content

MAGIC = b"yumen-signed-1\n"
SIGNATURE_BYTES = hashlib.sha256().digest_size
# What is half written for so long is nobody's any more.
LEFT_S = 3_600.0


class Refused(Exception):
    """A file that is not taken, or something that is not kept; the message says why, and holds nothing of it."""


class SignedFiles:
    """The files of one kind in a folder, of which there are not too many: those that were used last stay.

    Arguments: `secret`, the key of the signature; `kind`, how their names end; `files_max` and `bytes_max`, how many there
    are and how large one is. A key is the hexadecimal digest of what a file is good for. The methods block.
    """

    def __init__(self, folder: Path, secret: bytes, kind: str, *, files_max: int, bytes_max: int) -> None:
        self._folder = folder
        self._secret = secret
        self._kind = kind
        self._files_max = files_max
        self._bytes_max = bytes_max

    def path(self, key: str) -> Path:
        """Where it is kept."""
        return self._folder / f"{key}.{self._kind}"

    def read(self, key: str) -> bytes | None:
        """What is kept under a key, or None. Error: `Refused` where it is not this gateway's, or not whole."""
        path, start = self.path(key), len(MAGIC) + SIGNATURE_BYTES
        try:
            held = plain_content(path, start + self._bytes_max, links=False)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Refused(f"cannot be read: {error.strerror or type(error).__name__}") from None
        kept = memoryview(held)[start:]
        if not held.startswith(MAGIC) or len(held) < start:
            raise Refused("not whole, or of another kind")
        if not hmac.compare_digest(held[len(MAGIC) : start], self._signature(key, kept)):
            raise Refused("its signature is not this gateway's, or was made for something else")
        with suppress(OSError):
            os.utime(path)
        return bytes(kept)

    def write(self, key: str, content: bytes) -> Path:
        """Keep something. Errors: OSError; `Refused` where it is larger than allowed."""
        if len(content) > self._bytes_max:
            raise Refused(f"of {len(content)} bytes, which is more than {self._bytes_max}")
        path = self.path(key)
        self._make_folder()
        self._make_room(path)
        # mkstemp makes a file that only this user can read and write.
        opened, made = tempfile.mkstemp(dir=self._folder, prefix=".", suffix=".tmp")
        try:
            with os.fdopen(opened, "wb") as file:
                for part in (MAGIC, self._signature(key, content), content):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(made, path)
        except BaseException:
            os.unlink(made)
            raise
        return path

    def drop(self, key: str) -> None:
        """Remove what is in a file's place, where that can be."""
        with suppress(OSError):
            self.path(key).unlink()

    def room(self) -> Path:
        """A new name in the folder, for something that is to be kept; what nobody removes goes later. Error: OSError."""
        self._make_folder()
        return self._folder / f".{secrets.token_hex(16)}.tmp"

    def _make_folder(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self._folder.is_symlink():
            raise NotADirectoryError(f"{self._folder.name} is a link")

    def _make_room(self, path: Path) -> None:
        """For one more file: those that were used longest ago go, and what was left half written."""
        others: list[tuple[float, Path]] = []
        for one in self._folder.iterdir():
            with suppress(OSError):  # another process may be making room as well
                used = one.lstat().st_mtime
                if one.name.startswith(".") and one.suffix == ".tmp" and time.time() - used > LEFT_S:
                    one.unlink()
                elif one.name.endswith(f".{self._kind}") and one != path:
                    others.append((used, one))
        for _, one in sorted(others)[: max(0, len(others) - self._files_max + 1)]:
            with suppress(OSError):
                one.unlink()

    def _signature(self, key: str, content: bytes | memoryview) -> bytes:
        signing = hmac.new(self._secret, MAGIC + f"{self._kind}\n{key}\n".encode(), hashlib.sha256)
        signing.update(content)
        return signing.digest()
