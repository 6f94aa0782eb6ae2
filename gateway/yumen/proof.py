"""Asks the process in which policies are proved, starts it when it is needed and ends it when it is not.

See `yumen.policy.prove` for what it does. It inherits no socket and no file of the gateway, and never outlives it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Literal

import msgspec

from yumen.children import ENDING_S, how, reaped
from yumen.errors import Diagnostic

PROOF_S_MAX = 60.0
# The system refuses the process more memory than this.
DATA_BYTES_MAX = 2 << 30
# How long it stays for the next proof: most of a first one is importing.
IDLE_S = 60.0
ANSWER_BYTES_MAX = 4 << 20
# What it writes is cleared away when it ends, and need not touch a disk where there is a place in memory.
MEMORY = Path("/dev/shm")  # noqa: S108  # a folder with a random name is made in it
# Metrics of exchanges that were test cases are none of the gateway's.
NOT_INHERITED = ("PROMETHEUS_MULTIPROC_DIR",)

Verdict = Literal["holds", "policy", "signature", "tests", "start"]
Reason = Literal[
    "policy", "signature", "tests", "start", "timeout", "crashed", "changing", "differs", "unrecorded", "internal"
]


class Asked(msgspec.Struct, frozen=True):
    """Which bundle to prove, as `YUMEN_POLICIES` names it; `keys` are the public keys of those who may have signed it."""

    policies: str
    keys: tuple[str, ...] = ()


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it: `hash` is the bundle's, `digest` that of every byte that was read, `folders` where it was read from.

    `last`: the process ends now.
    """

    verdict: Verdict
    hash: str = ""
    digest: str = ""
    folders: tuple[str, ...] = ()
    diagnostics: tuple[Diagnostic, ...] = ()
    last: bool = False


class Refused(Exception):
    """A policy that does not take the place of the one that serves: why, in a word and for people; its hash, if known."""

    def __init__(self, reason: Reason, diagnostics: tuple[Diagnostic, ...], new: str = "") -> None:
        self.reason: Reason = reason
        self.diagnostics = diagnostics
        self.new = new
        super().__init__(reason)

    @classmethod
    def saying(cls, reason: Reason, policies: str, what: str, fix: str, new: str = "") -> Refused:
        """With one sentence."""
        return cls(reason, (Diagnostic(policies, 1, 1, f"reload.{reason}", what, fix),), new)


class Prover:
    """One per process of the gateway. Proves one policy at a time; belongs to one event loop."""

    def __init__(self, *, limit_s: float = PROOF_S_MAX, idle_s: float = IDLE_S) -> None:
        self._limit_s = limit_s
        self._idle_s = idle_s
        self._process: _Process | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._endings: set[asyncio.Task[int]] = set()

    @property
    def pid(self) -> int | None:
        """The process that waits or works, for those who look."""
        return None if self._process is None else self._process.pid

    async def prove(self, asked: Asked) -> Proof:
        """Prove a policy. Error: `Refused` where nobody can tell whether it holds."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None and not self._process.lives:
            self._end()
        try:
            process = self._process = self._process or await _Process.begin(self._limit_s)
        except OSError as error:
            what = f"the process that proves policies cannot be started: {error.strerror}"
            raise Refused.saying("crashed", asked.policies, what, "make room for it, then reload again") from None
        try:
            async with asyncio.timeout(self._limit_s):
                proof = await process.ask(asked)
        except TimeoutError:
            self._end()
            what = f"compiling, starting and testing this took longer than {self._limit_s:g} s"
            raise Refused.saying("timeout", asked.policies, what, "find out with `yumen policy test`") from None
        except (OSError, EOFError, ValueError, msgspec.DecodeError):
            await asyncio.sleep(ENDING_S)
            what = _ending(await self._end())
            raise Refused.saying("crashed", asked.policies, what, "find out with `yumen policy test`") from None
        except BaseException:
            self._end()
            raise
        if proof.last:
            self._end()
        else:
            self._timer = asyncio.get_running_loop().call_later(self._idle_s, self._end)
        return proof

    def _end(self) -> asyncio.Task[int]:
        process, self._process = self._process, None
        assert process is not None
        ending = asyncio.get_running_loop().create_task(process.end())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return ending

    async def close(self) -> None:
        """End the process."""
        if self._timer is not None:
            self._timer.cancel()
        if self._process is not None:
            self._end()
        await asyncio.gather(*self._endings)


class _Process:
    """The process and the way to it."""

    def __init__(
        self, process: subprocess.Popen[bytes], folder: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._process = process
        self._folder = folder
        self._reader = reader
        self._writer = writer
        self.pid = process.pid

    @classmethod
    async def begin(cls, limit_s: float) -> _Process:
        """Start it. Error: `OSError`."""
        folder = _folder()
        ours, theirs = socket.socketpair()
        env = {name: value for name, value in os.environ.items() if name not in NOT_INHERITED}
        command = [sys.executable, "-P", "-m", "yumen.policy.prove", str(os.getpid()), str(limit_s)]
        try:
            with theirs:
                process = subprocess.Popen(  # noqa: ASYNC220, S603  # returns once the program has begun
                    command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                    env={**env, "TMPDIR": folder},
                )  # fmt: skip
        except BaseException:
            ours.close()
            shutil.rmtree(folder, ignore_errors=True)
            raise
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=ANSWER_BYTES_MAX)
        return cls(process, folder, reader, writer)

    @property
    def lives(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process.poll() is None

    async def ask(self, asked: Asked) -> Proof:
        """One proof. Errors: `OSError`, `EOFError`, `ValueError`, `DecodeError` where it ends, or answers otherwise."""
        self._writer.write(msgspec.json.encode(asked) + b"\n")
        await self._writer.drain()
        line = await self._reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        return msgspec.json.decode(line, type=Proof)

    async def end(self) -> int:
        """Kill it, if it still is, and clear away what it left; its exit status, negative for a signal."""
        self._process.kill()
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
        status = await reaped(self._process)
        await asyncio.to_thread(shutil.rmtree, self._folder, ignore_errors=True)
        return status


def _folder() -> str:
    chosen = "TMPDIR" in os.environ or not MEMORY.is_dir()
    return tempfile.mkdtemp(prefix="yumen-proof-", dir=None if chosen else MEMORY)


def _ending(status: int) -> str:
    """What can be said of a process that ended in the middle of a proof."""
    by = "by" if status < 0 else "with"
    return f"the process that proved it ended {by} {how(status)}; it may use {DATA_BYTES_MAX >> 30} GiB of memory"
