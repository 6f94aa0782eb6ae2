"""Starts the process of a model and carries messages to it and from it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
DECODER: msgspec.msgpack.Decoder[Report] = msgspec.msgpack.Decoder(Report)
SILENT = {"ORT_DISABLE_TELEMETRY": "1"}


def environment() -> dict[str, str]:
    """What the process is started with."""
    passed = {name: value for name, value in os.environ.items() if name in PASSED or name.startswith(PASSED_BEGINNINGS)}
    return {**passed, **SILENT}


class Process:
    """One process. `take` gets every report, `ended` is called once when it is gone, both on the event loop."""

    def __init__(self, process: subprocess.Popen[bytes], ready: Ready, frames: Frames) -> None:
        self.ready = ready
        self._process = process
        self._frames = frames
        self._reader: threading.Thread | None = None
        # One thread, so that orders arrive in the order they were given in.
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="generate-orders")

    @classmethod
    def open(cls, config: GenerateConfig) -> Process:
        """Start it and wait until the model is loaded. Error: `CannotStart`."""
        setup = Setup(config.model, config.device, config.threads, config.context_max)
        command = [sys.executable, "-P", "-m", "yumen_engines.generate.child", msgspec.json.encode(setup).decode()]
        process = subprocess.Popen(  # noqa: S603  our own module, and no shell
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,  # libraries might write there what they are working on
            env=environment(),
            bufsize=0,
        )
        late = threading.Timer(LOAD_S, process.kill)
        late.daemon = True
        late.start()
        try:
            frames = Frames()
            reports = next(_reports(_pipe(process.stdout), frames), [])
        finally:
            late.cancel()
        first = reports[0] if reports else Refused("the process of the generate engine ended while it loaded the model")
        if isinstance(first, Ready):
            return cls(process, first, frames)
        process.kill()
        _reap(process)
        raise CannotStart(first.why if isinstance(first, Refused) else "the process of the model said something else")

    def listen(
        self, loop: asyncio.AbstractEventLoop, take: Callable[[Report], None], ended: Callable[[], None]
    ) -> None:
        """Begin to hand on reports."""

        def deliver(reports: list[Report]) -> None:
            for report in reports:
                take(report)

        def read() -> None:
            # The loop may be closed already where nobody has closed the engine.
            with contextlib.suppress(RuntimeError):
                with contextlib.suppress(OSError, ValueError, msgspec.DecodeError):
                    for reports in _reports(_pipe(self._process.stdout), self._frames):
                        loop.call_soon_threadsafe(deliver, reports)
                loop.call_soon_threadsafe(ended)

        self._reader = threading.Thread(target=read, name="generate-reports", daemon=True)
        self._reader.start()

    def send(self, order: Order) -> None:
        """Give an order; it is written by another thread, since the process may be busy for a while."""
        with contextlib.suppress(RuntimeError):  # closed meanwhile, and whoever waits is told by `ended`
            self._writer.submit(self._write, frame(order))

    def _write(self, data: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):  # it is gone, which `ended` tells
            rest = memoryview(data)
            pipe = _pipe(self._process.stdin)
            while rest:
                rest = rest[pipe.write(rest) :]

    def close(self) -> None:
        """End the process and wait for it."""
        self._process.kill()
        self._writer.shutdown(cancel_futures=True)
        if self._reader is not None:
            # Only then may its pipe be closed: another file could get the same number.
            self._reader.join(END_S)
        _reap(self._process)

    @property
    def pid(self) -> int:
        return self._process.pid


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe


def _reports(pipe: IO[bytes], frames: Frames) -> Iterator[list[Report]]:
    """What the process reports, as much at a time as there is, until it ends."""
    while data := os.read(pipe.fileno(), READ_BYTES):
        reports = [DECODER.decode(body) for body in frames.feed(data)]
        if reports:
            yield reports


def _reap(process: subprocess.Popen[bytes]) -> None:
    """Wait for a process that was killed, and close its pipes."""
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(END_S)
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
