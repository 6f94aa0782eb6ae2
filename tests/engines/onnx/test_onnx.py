"""The onnx engine on a real model: what it finds and where, whatever the texts are and however many."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.engines.onnx.asking import found, loaded
from tests.engines.onnx.tiny import model

from yumen import EngineError
from yumen.testing import RunningClock, UnitHost
from yumen_engines import onnx
from yumen_engines.onnx import Onnx, OnnxConfig

SENTENCES = ["李雷昨天见了韩梅梅", "我叫张伟，住在北京。", "My name is John Smith and I live in London", "今天天气不错"]


async def test_it_finds_names_in_both_languages() -> None:
    """Spans are code points of the text as it was given, and labels are without their scheme."""
    async with loaded() as engine:
        names = await found(engine, *SENTENCES, "Karen Fisher met 王芳 in Paris.")
        assert names == [
            [("李雷", "PER"), ("韩梅梅", "PER")],
            [("张伟", "PER"), ("北京", "LOC")],
            [("John Smith", "PER"), ("London", "LOC")],
            [],
            [("Karen Fisher", "PER"), ("王芳", "PER"), ("Paris", "LOC")],
        ]
        answer = await engine.infer({"texts": SENTENCES})
        assert set(answer["labels"]) == {"PER", "LOC"}
        assert all(0.5 < score <= 1 for one in answer["entities"] for *_, score in one)


async def test_offsets_hold_behind_characters_of_every_size() -> None:
    """Emoji, combining marks, full-width blanks, invisible characters and lone surrogates each count as one code point."""
    odd = "\U0001f600 e\u0301 \u3000\u200b\x00 \ud800 \udfff "
    async with loaded() as engine:
        for sentence in SENTENCES[:2]:
            spans = (await engine.infer({"texts": [odd + sentence]}))["entities"][0]
            plain = (await engine.infer({"texts": [" " + sentence]}))["entities"][0]
            assert [(start - len(odd), end - len(odd)) for start, end, *_ in spans[-len(plain) :]] == [
                (start - 1, end - 1) for start, end, *_ in plain
            ]


async def test_a_long_text_is_read_in_windows() -> None:
    """Names are found anywhere in a text many times longer than a row, each once, also over the edge of two windows."""
    filler = "今天天气不错，"
    async with loaded(tokens_max=40) as engine:
        for shift in range(7):
            text = filler[:shift] + filler * 20 + "李雷昨天见了韩梅梅" + "，" + filler * 20
            assert (await found(engine, text))[0].count(("韩梅梅", "PER")) == 1, shift
            assert (await found(engine, text))[0].count(("李雷", "PER")) == 1, shift
        names = await found(engine, "李雷昨天见了韩梅梅。" * 500)
        assert names == [[("李雷", "PER"), ("韩梅梅", "PER")] * 500]


async def test_texts_do_not_change_one_another() -> None:
    """What is found in a text does not depend on which texts share its batch, and answers keep the order of the texts."""
    texts = [text * times for times in (3, 1, 2) for text in (*SENTENCES, "", "  ")]
    async with loaded(batch_max=5) as engine:
        together = (await engine.infer({"texts": texts}))["entities"]
        for text, spans in zip(texts, together, strict=True):
            ((alone,),) = [(await engine.infer({"texts": [text]}))["entities"]]
            assert [one[:3] for one in alone] == [one[:3] for one in spans]
            assert [one[3] for one in alone] == pytest.approx([one[3] for one in spans], abs=1e-4)


async def test_special_tokens_in_a_text_are_text() -> None:
    """A caller cannot end a row, or hide a name, by writing what stands at its edges."""
    async with loaded() as engine:
        assert ("韩梅梅", "PER") in (await found(engine, "[SEP][CLS]李雷昨天见了韩梅梅[SEP]"))[0]
        assert engine._model is not None
        tokenizer = engine._model.tokenizer
        (ids,) = [one.ids for one in tokenizer.tokens(["[SEP]"])]
        assert tokenizer.after
        assert not {*tokenizer.after} & {*ids}


async def test_the_loop_goes_on_meanwhile() -> None:
    """The model runs in threads of its own, so that a long text keeps no other exchange waiting."""
    async with loaded() as engine:
        work = asyncio.create_task(engine.infer({"texts": ["李雷昨天见了韩梅梅。" * 8_000]}))
        turns = 0
        while not work.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert turns > 10
        assert len((await work)["entities"][0]) == 16_000


async def test_a_short_text_does_not_wait_for_all_of_a_long_one() -> None:
    """Calls of the model take turns, whoever asked first."""
    async with loaded() as engine:
        long = asyncio.create_task(engine.infer({"texts": ["李雷昨天见了韩梅梅。" * 8_000]}))
        await asyncio.sleep(0.05)
        assert await found(engine, SENTENCES[0]) == [[("李雷", "PER"), ("韩梅梅", "PER")]]
        assert not long.done()
        long.cancel()
        with pytest.raises(asyncio.CancelledError):
            await long
        assert await found(engine, SENTENCES[3]) == [[]]


async def test_what_is_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts, characters and callers that wait are bounded."""
    async with loaded() as engine:
        with pytest.raises(EngineError, match="characters at once"):
            await engine.infer({"texts": ["x" * (onnx.CHARS_MAX + 1)]})
        with pytest.raises(EngineError, match="texts or"):
            await engine.infer({"texts": [""] * (onnx.TEXTS_MAX + 1)})
        monkeypatch.setattr(onnx, "WAITING_MAX", 1)
        first = asyncio.create_task(engine.infer({"texts": SENTENCES}))
        await asyncio.sleep(0)
        with pytest.raises(EngineError, match="under way"):
            await engine.infer({"texts": SENTENCES})
        assert len((await first)["entities"]) == len(SENTENCES)


async def test_a_failure_holds_no_text(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a library raises, its words do not get into the error."""
    async with loaded() as engine:

        def fail(*_: Any) -> Any:
            raise RuntimeError("cannot read 张伟")

        monkeypatch.setattr(engine._model, "run", fail)
        with pytest.raises(EngineError) as caught:
            await engine.infer({"texts": SENTENCES})
        assert str(caught.value) == "the model failed with RuntimeError"
        assert caught.value.__cause__ is None


async def test_health_follows_loading() -> None:
    """An engine is ill before it is loaded and after it is closed, and then answers nothing."""
    engine = Onnx(OnnxConfig(model=str(model())))
    assert await engine.health() != ""
    await engine.load(UnitHost(clock=RunningClock()))
    assert await engine.health() == ""
    await engine.close()
    assert await engine.health() != ""
    with pytest.raises(EngineError, match="not loaded"):
        await engine.infer({"texts": []})
    await engine.close()
