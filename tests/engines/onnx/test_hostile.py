"""Files that were made to do harm: each is refused, or does what it does within bounds, and the next request is answered."""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper
from tests.engines.onnx import graphs, hostile
from tests.engines.onnx.graphs import node, value
from tests.engines.onnx.hostile import FLOAT, constant, field, functions, outside, sparse, with_graph

from yumen import CannotStart, EngineError
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx import Onnx, OnnxConfig, embedding, threads, warming
from yumen_engines.onnx.calls import Name, inlined
from yumen_engines.onnx.inspection import inspect

BYTES_MAX = 1 << 24
DOUBLING = {f"F{number}": [f"F{number + 1}"] * 2 for number in range(30)}
KEY_BIT = 1 << 32


@asynccontextmanager
async def loaded(folder: Path, model: Path, **config: Any) -> AsyncIterator[Onnx]:
    """A loaded engine of one model; afterwards no thread is left."""
    before = set(threading.enumerate())
    engine = Onnx(OnnxConfig(model=str(model), **config))
    try:
        await engine.load(UnitHost(clock=RunningClock(), data_dir=folder / "data"))
        yield engine
    finally:
        await engine.close()
        left = [one for one in set(threading.enumerate()) - before if one.name.startswith("onnx")]
        for one in left:
            await asyncio.to_thread(one.join, 30)
        assert not [one.name for one in left if one.is_alive()]


def claiming(*dims: int, **more: Any) -> bytes:
    """The encoder with a weight of these dimensions and nothing in it."""
    tensor = TensorProto(name="w2", data_type=FLOAT, dims=dims, **more)
    return with_graph(graphs.encoder(), field(5, tensor.SerializeToString()))


def hidden_dims() -> bytes:
    """A weight of 2**40 numbers, beside zeros in the place of its dimensions that the library passes over."""
    tensor = TensorProto(name="w2", data_type=FLOAT, dims=[1 << 40], raw_data=b"").SerializeToString()
    return with_graph(graphs.encoder(), field(5, tensor + field(1, bytes(4), kind=5)))


HOSTILE: dict[str, tuple[bytes, str]] = {
    "dimensions without end": (claiming(*[1 << 62] * 100_000), "larger or smaller"),
    "dimensions in a field of another kind": (hidden_dims(), "no whole ONNX model"),
    "a number beyond 64 bits": (
        with_graph(graphs.encoder(), field(5, field(1, b"\xff" * 9 + b"\x7f", kind=0))), "no whole ONNX model"),
    "a key beyond 32 bits": (
        with_graph(graphs.encoder(), field(5, outside("../far.bin").SerializeToString(), more=KEY_BIT)),
        "no whole ONNX model"),
    "a field without a number": (with_graph(graphs.encoder(), field(0, b"")), "no whole ONNX model"),
    "a value in two parts": (
        with_graph(graphs.encoder(), constant(outside("near.bin"), TensorProto(data_type=FLOAT, float_data=[0.0]))),
        "no whole ONNX model"),
    "a file in the part of a value": (
        with_graph(graphs.encoder(), constant(TensorProto(float_data=[0.0], external_data=outside("x").external_data))),
        "larger or smaller"),
    "two files of a weight": (with_graph(graphs.encoder(), constant(outside("near.bin", other="../far.bin"))), "twice"),
    "one number of 2**40": (sparse(1 << 40).SerializeToString(), "raise `model_bytes_max`"),
    "sparse without end": (sparse(*[1 << 40] * 100).SerializeToString(), "larger or smaller"),
    "a function that calls itself": (functions(First=["First"]).SerializeToString(), "call themselves"),
    "functions in a circle": (functions(First=["Other"], Other=["First"]).SerializeToString(), "call themselves"),
    "functions that double": (
        functions(First=["F0"], **DOUBLING, F30=["Sin"]).SerializeToString(), "come to more than"),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), HOSTILE.values(), ids=HOSTILE)
def test_what_does_harm_is_refused(tmp_path: Path, content: bytes, said: str) -> None:
    """Neither size, nor depth of calls, nor a byte that ONNX Runtime reads otherwise gets a model past the inspection."""
    (tmp_path / "far.bin").write_bytes(bytes(16))
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "near.bin").write_bytes(bytes(16))
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(CannotStart, match=said):
        inspect(folder / "model.onnx", BYTES_MAX)


def inner() -> Any:
    """A graph that holds weights of another file as a constant."""
    return helper.make_graph([node("Constant", [], ["y"], value=outside("../far.bin"))], "inner", [], [])


@pytest.mark.parametrize("hidden", ["initializer", "attribute", "tensors", "branch", "graphs", "sparse", "function"])
def test_weights_are_found_wherever_they_hide(tmp_path: Path, hidden: str) -> None:
    """Names of files are found in every place of a model where the format has tensors."""
    graph, model, one = helper.make_graph([], "outer", [], []), onnx.ModelProto(ir_version=9), node("Op", [], [])
    match hidden:
        case "initializer":
            graph.initializer.append(outside("../far.bin"))
        case "attribute":
            one.attribute.append(helper.make_attribute("value", outside("../far.bin")))
        case "tensors":
            one.attribute.append(helper.make_attribute("values", [outside("../far.bin")]))
        case "branch":
            one.attribute.append(helper.make_attribute("then_branch", inner()))
        case "graphs":
            one.attribute.append(helper.make_attribute("branches", [inner()]))
        case "sparse":
            graph.sparse_initializer.append(onnx.SparseTensorProto(values=outside("../far.bin")))
        case "function":
            model.functions.append(onnx.FunctionProto(name="f", node=inner().node))
    graph.node.append(one)
    model.graph.CopyFrom(graph)
    with pytest.raises(CannotStart, match="names weights in a file"):
        inspect(graphs.saved(tmp_path / "model" / "model.onnx", model), BYTES_MAX)


@given(st.lists(st.lists(st.integers(0, 5), max_size=4), min_size=6, max_size=6))
def test_functions_come_to_what_they_come_to(calls: list[list[int]]) -> None:
    """The count is that of putting each function in the place of its calls; circles have none."""
    names = [Name("own", str(number), "") for number in range(6)]
    plain = Name("", "Sin", "")
    known = {
        names[at]: Counter([plain, *(names[one] for one in called if one > at)]) for at, called in enumerate(calls)
    }

    def counted(one: Name) -> int:
        return sum(times * (1 + (counted(other) if other in known else 0)) for other, times in known[one].items())

    assert inlined(Counter([names[0]]), known, 10**9) == counted(names[0])
    known[names[5]][names[0]] += 1
    known[names[0]][names[5]] += 1
    assert inlined(Counter([names[0]]), known, 10**9) is None


async def test_a_model_that_never_ends_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The warm-up of a model that was made to run for ever ends, and its thread with it."""
    monkeypatch.setattr(warming, "WARM_UP_S", 0.2)
    path = graphs.saved(tmp_path / "model.onnx", hostile.endless_rows())
    with pytest.raises(CannotStart, match=r"has not run made-up rows within 0\.2 s"):
        async with loaded(tmp_path, path, task="tensors"):
            pass


async def test_a_model_of_text_that_never_ends_does_not_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that makes vectors is asked for one when it is loaded, and not waited for without end."""
    monkeypatch.setattr(embedding, "WARM_UP_S", 0.2)
    with pytest.raises(CannotStart, match="makes no vectors"):
        async with loaded(tmp_path, hostile.endless_texts(tmp_path / "m", labels=0), task="embeddings"):
            pass


async def test_the_run_of_a_text_ends_when_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text whose caller has left is computed no further: the thread is free, and the engine closes."""
    monkeypatch.setattr("yumen.tensors.serving.WARM_UP_S", 0.2)
    with pytest.raises(CannotStart, match="does not run within"):
        async with loaded(tmp_path, hostile.endless_texts(tmp_path / "m", labels=1), task="classification"):
            pass


async def test_closing_ends_what_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What runs is told to end after a while, and who waits for it or for a turn gets an engine error."""
    monkeypatch.setattr(threads, "CLOSE_S", 0.1)
    one, ended = threads.Threads(1, "onnx-test"), threading.Event()
    runs, waits = (asyncio.create_task(one.run(lambda: ended.wait(60), ended.set)) for _ in range(2))
    await begun(one, 2)
    await one.close()
    assert await runs is True
    with pytest.raises(EngineError, match="closed"):
        await waits
    with pytest.raises(EngineError, match="closed"):
        await one.run(lambda: None)


async def begun(some: threads.Threads, count: int = 1) -> None:
    """Until so much is under way, or has its turn before it."""
    async with asyncio.timeout(30):
        while len(some._begun) < count:
            await asyncio.sleep(0.01)


async def test_memory_has_an_end(tmp_path: Path) -> None:
    """A run that asks for more memory than policy gives a model on the CPU fails by itself; others go on as before."""
    path = graphs.saved(tmp_path / "model.onnx", hostile.greedy())
    async with loaded(tmp_path, path, task="tensors", arena_bytes_max=32 << 20) as engine:
        for _ in range(2):
            with pytest.raises(EngineError, match="more memory than `arena_bytes_max`") as caught:
                await engine.infer({"inputs": {"x": np.array([16 << 20])}})
            assert caught.value.well, "whoever asks for as much must not keep others from it"
            assert (await engine.infer({"inputs": {"x": np.array([1 << 20])}}))["y"] == 0
    async with loaded(tmp_path, path, task="tensors", arena_bytes_max=128 << 20) as engine:
        assert (await engine.infer({"inputs": {"x": np.array([16 << 20])}}))["y"] == 0


async def test_inputs_of_any_size_are_not_made_up(tmp_path: Path) -> None:
    """A model that takes 2**40 numbers a row is loaded without trying: that alone would fill the memory."""
    tensors = [value(name, FLOAT, ["batch", 1 << 40]) for name in ("x", "y")]
    path = graphs.saved(tmp_path / "model.onnx", graphs.made([node("Relu", ["x"], ["y"])], tensors[:1], tensors[1:]))
    async with loaded(tmp_path, path, task="tensors") as engine:
        assert [one.detail["warmed_rows"] for one in engine.placements()] == [""]


@pytest.mark.parametrize(
    ("names", "said"),
    [(["y", "y"], "of one name"), (["y", "\u202ey"], "cannot be printed"), (["y", "y\x00z"], "cannot be printed"),
     (["y", "\x1b[2J"], "cannot be printed"), (["y", "y" * 300], "too long")],
)  # fmt: skip
async def test_names_are_names(tmp_path: Path, names: list[str], said: str) -> None:
    """Names of tensors come before operators and callers: one is there once, and shows as what it is."""
    made = graphs.made(
        [node("Identity", ["x"], [name]) for name in dict.fromkeys(names)],
        [value("x", FLOAT, ["batch"])],
        [value(name, FLOAT, ["batch"]) for name in names],
    )
    path = graphs.saved(tmp_path / "model.onnx", made)
    with pytest.raises(CannotStart, match=said):
        async with loaded(tmp_path, path, task="tensors"):
            pass


PANICS: dict[str, Any] = {
    "no map": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="}},
    "half a map": {"normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}},
    "no size": {"pre_tokenizer": {"type": "FixedLength", "length": 0}},
    "no second text": {
        "post_processor": {
            "type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}], "pair": [],
            "special_tokens": {},
        }
    },
    "no word": {"model": {"type": "WordLevel", "vocab": {}, "unk_token": "?"}, "added_tokens": []},
}  # fmt: skip


@pytest.mark.parametrize("parts", PANICS.values(), ids=PANICS)
async def test_a_tokenizer_that_panics_does_not_start(tmp_path: Path, parts: Any) -> None:
    """What the library raises there is no `Exception`, and ends as one that names the file all the same."""
    with pytest.raises(CannotStart, match=r"cannot read .*tokenizer\.json"):
        async with loaded(tmp_path, hostile.tokenizer(tmp_path / "m", **parts)):
            pass


async def test_a_text_that_a_tokenizer_panics_at_is_an_engine_error(tmp_path: Path) -> None:
    """A pattern that gives up on some text fails that call and no other, and says nothing of the text."""
    pattern = {"type": "Split", "pattern": {"Regex": "(a|aa)+$"}, "behavior": "Isolated", "invert": False}
    async with loaded(tmp_path, hostile.tokenizer(tmp_path / "m", pre_tokenizer=pattern)) as engine:
        with pytest.raises(EngineError, match="the model failed with TokenizerFailed"):
            await engine.infer({"texts": ["a" * 40 + "张伟"]})
        assert len((await engine.infer({"texts": ["我叫张伟"]}))["entities"]) == 1


@pytest.mark.parametrize("config", [
    "[" * 100_000, '{"x":' + "[" * 100_000 + "]" * 100_000 + "}", json.dumps({"pad_token_id": 1 << 63}),
    json.dumps({"id2label": {"0": "O", "1": "B-\u202e\x1b[2J"}}), json.dumps({"id2label": {"0": "O", "1": "张" * 300}}),
    json.dumps({"max_position_embeddings": -1}),
])  # fmt: skip
async def test_a_configuration_of_garbage_does_not_start(tmp_path: Path, config: str) -> None:
    """Depth, numbers beyond tokens, and labels that no record may hold are refused with a sentence."""
    folder = hostile.tokenizer(tmp_path / "m")
    (folder / "config.json").write_text(config)
    with pytest.raises(CannotStart, match=r"config\.json|no row"):
        async with loaded(tmp_path, folder):
            pass


async def test_a_tokenizer_without_end_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file has a size."""
    monkeypatch.setattr("yumen_engines.onnx.tokenizing.FILE_BYTES_MAX", 1_000)
    with pytest.raises(CannotStart, match=r"cannot read .*tokenizer\.json"):
        async with loaded(tmp_path, hostile.tokenizer(tmp_path / "m")):
            pass
