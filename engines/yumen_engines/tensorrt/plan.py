"""Plans on disk. A plan is code that the GPU runs: one is taken only with this gateway's own signature on it.

A file is `MAGIC`, 32 bytes of HMAC-SHA256 over everything behind them, four bytes with the length of a head, big-endian, the
head (the plan's key, JSON), and the plan. Names hold digests only. A file is written beside its place, then renamed.
"""

from __future__ import annotations

import fcntl
import hashlib
import hmac
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

import msgspec

from yumen_engines.tensorrt.files import plain

MAGIC = b"yumen tensorrt 1\n"
SIGNATURE_BYTES, LENGTH_BYTES = 32, 4
HEAD_BYTES_MAX = 64 << 10
TIMINGS_BYTES_MAX = 256 << 20
# Timings of other versions and devices are left behind.
TIMINGS_MAX = 8
LOCK_POLL_S = 0.2
Kind = Literal["plan", "timings"]


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a file in the cache is good for, and nothing else: all of it is compared.

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


class PlanRefused(Exception):
    """A file that is not taken; the message says why, and holds nothing of it."""


class PlanCache:
    """A folder of signed files, of which there are not too many.

    Arguments: `secret`, the key of the signature; `plans_max` and `plan_bytes_max`, how many plans, and how large one is.
    Its methods block: call them from a thread.
    """

    def __init__(self, folder: Path, secret: bytes, *, plans_max: int = 32, plan_bytes_max: int = 8 << 30) -> None:
        self._folder = folder
        self._secret = secret
        self._most = {"plan": plans_max, "timings": TIMINGS_MAX}
        self._bytes_max = {"plan": plan_bytes_max, "timings": TIMINGS_BYTES_MAX}

    def path(self, key: Key, kind: Kind = "plan") -> Path:
        return self._folder / f"{key.digest()}.{kind}"

    def read(self, key: Key, kind: Kind = "plan") -> bytes | None:
        """What is kept for a key, or None. Error: `PlanRefused` where it is not this gateway's, or not whole."""
        most = self._bytes_max[kind] + HEAD_BYTES_MAX
        try:
            with plain(self.path(key, kind), links=False) as file:
                if os.fstat(file.fileno()).st_size > most:
                    raise PlanRefused("larger than allowed")
                content = file.read(most)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise PlanRefused(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
        return self._opened(content, key, kind)

    def write(self, key: Key, content: bytes, kind: Kind = "plan") -> Path:
        """Keep something. Errors: OSError; `PlanRefused` where it is larger than allowed."""
        if len(content) > self._bytes_max[kind]:
            raise PlanRefused(f"of {len(content)} bytes, which is more than {self._bytes_max[kind]}")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._make_room(kind)
        head = msgspec.json.encode(key)
        signed = len(head).to_bytes(LENGTH_BYTES, "big") + head
        signature = self._signature(kind, signed, content)
        path = self.path(key, kind)
        # mkstemp makes a file that only this user can read and write.
        opened, name = tempfile.mkstemp(dir=self._folder, prefix="written-")
        try:
            with os.fdopen(opened, "wb") as file:
                for part in (MAGIC, signature, signed, content):
                    file.write(part)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
        return path

    @contextmanager
    def building(self, deadline: float) -> Iterator[None]:
        """Alone of all processes with the right to build: two at once would spoil each other's timings.

        `deadline` is when to give up, by `time.monotonic`. Error: TimeoutError.
        """
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        opened = os.open(self._folder / "building.lock", flags, 0o600)
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

    def _opened(self, content: bytes, key: Key, kind: Kind) -> bytes:
        at = len(MAGIC) + SIGNATURE_BYTES
        if not content.startswith(MAGIC) or len(content) < at + LENGTH_BYTES:
            raise PlanRefused("not whole, or of another kind")
        length = int.from_bytes(content[at : at + LENGTH_BYTES], "big")
        head_end = at + LENGTH_BYTES + length
        view = memoryview(content)
        if not hmac.compare_digest(self._signature(kind, view[at:head_end], view[head_end:]), content[len(MAGIC) : at]):
            raise PlanRefused("its signature is not this gateway's")
        try:
            written = msgspec.json.decode(content[at + LENGTH_BYTES : head_end], type=Key)
        except msgspec.DecodeError:
            raise PlanRefused("its head cannot be read") from None
        if written != key:
            raise PlanRefused("it was made for something else")
        return content[head_end:]

    def _signature(self, kind: Kind, head: bytes | memoryview, content: bytes | memoryview) -> bytes:
        signing = hmac.new(self._secret, MAGIC + kind.encode() + b"\n", hashlib.sha256)
        signing.update(head)
        signing.update(content)
        return signing.digest()

    def _make_room(self, kind: Kind) -> None:
        """Before something is written: the oldest of its kind go, and what a process left half written an hour ago."""
        now = time.time()
        aged: list[tuple[float, Path]] = []
        for path in self._folder.iterdir():
            with suppress(OSError):
                written = path.lstat().st_mtime
                if path.name.startswith("written-") and now - written > 3_600:
                    path.unlink()
                elif path.suffix == f".{kind}":
                    aged.append((written, path))
        for _, path in sorted(aged)[: max(0, len(aged) - self._most[kind] + 1)]:
            path.unlink(missing_ok=True)
