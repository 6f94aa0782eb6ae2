"""Keeps graphs that ONNX Runtime has rewritten, so that the next start does not rewrite them again."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
from pathlib import Path

from yumen_engines.onnx.signed import Refused, SignedFiles

FOLDER, KIND = "models-cache", "graph"
# Files that are kept, and bytes of one; a larger model is rewritten at every start.
FILES_MAX, BYTES_MAX = 32, 1 << 30


class Kept:
    """The folder of rewritten graphs. `secret` signs them. Nothing here fails: what cannot be read or kept is not there."""

    def __init__(self, data_dir: Path, secret: bytes) -> None:
        self._files = SignedFiles(data_dir / FOLDER, secret, KIND, files_max=FILES_MAX, bytes_max=BYTES_MAX)

    def read(self, key: str) -> bytes | None:
        """The graph that was kept under a key, or None; one that is broken or not ours is removed."""
        try:
            return self._files.read(key)
        except Refused:
            self._files.drop(key)
            return None

    def room(self) -> Path | None:
        """A new name in the folder, under which ONNX Runtime may write; None where it cannot be written."""
        try:
            room = self._files.room()
        except OSError:
            return None
        # ONNX Runtime finds that out once it has rewritten the graph, which it then has to do again.
        return room if os.access(room.parent, os.W_OK) else None

    def keep(self, key: str, made: Path) -> bool:
        """Sign what was written under a name of `room`, and keep it under a key. Returns whether it is kept."""
        try:
            graph = made.read_bytes() if made.stat().st_size <= BYTES_MAX else b""
            if graph:
                self._files.write(key, graph)
            return bool(graph)
        except (OSError, Refused):
            return False
        finally:
            with contextlib.suppress(OSError):
                made.unlink(missing_ok=True)


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
