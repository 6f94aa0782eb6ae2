"""CUDA's runtime without a GPU: memory, streams that do nothing before somebody waits for them, and graphs.

What is done in another order than CUDA asks for is an error as CUDA has it, or stands in `mistakes`. Names and arguments are
those of `cuda.bindings.runtime`: `test_signatures` compares them with the real ones.
"""

from __future__ import annotations

import ctypes
import enum
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

Op = Callable[[], None]


class Error(enum.IntEnum):
    """CUDA's errors that the fake knows."""

    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorInvalidDevice = 101
    cudaErrorInvalidResourceHandle = 400
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900
    cudaErrorStreamCaptureInvalidated = 901


class CopyKind(enum.IntEnum):
    """Which way a copy goes."""

    cudaMemcpyHostToDevice = 1
    cudaMemcpyDeviceToHost = 2


class CaptureMode(enum.IntEnum):
    """Who may do what during a capture."""

    cudaStreamCaptureModeThreadLocal = 1


class Properties:
    """Of a device."""

    def __init__(self, name: bytes, major: int, minor: int) -> None:
        self.name, self.major, self.minor, self.totalGlobalMem = name, major, minor, 139 << 30


class Stream:
    """What waits to be done, and what is recorded; TensorRT is given its number."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.waiting: list[Op] = []
        self.recorded: list[Op] | None = None

    def __int__(self) -> int:
        return self.number


OK = (Error.cudaSuccess,)


class FakeCuda:
    """Stands for the module. `fail` names functions and the error that each of them answers, once for each time it is named.

    `held` is what was made and not let go of; `calls` counts.
    """

    cudaMemcpyKind = CopyKind
    cudaStreamCaptureMode = CaptureMode
    cudaStreamNonBlocking = 1

    def __init__(self, gpus: int = 1, *, name: bytes = b"Fake H200", driver: int = 13000) -> None:
        self.mistakes: list[str] = []
        self.fail: dict[str, list[Error]] = {}
        self.calls: Counter[str] = Counter()
        self.device: dict[int, bytearray] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, Stream] = {}
        self.graphs: dict[int, list[Op]] = {}
        self.waiting = threading.Event()
        self.gate: threading.Event | None = None
        self._gpus, self._name, self._driver = gpus, name, driver
        self._next = 0x7000_0000_0000
        self._thread = threading.local()
        self._lock = threading.RLock()

    @property
    def held(self) -> int:
        return len(self.device) + len(self.pinned) + len(self.streams) + len(self.graphs)

    def here(self) -> bool:
        """Whether this thread has chosen a device."""
        return getattr(self._thread, "device", None) is not None

    def put(self, number: int, op: Op) -> None:
        """Put something on a stream, or on record."""
        stream = self.streams[number]
        (stream.waiting if stream.recorded is None else stream.recorded).append(op)

    def cudaDriverGetVersion(self) -> Any:
        return (*OK, self._driver)

    def cudaGetDeviceCount(self) -> Any:
        failed = self._failing("cudaGetDeviceCount")
        if failed:
            return failed, None
        if not self._driver:
            return Error.cudaErrorInsufficientDriver, None
        return (*OK, self._gpus) if self._gpus else (Error.cudaErrorNoDevice, None)

    def cudaGetDeviceProperties(self, device: int) -> Any:
        return (*OK, Properties(self._name, 9, 0))

    def cudaGetErrorName(self, error: Error) -> Any:
        return (*OK, error.name.encode())

    def cudaGetLastError(self) -> Any:
        return OK

    def cudaSetDevice(self, device: int) -> Any:
        if device >= self._gpus:
            return (Error.cudaErrorInvalidDevice,)
        self._thread.device = device
        return OK

    def cudaMalloc(self, size: int) -> Any:
        failed = self._failing("cudaMalloc")
        if failed or size <= 0:
            return failed or Error.cudaErrorInvalidValue, None
        with self._lock:
            address = self._next
            self._next += (size + 255) // 256 * 256
            # Fresh memory is not zero, so that nobody relies on it.
            self.device[address] = bytearray(b"\xa5" * size)
        return (*OK, address)

    def cudaFree(self, devPtr: int) -> Any:
        failed = self._failing("cudaFree")
        if failed or self.device.pop(devPtr, None) is None:
            return (failed or Error.cudaErrorInvalidValue,)
        return OK

    def cudaHostAlloc(self, size: int, flags: int) -> Any:
        failed = self._failing("cudaHostAlloc")
        if failed:
            return failed, None
        held = (ctypes.c_uint8 * size)(*b"\x5a" * min(size, 64))
        self.pinned[ctypes.addressof(held)] = held
        return (*OK, ctypes.addressof(held))

    def cudaFreeHost(self, ptr: int) -> Any:
        return OK if self.pinned.pop(ptr, None) is not None else (Error.cudaErrorInvalidValue,)

    def cudaStreamCreateWithFlags(self, flags: int) -> Any:
        failed = self._failing("cudaStreamCreateWithFlags")
        if failed:
            return failed, None
        with self._lock:
            self._next += 256
            stream = self.streams[self._next] = Stream(self._next)
        return (*OK, stream)

    def cudaStreamDestroy(self, stream: Stream) -> Any:
        if stream.waiting:
            self.mistakes.append("a stream was destroyed with work on it")
        return OK if self.streams.pop(stream.number, None) else (Error.cudaErrorInvalidResourceHandle,)

    def cudaStreamSynchronize(self, stream: Stream) -> Any:
        failed = self._failing("cudaStreamSynchronize")
        if stream.recorded is not None:
            self.mistakes.append("waited for a stream that is recorded")
            return (Error.cudaErrorStreamCaptureUnsupported,)
        if self.gate is not None:
            self.waiting.set()
            self.gate.wait(60)
        while stream.waiting:
            try:
                stream.waiting.pop(0)()
            except LookupError:
                stream.waiting.clear()
                return (Error.cudaErrorIllegalAddress,)
        return (failed,) if failed else OK

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: CopyKind, stream: Stream) -> Any:
        failed = self._failing("cudaMemcpyAsync")
        there = kind is CopyKind.cudaMemcpyHostToDevice
        host, device = (src, dst) if there else (dst, src)
        if failed or host not in self.pinned or device not in self.device:
            return (failed or Error.cudaErrorInvalidValue,)
        if count > min(len(self.pinned[host]), len(self.device[device])):
            return (Error.cudaErrorInvalidValue,)

        def copy() -> None:
            held, memory = self.pinned[host], self.device[device]
            if there:
                memory[:count] = bytes(held)[:count]
            else:
                ctypes.memmove(held, bytes(memory[:count]), count)

        self.put(stream.number, copy)
        return OK

    def cudaStreamBeginCapture(self, stream: Stream, mode: CaptureMode) -> Any:
        failed = self._failing("cudaStreamBeginCapture")
        if failed or stream.waiting:
            return (failed or Error.cudaErrorStreamCaptureUnsupported,)
        stream.recorded = []
        return OK

    def cudaStreamEndCapture(self, stream: Stream) -> Any:
        recorded, stream.recorded = stream.recorded, None
        failed = self._failing("cudaStreamEndCapture")
        if failed or recorded is None:
            return failed or Error.cudaErrorStreamCaptureInvalidated, None
        return (*OK, recorded)

    def cudaGraphInstantiate(self, graph: list[Op], flags: int) -> Any:
        failed = self._failing("cudaGraphInstantiate")
        if failed:
            return failed, None
        with self._lock:
            self._next += 256
            self.graphs[self._next] = graph
        return (*OK, self._next)

    def cudaGraphDestroy(self, graph: list[Op]) -> Any:
        return OK

    def cudaGraphExecDestroy(self, graphExec: int) -> Any:
        return OK if self.graphs.pop(graphExec, None) is not None else (Error.cudaErrorInvalidValue,)

    def cudaGraphLaunch(self, graphExec: int, stream: Stream) -> Any:
        failed = self._failing("cudaGraphLaunch")
        if failed:
            return (failed,)
        for op in self.graphs[graphExec]:
            self.put(stream.number, op)
        return OK

    def _failing(self, name: str) -> Error | None:
        self.calls[name] += 1
        if not self.here() and name not in ("cudaGetDeviceCount",):
            self.mistakes.append(f"{name} in a thread that has no device")
        waiting = self.fail.get(name)
        return waiting.pop(0) if waiting else None
