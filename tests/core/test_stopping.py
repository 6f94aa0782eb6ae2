"""Starting and stopping that does not end: it is named, and nobody else waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from structlog.testing import capture_logs
from tests.core.registry.site import on_path, plugin
from tests.core.test_parts import instance
from tests.kit import exchange, saying, step

from yumen import Host, Manifest, NoConfig, Plugin, Secret, Settings, stopping
from yumen import parts as parts_module
from yumen import runtime as runtime_module
from yumen.errors import CannotStart
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, Limits
from yumen.registry import load_plugin
from yumen.runtime import Runtime
from yumen.testing import completion


class Last(Plugin[NoConfig]):
    """Says when it has stopped, as the ledger must."""

    manifest: ClassVar[Manifest] = Manifest(name="last", version="1")
    stopped: ClassVar[list[str]] = []

    async def stop(self) -> None:
        self.stopped.append("last")


class Hangs(Plugin[NoConfig]):
    """Does not stop until it is cancelled; where it `eats`, not even then."""

    manifest: ClassVar[Manifest] = Manifest(name="hangs", version="1")
    eats: ClassVar[bool] = False
    let_go: ClassVar[asyncio.Event]

    async def stop(self) -> None:
        while True:
            try:
                await self.let_go.wait()
                return
            except asyncio.CancelledError:
                if not self.eats:
                    raise


ILL = """    async def start(self, host): raise ValueError("张三")
    async def on_request(self, exchange): raise ValueError("张三")
"""


@pytest.fixture
def ill(tmp_path: Path) -> Iterator[type[Plugin[Any]]]:
    """A plugin of another distribution that fails in all it does."""
    with on_path(tmp_path) as site:
        site.add_plugin("ill", plugin("ill", body=ILL))
        yield load_plugin("ill")


def parts() -> Parts:
    return Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32)))


def runtime(of: Parts) -> Runtime:
    return Runtime(Bundle(name="b", path="", hash="0" * 64, routes=(), engines={}, instances={}), of)


@pytest.mark.parametrize("eats", [False, True])
async def test_who_does_not_stop_keeps_nobody_from_it(monkeypatch: pytest.MonkeyPatch, eats: bool) -> None:
    """What stands behind a plugin that hangs is stopped before that one's time is over, and all who hang are named."""
    for name, seconds in {"SLOW_S": 0.01, "LIMIT_S": 0.05, "GRACE_S": 0.05}.items():
        monkeypatch.setattr(stopping, name, seconds)
    monkeypatch.setattr(Hangs, "eats", eats)
    monkeypatch.setattr(Hangs, "let_go", asyncio.Event(), raising=False)
    monkeypatch.setattr(Last, "stopped", [])
    served = runtime(of := parts())
    for name, kind in {"last": Last, "hangs": Hangs}.items():
        served._plugins[name] = await of.plugin(msgspec.structs.replace(instance(kind), name=name))
    with capture_logs() as log:
        await served.stop()
    Hangs.let_go.set()
    assert Last.stopped == ["last"]
    told = [(event["event"], event["what"]) for event in log]
    ends = "stop_abandoned" if eats else "stop_failed"
    assert told == [("stop_slow", "plugin hangs"), (ends, "plugin hangs")]
    await asyncio.sleep(0)


async def test_who_takes_long_to_start_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a gateway to start is told for whom; who has started is not named any more."""
    monkeypatch.setattr(parts_module, "SLOW_S", 0.0)
    named = asyncio.Event()

    class Slow(Plugin[NoConfig]):
        manifest: ClassVar[Manifest] = Manifest(name="slow", version="1")

        async def start(self, host: Host) -> None:
            while not log:
                await asyncio.sleep(0)
            named.set()

    with capture_logs() as log:
        await parts().plugin(instance(Slow))
        await parts().plugin(instance(Last))
        await asyncio.sleep(0.01)
    assert [(event["event"], event["what"]) for event in log] == [("start_slow", "plugin one")]


async def test_an_exchange_that_never_ends_keeps_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A policy that was replaced is stopped in the end, though an exchange of it is kept for ever, and the log says so."""
    monkeypatch.setattr(runtime_module, "RETIRE_S", 0.0)
    served = runtime(parts())
    served.bundle = msgspec.structs.replace(served.bundle, limits=Limits(stream_ms=1))
    served.enter()
    with capture_logs() as log:
        await served.retire()
    assert [(event["event"], event["exchanges"]) for event in log] == [("exchanges_left_behind", 1)]


async def test_who_fails_to_start_is_told_with_its_distribution(ill: type[Plugin[Any]]) -> None:
    """An operator who reads why a gateway does not start knows whom to ask about it."""
    with pytest.raises(CannotStart, match="plugin one of acme-ill failed to start: ValueError"):
        await parts().plugin(instance(ill))


async def test_a_fault_is_logged_with_its_distribution(ill: type[Plugin[Any]]) -> None:
    """A plugin that is called otherwise in its policy is still known by what was installed."""
    with capture_logs() as log:
        outcome = await exchange([step(ill(NoConfig()), name="one")], saying(completion("fine")))
        assert outcome.code == "plugin_fault"
    (fault,) = (event for event in log if event["event"] == "plugin_fault")
    assert (fault["plugin"], fault["distribution"]) == ("one", "acme-ill")
