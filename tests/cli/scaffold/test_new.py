"""`yumen plugins new` and `yumen engines new`: names, folders, and what is never overwritten."""

from __future__ import annotations

import ast
import builtins
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import yumen
from yumen.cli import main
from yumen.cli.scaffold import words
from yumen.cli.scaffold.package import FILES, filled
from yumen.cli.scaffold.words import NAME_CHARS_MAX, TEMPLATE_NAMES
from yumen.errors import CannotStart

TEMPLATES = Path(yumen.__file__).parent / "cli" / "scaffold" / "templates"
LONGEST = "words-of-a-very-large-house-ok"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["plugins", "engines"])
@pytest.mark.parametrize("given_name", ["house-rules", "house_rules"])
def test_a_package_is_named_after_what_it_holds(kind: str, given_name: str) -> None:
    """Hyphens and underscores name the same: policies and Python are given underscores, pip hyphens."""
    result = run(kind, "new", given_name, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert (told["folder"], told["distribution"]) == ("yumen-house-rules", "yumen-house-rules")
    assert (told["name"], told["module"], told["class_name"]) == ("house_rules", "yumen_house_rules", "HouseRules")
    found = {str(path.relative_to(told["folder"])) for path in Path(told["folder"]).rglob("*") if path.is_file()}
    assert found == set(told["files"])
    assert {"pyproject.toml", "src/yumen_house_rules/py.typed", ".gitignore", "tests/test_house_rules.py"} <= found


def test_people_are_told_what_to_do_next() -> None:
    """Without --json every file is printed, and the commands that come next."""
    result = run("plugins", "new", "x", "--into", "here")
    assert result.exit_code == 0
    assert "wrote here/pyproject.toml" in result.stdout
    assert 'pip install --editable ".[dev]"' in result.stdout


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("保密词", "`保密词` cannot be the name of a plugin"),
        ("Falcon", "such as `house-words`"),
        ("", "such as `house-words`"),
        ("1st", "beginning with a letter"),
        ("a--b", "cannot be the name"),
        ("a-", "cannot be the name"),
        ("../x", "cannot be the name"),
        ("x\n", "cannot be the name"),
        ("a" * (NAME_CHARS_MAX + 1), f"at most {NAME_CHARS_MAX}"),
        ("yumen", "leave it out"),
        ("yumen-falcon", "leave it out: `falcon`"),
        ("class", "means something else"),
        ("match", "means something else"),
        ("off", "such as `my-off`"),
        ("gateway", "another kind of policy file"),
        ("tests", "another kind of policy file"),
        ("exchange", "its class would hide `Exchange`"),
        ("exception", "its class would hide `Exception`"),
        ("config", "its class would hide `Config`"),
        ("anonymize", "from yumen; take another name"),
        ("plugins", "there is a module `yumen_plugins` already"),
    ],
)
def test_a_name_that_cannot_be_taken_is_refused(name: str, why: str, tmp_path: Path) -> None:
    """What is wrong with it and what to do is one sentence, and nothing is written."""
    result = run("plugins", "new", "--", name)
    assert result.exit_code == 1
    assert why in result.stderr
    assert result.stderr.startswith("yumen: ")
    assert result.stderr.count("\n") == 1
    assert not [*tmp_path.iterdir()]


def test_engines_have_names_of_their_own() -> None:
    """A plugin and an engine may be called the same, two engines not."""
    assert run("engines", "new", "audit").exit_code == 0
    result = run("engines", "new", "faq")
    assert (result.exit_code, "the engine `faq` is there already, from yumen" in result.stderr) == (1, True)


@given(name=st.text(max_size=40) | st.from_regex(r"[a-z_-]{1,31}", fullmatch=True))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_taken_is_a_name_everywhere(name: str) -> None:
    """A name is refused in a sentence, or is one of Python, of a policy and of a distribution."""
    try:
        made = words("plugin", name)
    except CannotStart as error:
        assert str(error).isprintable()
    else:
        assert made.module.isidentifier()
        assert made.class_name.isidentifier()
        assert made.name.isascii()
        assert len(made.name) <= NAME_CHARS_MAX


def installed(folder: Path, distribution: str) -> None:
    """A distribution that has the plugin `falcon`, as pip leaves it."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[yumen.plugins]\nfalcon = yumen_falcon:Falcon\n")
    (folder / "yumen_falcon.py").write_text("")


def test_a_name_of_another_package_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which of two is meant would be chance, so not even --force takes it."""
    installed(tmp_path / "site", "acme-falcon")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    for more in ([], ["--force"]):
        result = run("plugins", "new", "falcon", *more)
        assert (result.exit_code, "from acme-falcon" in result.stderr) == (1, True)


def test_ones_own_package_can_be_written_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The package that is installed under this name may be written over when that is asked for."""
    installed(tmp_path / "site", "yumen-falcon")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    result = run("plugins", "new", "falcon")
    assert (result.exit_code, "--force to write it anew" in result.stderr) == (1, True)
    assert run("plugins", "new", "falcon", "--force").exit_code == 0


def test_nothing_is_overwritten_unless_asked(tmp_path: Path) -> None:
    """A folder that is not empty is left as it is; with --force files that the templates do not have stay."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    (folder / "notes.txt").write_text("我的")
    result = run("plugins", "new", "x", "--into", str(folder))
    assert (result.exit_code, "name another folder with --into, or --force" in result.stderr) == (1, True)
    assert {path.name for path in folder.iterdir()} == {"README.md", "notes.txt"}
    assert run("plugins", "new", "x", "--into", str(folder), "--force").exit_code == 0
    assert (folder / "README.md").read_text().startswith("# yumen-x")
    assert (folder / "notes.txt").read_text() == "我的"


@pytest.mark.parametrize("link", ["README.md", "src", "."])
def test_no_link_is_written_through(link: str, tmp_path: Path) -> None:
    """With --force a link inside the folder does not lead out of it; the folder itself may be one."""
    outside, folder = tmp_path / "outside", tmp_path / "mine"
    outside.mkdir()
    if link == ".":
        folder.symlink_to(outside)
        assert run("plugins", "new", "x", "--into", str(folder), "--force").exit_code == 0
        return
    folder.mkdir()
    (folder / link).symlink_to(outside / "file" if link == "README.md" else outside)
    result = run("plugins", "new", "x", "--into", str(folder), "--force")
    assert (result.exit_code, "is a link" in result.stderr) == (1, True)
    assert not [*outside.iterdir()]
    assert [path.name for path in folder.iterdir()] == [link]


@pytest.mark.parametrize("into", ["taken", "taken/below"])
def test_a_folder_that_cannot_be_is_a_sentence(into: str, tmp_path: Path) -> None:
    """A file in the place of a folder ends in an error and no traceback."""
    (tmp_path / "taken").write_text("")
    for more in ([], ["--force"]):
        result = run("plugins", "new", "x", "--into", into, *more)
        assert result.exit_code == 1
        assert "name another folder with --into" in result.stderr


def test_no_class_hides_a_name_of_its_template() -> None:
    """Whatever the templates import, define or use beside builtins and public names of Yumen cannot be a class's name."""
    blanks = {"module": "m", "class": "Made", "name": "n", "api": "1", "sees": "raw"}
    for path in TEMPLATES.rglob("*.py.tmpl"):
        tree = ast.parse(filled(path.read_text(encoding="utf-8"), blanks))
        names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
        names |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
        names |= {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef)}
        camel = {name for name in names if name[0].isupper() and not name.isupper()} - {"Made"}
        assert camel <= {*yumen.__all__, *vars(builtins), *TEMPLATE_NAMES}, path


def test_every_template_is_used() -> None:
    """No file lies among the templates that no package is given."""
    used = {f"{template}.tmpl" for files in FILES.values() for template in files.values() if template}
    assert {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*") if path.is_file()} == used


def test_the_page_names_every_option_and_file() -> None:
    """docs/plugins/new.md says what can be asked for and what is written."""
    page = (Path(__file__).parents[3] / "docs" / "plugins" / "new.md").read_text(encoding="utf-8")
    for group in ("plugins", "engines"):
        command = main.get_command(click.Context(main), group)
        assert isinstance(command, click.Group)
        new = command.get_command(click.Context(command), "new")
        assert new is not None
        for option in (one for param in new.params for one in param.opts if one.startswith("--")):
            assert f"`{option}" in page, option
    for path in {path for files in FILES.values() for path in files}:
        shown = filled(path, {"module": "yumen_<name>", "name": "<name>"})
        assert f"`{shown}`" in page or (shown.startswith("policies/example/") and "`policies/example/`" in page), shown


@pytest.mark.parametrize("name", ["x", LONGEST])
def test_any_name_leaves_the_code_well_formed(name: str, tmp_path: Path) -> None:
    """Neither the shortest name nor the longest makes the formatter or the linter want other code."""
    for kind in ("plugins", "engines"):
        assert run(kind, "new", name, "--into", str(tmp_path / kind)).exit_code == 0
    for command in (["check"], ["format", "--check"]):
        ruff = [sys.executable, "-m", "ruff", *command, "--no-cache", "plugins", "engines"]
        result = subprocess.run(ruff, cwd=tmp_path, capture_output=True, text=True)
        assert result.returncode == 0, result.stdout
