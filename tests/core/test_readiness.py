"""How plugins and engines are: whoever hangs when it is asked is named, holds nobody up, and leaves nothing behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, cast

import pytest

from yumen import Answer, Engine, EngineManifest, Manifest, NoConfig, Plugin, Secret, Settings
from yumen import readiness as module
from yumen.app import readyz
from yumen.parts import Parts
from yumen.policy.bundle import Bundle, EngineSpec, Instance, Route
from yumen.readiness import LATE, Readiness
from yumen.runtime import Runtime
from yumen.tensors.models import Placement


class Asks:
    """Waits when it is asked, until it is let go; `stubborn` goes on when it is cancelled."""

    def __init__(self, *, stubborn: bool = False) -> None:
        self.calls = 0
        self.stubborn = stubborn
        self.go = asyncio.Event()

    async def __call__(self) -> str:
        self.calls += 1
        while not self.go.is_set():
            try:
                await self.go.wait()
            except asyncio.CancelledError:
                if not self.stubborn:
                    raise
        return "ill"


async def well() -> str:
    return ""


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is waited for long."""
    monkeypatch.setattr(module, "READY_S", 0.05)
    monkeypatch.setattr(module, "END_S", 0.05)


@pytest.mark.parametrize("stubborn", [False, True])
async def test_whoever_hangs_is_named(soon: None, stubborn: bool) -> None:
    """All others are told as they are, and whoever does not end is not asked again before it has."""
    hangs, asking = Asks(stubborn=stubborn), Readiness()
    for _ in range(3):
        assert await asking.reasons({"one": well, "other": hangs}) == {"one": "", "other": LATE}
    assert hangs.calls == (1 if stubborn else 3)
    hangs.go.set()
    await asyncio.sleep(0)
    assert await asking.reasons({"other": hangs}) == {"other": "ill"}


async def test_probes_do_not_pile_up() -> None:
    """Everybody who asks meanwhile gets the one answer; a probe that is given up takes it from nobody."""
    hangs, asking = Asks(), Readiness()
    probes = [asyncio.create_task(asking.reasons({"one": hangs})) for _ in range(50)]
    await asyncio.sleep(0)
    probes.pop().cancel()
    await asyncio.sleep(0)
    hangs.go.set()
    assert await asyncio.gather(*probes) == [{"one": "ill"}] * 49
    assert hangs.calls == 1


@pytest.mark.parametrize("stubborn", [False, True])
async def test_nothing_is_left(soon: None, stubborn: bool) -> None:
    """Whoever is still asked when everything ends is cancelled, and a probe that waits for it is told at once."""
    hangs, asking, before = Asks(stubborn=stubborn), Readiness(), asyncio.all_tasks()
    probe = asyncio.create_task(asking.reasons({"one": hangs}))
    await asyncio.sleep(0)
    await asking.close()
    assert await probe == {"one": LATE}
    hangs.go.set()  # by which one that cannot be ended ends
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_reason_is_bounded() -> None:
    """What it says of itself is cut, and what is no text is made one."""

    async def talks() -> Any:
        return "病" * 10_000

    async def nonsense() -> Any:
        return 3

    def plain() -> Any:
        raise SystemExit(3)

    said = await Readiness().reasons({"a": talks, "b": nonsense, "c": plain})
    assert said == {"a": "病" * module.REASON_CHARS_MAX, "b": "3", "c": "asking failed with SystemExit"}


class Hanging(Plugin[NoConfig]):
    """Never says how it is."""

    manifest: ClassVar[Manifest] = Manifest(name="hanging", version="1")

    async def on_request(self, exchange: Any) -> None:
        return None

    async def ready(self) -> str:
        await asyncio.Event().wait()
        return ""


class Lost(Engine[NoConfig]):
    """Cannot say where it runs, in the way that the test says."""

    manifest: ClassVar[EngineManifest] = EngineManifest(name="lost", version="1")
    places: Any = ()

    async def generate(self, request: Any) -> Answer:
        return Answer(["fine"])

    def placements(self) -> Sequence[Placement]:
        if isinstance(self.places, BaseException):
            raise self.places
        places: Sequence[Placement] = self.places
        return places


@pytest.fixture
async def runtime() -> AsyncIterator[Runtime]:
    one = Instance(name="one", plugin_class=Hanging, config=NoConfig())
    spec = EngineSpec(name="llm", adapter="lost", engine_class=Lost, config=NoConfig(), egress="local")
    route = Route(id="chat", paths=("/v1/*",), engine="llm", chain=(one,))
    bundle = Bundle(name="b", path="b", hash="0" * 64, routes=(route,), engines={"llm": spec}, instances={"one": one})
    started = Runtime(bundle, Parts(Settings(data_dir=Path("/nonexistent")), Secret(bytes(32))))
    await started.start()
    yield started
    await started.stop()


@pytest.mark.parametrize(
    "places",
    [SystemExit(3), [3], 3, [Placement(model="m", detail=cast("Any", 3))]],
    ids=["raises", "no", "none", "wrong"],
)
async def test_readyz(soon: None, runtime: Runtime, monkeypatch: pytest.MonkeyPatch, places: Any) -> None:
    """A plugin that hangs, and an engine that cannot say where it runs, are named with 503, and the probe is answered."""
    monkeypatch.setattr(Lost, "places", places)
    state: Any = SimpleNamespace(plane=SimpleNamespace(runtime=runtime))
    reply = await readyz.fn(state)
    assert reply.status_code == 503
    assert reply.content["reasons"] == {"plugin one": LATE, "engine llm": "it cannot say where it runs"}
    assert reply.content["engines"] == {"llm": None}
