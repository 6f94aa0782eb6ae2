"""Embeddings by the onnx engine: what a text's vector is made of, whatever the texts are and however many."""

from __future__ import annotations

import asyncio
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto
from tests.engines.onnx.asking import loaded
from tests.engines.onnx.vectors import EMBEDDER, counted, embedded, embedder

from yumen import CannotStart, EngineError
from yumen.testing import RunningClock, UnitHost
from yumen_engines.onnx import Onnx, OnnxConfig
from yumen_engines.onnx.windows import Row, batches

TEXTS = [
    "How do I return my order?",
    "怎么退货？",
    "Where is my parcel?",
    "",
    "  ",
    "我的快递到哪了",
    "🙂 \ud800 \x00 ⅷ",
    "the",
]


def scaled(*numbers: float) -> Any:
    """A vector of length 1."""
    return np.array(numbers) / np.linalg.norm(numbers)


async def test_vectors_do_not_depend_on_one_another() -> None:
    """A text has one vector, whichever texts share its batch; answers keep the order of the texts."""
    texts = [text * times for times in (3, 1, 2) for text in TEXTS]
    async with embedder(batch_max=5) as engine:
        together = await embedded(engine, *texts)
        assert together.dtype == np.float32
        for text, vector in zip(texts, together, strict=True):
            assert (await embedded(engine, text))[0] == pytest.approx(vector, abs=1e-6)


async def test_vectors_have_length_one() -> None:
    """The product of two vectors is their cosine; a text without anything in it has no direction, and is zero."""
    async with embedder() as engine:
        lengths = np.linalg.norm(await embedded(engine, *TEXTS), axis=1)
        assert lengths == pytest.approx([0 if not text.strip() else 1 for text in TEXTS], abs=1e-5)
        assert (await embedded(engine)).shape[0] == 0


@pytest.mark.parametrize("pooling", ["mean", "cls"])
async def test_pooling_is_what_the_model_was_trained_with(tmp_path: Path, pooling: Any) -> None:
    """The mean is over what the mask has, padding left out; cls is the first token."""
    async with loaded(counted(tmp_path / "model"), task="embeddings", pooling=pooling) as engine:
        assert engine._model is not None
        (token,) = engine._model.tokenizer.tokens(["a"])[0].ids
        # [CLS] has the number 2, [SEP] 3; a row's places are 1, 2 and 3.
        wanted = scaled(2, 1, 1, 7) if pooling == "cls" else scaled((2 + token + 3) / 3, 1, 2, 7)
        short, _ = await embedded(engine, "a", "a b c d e f")
        assert short == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize("kind", [TensorProto.FLOAT, TensorProto.FLOAT16])
async def test_a_model_that_pools_is_taken_at_its_word(tmp_path: Path, kind: int) -> None:
    """One vector a text is scaled and else left as it is, also where the model computes in half precision."""
    async with loaded(counted(tmp_path / "model", pooled=True, kind=kind), task="embeddings") as engine:
        assert engine._model is not None
        (token,) = engine._model.tokenizer.tokens(["a"])[0].ids
        assert (await embedded(engine, "a"))[0] == pytest.approx(scaled(2 + token + 3, 3, 6, 21), abs=1e-3)


async def test_what_is_cut_is_said(tmp_path: Path) -> None:
    """A text longer than a row is cut at its end, and the answer says of each text how many tokens that took."""
    host = UnitHost(clock=RunningClock())
    engine = Onnx(OnnxConfig(model=str(EMBEDDER), task="embeddings", tokens_max=16))
    await engine.load(host)
    answer = await engine.infer({"texts": ["退货" * 7, "退货" * 7 + "怎么", "退" * 100]})
    await engine.close()
    assert (answer["tokens"], answer["cut"]) == ([16, 16, 16], [0, 2, 86])
    assert answer["embeddings"][0] == pytest.approx(answer["embeddings"][1], abs=1e-6)
    assert host.captured.total("texts_cut") == 2


@given(st.lists(st.integers(0, 40), max_size=60), st.integers(1, 9))
def test_every_text_is_in_one_batch(lengths: list[int], rows_max: int) -> None:
    """Batches hold all rows once, no more than allowed, short ones first."""
    rows = [Row(text, 0, length, 0, length) for text, length in enumerate(lengths)]
    made = list(batches(rows, rows_max))
    assert sorted(row for batch in made for row in batch) == rows
    assert all(1 <= len(batch) <= rows_max for batch in made)
    assert [row.end for batch in made for row in batch] == sorted(lengths)


async def test_special_tokens_in_a_text_are_text() -> None:
    """Nobody gets the vector of an empty text by writing what frames a row."""
    async with embedder() as engine:
        spoken, plain = await embedded(engine, "[SEP] [PAD] [CLS]", "退货 [SEP]")
        assert np.linalg.norm(spoken) == pytest.approx(1, abs=1e-5)
        assert plain @ (await embedded(engine, "退货"))[0] < 0.999


async def test_the_revision_is_that_of_the_file() -> None:
    """It is what tells a model from another under the same configuration, and empty where no model is loaded."""
    digest = hashlib.sha256((EMBEDDER / "model.onnx").read_bytes()).hexdigest()
    async with embedder() as engine:
        assert engine.revision() == digest[:12]
    assert engine.revision() == ""


async def test_an_answer_that_is_no_number_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vector with NaN in it would be like nothing or like everything; it never leaves the engine."""
    async with embedder() as engine:
        assert engine._model is not None
        given = engine._model.run

        def spoilt(*asked: Any) -> Any:
            hidden, mask = given(*asked)
            hidden[0, 0, 0] = np.nan
            return hidden, mask

        monkeypatch.setattr(engine._model, "run", spoilt)
        with pytest.raises(EngineError, match="the model failed with ValueError"):
            await embedded(engine, "退货")


async def test_a_call_that_is_given_up_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who leaves gives back the place, and those that come behind are answered."""
    monkeypatch.setattr("yumen_engines.onnx.WAITING_MAX", 1)
    async with embedder() as engine:
        first = asyncio.create_task(embedded(engine, *["退货" * 100] * 200))
        await asyncio.sleep(0)
        with pytest.raises(EngineError, match="under way"):
            await embedded(engine, "退货")
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        assert len(await embedded(engine, "退货")) == 1


@pytest.mark.parametrize(
    ("written", "pooling", "said"),
    [
        ({"pooling_mode_cls_token": True}, "mean", "set `pooling: cls`"),
        ({"pooling_mode_mean_tokens": True, "word_embedding_dimension": 4}, "cls", "set `pooling: mean`"),
        ({"pooling_mode_max_tokens": True}, "mean", "name another model"),
        (7, "mean", "cannot read"),
    ],
)
async def test_another_pooling_than_the_model_s_is_refused(
    tmp_path: Path, written: Any, pooling: Any, said: str
) -> None:
    """What sentence-transformers wrote beside the model counts: the wrong pooling gives vectors, and bad ones."""
    folder = counted(tmp_path / "model")
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(written))
    with pytest.raises(CannotStart, match=said):
        async with loaded(folder, task="embeddings", pooling=pooling):
            pass


async def test_models_of_another_kind_are_refused(tmp_path: Path) -> None:
    """A model without vectors makes no embeddings, and one without labels finds no spans: neither starts."""
    with pytest.raises(CannotStart, match="has no output"):
        async with loaded(task="embeddings"):
            pass
    with pytest.raises(CannotStart, match="has no output"):
        async with loaded(counted(tmp_path / "model", name="logits"), task="embeddings"):
            pass
    with pytest.raises(CannotStart, match="id2label"):
        async with loaded(EMBEDDER):
            pass
