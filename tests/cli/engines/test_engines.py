"""`yumen engines` as a person or a script uses it, with engines that really run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from hypothesis import given
from hypothesis import strategies as st
from tests.engines.onnx.graphs import adder, saved

from yumen.cli import main
from yumen.cli.engines.agreement import difference
from yumen.cli.engines.inputs import made_up
from yumen.errors import CannotStart
from yumen.tensors.types import DATATYPES, Datatype, Signature, TensorSpec


@pytest.fixture
def run(bundle: Path, tmp_path: Path) -> Any:
    """Runs a verb on the bundle."""

    def run(verb: str, *arguments: str, policies: Path = bundle) -> Result:
        environment = {"YUMEN_POLICIES": str(policies), "YUMEN_DATA": str(tmp_path / "data")}
        return CliRunner().invoke(main, ["engines", verb, *arguments], env=environment)

    return run


def test_what_is_installed_is_listed_as_before(run: Any) -> None:
    """Without a bundle nothing is loaded, and the fields that scripts read are there as always, with others beside them."""
    found = json.loads(run("list", "--json").stdout)
    assert {one["kind"] for one in found} == {"engine", "evaluator"}
    onnx = next(one for one in found if one["name"] == "onnx")
    assert set(onnx) >= {"name", "distribution", "version", "target", "kind"}


def test_loaded_engines_say_where_they_run(run: Any) -> None:
    """Each model has a line with its real device and provider, replicas too; one that does not load says why."""
    result = run("list", "--loaded", "--json")
    assert result.exit_code == 0
    found = [one for one in json.loads(result.stdout) if one["kind"] == "loaded"]
    assert [(one["name"], one["model"], one["state"]) for one in found] == [
        ("numbers", "numbers", "READY"),
        ("twins", "twins", "READY"),
        ("twins", "twins", "READY"),
        ("gone", "", "UNAVAILABLE"),
        ("faq", "", "READY"),
    ]
    assert found[0]["providers"] == ["CPUExecutionProvider"]
    assert found[0]["runtime"].startswith("onnxruntime ")
    assert [one["detail"]["replica"] for one in found[1:3]] == ["left", "right"]
    assert "gone.onnx" in found[3]["reason"]
    assert "twins/right" in run("list", "--loaded").stdout


def test_an_engine_that_is_fine_passes(run: Any) -> None:
    """Exit 0 after every usual batch has come to what single rows come to."""
    result = run("check", "numbers", "twins", "faq", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["ok"]
    assert [one["engine"] for one in report["engines"]] == ["numbers", "twins/left", "twins/right", "faq"]
    runs = report["engines"][0]["models"][0]["runs"]
    assert [(one["rows"], one["absolute"]) for one in runs] == [(rows, 0.0) for rows in (1, 2, 4, 8, 16, 32)]


def test_versions_that_are_not_to_serve_are_fine(run: Any, tmp_path: Path) -> None:
    """Earlier versions stay where they are, and a repository may name what it loads."""
    for name, version in (("add", 1), ("add", 2), ("other", 1)):
        (tmp_path / "models" / name / str(version)).mkdir(parents=True)
        saved(tmp_path / "models" / name / str(version) / "model.onnx", adder())
    folder = tmp_path / "policies"
    folder.mkdir()
    repository = f'{{path: "{tmp_path / "models"}", load: [add]}}'
    (folder / "gateway.yaml").write_text(f"""version: 1
engines:
  models: {{adapter: onnx, egress: local, task: tensors, repository: {repository}}}
routes:
  - {{id: models, match: {{paths: ["/v2/*"]}}, engine: models, chain: [audit]}}
""")
    (folder / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    result = run("check", "--json", policies=folder)
    assert result.exit_code == 0, result.output
    (report,) = json.loads(result.stdout)["engines"]
    assert [(one["model"], one["version"]) for one in report["models"]] == [("add", "2")]


def test_an_engine_that_does_not_load_is_a_line_and_exit_2(run: Any) -> None:
    """What is wrong is said with the engine, a code, and what to do; nothing is a traceback."""
    result = run("check", "gone")
    assert result.exit_code == 2
    line = result.stdout.splitlines()[0]
    assert line.startswith("gone: load: there is no model at ")
    assert line.endswith("; correct its path")


def test_a_model_whose_rows_mix_is_found_out(run: Any, tmp_path: Path) -> None:
    """Rows that depend on one another are `parity`: the adapter's own look is switched off here with its warm-up."""
    folder = mixing(tmp_path)
    result = run("check", policies=folder)
    assert result.exit_code == 2
    assert result.stdout.startswith("mixed: parity: mixed 1: `y` of 2 rows is up to ")


def mixing(root: Path) -> Path:
    """A bundle with a model that takes the mean of all rows away, as a repository that does not warm it up."""
    from tests.engines.onnx.graphs import compared, saved

    saved(root / "models/mixed/1/model.onnx", compared())
    (root / "models/mixed/config.yaml").write_text("warm_up: false\n")
    folder = root / "policies"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(
        f"""
version: 1
engines: {{mixed: {{adapter: onnx, egress: local, task: tensors, repository: {{path: "{root / "models"}"}}}}}}
routes: [{{id: mixed, match: {{paths: ["/v2/*"]}}, engine: mixed, chain: [audit]}}]
"""
    )
    (folder / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    return folder


def test_what_cannot_run_is_exit_1(run: Any, tmp_path: Path) -> None:
    """An unknown engine and a bundle that is not there tell nothing about engines, and say what to do."""
    result = run("check", "nummern")
    assert result.exit_code == 1
    assert "uses no engine `nummern`; name one of: " in result.stderr
    assert run("check", policies=tmp_path / "没有").exit_code == 1
    assert run("bench", "faq").exit_code == 1
    assert run("bench", "numbers", "--shape", "a=1,5").exit_code == 1
    assert run("bench", "numbers", "--shape", "c=1,4").exit_code == 1


def test_bench_measures_the_model_and_its_batcher(run: Any) -> None:
    """Every size that was asked for, then one and 64 callers through the batcher."""
    result = run("bench", "numbers", "--rows", "1,8", "--seconds", "0.05", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert [(one["through"], one["rows"], one["callers"]) for one in found] == [
        ("model", 1, 1),
        ("model", 8, 1),
        ("batcher", 1, 1),
        ("batcher", 1, 64),
    ]
    assert all(one["rows_per_s"] > 0 and one["p50_ms"] <= one["p99_ms"] for one in found)
    assert "█" in run("bench", "numbers", "--rows", "2", "--seconds", "0.01").stdout


def test_numbers_that_are_no_sizes_are_refused(run: Any) -> None:
    """A slip of the pen is told as one, before anything is loaded."""
    for arguments in (["--rows", "0"], ["--rows", "1,,2"], ["--shape", "a"], ["--shape", "a=1,x"], ["--seconds", "0"]):
        assert run("bench", "numbers", *arguments).exit_code == 2


def test_nothing_to_build_is_exit_2(run: Any) -> None:
    """An adapter that builds nothing says so."""
    result = run("build", "numbers")
    assert result.exit_code == 2
    assert result.stderr == "numbers: the adapter `onnx` builds nothing; it serves as it is\n"


@given(st.sampled_from(sorted(DATATYPES)), st.integers(1, 9), st.integers(1, 9))
def test_rows_are_made_up_alike(datatype: Datatype, fewer: int, more: int) -> None:
    """Row i is the same however many there are: only so a batch can be held against single rows."""
    signature = Signature((TensorSpec("x", datatype, (-1, 3)),), (), 32)
    fewer, more = sorted((fewer, more))
    small, large = (made_up(signature, rows, {})["x"] for rows in (fewer, more))
    assert small.dtype == DATATYPES[datatype]
    assert (small == large[:fewer]).all()


def test_differences_are_held_against_what_the_type_can_hold() -> None:
    """A difference that FP16 makes by rounding is too much for FP64; whole numbers have none; NaN is what NaN is."""
    one = np.array([[1.0, np.nan]])
    assert difference("FP16", one.astype(np.float16) + np.float16(0.005), one.astype(np.float16)).within
    assert not difference("FP64", one + 0.005, one).within
    assert not difference("FP64", np.array([np.nan]), np.array([1.0])).within
    assert difference("FP64", np.array([np.inf]), np.array([np.inf])).within
    assert not difference("INT64", np.array([1]), np.array([2])).within
    assert not difference("FP32", np.zeros((2, 1)), np.zeros((1, 2))).within
    half, other = (np.array([bits], np.uint16) for bits in (0x3F80, 0x3F81))
    assert difference("BF16", half, other).within


def test_shapes_that_do_not_fit_are_refused() -> None:
    """The operator is told which input it is, and nothing larger than memory is made."""
    signature = Signature((TensorSpec("x", "FP32", (-1, -1, 3)),), (), 4)
    assert made_up(signature, 2, {"x": (1, 7, 3)})["x"].shape == (2, 7, 3)
    for shapes in ({"x": (1, 7)}, {"x": (1, 7, 4)}, {"z": (1, 7, 3)}, {"x": (1, 1 << 30, 3)}):
        with pytest.raises(CannotStart):
            made_up(signature, 2, shapes)
