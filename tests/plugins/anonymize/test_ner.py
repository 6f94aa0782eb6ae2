"""Names that a model finds: in Ner itself, and through the chain of a real bundle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tests.engines.onnx.asking import loaded
from tests.engines.onnx.tiny import model

from yumen import CannotStart, Engine, EngineError, Unsupported
from yumen.policy.load import load_bundle
from yumen.policy.testing import run_cases
from yumen.proof import Asked, Prover
from yumen.testing import ScriptedEngine
from yumen_plugins.anonymize import ner
from yumen_plugins.anonymize.config import Ner as NerConfig
from yumen_plugins.anonymize.ner import Ner, spelt


def answering(*entities: Any, labels: tuple[str, ...] = ("PER",)) -> ScriptedEngine:
    """A model that finds these in the texts that it is asked about, and in none where it is asked about none."""
    return ScriptedEngine().infers(
        lambda batch: {"entities": list(entities) if batch["texts"] else [], "labels": labels}
    )


def finder(engine: Engine[Any], **config: Any) -> Ner:
    return Ner(engine, NerConfig(engine="names", **config))


async def test_it_finds_names_where_they_stand() -> None:
    """Every text has its own hits, under the rule of their label, none of which is sure."""
    texts = ["李雷昨天见了韩梅梅", "12345", "My name is John Smith and I live in London", "李雷昨天见了韩梅梅"]
    async with loaded() as engine:
        one = finder(engine)
        await one.start()
        found = await one.find(texts, "t")
    said = [
        [(hit.detector.id, text[hit.start : hit.end]) for hit in hits] for text, hits in zip(texts, found, strict=True)
    ]
    first = [("ner.person", "李雷"), ("ner.person", "韩梅梅")]
    assert said == [first, [], [("ner.person", "John Smith"), ("ner.place", "London")], first]
    assert {hit.valid for hits in found for hit in hits} == {False}
    assert {hit.detector.id for hits in found for hit in hits} <= {one.id for one in one.detectors}


async def test_labels_and_scores_choose() -> None:
    """A label that policy does not map is left alone, and so is what the model is not sure enough of."""
    engine = answering([(0, 2, "PER", 0.9), (2, 4, "PER", 0.79), (4, 6, "ORG", 1.0), (6, 8, "MISC", 1.0)])
    (hits,) = await finder(engine, labels={"PER": "acme.name", "ORG": "acme.firm"}).find(["abcdefgh"], "t")
    assert [(hit.detector.id, hit.start, hit.end) for hit in hits] == [("acme.name", 0, 2), ("acme.firm", 4, 6)]


async def test_the_model_is_asked_once_for_a_text() -> None:
    """What comes twice is read once, what holds no letter is not read at all, and the model knows whose texts they are."""
    engine = answering([(0, 1, "PER", 1.0)], [])
    found = await finder(engine).find(["李", "", "123 ,.", "b", "李", "b"], "acme")
    assert engine.batches == [{"texts": ["李", "b"], "tenant": "acme"}]
    assert [len(hits) for hits in found] == [1, 0, 0, 0, 1, 0]


async def test_too_much_text_is_unsupported(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not read must not pass as read: beyond the limit the payload is one that cannot be read."""
    monkeypatch.setattr(ner, "CHARS_MAX", 10)
    engine = answering([], [])
    assert await finder(engine).find(["abcde", "fghij"], "t") == [[], []]
    with pytest.raises(Unsupported, match="10 characters"):
        await finder(engine).find(["abcdef", "ghijk"], "t")


@pytest.mark.parametrize(
    "entities", [[], [[], []], [[(0, 4, "PER", 1.0)]], [[(-1, 2, "PER", 1.0)]], [[(1, 1, "PER", 1.0)]]]
)
async def test_an_answer_that_does_not_fit_is_a_fault(entities: list[Any]) -> None:
    """Places outside of the text, or answers for other texts, never become edits."""
    with pytest.raises(ValueError, match="the model of `ner`"):
        await finder(answering(*entities)).find(["abc"], "t")


async def test_a_failing_engine_is_a_fault_and_no_empty_answer() -> None:
    """Where the model cannot be asked, nobody says that there are no names."""
    engine = answering([])
    one = finder(engine)
    await one.start()
    engine.infers(EngineError("it is away"))
    with pytest.raises(EngineError):
        await one.find(["张伟"], "t")


async def test_a_model_without_any_of_the_labels_does_not_start() -> None:
    """A policy that maps labels the model does not have would protect nothing."""
    with pytest.raises(CannotStart, match="LABEL_0, LABEL_1"):
        await finder(answering(labels=("LABEL_0", "LABEL_1"))).start()
    await finder(answering(labels=("MISC", "GPE"))).start()


@pytest.mark.parametrize(
    ("name", "other", "same"),
    [("John  Smith", "john smith", True), ("John\nSmith", "JOHN SMITH", True), ("张 伟", "张伟", True),
     ("張　偉", "張偉", True), ("Strauß", "STRAUSS", True), ("John Smith", "JohnSmith", False), ("张伟", "张炜", False)],
)  # fmt: skip
def test_one_name_has_one_spelling(name: str, other: str, same: bool) -> None:
    """Case and blanks do not make another person, letters do."""
    assert (spelt(name) == spelt(other)) is same


GATEWAY = """version: 1
engines:
  assistant: {{adapter: faq, egress: local}}
  names: {{adapter: onnx, egress: local, model: "{model}"}}
routes:
  - id: chat
    match: {{paths: [/v1/chat/completions]}}
    engine: assistant
    chain: [anonymize]
"""
ANONYMIZE = """version: 1
plugin: anonymize
config: {detect: [cn.mobile], ner: {engine: names}}
tests:
  - name: names are masked and restored 人名
    request: {text: "李雷昨天见了韩梅梅"}
    expect: {forwarded: {excludes: [李雷, 韩梅梅]}, findings: [ner.person], restored: true}
  - name: wherever a stream is cut
    request: {text: "Brian will come tomorrow"}
    every_split: true
    expect: {forwarded: {excludes: [Brian]}, findings: [ner.person], restored: true}
  - name: a name keeps its pseudonym
    request:
      messages: [{role: user, content: "李雷昨天见了韩梅梅"}, {role: user, content: "昨天韩梅梅和李雷去了上海"}]
    expect: {forwarded: {excludes: [李雷, 韩梅梅, 上海]}, restored: true}
  - name: ordinary words stay 普通文字
    request: {text: "今天天气不错"}
    expect: {forwarded: {includes: [今天天气不错]}, findings: []}
"""


def write(folder: Path, anonymize: str) -> str:
    folder.mkdir()
    (folder / "gateway.yaml").write_text(GATEWAY.format(model=model()))
    (folder / "anonymize.yaml").write_text(anonymize)
    return str(folder)


async def test_the_chain_masks_names_that_only_the_model_knows(tmp_path: Path) -> None:
    """Policy, engine and plugin together: no name reaches the engine, the caller gets all of them back."""
    report = await run_cases(load_bundle(write(tmp_path / "b", ANONYMIZE)), values=True)
    assert [(one.name, one.conditions) for one in report.cases if one.status != "passed"] == []
    assert report.passed == 4


async def test_without_the_model_the_names_are_not_found(tmp_path: Path) -> None:
    """The cases above show what the model does: none of the other detectors finds these names."""
    report = await run_cases(load_bundle(write(tmp_path / "b", ANONYMIZE.replace(", ner: {engine: names}", ""))))
    assert [one.status for one in report.cases] == ["failed", "failed", "failed", "passed"]


async def test_a_reload_is_proved_with_the_model(tmp_path: Path) -> None:
    """The process that proves a policy loads what the plugins of the policy ask for, so cases about names hold there."""
    prover = Prover()
    try:
        asked = Asked(write(tmp_path / "b", ANONYMIZE))
        assert (await prover.prove(asked)).verdict == "holds"
        (tmp_path / "b" / "gateway.yaml").write_text(GATEWAY.format(model=tmp_path / "gone"))
        proof = await prover.prove(asked)
        assert proof.verdict == "start"
        assert "there is no model.onnx" in proof.diagnostics[0].what
    finally:
        await prover.close()
