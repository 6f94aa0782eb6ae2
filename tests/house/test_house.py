"""The rules of the house: which way imports go, what the folders hold, what the wheel ships, what the docs promise."""

from __future__ import annotations

import ast
import itertools
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

import yumen

ROOT = Path(__file__).parents[2]
GATEWAY = ROOT / "gateway"
LINES_MAX = 400
PUBLIC = {f"yumen.{name}" for name in yumen.__all__} | {"yumen"}
CONTROL_PLANE = ("yumen.admin", "yumen.cli")
# The application puts both planes together: it alone knows both.
COMPOSER = GATEWAY / "yumen" / "app.py"


def modules(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> set[tuple[str, str]]:
    """Pairs of module and name that a file imports, wherever in the file."""
    found: set[tuple[str, str]] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {(alias.name, "") for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            found |= {(node.module or "", alias.name) for alias in node.names}
    return found


def test_plugins_and_engines_use_public_names_only() -> None:
    """What is built in has no other door than what comes from outside."""
    for path in modules("plugins", "engines", "policies"):
        for module, name in imports(path):
            if module.split(".")[0] == "yumen":
                assert module == "yumen", f"{path}: {module}"
                assert name in yumen.__all__, f"{path}: yumen.{name} is not public"


def test_the_framework_names_no_plugin() -> None:
    """The framework imports no plugin, engine or bundle, and the data plane no control plane."""
    for path in modules("gateway"):
        for module, _ in imports(path):
            assert not module.startswith(("yumen_plugins", "yumen_engines", "yumen_policies")), f"{path}: {module}"
            if path != COMPOSER and path.relative_to(GATEWAY).parts[:2] not in (("yumen", "admin"), ("yumen", "cli")):
                assert not module.startswith(CONTROL_PLANE), f"{path}: {module}"


def test_bytes_that_are_no_text_are_wrong_too() -> None:
    """Of bytes that are no UTF-8 msgspec says `UnicodeDecodeError`, none of its own errors: both are expected everywhere."""
    for path in modules("gateway", "plugins", "engines"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler) and node.type is not None:
                expected = ast.unparse(node.type)
                if re.search(r"\bmsgspec\.(DecodeError|MsgspecError)\b", expected):
                    assert re.search(r"\b(ValueError|UnicodeDecodeError|Exception)\b", expected), (
                        f"{path}:{node.lineno}"
                    )


@pytest.mark.parametrize("group", ["plugins", "engines"])
def test_folders_are_entry_points(group: str) -> None:
    """Every folder of a plugin or engine is declared, and nothing is declared that has no folder."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"][f"yumen.{group}"]
    folders = {path.name for path in (ROOT / group / f"yumen_{group}").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(declared)


def test_rooms_stay_small() -> None:
    """No source file grows beyond what one can read in one go."""
    for path in modules("gateway", "plugins", "engines"):
        assert len(path.read_text().splitlines()) <= LINES_MAX, path


def test_nothing_imports_what_may_be_missing() -> None:
    """Importing the framework loads neither durable-rules nor an ONNX runtime: they may be absent."""
    code = "import sys, yumen, yumen.app, yumen.cli; print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in out.split()} & {"durable", "onnxruntime", "tensorrt"}


def test_the_application_loads_no_other_kind_of_models() -> None:
    """Litestar would load pydantic, which many a client of models has brought, though no handler here is made of it."""
    code = "import sys, yumen.app as app; app.Gateway([app.healthz, app.control_plane]); print(*sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not {name.split(".")[0] for name in out.split()} & {"pydantic", "attr", "attrs"}


@pytest.mark.slow
def test_the_wheel_holds_the_house(tmp_path: Path) -> None:
    """The wheel has the five packages, their data files and the type markers, and no test."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(tmp_path), str(ROOT)]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    tops = {name.split("/")[0] for name in names if ".dist-info/" not in name}
    assert tops == {"yumen", "yumen_pytest", "yumen_plugins", "yumen_engines", "yumen_policies"}
    for needed in (
        "yumen/py.typed",
        "yumen_engines/faq/model.onnx",
        "yumen_policies/starter/gateway.yaml",
        "yumen_plugins/anomaly/words/shipped/violence.txt",
        "yumen_plugins/anomaly/injection/phrases/override.txt",
        "yumen_plugins/anomaly/pack_rules/injection.yaml",
    ):
        assert needed in names


def test_links_of_the_docs_lead_somewhere() -> None:
    """Every relative link in README and docs names a file that exists."""
    for page in [*ROOT.glob("README*.md"), ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_every_dependency_has_its_reason() -> None:
    """docs/dependencies.md says why each dependency is here."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    reasons = (ROOT / "docs" / "dependencies.md").read_text()
    for requirement in wanted:
        name = re.split(r"[\[<>=;! ]", requirement)[0]
        assert f"| {name} " in reasons, name


def test_every_make_recipe_says_what_it_does() -> None:
    """A sentence stands above every recipe of the Makefile."""
    lines = (ROOT / "Makefile").read_text().splitlines()
    for number, line in enumerate(lines):
        if re.match(r"^[a-z$][^=]*:(?!=)", line) and not line.startswith("."):
            assert lines[number - 1].startswith("# "), line


def test_limits_are_written_down() -> None:
    """Every limit that a bundle can set stands in docs/limits.md with its name."""
    from yumen.policy.bundle import Limits

    page = (ROOT / "docs" / "limits.md").read_text()
    for name in Limits.__struct_fields__:
        assert f"`{name}`" in page, name


def test_compiled_modules_hold_no_coroutines_and_no_structs() -> None:
    """mypyc passes a cancellation on in another way than Python does, and Structs bring machinery of their own."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    folders = {Path(package).name: ROOT / package for package in wheel["packages"]}
    for module in wheel["hooks"]["custom"]["modules"]:
        package, _, rest = module.partition("/")
        for node in ast.walk(ast.parse((folders[package] / rest).read_text())):
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), f"{module}:{node.lineno}: a coroutine"
            if isinstance(node, ast.ClassDef):
                assert "Struct" not in ast.unparse(ast.Tuple(node.bases)), f"{module}:{node.lineno}: a Struct"
