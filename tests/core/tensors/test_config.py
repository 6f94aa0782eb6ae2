"""`config.yaml`: what it may say, and how it narrows what a model says of itself."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.core.tensors.adders import SIGNATURE, answer, asked, put, serving

from yumen.tensors import DATATYPES, Signature, TensorSpec
from yumen.tensors.repository import ConfigWrong, ModelConfig, TensorConfig, narrowed
from yumen.tensors.repository.config import read_config

SPECS = st.builds(
    TensorSpec,
    st.sampled_from(["x", "y", "文本"]),
    st.sampled_from(sorted(DATATYPES)),
    st.lists(st.sampled_from([-1, 0, 1, 3]), max_size=3).map(lambda shape: (-1, *shape)),
)
SIDES = st.lists(SPECS, min_size=1, max_size=3, unique_by=lambda spec: spec.name).map(tuple)


def said(specs: tuple[TensorSpec, ...]) -> tuple[TensorConfig, ...]:
    """The same in a configuration."""
    return tuple(TensorConfig(name=one.name, datatype=one.datatype, shape=one.shape) for one in specs)


def written(folder: Path, text: str | bytes) -> ModelConfig:
    """The configuration that a file holds."""
    (folder / "config.yaml").write_bytes(text.encode() if isinstance(text, str) else text)
    return read_config(folder)[0]


def test_everything_that_it_may_say(tmp_path: Path) -> None:
    """Every key is read, and what is left out has its default."""
    (tmp_path / "labels.txt").write_text("猫\ndog\n", encoding="utf-8")
    text = """
    versions: [1, 3]
    batch_max: 4
    inputs: [{name: x, datatype: FP32, shape: [-1, 3]}]
    outputs: [{name: y, datatype: FP32, shape: [-1]}]
    labels: {y: labels.txt}
    warm_up: false
    options: {opset: 3}
    """
    config = written(tmp_path, text)
    assert config == ModelConfig(
        versions=(1, 3), batch_max=4, inputs=said((TensorSpec("x", "FP32", (-1, 3)),)),
        outputs=said((TensorSpec("y", "FP32", (-1,)),)), labels={"y": "labels.txt"}, warm_up=False, options={"opset": 3},
    )  # fmt: skip
    assert read_config(tmp_path)[1] == {"y": ("猫", "dog")}
    assert written(tmp_path, "") == ModelConfig()
    (tmp_path / "config.yaml").unlink()
    assert read_config(tmp_path) == (ModelConfig(), {})


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("versions: newest", "policy.choice"),
        ("versions: [0]", "policy.bounds"),
        ("versions: [1.5]", "policy.type"),
        ("latest: 65", "policy.bounds"),
        ("batch_max: -1", "0 to 1024"),
        ("batch_max: many", "policy.type"),
        ("inputs: [{name: x, datatype: FLOAT, shape: [1]}]", "policy.choice"),
        ("inputs: [{name: x, datatype: FP32, shape: [-2]}]", "policy.bounds"),
        ("inputs: [{name: x, datatype: FP32}]", "policy.missing-key"),
        ("name: adder", "policy.unknown-key"),
        ("latest: 1\nlatest: 2", "yaml.duplicate-key"),
        ("latest: &a 1", "yaml.not-plain"),
        ("a: [", "yaml.syntax"),
        ("[" * 500, "yaml.not-plain"),
        (b"\xff\xfe\xfa", "yaml.encoding"),
        (b"a" * ((1 << 20) + 1), "yaml.too-large"),
    ],
)
def test_what_it_may_not_say(tmp_path: Path, text: str | bytes, wrong: str) -> None:
    """Whatever is wrong is told with its place and a code, and never ends in anything else."""
    with pytest.raises(ConfigWrong, match=wrong):
        written(tmp_path, text)


def test_what_it_may_not_say_is_told_at_once(tmp_path: Path) -> None:
    """Several mistakes are several lines, each with its place."""
    with pytest.raises(ConfigWrong) as told:
        written(tmp_path, "latest: 0\nwarmup: true\nversions: 7\n")
    lines = str(told.value).split("\n")
    assert [line.split(": ")[0].removeprefix(f"{tmp_path.name}/config.yaml") for line in lines] == [
        ":1:9", ":2:1", ":3:11",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("content", "wrong"),
    [(None, "not there"), (b"\xff", "not UTF-8"), (b"a" * ((1 << 20) + 1), "bytes"), (b"a" * 1001, "characters")],
)
def test_wrong_labels_are_told(tmp_path: Path, content: bytes | None, wrong: str) -> None:
    """A file of labels that is missing, too large or no text is an error of the configuration."""
    if content is not None:
        (tmp_path / "labels.txt").write_bytes(content)
    with pytest.raises(ConfigWrong, match=wrong):
        written(tmp_path, "labels: {y: labels.txt}")


def test_labels_that_are_no_file_hold_up_nothing(tmp_path: Path) -> None:
    """A pipe or a device in the place of labels is refused, where opening it would wait for ever or end never."""
    os.mkfifo(tmp_path / "labels.txt")
    (tmp_path / "zeros.txt").symlink_to("/dev/zero")
    for name, said in (("labels.txt", "it is no file"), ("zeros.txt", "leads out of the repository")):
        with pytest.raises(ConfigWrong, match=said):
            written(tmp_path, f"labels: {{y: {name}}}")


@given(SIDES, SIDES, st.integers(0, 64))
def test_what_the_model_says_itself_changes_nothing(
    inputs: tuple[TensorSpec, ...], outputs: tuple[TensorSpec, ...], batch_max: int
) -> None:
    """A configuration that says the same as the model, or nothing, leaves the signature as it is."""
    own = Signature(inputs, outputs, batch_max)
    assert narrowed(own, ModelConfig()) == own
    assert narrowed(own, ModelConfig(inputs=said(inputs), outputs=said(outputs), batch_max=batch_max)) == own
    assert narrowed(Signature((), (), 0), ModelConfig(inputs=said(inputs), outputs=said(outputs))).inputs == inputs


OWN = Signature(
    (TensorSpec("x", "FP32", (-1, -1)), TensorSpec("文本", "BYTES", (-1,))),
    (TensorSpec("y", "FP32", (-1, 3)), TensorSpec("z", "INT64", (-1,))),
)
X, TEXT = (
    TensorConfig(name="x", datatype="FP32", shape=(-1, 8)),
    TensorConfig(name="文本", datatype="BYTES", shape=(-1,)),
)
Z = TensorConfig(name="z", datatype="INT64", shape=(-1,))


def test_less_than_the_model_says() -> None:
    """Open sizes may be closed, outputs left out, and rows allowed where the first dimension is open."""
    narrow = narrowed(OWN, ModelConfig(inputs=(X, TEXT), outputs=(Z,), batch_max=16))
    assert [spec.shape for spec in narrow.inputs] == [(-1, 8), (-1,)]
    assert [spec.name for spec in narrow.outputs] == ["z"]
    assert narrow.batch_max == 16


@pytest.mark.parametrize(
    ("config", "wrong"),
    [
        (ModelConfig(inputs=(X,)), "does not name every input"),
        (ModelConfig(inputs=(X, TEXT, TEXT)), "twice"),
        (ModelConfig(outputs=(X,)), "what the model does not"),
        (ModelConfig(outputs=(TensorConfig(name="y", datatype="FP32", shape=(-1, 4)),)), "what the model does not"),
        (ModelConfig(outputs=(TensorConfig(name="y", datatype="FP32", shape=(-1, -1)),)), "what the model does not"),
        (ModelConfig(outputs=(TensorConfig(name="y", datatype="FP16", shape=(-1, 3)),)), "what the model does not"),
        (ModelConfig(outputs=(TensorConfig(name="y", datatype="FP32", shape=(-1,)),)), "what the model does not"),
        (
            ModelConfig(batch_max=2, outputs=(TensorConfig(name="z", datatype="INT64", shape=(4,)),)),
            "-1 as the first dimension",
        ),
        (ModelConfig(labels={"q": "l.txt"}), "does not give"),
    ],
)
def test_more_or_other_than_the_model_says_is_refused(config: ModelConfig, wrong: str) -> None:
    """A configuration cannot promise what the model does not do: callers would get errors of its runtime."""
    with pytest.raises(ConfigWrong, match=wrong):
        narrowed(OWN, config)


async def test_a_narrowed_signature_is_what_callers_meet(tmp_path: Path) -> None:
    """What a configuration leaves out is neither told nor given, and rows are counted as it says."""
    put(tmp_path, "adder", 1, 1)
    (tmp_path / "adder" / "config.yaml").write_text(
        "batch_max: 1\noutputs: [{name: sum, datatype: INT64, shape: [-1, 2]}]"
    )
    async with serving(tmp_path) as engine:
        models = engine.models()
        assert models is not None
        metadata = await models.metadata("adder")
        assert metadata.outputs == SIGNATURE.outputs[:1]
        assert await answer(engine, asked([1, 1], [2, 2])) == {"model_version": "1", "sum": [2, 2, 3, 3]}
        (stats,) = await models.statistics("adder")
        assert stats["batch_stats"][0]["batch_size"] == 1
