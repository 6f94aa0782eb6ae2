"""One process of a model, from its start until it is gone, and the messages to it and from it.

A thread of its own starts the process, reads what it reports, and waits for its end: no process is ever left unwaited for.
The operating system ends the process with that thread (`child.py`), so none outlives the gateway either, however that ends.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

import msgspec

from yumen import CannotStart
from yumen_engines.generate.config import GenerateConfig
from yumen_engines.generate.protocol import READ_BYTES, Frames, Order, Ready, Refused, Report, Setup, frame

# Of a large model this is reading it from the disk, and onto a GPU.
LOAD_S, END_S = 600.0, 5.0
# What the process gets of the gateway's environment: no key of anything, and no folder of a user to write to.
PASSED = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV", "LANG", "LC_ALL", "TZ", "TMPDIR")
PASSED_BEGINNINGS = ("CUDA_", "NVIDIA_")
# ONNX Runtime and onnxruntime-genai report to their maker from version 1.31 and 0.18 on unless they are told not to.
SILENT = {"ORT_DISABLE_TELEMETRY": "1"}
DECODER: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)


def environment() -> dict[str, str]:
    """What the process is started with."""
    passed = {name: value for name, value in os.environ.items() if name in PASSED or name.startswith(PASSED_BEGINNINGS)}
    return {**passed, **SILENT}


class Process:
    """One process. `take` gets every report but the first; `gone` is set once nothing is left of the process.

    Used on one event loop, where `take` is called too.
    """

    def __init__(self, config: GenerateConfig, take: Callable[[Report], None]) -> None:
        self._setup = Setup(config.model, config.device, config.threads, config.context_max, os.getpid())
        self._take = take
        self._loop = asyncio.get_running_loop()
        self._first: asyncio.Future[Report] = self._loop.create_future()
        self.gone = asyncio.Event()
        # Over whether it is to live, which the loop decides, and that it does, which the thread does.
        self._lock = threading.Lock()
        self._killed = False
        self._process: subprocess.Popen[bytes] | None = None
        self._fault = ""
        # Bounded by who gives orders: see `Decoder`.
        self._orders: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()

    async def open(self) -> Ready:
        """Start it and wait until the model is loaded. Error: `CannotStart`; nothing is left of it then."""
        try:
            threading.Thread(target=self._live, name="generate-process", daemon=True).start()
        except RuntimeError:
            raise CannotStart(
                "there is no thread for the process of the generate engine; check the system's limits"
            ) from None
        try:
            async with asyncio.timeout(LOAD_S):
                first = await self._first
        except TimeoutError:
            first = Refused(
                f"the model was not loaded within {LOAD_S:.0f} seconds; check the machine, or take a smaller one"
            )
        except BaseException:
            await self.close()
            raise
        if isinstance(first, Ready):
            return first
        await self.close()
        raise CannotStart(first.why if isinstance(first, Refused) else "the process of the model said something else")

    def send(self, order: Order) -> None:
        """Give an order; another thread writes it, since the process may be busy for a while. One that is gone gets none."""
        if not self.gone.is_set():
            self._orders.put(frame(order))

    def kill(self) -> None:
        """Have it end, whatever it does at the moment."""
        with self._lock:
            self._killed = True
            if self._process is not None:
                self._process.kill()

    async def close(self) -> None:
        """End it, and wait until nothing is left of it, which the operating system may delay."""
        self.kill()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(END_S):
                await self.gone.wait()

    @property
    def pid(self) -> int:
        return 0 if self._process is None else self._process.pid

    @property
    def end(self) -> str:
        """How it has ended, for the operator."""
        if self._fault:
            return f"after {self._fault}"
        status = None if self._process is None else self._process.returncode
        if status is None or status >= 0:
            return "" if status is None else f"with status {status}"
        with contextlib.suppress(ValueError):
            return f"by {signal.Signals(-status).name}"
        return f"by signal {-status}"

    def _live(self) -> None:
        """The thread: from the start of the process to its end."""
        writer: threading.Thread | None = None
        try:
            with self._lock:
                process = None if self._killed else self._spawn()
                self._process = process
            if process is not None:
                writer = threading.Thread(
                    target=self._write, args=(_pipe(process.stdin),), name="generate-orders", daemon=True
                )
                writer.start()
                self._read(_pipe(process.stdout))
        except (OSError, RuntimeError, ValueError, msgspec.DecodeError) as error:
            # What cannot be started or understood is ended, and whoever waits is told.
            self._fault = type(error).__name__
        finally:
            self._bury(writer)
            self._tell(self._end)

    def _spawn(self) -> subprocess.Popen[bytes]:
        argument = msgspec.json.encode(self._setup).decode()
        return subprocess.Popen(  # noqa: S603  our own module, and no shell
            [sys.executable, "-P", "-m", "yumen_engines.generate.child", argument],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries might write there what they are working on
            env=environment(),
            bufsize=0,
        )

    def _read(self, pipe: IO[bytes]) -> None:
        """Hand on what it reports, as much at a time as there is, until it ends."""
        frames = Frames()
        while data := os.read(pipe.fileno(), READ_BYTES):
            reports = [DECODER.decode(body) for body in frames.feed(data)]
            if reports:
                self._tell(functools.partial(self._hear, reports))

    def _write(self, pipe: IO[bytes]) -> None:
        """The other thread: write what there is to be written, until there is nobody to read it."""
        with pipe, contextlib.suppress(OSError):
            while order := self._orders.get():
                rest = memoryview(order)
                while rest:
                    rest = rest[pipe.write(rest) :]

    def _bury(self, writer: threading.Thread | None) -> None:
        process = self._process
        if process is None:
            return
        process.kill()
        process.wait()
        self._orders.put(None)
        if writer is not None and writer.ident is not None:
            writer.join()
        else:
            _pipe(process.stdin).close()
        _pipe(process.stdout).close()

    def _tell(self, what: Callable[[], None]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop may be closed where nobody has closed the engine
            self._loop.call_soon_threadsafe(what)

    def _hear(self, reports: list[Report]) -> None:
        for report in reports:
            if self._first.done():
                self._take(report)
            else:
                self._first.set_result(report)

    def _end(self) -> None:
        if not self._first.done():
            self._first.set_result(Refused("the process of the generate engine ended while it loaded the model"))
        self.gone.set()


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
