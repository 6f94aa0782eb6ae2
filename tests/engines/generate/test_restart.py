"""The process of the model dies, hangs, or outlives its gateway: who waits is told, and another process takes its place."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from structlog.testing import capture_logs
from tests.engines.generate.asking import alive, asked, begun, chat, host, loaded, pid, says, until
from tests.tiny_decoder import FOLDER, corpus

from yumen import Delta, EngineError
from yumen_engines.generate import Generate, GenerateConfig, keeper
from yumen_engines.generate.process import Process
from yumen_engines.generate.protocol import Ready
from yumen_engines.generate.replies import Replies

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def rest(stream: Replies) -> list[Delta]:
    return [delta async for delta in stream]


async def well(engine: Generate) -> None:
    """Wait until the engine is well again."""
    async with asyncio.timeout(60):
        while await engine.health():
            await asyncio.sleep(0.005)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model whose files a test may change."""
    return Path(shutil.copytree(FOLDER, tmp_path_factory.mktemp("restart") / "model"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def engine(folder: Path) -> AsyncIterator[Generate]:
    """One engine for all tests that leave it well."""
    async with loaded(folder, concurrent_max=2, queue_max=4) as engine:
        yield engine


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pause is short enough for a test, and long enough to see the engine without a process."""
    monkeypatch.setattr(keeper, "PAUSE_MIN_S", 0.1)


async def test_a_process_that_is_killed_is_replaced(engine: Generate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever writes or waits is told, others may be asked where no byte was sent, and later requests are answered again."""
    streams = [await begun(engine, chat("唱歌")) for _ in range(4)]
    plain, waiting = (
        asyncio.create_task(engine.generate(asked(chat("Sing"), streamed=streamed))) for streamed in (False, True)
    )
    await asyncio.wait_for(anext(streams[0]), 30)
    number = pid(engine)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(sys, "executable", "/bin/false")  # nothing takes its place before all has been looked at
        os.kill(number, signal.SIGKILL)
        again = []
        for stream in streams:
            with pytest.raises(EngineError, match="ended") as failed:
                await asyncio.wait_for(rest(stream), 30)
            again.append(failed.value.again)
        # The second one may have begun or not; two more are not begun, as no more than two are written at a time.
        assert (again[0], *again[2:]) == (False, True, True)
        # A stream that has not begun fails where the pool and the route can still ask another engine.
        for asking in (plain, waiting):
            with pytest.raises(EngineError, match="ended") as failed:
                await asyncio.wait_for(asking, 30)
            assert failed.value.again
        # It was waited for, while nobody has closed the engine.
        assert not alive(number)
        assert "ended" in await engine.health()
        assert "ended" in engine.placements()[0].detail["state"]
        with pytest.raises(EngineError, match="ended") as failed:
            await engine.generate(asked(chat("Hello")))
        assert failed.value.again
    await well(engine)
    assert "state" not in engine.placements()[0].detail
    assert pid(engine) != number
    assert await says(engine, "背一首诗") == corpus.ANSWERS["背一首诗"]


async def test_a_process_that_hangs_is_replaced(engine: Generate, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that owes an answer and is silent for too long is ended; one that has nothing to do may be silent."""
    assert engine._decoder is not None
    assert engine._decoder._silence._seconds == 300
    number = pid(engine)
    monkeypatch.setattr(engine._decoder._silence, "_seconds", 0.3)
    engine._decoder._silence.close()  # the timer of an earlier order
    engine._decoder._silence.asked()
    await asyncio.sleep(0.4)
    assert (pid(engine), await engine.health()) == (number, "")
    os.kill(number, signal.SIGSTOP)
    with pytest.raises(EngineError, match="hangs") as failed:
        await asyncio.wait_for(engine.generate(asked(chat("谢谢"))), 30)
    assert failed.value.again
    monkeypatch.undo()
    await well(engine)
    assert not alive(number)
    assert await says(engine, "谢谢") == corpus.ANSWERS["谢谢"]


async def test_a_model_that_ends_every_process_is_started_ever_more_seldom(
    engine: Generate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pauses double up to the longest one, also where a process dies soon after it is loaded; the engine comes back."""
    with capture_logs() as logs:

        def events(name: str) -> list[float]:
            return [one["again_in_s"] for one in logs if one["event"] == f"generate_process_{name}"]

        monkeypatch.setattr(keeper, "PAUSE_MAX_S", 0.08)
        monkeypatch.setattr(keeper, "STEADY_S", 0.0)
        monkeypatch.setattr(keeper, "PAUSE_MIN_S", 0.01)
        with monkeypatch.context() as broken:
            broken.setattr(sys, "executable", "/bin/false")
            os.kill(pid(engine), signal.SIGKILL)
            await until(lambda: len(events("not_started")) >= 6)
            assert "none can be started" in await engine.health()
        await well(engine)
        monkeypatch.setattr(keeper, "STEADY_S", 300.0)
        os.kill(pid(engine), signal.SIGKILL)
        await until(lambda: len(events("ended")) == 2)
    assert events("not_started")[:5] == [0.02, 0.04, 0.08, 0.08, 0.08]
    assert events("ended") == [0.01, 0.08]
    assert all(one["how"] == "by SIGKILL" for one in logs if one["event"] == "generate_process_ended")
    await well(engine)


async def test_another_model_does_not_take_its_place(
    engine: Generate, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the files have changed, no process is started: it would answer under the version that is on record."""
    monkeypatch.setattr(keeper, "PAUSE_MAX_S", 0.01)
    file = folder / "tokenizer_config.json"
    before = file.stat().st_mtime_ns
    os.utime(file, ns=(1, 1))
    with capture_logs() as logs:
        os.kill(pid(engine), signal.SIGKILL)
        await until(lambda: any(one["event"] == "generate_process_not_started" for one in logs))
    assert any("have changed" in one.get("why", "") for one in logs)
    # Anybody may ask for the engine's health: it names no file.
    assert str(folder) not in await engine.health()
    os.utime(file, ns=(before, before))
    await well(engine)


async def test_orders_to_a_process_that_is_busy_do_not_pile_up(engine: Generate) -> None:
    """Callers who come and leave while the process takes no notice cost no more memory than those who stay."""
    assert engine._decoder is not None
    assert engine._keeper is not None
    assert engine._keeper._process is not None
    renders = engine._decoder._renders
    await says(engine, "Hello")  # the template has been written for a single question
    os.kill(pid(engine), signal.SIGSTOP)
    try:
        for _ in range(100):
            await (await begun(engine, chat("你好"))).aclose()
        refused = 0
        for number in range(2, 30):
            turns = [{"role": "user", "content": "x"}] * number
            task = asyncio.create_task(engine.generate(asked({"model": "m", "messages": turns})))
            while not task.done() and len(renders) < number - 1:
                await asyncio.sleep(0.001)
            task.cancel()
            (outcome,) = await asyncio.gather(task, return_exceptions=True)
            refused += isinstance(outcome, EngineError)
        assert refused == 22
        assert engine._keeper._process._orders.qsize() <= 16
    finally:
        os.kill(pid(engine), signal.SIGCONT)
    assert await asyncio.wait_for(says(engine, "Hello"), 60) == corpus.ANSWERS["Hello"]
    assert not engine._decoder._dropped
    assert not renders


@pytest.mark.parametrize("when", ["pausing", "loading"])
async def test_closing_while_another_is_started_leaves_nothing(when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a process nor a task of one is left, whichever moment the engine is closed at."""
    monkeypatch.setattr(keeper, "PAUSE_MIN_S", 60.0 if when == "pausing" else 0.001)
    started: list[Process] = []

    class Watched(Process):
        async def open(self) -> Ready:
            started.append(self)
            return await super().open()

    monkeypatch.setattr(keeper, "Process", Watched)
    engine = Generate(GenerateConfig(model=str(FOLDER)))
    await engine.load(host())
    tasks = len(asyncio.all_tasks())
    os.kill(pid(engine), signal.SIGKILL)
    if when == "pausing":
        await until(started[0].gone.is_set)
    else:
        await until(lambda: len(started) == 2 and started[1].pid > 0)
    await asyncio.wait_for(engine.close(), 30)
    assert not any(alive(one.pid) for one in started)
    assert len(asyncio.all_tasks()) < tasks
    assert len(started) == (1 if when == "pausing" else 2)


ORPHAN = """
import asyncio, os, signal
from tests.engines.generate.asking import loaded, pid

async def main():
    async with loaded() as engine:
        os.kill(pid(engine), signal.SIGSTOP)
        print(f"pid={pid(engine)}", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


def ended(number: int) -> bool:
    """Whether a process runs no more; whoever adopts an orphan may wait for it late."""
    try:
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


async def test_a_process_does_not_outlive_its_gateway() -> None:
    """A gateway that is killed cannot end anything; the model's process ends all the same, even where it takes no notice."""
    gateway = await asyncio.create_subprocess_exec(
        sys.executable, "-c", ORPHAN, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]
    )
    assert gateway.stdout is not None
    await asyncio.wait_for(gateway.stdout.readuntil(b"pid="), 60)
    number = int(await asyncio.wait_for(gateway.stdout.readline(), 60))
    assert not ended(number)
    gateway.kill()
    await gateway.wait()
    await until(lambda: ended(number))
