"""The process of the model: refused with a reason, gone without a trace, and never left to report to anybody."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from pathlib import Path

import pytest
from tests.engines.generate.asking import asked, begun, chat, host, loaded, says
from tests.tiny_decoder import FOLDER, corpus

from yumen import CannotStart, Delta, EngineError
from yumen_engines.generate import Generate, GenerateConfig
from yumen_engines.generate.process import Process, environment
from yumen_engines.generate.protocol import Frames
from yumen_engines.generate.replies import Replies


def pid(engine: Generate) -> int:
    assert engine._decoder is not None
    return engine._decoder._process.pid


async def rest(stream: Replies) -> list[Delta]:
    return [delta async for delta in stream]


def alive(number: int) -> bool:
    return Path(f"/proc/{number}").exists()


async def test_a_process_that_dies_ends_every_answer() -> None:
    """Who writes and who waits is told, later requests are refused, and health says why."""
    async with loaded(concurrent_max=1) as engine:
        streams = [await begun(engine, chat("唱歌")) for _ in range(3)]
        await asyncio.wait_for(anext(streams[0]), 30)
        os.kill(pid(engine), signal.SIGKILL)
        for stream in streams:
            with pytest.raises(EngineError, match="ended"):
                await asyncio.wait_for(rest(stream), 30)
        assert "ended" in await engine.health()
        with pytest.raises(EngineError, match="ended"):
            await engine.generate(asked(chat("Hello")))


async def test_signals_to_the_group_let_answers_end() -> None:
    """The model's process takes no notice of SIGTERM and SIGINT, which are for the gateway; without a gateway it ends."""
    async with loaded() as engine:
        number = pid(engine)
        # What the operating system says that it was given: `environment`, and nothing else.
        given = await asyncio.to_thread(Path(f"/proc/{number}/environ").read_bytes)
        assert b"ORT_DISABLE_TELEMETRY=1" in given.split(b"\0")
        assert b"HOME=" not in given
        os.kill(number, signal.SIGTERM)
        os.kill(number, signal.SIGINT)
        assert await says(engine, "Hello") == corpus.ANSWERS["Hello"]
        assert engine._decoder is not None
        stdin = engine._decoder._process._process.stdin
        assert stdin is not None
        stdin.close()
        async with asyncio.timeout(30):
            while not engine._decoder.closed:
                await asyncio.sleep(0.01)


async def test_closing_ends_the_process_and_what_it_wrote() -> None:
    """After `close` neither process, thread nor answer is left, and a second `close` does nothing."""
    engine = Generate(GenerateConfig(model=str(FOLDER)))
    await engine.load(host())
    number = pid(engine)
    stream = await begun(engine, chat("Sing"))
    await engine.close()
    await engine.close()
    assert not alive(number)
    with pytest.raises(EngineError):
        await asyncio.wait_for(rest(stream), 30)
    assert await engine.health() == "the generate engine is not loaded"
    assert engine.placements() == ()
    with pytest.raises(EngineError):
        await engine.generate(asked(chat("Hello")))


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_loading_again_and_again_leaves_nothing() -> None:
    """The gateway keeps no file, process or thread of an engine that was closed."""
    async with loaded():
        pass
    before = files()
    for _ in range(2):
        async with loaded() as engine:
            number = pid(engine)
        assert not alive(number)
    assert files() <= before


async def test_giving_up_while_it_loads_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that is cancelled ends what it has started."""
    opened: list[Process] = []
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()

    class Watched(Process):
        def close(self) -> None:
            opened.append(self)
            super().close()
            loop.call_soon_threadsafe(closed.set)

    monkeypatch.setattr("yumen_engines.generate.Process", Watched)
    engine = Generate(GenerateConfig(model=str(FOLDER)))
    task = asyncio.create_task(engine.load(host()))
    await asyncio.sleep(0.3)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    async with asyncio.timeout(60):
        await closed.wait()
    assert not alive(opened[0].pid)


def test_the_process_gets_no_secret_and_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the gateway stay in the gateway, and the libraries' telemetry is off."""
    monkeypatch.setenv("YUMEN_ADMIN_KEY", "secret")
    monkeypatch.setenv("LLM_KEY", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    given = environment()
    assert "secret" not in given.values()
    assert "HOME" not in given
    assert (given["CUDA_VISIBLE_DEVICES"], given["ORT_DISABLE_TELEMETRY"]) == ("1", "1")


@pytest.mark.parametrize("wrong", ["no folder", "no config", "no model", "bad config", "own library", "no tokenizer"])
async def test_what_cannot_be_loaded_refuses_to_start(tmp_path: Path, wrong: str) -> None:
    """The operator is told what is missing or wrong, with the path."""
    folder = tmp_path / "model"
    if wrong != "no folder":
        shutil.copytree(FOLDER, folder)
    config = folder / "genai_config.json"
    if wrong == "no config":
        config.unlink()
    elif wrong == "no model":
        (folder / "model.onnx").write_bytes(b"not a model")
    elif wrong == "bad config":
        config.write_text("{")
    elif wrong == "own library":
        described = json.loads(config.read_text())
        described["model"]["decoder"]["session_options"]["custom_ops_library"] = "/tmp/x.so"
        config.write_text(json.dumps(described))
    elif wrong == "no tokenizer":
        (folder / "tokenizer.json").unlink()
    engine = Generate(GenerateConfig(model=str(folder)))
    with pytest.raises(CannotStart, match=str(tmp_path)):
        await engine.load(host())
    assert await engine.health()


async def test_a_gpu_that_is_not_there_refuses_to_start() -> None:
    """`device: cuda` never runs on the CPU instead; the install line is printed where the library knows no CUDA."""
    og = pytest.importorskip("onnxruntime_genai")
    if og.is_cuda_available():
        pytest.skip("this machine has what the test says is missing")
    with pytest.raises(CannotStart, match="onnxruntime-genai-cuda"):
        await Generate(GenerateConfig(model=str(FOLDER), device="cuda")).load(host())


def test_a_relative_path_is_refused() -> None:
    """What a path names must not depend on where the gateway was started."""
    with pytest.raises(ValueError, match="absolute"):
        GenerateConfig(model="model")


def test_a_frame_that_is_too_long_is_refused() -> None:
    """What the process says is bounded before it is held in memory."""
    with pytest.raises(ValueError, match="too long"):
        list(Frames().feed(b"\xff\xff\xff\xff"))
