"""Models that read text, asked by plugins and as models of tensors, in batches of many callers' texts."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.engines.onnx.asking import loaded
from tests.engines.onnx.judge import LABELS, MIDDLE, judge
from tests.engines.onnx.vectors import EMBEDDER, counted, embedded, embedder

from yumen import CannotStart, RequestRefused, Rows, TensorSpec
from yumen.batching import BatchConfig
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx import Onnx, OnnxConfig
from yumen_engines.onnx.model import Model
from yumen_engines.onnx.texts import TEXT_CHARS_MAX, TextModel

TEXTS = ["退货", "怎么退货？我的快递到哪了", "Where is my order? " * 3, "", "🙂 \ud800"]


def texts(*given: str) -> Rows:
    """Some texts, as a batch has them."""
    made = np.empty(len(given), object)
    made[:] = list(given)
    return Rows({"text": made})


def text_model(engine: Onnx) -> TextModel:
    """The engine's model."""
    assert engine._text is not None
    return engine._text


async def test_a_label_and_how_sure_it_is(tmp_path: Path) -> None:
    """Scores of a text add up to 1 and follow its own tokens, whatever stands beside it in the batch."""
    async with loaded(judge(tmp_path / "judge"), task="classification") as engine:
        found = await engine.infer({"texts": TEXTS})
        assert found["labels"] == LABELS
        for text, label, scores, tokens in zip(TEXTS, found["classes"], found["scores"], found["tokens"], strict=True):
            logit = tokens - MIDDLE
            assert scores[1] == pytest.approx(1 / (1 + np.exp(-2 * logit)), abs=1e-5)
            assert scores.sum() == pytest.approx(1)
            assert label == LABELS[int(logit > 0)]
            ((alone,),) = [(await engine.infer({"texts": [text]}))["scores"]]
            assert alone == pytest.approx(scores, abs=1e-6)
        assert found["cut"] == [0] * len(TEXTS)


@pytest.mark.parametrize("described", [{"problem_type": "multi_label_classification"}, {"labels": 1}])
async def test_labels_may_be_independent(tmp_path: Path, described: Any) -> None:
    """Where a text may have several labels, or there is one, each score stands for itself."""
    async with loaded(judge(tmp_path / "judge", **described), task="classification") as engine:
        found = await engine.infer({"texts": TEXTS[:3]})
        logits = -(np.array(found["tokens"]) - MIDDLE)
        assert found["scores"][:, 0] == pytest.approx(1 / (1 + np.exp(-logits)), abs=1e-5)


async def test_a_text_that_is_cut_says_so(tmp_path: Path) -> None:
    """A label that stands for the beginning of a text is told with how much was not read."""
    async with loaded(judge(tmp_path / "judge", rows=18), task="classification") as engine:
        found = await engine.infer({"texts": ["退货" * 30, "退货"]})
        assert found["tokens"][0] == 18
        assert found["cut"][0] > 0
        assert found["cut"][1] == 0


async def test_other_models_are_no_classifiers(tmp_path: Path) -> None:
    """A model of labels for tokens, or without labels, does not start."""
    with pytest.raises(CannotStart, match="labels of a text"):
        async with loaded(task="classification"):
            pass
    with pytest.raises(CannotStart, match="id2label"):
        async with loaded(counted(tmp_path / "model", pooled=True), task="classification"):
            pass


async def test_what_text_models_take_and_give(tmp_path: Path) -> None:
    """Each takes `text`; its outputs are of the sizes that it says, a row a text, and only those that are wanted."""
    folders = {"embeddings": EMBEDDER, "classification": judge(tmp_path / "judge"), "token-classification": None}
    for task, folder in folders.items():
        async with loaded(folder, task=task) as engine:
            model = text_model(engine)
            assert model.signature.inputs == (TensorSpec("text", "BYTES", (-1,)),)
            found = await model.run(texts(*TEXTS))
            assert list(found) == [one.name for one in model.signature.outputs]
            for one in model.signature.outputs:
                assert found[one.name].shape == (len(TEXTS), *one.shape[1:])
            (last,) = [model.signature.outputs[-1].name]
            assert list(await model.run(Rows(texts("a").inputs, (last,)))) == [last]


async def test_spans_are_json(tmp_path: Path) -> None:
    """`/v2` gets the spans that plugins get, a list in JSON for each text."""
    given = ["李雷昨天见了韩梅梅", "My name is John Smith", "今天天气不错"]
    async with loaded() as engine:
        (wanted, found) = (
            (await engine.infer({"texts": given}))["entities"],
            await text_model(engine).run(texts(*given)),
        )
        read = [[tuple(span.values()) for span in json.loads(one)] for one in found["spans"]]
        assert read == [[(*one[:3], pytest.approx(one[3])) for one in spans] for spans in wanted]
        assert json.loads(found["spans"][2]) == []


async def test_callers_share_batches_and_get_their_own(tmp_path: Path) -> None:
    """120 callers of texts of all lengths: far fewer calls of the model, and each has the vector of its own text."""
    given = [f"{text} {number}" * (number % 5 + 1) for number in range(40) for text in ("退货", "我的快递", "refund")]
    async with embedder() as engine:
        alone = await embedded(engine, *given)
        served = engine._serving("unit", "")
        before = served.batcher.statistics.runs
        found = await asyncio.gather(*(embedded(engine, one) for one in given))
        assert served.batcher.statistics.runs - before < len(given) / 2
        assert np.concatenate(found) == pytest.approx(alone, abs=1e-6)


async def test_one_bad_text_fails_alone(tmp_path: Path) -> None:
    """A text that is too long is refused; those that shared its batch are answered."""
    async with loaded(judge(tmp_path / "judge"), task="classification") as engine:
        served = engine._serving("unit", "")
        given = [texts("退货"), texts("x" * (TEXT_CHARS_MAX + 1)), texts("refund")]
        until = time.monotonic() + 60
        found = await asyncio.gather(
            *(served.batcher.submit(one, deadline=until) for one in given), return_exceptions=True
        )
        assert isinstance(found[1], RequestRefused)
        assert [one["label"].tolist() for one in found if isinstance(one, dict)] == [[LABELS[0]], [LABELS[0]]]


async def test_calls_at_once_are_those_of_the_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    """`calls_max` lets a text model be called more than once at a time, and no more often."""
    under_way, most = 0, 0
    given = Model.run
    both = asyncio.Event()
    loop = asyncio.get_running_loop()

    def counting(self: Model, *asked: Any) -> Any:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        if under_way == 2:
            loop.call_soon_threadsafe(both.set)
        asyncio.run_coroutine_threadsafe(both.wait(), loop).result(30)
        try:
            return given(self, *asked)
        finally:
            under_way -= 1

    engine = Onnx(OnnxConfig(model=str(EMBEDDER), task="embeddings", calls_max=2))
    engine.batch = BatchConfig(rows_max=1)
    await engine.load(UnitHost(clock=RunningClock()))
    monkeypatch.setattr(Model, "run", counting)
    assert len(await embedded(engine, *["退货"] * 6)) == 6
    assert most == 2
    await engine.close()
