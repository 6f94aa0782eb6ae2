"""The process of the model: refused with a reason, gone without a trace, and never left to report to anybody."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import sys
import threading
from pathlib import Path

import pytest
from tests.engines.generate.asking import alive, asked, begun, chat, host, loaded, pid, says, until
from tests.tiny_decoder import FOLDER, corpus

from yumen import CannotStart, Delta, EngineError
from yumen_engines.generate import Generate, GenerateConfig, process
from yumen_engines.generate.process import Process, environment
from yumen_engines.generate.protocol import Frames, Ready
from yumen_engines.generate.replies import Replies


async def rest(stream: Replies) -> list[Delta]:
    return [delta async for delta in stream]


async def test_signals_to_the_group_let_answers_end() -> None:
    """The model's process takes no notice of SIGTERM and SIGINT, which are for the gateway; it ends with its input."""
    async with loaded() as engine:
        number = pid(engine)
        # What the operating system says that it was given: `environment`, and nothing else.
        given = await asyncio.to_thread(Path(f"/proc/{number}/environ").read_bytes)
        assert b"ORT_DISABLE_TELEMETRY=1" in given.split(b"\0")
        assert b"HOME=" not in given
        os.kill(number, signal.SIGTERM)
        os.kill(number, signal.SIGINT)
        assert await says(engine, "Hello") == corpus.ANSWERS["Hello"]
        assert engine._keeper is not None
        assert engine._keeper._process is not None
        engine._keeper._process._orders.put(None)  # its standard input ends
        await until(lambda: not alive(number))


async def test_closing_ends_the_process_and_what_it_wrote() -> None:
    """After `close` neither process, thread, file nor answer is left, and a second `close` does nothing."""
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
    # Loading again and closing again adds nothing to what is open by now.
    before = files()
    async with loaded() as another:
        number = pid(another)
    assert not alive(number)
    assert files() <= before
    await until(lambda: not any(thread.name.startswith("generate-") for thread in threading.enumerate()))


def files() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_giving_up_while_it_loads_leaves_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A load that is cancelled ends what it has started."""
    opened: list[Process] = []

    class Watched(Process):
        async def open(self) -> Ready:
            opened.append(self)
            return await super().open()

    monkeypatch.setattr("yumen_engines.generate.keeper.Process", Watched)
    engine = Generate(GenerateConfig(model=str(FOLDER)))
    task = asyncio.create_task(engine.load(host()))
    await until(lambda: bool(opened and opened[0].pid))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not alive(opened[0].pid)
    assert await engine.health()


def test_the_process_gets_no_secret_and_reports_to_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys of the gateway stay in the gateway, and the libraries' telemetry is off."""
    monkeypatch.setenv("YUMEN_ADMIN_KEY", "secret")
    monkeypatch.setenv("LLM_KEY", "secret")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    given = environment()
    assert "secret" not in given.values()
    assert "HOME" not in given
    assert (given["CUDA_VISIBLE_DEVICES"], given["ORT_DISABLE_TELEMETRY"]) == ("1", "1")


OWN = '"session_options": {"custom_ops_library": "/tmp/x.so"}'
WRONG = {
    "no folder": None,
    "no config": "cannot read|there is no",
    "no model": "cannot load",
    "bad config": "cannot read",
    "deep config": "cannot read",
    "a list": "cannot load",
    "a pipe": "there is no",
    "own library": "library of its own",
    "own library, escaped": "library of its own",
    "own library, escaped, and none": "library of its own",
    "no tokenizer": "Invalid file",
    "tokenizer is a pipe": "is not a file",
}


@pytest.mark.parametrize("wrong", WRONG)
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
    elif wrong == "deep config":
        config.write_text("[" * 200_000)
    elif wrong == "a list":
        config.write_text("[]")
    elif wrong == "a pipe":
        config.unlink()
        os.mkfifo(config)
    elif wrong.startswith("own library"):
        own = OWN.replace("library", r"libr\u0061ry") if "escaped" in wrong else OWN
        more = ', "session_options": {}' if "none" in wrong else ""
        written = config.read_text()
        assert '"session_options": {}' in written
        config.write_text(written.replace('"session_options": {}', own + more))
    elif "tokenizer" in wrong:
        (folder / "tokenizer.json").unlink()
    if wrong == "tokenizer is a pipe":
        os.mkfifo(folder / "tokenizer.json")
    engine = Generate(GenerateConfig(model=str(folder)))
    with pytest.raises(CannotStart, match=str(tmp_path)) as told:
        await engine.load(host())
    assert re.search(WRONG[wrong] or "", str(told.value))
    assert await engine.health()


@pytest.mark.parametrize("program", ["/bin/false", "/bin/echo", "/nonexistent"])
async def test_what_is_no_process_of_a_model_refuses_to_start(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that ends at once, says what cannot be understood, or cannot be started at all, keeps nobody waiting."""
    monkeypatch.setattr(sys, "executable", program)
    with pytest.raises(CannotStart, match="ended while it loaded"):
        await asyncio.wait_for(Generate(GenerateConfig(model=str(FOLDER))).load(host()), 30)


async def test_a_model_that_is_never_loaded_refuses_to_start(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading has a limit, after which the process is ended."""
    monkeypatch.setattr(process, "LOAD_S", 0.01)
    with pytest.raises(CannotStart, match="was not loaded within"):
        await Generate(GenerateConfig(model=str(FOLDER))).load(host())
    await until(lambda: not any(thread.name == "generate-process" for thread in threading.enumerate()))


async def test_a_gpu_that_is_not_there_refuses_to_start() -> None:
    """`device: cuda` never runs on the CPU instead; the install line is printed where the library knows no CUDA."""
    og = pytest.importorskip("onnxruntime_genai")
    if og.is_cuda_available():
        pytest.skip("this machine has what the test says is missing")
    with pytest.raises(CannotStart, match="onnxruntime-genai-cuda"):
        await Generate(GenerateConfig(model=str(FOLDER), device="cuda")).load(host())


def test_a_frame_that_is_too_long_is_refused() -> None:
    """What the process says is bounded before it is held in memory."""
    with pytest.raises(ValueError, match="too long"):
        list(Frames().feed(b"\xff\xff\xff\xff"))
