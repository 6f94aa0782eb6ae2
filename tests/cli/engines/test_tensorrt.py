"""`yumen engines` with the `tensorrt` adapter itself: without its libraries, and with stand-ins in the place of them."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.engines.tensorrt import tiny
from tests.engines.tensorrt.made import Bench
from tests.engines.tensorrt.made import bench as made

from yumen.cli import main

MISSING = ("cuda.bindings.runtime", "tensorrt")
GATEWAY = """
version: 1
engines: {ranker: {adapter: tensorrt, egress: local, model: "%s"}}
routes: [{id: all, match: {paths: ["/v2/*"]}, engine: ranker, chain: [audit]}]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle whose engine runs a small model."""
    (tmp_path / "gateway.yaml").write_text(GATEWAY % tiny.scaled(tmp_path / "模型" / "m.onnx"))
    (tmp_path / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    return tmp_path


def imports(monkeypatch: pytest.MonkeyPatch, **modules: Any) -> None:
    """What `import` finds of the libraries; nothing where there is no such module."""
    real = importlib.import_module

    def found(name: str, package: str | None = None) -> Any:
        if name in MISSING and name not in modules:
            raise ModuleNotFoundError(name=name)
        return modules.get(name) or real(name, package)

    monkeypatch.setattr(importlib, "import_module", found)


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without the libraries, whatever this one has."""
    imports(monkeypatch)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A machine with one GPU, whose libraries are stand-ins."""
    bench = made(tmp_path)
    imports(monkeypatch, **{"tensorrt": bench.trt, "cuda.bindings.runtime": bench.cuda})
    return bench


def run(folder: Path, *arguments: str) -> Result:
    """The command, which never ends with a traceback."""
    environment = {"YUMEN_POLICIES": str(folder), "YUMEN_DATA": str(folder / "data")}
    result = CliRunner().invoke(main, ["engines", *arguments], env=environment)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result


def plans(folder: Path) -> list[Path]:
    """The plans that are kept."""
    return sorted((folder / "data" / "tensorrt-cache").glob("*.plan"))


@pytest.mark.usefixtures("bare")
def test_what_is_missing_is_told_with_the_line_that_installs_it(folder: Path) -> None:
    """Without the libraries `check` names each part, `build` cannot run, and neither leaves anything behind."""
    result = run(folder, "check")
    assert result.exit_code == 2
    for part in ("cuda-bindings", "tensorrt"):
        assert re.search(rf"^ranker: capability: {part}: .*; pip install 'yumen\[tensorrt\]'$", result.stdout, re.M)
    result = run(folder, "build", "ranker")
    assert result.exit_code == 1
    assert "the tensorrt engine cannot run here" in result.stderr
    assert "pip install 'yumen[tensorrt]'" in result.stderr
    assert "Traceback" not in result.output
    assert not plans(folder)


def test_a_plan_is_built_signed_kept_and_loaded_again(folder: Path, machine: Bench) -> None:
    """The second build takes the first one's plan; one that was changed is built anew; `check` then runs every bucket."""
    result = run(folder, "build", "ranker")
    assert result.exit_code == 0, result.output
    assert result.stderr == "ranker: building a plan of m.onnx for Fake H200; this takes minutes\n"
    assert result.stdout.startswith("ranker: ranker 1: built, for up to 32 rows\nranker: what was built lies in ")
    (plan,) = plans(folder)
    again = run(folder, "build", "ranker")
    assert (again.exit_code, again.stderr) == (0, "")
    assert again.stdout.startswith("ranker: ranker 1: there already, ")
    content = bytearray(plan.read_bytes())
    content[-1] ^= 1
    plan.write_bytes(content)
    assert "1: built" in run(folder, "build", "ranker").stdout
    checked = run(folder, "check", "--json")
    assert (checked.exit_code, '"ok":true' in checked.stdout) == (0, True), checked.output
    assert (machine.cuda.held, machine.cuda.mistakes) == (0, [])


def test_a_plan_that_computes_something_else_is_not_served(folder: Path, machine: Bench) -> None:
    """Where outputs differ from ONNX Runtime's, `build` cannot run and `check` finds it, both with the output's name."""
    machine.trt.error = 0.01
    result = run(folder, "build", "ranker")
    assert result.exit_code == 1
    assert re.search(r"the output `(y|total)` is .* times the tolerance", result.stderr)
    result = run(folder, "check")
    assert result.exit_code == 2
    assert re.search(r"^ranker: model: ranker 1: .* times the tolerance", result.stdout, re.M)
    assert (machine.cuda.held, machine.cuda.mistakes) == (0, [])
