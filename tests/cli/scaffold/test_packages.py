"""What is written passes all its checks as it stands, installed as pip installs packages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from yumen.cli import main

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[3]
# Longer than any of it takes where the machine is busy with other tests.
PATIENCE_S = 240
WRITTEN = {
    "raw": ("plugins", "new", "falcon-words"),
    "masked": ("plugins", "new", "heron_words", "--sees", "masked"),
    "engine": ("engines", "new", "set-phrases"),
}
Run = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the packages, and `site` where they have been installed: one by pip, the others for editing.

    All have the same pyproject, and pip takes seconds for each.
    """
    made = tmp_path_factory.mktemp("scaffold")
    for name, words in WRITTEN.items():
        result = CliRunner().invoke(main, [*words, "--into", str(made / name)])
        assert result.exit_code == 0, result.output
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(made / "site")]
    call([*pip, str(made / "raw")], made)
    for name in ("masked", "engine"):
        install_for_editing(made / name, made / "site")
    return made


def install_for_editing(package: Path, site: Path) -> None:
    """What an editable installation comes to: metadata, and the package where it lies."""
    project = tomllib.loads((package / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = site / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n")
    ((group, points),) = project["entry-points"].items()
    lines = [f"[{group}]", *(f"{name} = {target}" for name, target in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines))
    for module in (package / "src").iterdir():
        (site / module.name).symlink_to(module)


def call(command: list[str], cwd: Path, *paths: Path) -> str:
    """Run to the end. Returns what was printed; AssertionError with it where it fails."""
    path = os.pathsep.join(filter(None, [*map(str, paths), os.environ.get("PYTHONPATH", "")]))
    env = {**os.environ, "PYTHONPATH": path}
    result = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=PATIENCE_S)
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


@pytest.fixture
def run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command of `yumen` in this process, where the packages are found as pip has installed them."""
    monkeypatch.syspath_prepend(str(folder / "site"))

    def invoked(*arguments: str) -> str:
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return result.output

    return invoked


def test_its_own_tests_pass(folder: Path) -> None:
    """`pytest`, as its pyproject has it set."""
    tests = [str(folder / name / "tests") for name in WRITTEN]
    config = str(folder / "raw" / "pyproject.toml")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", config, "--rootdir", str(folder)]
    told = call([*command, *tests], folder, folder / "site")
    assert "passed" in told
    assert "skipped" not in told


def test_its_types_hold(folder: Path) -> None:
    """`mypy --strict`, tests included."""
    config, cache = str(folder / "raw" / "pyproject.toml"), str(ROOT / ".mypy_cache" / "scaffold")
    sources = [str(folder / name / part) for name in WRITTEN for part in ("src", "tests")]
    command = [sys.executable, "-m", "mypy", "--config-file", config, "--cache-dir", cache]
    assert "Success" in call([*command, *sources], folder)


@pytest.mark.parametrize("name", WRITTEN)
def test_its_example_holds(folder: Path, run: Run, name: str) -> None:
    """`yumen policy check` and `yumen policy test`, which has cases to run."""
    example = str(folder / name / "policies" / "example")
    run("policy", "check", example)
    run("policy", "test", example, "--fail-on-empty")


@pytest.mark.parametrize("name", ["raw", "masked"])
def test_what_its_readme_shows_holds(folder: Path, run: Run, name: str, tmp_path: Path) -> None:
    """The policy that users of the package read first is taken as it stands."""
    readme = (folder / name / "README.md").read_text(encoding="utf-8")
    policy = readme.split("```yaml\n")[1].split("```")[0]
    example = shutil.copytree(folder / name / "policies" / "example", tmp_path / "example")
    (example / policy.removeprefix("# ").split(";")[0]).write_text(policy, encoding="utf-8")
    run("policy", "check", str(example))


def test_the_engine_of_the_example_can_be_loaded(folder: Path, run: Run) -> None:
    """`yumen engines check` finds nothing wrong with it."""
    assert "set_phrases" in run("engines", "check", "--policies", str(folder / "engine" / "policies" / "example"))


@pytest.mark.parametrize("plugin", ["falcon_words", "heron_words"])
def test_it_conforms(run: Run, plugin: str) -> None:
    """`yumen plugins check` has nothing to say."""
    run("plugins", "check", plugin)
