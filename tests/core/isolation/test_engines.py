"""A plugin in a process of its own asks engines as it would in the gateway's, where they stay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import pytest_asyncio
from tests.core.isolation.asking import Asker, Model
from tests.core.isolation.flats import instance, proxy
from tests.kit import exchange, request, saying

from yumen import Plugin, Secret, Settings
from yumen.isolation.engines import decode, encode
from yumen.parts import Part, Parts
from yumen.step import Step
from yumen.testing import completion

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def asker(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Plugin[Any], Model]]:
    """The plugin in its process, and its engine in this one."""
    parts = Parts(Settings(data_dir=tmp_path_factory.mktemp("asker")), Secret(b"s" * 32))
    model = Model()
    part = await parts.plugin(instance(Asker), {"model": Part("engine model", ("engine", "model"), model, model.close)})
    yield part.made, model
    await parts.give_back(part)


async def test_it_asks_as_it_would_here(asker: tuple[Plugin[Any], Model], tmp_path: Path) -> None:
    """Replies, tensors, failures and what an engine says of itself are the same on both sides, but for its configuration."""
    parts = Parts(Settings(data_dir=tmp_path), Secret(b"s" * 32))
    here = msgspec.structs.replace(instance(Asker), isolation="none")
    part = await parts.plugin(here, {"model": Part("engine model", ("engine", "model"), Model(), Model().close)})
    local = msgspec.json.decode(msgspec.json.encode(await part.made.inspect({}), enc_hook=plain))
    await parts.give_back(part)
    there: Any = await asker[0].inspect({})
    assert there["arrays"] == local["arrays"]
    for name in ("manifest", "revision", "health", "hello", "native", "other", "refuse", "fail"):
        assert there[name] == local[name]
    assert there["stream"] == "the engine streams what was to come whole"
    assert (there["objects"], there["here"], there["config"]) == ("TypeError", "TypeError", "NoConfig()")


def plain(value: Any) -> Any:
    """What JSON cannot hold."""
    return value.item() if isinstance(value, np.generic) else repr(value)


async def test_nobody_waits_for_what_is_asked_in_vain(asker: tuple[Plugin[Any], Model]) -> None:
    """When a hook is late, what it asks of an engine is cancelled there too, and its process goes on."""
    plugin, model = asker
    pid = proxy(Step(instance(Asker), plugin)).pid
    step = Step(instance(Asker, timeout_ms=100), plugin)
    outcome = await exchange([step], saying(completion("x")), request())
    assert outcome.code == "plugin_fault"
    async with asyncio.timeout(60):
        while model.cancelled < model.begun or not model.begun:
            await asyncio.sleep(0.01)
    assert proxy(step).pid == pid
    async with asyncio.timeout(60):
        while proxy(step)._conversation()._calls:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "blob",
    [
        msgspec.msgpack.encode({"x": msgspec.msgpack.Ext(1, msgspec.msgpack.encode(parts))})
        for parts in (
            ("|O", [1], b"12345678"),
            ("<f4", [1 << 40, 1 << 40], b"1234"),
            ("<f4", [-1], b"1234"),
            ("<f4", [2], b"1234"),
            ("<M8[D]", [1], b"12345678"),
            ("<f4", [1] * 33, b"1234"),
        )
    ]
    + [msgspec.msgpack.encode({"x": msgspec.msgpack.Ext(2, b"")}), b"\xc1", b"\x90"],
)
async def test_arrays_that_are_none_are_refused(blob: bytes) -> None:
    """What a process sends as an array is one: of numbers, and as long as it says."""
    with pytest.raises((ValueError, msgspec.DecodeError)):
        decode(blob)


async def test_arrays_pass_as_they_are() -> None:
    """Shapes without elements or dimensions, and orders of bytes and axes, make no difference."""
    for array in (np.zeros((0, 3)), np.array(3.5), np.arange(6, dtype=">i2").reshape(2, 3).T, np.array([True])):
        passed = decode(encode({"x": array}))["x"]
        assert passed.shape == array.shape
        assert passed.tolist() == array.tolist()
