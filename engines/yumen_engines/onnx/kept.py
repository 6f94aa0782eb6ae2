"""Keeps graphs that ONNX Runtime has rewritten, so that the next start does not rewrite them again.

Such a file is nearly a program, so it is taken only with the signature of this gateway's own secret, over what it was made
of and all of its bytes, which stand in one file: nothing can be exchanged between the check and the use.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import platform
import secrets
import time
from pathlib import Path

FOLDER = "models-cache"
SUFFIX = ".onnx.kept"
MAGIC = b"yumen-onnx-1\n"
SIGNATURE_BYTES = hashlib.sha256().digest_size
# Files that are kept, and bytes of one; the oldest goes. A larger model is rewritten at every start.
FILES_MAX, BYTES_MAX = 32, 1 << 30
# After so long nobody is still writing.
LEFT_S = 86_400.0


class Kept:
    """The folder of rewritten graphs. `secret` signs them. Nothing here fails: what cannot be read or kept is not there."""

    def __init__(self, data_dir: Path, secret: bytes) -> None:
        self._folder = data_dir / FOLDER
        self._secret = secret

    def read(self, key: str) -> bytes | None:
        """The graph that was kept under a key, or None; one that is broken or not ours is removed."""
        path = self._path(key)
        try:
            if path.is_symlink() or path.stat().st_size > BYTES_MAX + len(MAGIC) + SIGNATURE_BYTES:
                raise ValueError
            held = path.read_bytes()
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            self._drop(path)
            return None
        start = len(MAGIC) + SIGNATURE_BYTES
        graph = held[start:]
        if held[: len(MAGIC)] != MAGIC or not hmac.compare_digest(held[len(MAGIC) : start], self._sign(key, graph)):
            self._drop(path)
            return None
        with contextlib.suppress(OSError):  # what is used stays
            os.utime(path)
        return graph

    def room(self) -> Path | None:
        """A new name in the folder, under which ONNX Runtime may write; None where it cannot be written."""
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError:
            return None
        usable = self._folder.is_dir() and not self._folder.is_symlink() and os.access(self._folder, os.W_OK)
        return self._folder / f".{secrets.token_hex(16)}.tmp" if usable else None

    def keep(self, key: str, made: Path) -> bool:
        """Sign what was written under a name of `room`, and keep it under a key. Returns whether it is kept."""
        signed = made.with_suffix(".signed")
        try:
            graph = made.read_bytes() if made.stat().st_size <= BYTES_MAX else b""
            if not graph:
                return False
            with signed.open("xb") as file:
                for part in (MAGIC, self._sign(key, graph), graph):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            signed.replace(self._path(key))
            self._thin()
        except OSError:
            return False
        finally:
            for one in (made, signed):
                with contextlib.suppress(OSError):
                    one.unlink(missing_ok=True)
        return True

    def _sign(self, key: str, graph: bytes) -> bytes:
        signature = hmac.new(self._secret, f"{key}\n".encode(), hashlib.sha256)
        signature.update(graph)
        return signature.digest()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}{SUFFIX}"

    def _drop(self, path: Path) -> None:
        with contextlib.suppress(OSError):
            path.unlink()

    def _thin(self) -> None:
        """Let only so many files stay, the last used ones, and nothing of a start that was cut off."""
        for one in self._folder.glob(".*.tmp"):
            with contextlib.suppress(OSError):
                if one.lstat().st_mtime < time.time() - LEFT_S:
                    one.unlink()
        ages = []
        for one in self._folder.glob(f"*{SUFFIX}"):
            with contextlib.suppress(OSError):
                ages.append((one.lstat().st_mtime, one))
        for _, one in sorted(ages)[:-FILES_MAX]:
            self._drop(one)


def key_of(*parts: object) -> str:
    """A key for what a graph was made of, and of this machine's processor: what it is rewritten to depends on that."""
    return hashlib.sha256(repr((*parts, platform.machine(), _processor())).encode()).hexdigest()


def _processor() -> str:
    """What this processor can do, as Linux says; elsewhere its name."""
    try:
        with Path("/proc/cpuinfo").open("rb") as file:
            lines = file.read(1 << 16).splitlines()
    except OSError:
        return platform.processor()
    return next((str(line, "utf-8", "replace") for line in lines if line.startswith((b"flags", b"Features"))), "")
