"""The few things of the CUDA runtime that are needed: streams, memory, copies and graphs, with errors by their names.

Source: the runtime's published reference; names and arguments are those of `cuda.bindings.runtime` 13.
CUDA's current device belongs to a thread: everything here is called in a thread that has called `Cuda.use`.
"""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
from numpy.typing import NDArray

# After any error but these, what was computed since, and everything computed later, is not to be trusted.
HARMLESS = frozenset(
    {
        "cudaErrorMemoryAllocation",
        "cudaErrorInvalidValue",
        "cudaErrorStreamCaptureUnsupported",
        "cudaErrorStreamCaptureInvalidated",
        "cudaErrorStreamCaptureImplicit",
        "cudaErrorStreamCaptureUnmatched",
    }
)


class CudaError(Exception):
    """A call failed. `name` is CUDA's own for the error; `harmless` says that the next call may work."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.harmless = name in HARMLESS
        super().__init__(name)


class Memory:
    """Bytes on the device, at `address`; freed once."""

    def __init__(self, cuda: Cuda, size: int) -> None:
        self._cuda = cuda
        self.size = size
        # A tensor without elements has an address as well.
        self.address = int(cuda.call("cudaMalloc", max(1, size)))

    def free(self) -> None:
        address, self.address = self.address, 0
        if address:
            self._cuda.call("cudaFree", address)


class Pinned:
    """Bytes of this machine that the device reads and writes by itself; freed once, when no array of them is left."""

    def __init__(self, cuda: Cuda, size: int) -> None:
        self._cuda = cuda
        self.size = size
        self.address = int(cuda.call("cudaHostAlloc", max(1, size), 0))
        held = (ctypes.c_uint8 * max(1, size)).from_address(self.address)
        self.bytes: NDArray[np.uint8] = np.ctypeslib.as_array(held)

    def free(self) -> None:
        address, self.address = self.address, 0
        self.bytes = np.empty(0, np.uint8)
        if address:
            self._cuda.call("cudaFreeHost", address)


class Cuda:
    """The runtime, for one device."""

    def __init__(self, cudart: Any, device: int) -> None:
        self._cudart = cudart
        self._device = device

    def call(self, name: str, *arguments: Any) -> Any:
        """Call a function of the runtime; what it gives, beside its error. Error: `CudaError`."""
        failed, *given = getattr(self._cudart, name)(*arguments)
        if int(failed):
            _, said = self._cudart.cudaGetErrorName(failed)
            raise CudaError(said.decode("ascii", "replace") if isinstance(said, bytes) else str(said))
        return given[0] if given else None

    def use(self) -> None:
        """Make this device the current one of the calling thread."""
        self.call("cudaSetDevice", self._device)

    def stream(self) -> Any:
        """A new stream, which does not wait for the default one."""
        return self.call("cudaStreamCreateWithFlags", self._cudart.cudaStreamNonBlocking)

    def wait(self, stream: Any) -> None:
        """Until everything on a stream is done; other threads go on meanwhile."""
        self.call("cudaStreamSynchronize", stream)

    def to_device(self, target: Memory, source: Pinned, size: int, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call("cudaMemcpyAsync", target.address, source.address, size, kind, stream)

    def to_host(self, target: Pinned, source: int, size: int, stream: Any) -> None:
        kind = self._cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", target.address, source, size, kind, stream)

    def begin_capture(self, stream: Any) -> None:
        """What is put on the stream from now on is recorded and not done. Other threads may allocate meanwhile."""
        mode = self._cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Any) -> Any:
        """What was recorded, ready to be launched."""
        graph = self.call("cudaStreamEndCapture", stream)
        try:
            return self.call("cudaGraphInstantiate", graph, 0)
        finally:
            self.call("cudaGraphDestroy", graph)

    def abandon_capture(self, stream: Any) -> None:
        """Leave a capture that has failed: the stream can be used again."""
        failed, graph = self._cudart.cudaStreamEndCapture(stream)
        if not int(failed) and graph:
            self._cudart.cudaGraphDestroy(graph)
        # The failure stays the thread's last error until somebody asks.
        self._cudart.cudaGetLastError()

    def launch(self, graph: Any, stream: Any) -> None:
        self.call("cudaGraphLaunch", graph, stream)
