"""Starts the process of a plugin, and ends it with everything that it has started itself."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from yumen.children import ENDING_S, reaped

# What it gets of the gateway's environment: no key of anything.
PASSED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR",
          "SSL_CERT_FILE", "SSL_CERT_DIR", "OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")  # fmt: skip
# Every thread of a library for numbers takes memory where it is imported, as many threads as there are processors.
ALONE = {"OPENBLAS_NUM_THREADS": "1"}
PR_SET_DUMPABLE = 4


def unreadable() -> None:
    """Have the system keep this process's memory and environment from others of the same user, as far as it does (Linux).

    Source: `PR_SET_DUMPABLE`, prctl(2). What may trace everything, root mostly, still reads it; nobody gets a core dump.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def resident_bytes(pid: int) -> int:
    """Memory that a process has for itself or shares with others, without the files that it maps; 0 where nobody says.

    Source: `RssAnon` and `RssShmem` of /proc/PID/status, proc(5).
    """
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(("RssAnon:", "RssShmem:")))


class Process:
    """One process, with the two sockets that lead to it."""

    def __init__(self) -> None:
        """Start it. Error: `OSError`."""
        self.orders, theirs = socket.socketpair()
        self.wants, other = socket.socketpair()
        # Without room for long messages in the sockets, both sides would wake for every piece of one.
        for end in (self.orders, theirs):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        env = {**ALONE, **{name: value for name, value in os.environ.items() if name in PASSED}}
        command = [sys.executable, "-P", "-m", "yumen.isolation.child", str(os.getpid())]
        try:
            with theirs, other:
                self._process = subprocess.Popen(  # noqa: S603  # our own module, and no shell
                    command, stdin=theirs.fileno(), stdout=other.fileno(), stderr=subprocess.DEVNULL, env=env,
                    # A group of its own, so that what it has started can be ended with it.
                    start_new_session=True,
                )  # fmt: skip
        except BaseException:
            self.orders.close()
            self.wants.close()
            raise
        self.pid = self._process.pid
        self._killed = False

    def kill(self) -> None:
        """End it, and its group, at once."""
        self._killed = True
        if self._process.returncode is None:
            # Until it is waited for, nobody else can have its number.
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.kill()

    async def end(self) -> int:
        """End it, and wait until it is gone; its exit status, negative for a signal."""
        if not self._killed:
            # It has closed its sockets; its own status is to be known, and not that of being killed.
            await asyncio.sleep(ENDING_S)
        self.kill()
        return await reaped(self._process)
