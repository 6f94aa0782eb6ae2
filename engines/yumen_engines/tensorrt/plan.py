"""Plans on disk. A plan is code that the GPU runs: one is taken only with this gateway's own signature on it."""

from __future__ import annotations

import fcntl
import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from yumen_engines.onnx.signed import SignedFiles

TIMINGS_BYTES_MAX = 256 << 20
# Timings of other versions and devices are left behind.
TIMINGS_MAX = 8
LOCK_POLL_S = 0.2
Kind = Literal["plan", "timings"]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a file in the cache is good for, and nothing else.

    `onnx` is the model's SHA-256; `profiles` the shapes that a plan was built for, `flags` how. Timings hold for any model.
    """

    tensorrt: str
    compute: str
    gpu: str
    onnx: str = ""
    profiles: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()

    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()


class PlanCache:
    """A folder of signed files: plans, and the timings that make building the next one faster.

    Arguments: `secret`, the key of the signature; `plans_max` and `plan_bytes_max`, how many plans, and how large one is.
    Its methods block: call them from a thread.
    """

    def __init__(self, folder: Path, secret: bytes, *, plans_max: int = 32, plan_bytes_max: int = 8 << 30) -> None:
        self._folder = folder
        self._files: dict[Kind, SignedFiles] = {
            "plan": SignedFiles(folder, secret, "plan", files_max=plans_max, bytes_max=plan_bytes_max),
            "timings": SignedFiles(folder, secret, "timings", files_max=TIMINGS_MAX, bytes_max=TIMINGS_BYTES_MAX),
        }

    def path(self, key: Key, kind: Kind = "plan") -> Path:
        return self._files[kind].path(key.digest())

    def read(self, key: Key, kind: Kind = "plan") -> bytes | None:
        """What is kept for a key, or None. Error: `Refused` where it is not this gateway's, or not whole."""
        return self._files[kind].read(key.digest())

    def write(self, key: Key, content: bytes, kind: Kind = "plan") -> Path:
        """Keep something. Errors: OSError; `Refused` where it is larger than allowed."""
        return self._files[kind].write(key.digest(), content)

    @contextmanager
    def building(self, deadline: float) -> Iterator[None]:
        """Alone of all processes with the right to build: two at once would spoil each other's timings.

        `deadline` is when to give up, by `time.monotonic`. Error: TimeoutError.
        """
        opened = self._lock()
        if opened is None:
            # Where nothing can be kept there is nothing to spoil.
            yield
            return
        try:
            while True:
                with suppress(BlockingIOError):
                    fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                if time.monotonic() >= deadline:
                    raise TimeoutError("another process of this gateway has been building for too long")
                time.sleep(LOCK_POLL_S)
            yield
        finally:
            os.close(opened)

    def _lock(self) -> int | None:
        """The file that is locked while a plan is built, opened; None where there can be none."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._folder / "building.lock", flags, 0o600)
        except OSError:
            return None
