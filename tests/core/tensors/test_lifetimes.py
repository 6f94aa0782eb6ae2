"""How versions begin and end: one too many at most, each closed once, and nothing that hangs holds up the rest."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from tests.core.tensors.adders import Adders, answer, asked, catalogue, index, put, serving, states, until

from yumen import EngineError, RequestRefused
from yumen.tensors.repository import RepositoryConfig, VersionFiles, repository, served, shelf
from yumen.testing import RunningClock, UnitHost


async def test_one_version_too_many_at_most(tmp_path: Path) -> None:
    """However many new versions there are, no more than one is open beside those that serve."""
    for version in (1, 2, 3):
        put(tmp_path, "adder", version, version)
    (tmp_path / "adder" / "config.yaml").write_text("latest: 3")
    async with serving(tmp_path) as engine:
        for version in (4, 5, 6, 7):
            put(tmp_path, "adder", version, version)
        await catalogue(engine).load("adder")
        assert [one for one, state in (await states(engine)).items() if state == "READY"] == ["5", "6", "7"]
        assert engine.open_most == 4
    assert engine.open_now == 0
    assert [model.closed for model in engine.made] == [1] * 6


async def test_close_ends_what_loads_and_what_runs(tmp_path: Path) -> None:
    """Closing answers what runs, closes every version once, and lets nothing begin any more."""
    put(tmp_path, "adder", 1, 1)
    engine = Adders(RepositoryConfig(path=str(tmp_path), poll_s=0.01))
    await engine.load(UnitHost(clock=RunningClock()))
    engine.hold = asyncio.Event()
    asking = asyncio.ensure_future(answer(engine, asked([1, 1])))
    await asyncio.sleep(0.02)
    closing = asyncio.ensure_future(engine.close())
    await asyncio.sleep(0.02)
    assert not closing.done()
    with pytest.raises(EngineError):
        await engine.infer({"inputs": {}})
    engine.hold.set()
    assert (await asking)["sum"] == [2, 2]
    await closing
    assert [model.closed for model in engine.made] == [1]
    with pytest.raises(EngineError):
        await catalogue(engine).load("adder")
    await engine.close()
    assert [model.closed for model in engine.made] == [1]


async def test_a_model_that_does_not_close_holds_up_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version whose end hangs is left to itself after a while, and the engine closes without it."""
    for module in (repository, served):
        monkeypatch.setattr(module, "RETIRE_S", 0.05)
    monkeypatch.setattr(repository, "CLOSE_S", 0.05)
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        engine.hang_closing = True
        put(tmp_path, "adder", 2, 2)
        await catalogue(engine).load("adder")
        assert (await answer(engine, asked()))["model_version"] == "2"
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_a_version_that_takes_for_ever_to_open_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening has a limit, after which others have their turn."""
    monkeypatch.setattr(repository, "OPEN_S", 0.05)
    put(tmp_path, "adder", 1, 1)

    def prepare(engine: Adders) -> None:
        async def hang(files: VersionFiles) -> Any:
            await asyncio.Event().wait()

        engine.open_version = hang  # type: ignore[method-assign]

    async with serving(tmp_path, prepared=prepare) as engine:
        (state,) = await index(engine)
        assert "took too long" in state.reason


async def test_what_is_unloaded_while_it_opens_does_not_serve(tmp_path: Path) -> None:
    """Unloading has the last word, also where a version is on its way; nothing stays open."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        put(tmp_path, "adder", 2, 2)
        engine.hold = asyncio.Event()
        loading = asyncio.ensure_future(catalogue(engine).load("adder"))
        await until(lambda: len(engine.made) == 2)
        unloading = asyncio.ensure_future(catalogue(engine).unload("adder"))
        await asyncio.sleep(0)
        with pytest.raises(RequestRefused):
            await engine.generate(asked())
        engine.hold.set()
        await unloading
        await asyncio.gather(loading, return_exceptions=True)
        assert set((await states(engine)).values()) == {"UNAVAILABLE"}
    assert [model.closed for model in engine.made] == [1, 1]


async def test_whoever_stops_waiting_for_a_load_does_not_end_it(tmp_path: Path) -> None:
    """A load goes on when its caller has left: half of one would leave a model in no state at all."""
    put(tmp_path, "adder", 1, 1)
    async with serving(tmp_path) as engine:
        put(tmp_path, "adder", 2, 2)
        engine.hold = asyncio.Event()
        loading = asyncio.ensure_future(catalogue(engine).load("adder"))
        await until(lambda: len(engine.made) == 2)
        loading.cancel()
        with pytest.raises(asyncio.CancelledError):
            await loading
        assert (await states(engine))["2"] == "LOADING"
        engine.hold.set()
        await until(lambda: engine.open_now == 1)
        assert (await answer(engine, asked()))["model_version"] == "2"
        assert shelf.UNCHOSEN in {one.reason for one in await index(engine)}
