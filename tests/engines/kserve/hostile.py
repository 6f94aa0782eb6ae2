"""An upstream that can send any bytes at any time: what no HTTP server would do, this one does.

It speaks just enough HTTP to know where a request ends. What it answers at a path that ends in one of `scripts`' keys is the
script's business, which gets the connection; everywhere else it is a well-behaved server of the Open Inference Protocol.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any

TRICKLE_S = 0.01
HANG_S = 60.0
METADATA = {
    "name": "m",
    "versions": ["1"],
    "platform": "onnxruntime_onnx",
    "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 2]}],
    "outputs": [{"name": "y", "datatype": "FP32", "shape": [-1, 2]}],
}


@dataclass
class Request:
    """A request as it arrived, its header names in lower case."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


class Wire:
    """The server's end of a connection, as a script sees it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.request = Request("", "", {}, b"")

    async def send(self, *parts: bytes) -> None:
        for part in parts:
            self._writer.write(part)
            await self._writer.drain()

    async def trickle(self, data: bytes) -> None:
        """A byte at a time, for as long as somebody listens."""
        for at in range(len(data)):
            await self.send(data[at : at + 1])
            await asyncio.sleep(TRICKLE_S)

    async def hang(self) -> None:
        """Say nothing more until the other end has gone."""
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(HANG_S):
                await self._reader.read()

    def reset(self) -> None:
        self._writer.transport.abort()

    def close(self) -> None:
        self._writer.close()


Script = Callable[[Wire], Awaitable[None]]


class Hostile:
    """The server, in the test's own loop. `scripts` are by the end of a path; `open` counts connections."""

    def __init__(self) -> None:
        self.scripts: dict[str, Script] = {}
        self.requests: list[Request] = []
        self.metadata: dict[str, Any] = METADATA
        self.open = 0
        self.url = ""

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.open += 1
        wire = Wire(reader, writer)
        try:
            while not writer.is_closing() and (request := await _request(reader)) is not None:
                self.requests.append(request)
                wire.request = request
                script = next((one for end, one in self.scripts.items() if request.path.endswith(end)), None)
                await (script(wire) if script is not None else self._behave(wire))
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self.open -= 1
            writer.close()

    async def _behave(self, wire: Wire) -> None:
        path = wire.request.path
        if path.endswith("/v2"):
            await wire.send(reply({"name": "hostile", "version": "1.0", "extensions": []}))
        elif path.endswith("/infer"):
            await wire.send(reply(answer(2)))
        else:
            await wire.send(reply(self.metadata))

    async def quiet(self, timeout_s: float = 10.0) -> bool:
        """Whether every connection is closed within the time."""
        async with asyncio.timeout(timeout_s):
            for _ in range(50):
                if not self.open:
                    return True
                await asyncio.sleep(0.002)
            # A caught error holds the frames that it went through, and they a request.
            gc.collect()
            while self.open:
                await asyncio.sleep(0.002)
        return True

    def asked(self, end: str) -> list[Request]:
        return [one for one in self.requests if one.path.endswith(end)]


@contextlib.asynccontextmanager
async def hostile() -> AsyncIterator[Hostile]:
    """A server on a port of its own; in the end nobody is connected any more."""
    one = Hostile()
    server = await asyncio.start_server(one.connected, "127.0.0.1", 0)
    one.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield one
        await one.quiet()
    finally:
        server.close()
        await server.wait_closed()


async def _request(reader: asyncio.StreamReader) -> Request | None:
    head = await reader.readuntil(b"\r\n\r\n") if not reader.at_eof() else b""
    if not head:
        return None
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, body)


def dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


def reply(body: Any, *more: str, status: int = 200, json_bytes: int = 0) -> bytes:
    """A whole reply; `more` are further header lines."""
    data = body if isinstance(body, bytes) else dump(body)
    lines = [f"HTTP/1.1 {status} Whatever", "content-type: application/json", f"content-length: {len(data)}", *more]
    if json_bytes:
        lines.append(f"Inference-Header-Content-Length: {json_bytes}")
    return "\r\n".join([*lines, "", ""]).encode() + data


def output(rows: int, **other: Any) -> dict[str, Any]:
    """An output of so many rows, with what is otherwise about it."""
    return {"name": "y", "datatype": "FP32", "shape": [rows, 2], "data": [0.5] * (2 * rows), **other}


def answer(rows: int, **other: Any) -> dict[str, Any]:
    """An inference reply of one output of so many rows."""
    return {"model_name": "m", "model_version": "1", "outputs": [output(rows)], **other}


def binary(*tensors: tuple[str, list[int], bytes], claim: int | None = None) -> tuple[bytes, int]:
    """A reply with binary outputs, and how much of it is JSON; `claim` is what every one says that its length is."""
    outputs = [
        {
            "name": f"y{at}",
            "datatype": datatype,
            "shape": shape,
            "parameters": {"binary_data_size": len(data) if claim is None else claim},
        }
        for at, (datatype, shape, data) in enumerate(tensors)
    ]
    head = dump({"model_name": "m", "outputs": outputs})
    return head + b"".join(data for _, _, data in tensors), len(head)
