"""Memory for outputs whose size TensorRT knows only when it has computed them."""

from __future__ import annotations

from typing import Any

from yumen_engines.tensorrt.cuda import Cuda, CudaError, Memory


def allocator(trt: Any, cuda: Cuda, bytes_max: int) -> Any:
    """An output allocator: memory that grows, up to a limit. `address`, `shape` and `free` are for who made it."""

    class Allocator(trt.IOutputAllocator):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IOutputAllocator.__init__(self)
            self._memory: Memory | None = None
            self.shape: tuple[int, ...] | None = None

        @property
        def address(self) -> int:
            return self._memory.address if self._memory else 0

        def reallocate_output_async(self, tensor_name: str, memory: int, size: int, alignment: int, stream: int) -> Any:
            # An exception would end the process: it would pass through code that knows none.
            try:
                if self._memory is not None and self._memory.size >= size:
                    return self._memory.address
                if size > bytes_max:
                    return None
                self.free()
                self._memory = Memory(cuda, size)
            except CudaError:
                return None
            return self._memory.address

        def notify_shape(self, tensor_name: str, shape: Any) -> None:
            self.shape = tuple(shape)

        def free(self) -> None:
            memory, self._memory = self._memory, None
            if memory is not None:
                memory.free()

    return Allocator()
