"""Begins the process: ties it to the gateway, bounds it, imports the plugin, and serves."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
import sys
from typing import Any

import msgspec

from yumen.children import end_with
from yumen.isolation.child.confine import bound
from yumen.isolation.child.serve import Server, refused
from yumen.isolation.wire import HEAD, ORDER_BYTES_MAX, Setup, encode, read_setup
from yumen.plugin import Plugin


def main() -> None:
    """See the module's docstring."""
    end_with(int(sys.argv[1]))
    # A signal to the whole group is for the gateway, which lets what is under way come to its end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    orders, wants = (socket.socket(fileno=os.dup(number)) for number in (0, 1))
    nowhere = os.open(os.devnull, os.O_RDWR)
    for standard in range(3):
        os.dup2(nowhere, standard)
    setup = read_setup(_first(orders))
    bound(setup.memory_bytes)
    try:
        plugin = _plugin(setup)
    except Exception as error:  # somebody else's module; one that would end the process does
        _refuse(orders, error)
        return
    with _runner() as runner:
        try:
            runner.run(Server(plugin, setup, orders, wants).run())
        except SystemExit as error:
            # A task of the plugin's own has ended the process. At once, or the gateway sees its sockets closed long before.
            os._exit(error.code & 0xFF if isinstance(error.code, int) else 1)


def _first(orders: socket.socket) -> bytes:
    """The first message. Error: `EOFError`."""
    with orders.makefile("rb", buffering=0) as reader:
        (size,) = HEAD.unpack(_exactly(reader, HEAD.size))
        if size > ORDER_BYTES_MAX:
            raise EOFError
        return _exactly(reader, size)


def _exactly(reader: Any, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = reader.read(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)


def _plugin(setup: Setup) -> Plugin[Any]:
    """The plugin under its configuration."""
    sys.path[:] = setup.path
    found: Any = importlib.import_module(setup.module)
    for name in setup.qualname.split("."):
        found = getattr(found, name)
    config = msgspec.msgpack.decode(setup.config, type=found.config_type)
    plugin: Plugin[Any] = found(config)
    return plugin


def _refuse(orders: socket.socket, error: Exception) -> None:
    body = encode(refused(error))
    with contextlib.suppress(OSError):
        orders.sendall(HEAD.pack(len(body)) + body)


def _runner() -> asyncio.Runner:
    """A loop of the kind that the gateway has, where there is one."""
    with contextlib.suppress(ImportError):
        import uvloop

        return asyncio.Runner(loop_factory=uvloop.new_event_loop)
    return asyncio.Runner()


if __name__ == "__main__":
    main()
