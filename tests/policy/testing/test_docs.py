"""docs/policy-testing.md: its bundles are run, and its output is what they print.

`python -m tests.policy.testing.test_docs` writes the output anew; look at what changed before you commit it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import tempfile
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from yumen.cli import main
from yumen.cli.policy.test import test as command
from yumen.policy import cases
from yumen.policy.testing.trial import SPLITS_MAX

PAGE = Path(__file__).parents[3] / "docs" / "policy-testing.md"
FILE = re.compile(r"```yaml\n# (\S+)\n(.*?)```", re.DOTALL)
CONSOLE = re.compile(r"```console\n\$ yumen (.*?)\n(.*?)```", re.DOTALL)
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def unpack(folder: Path, page: str) -> None:
    """Write the bundles of the page."""
    for name, content in FILE.findall(page):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(content)


def rewritten(page: str) -> str:
    """The page with the output that its commands have in the current folder."""

    def put(found: re.Match[str]) -> str:
        output = CliRunner().invoke(main, shlex.split(found[1])).output
        return f"```console\n$ yumen {found[1]}\n{output}```"

    return CONSOLE.sub(put, page)


def test_the_output_is_what_the_commands_print(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run on the bundles of the page, each command prints what stands below it."""
    page = PAGE.read_text()
    unpack(tmp_path, page)
    monkeypatch.chdir(tmp_path)
    assert len(CONSOLE.findall(page)) == 5
    assert rewritten(page) == page


def test_the_python_of_the_page_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The lines at the end of the page do what they seem to."""
    page = PAGE.read_text()
    unpack(tmp_path, page)
    monkeypatch.chdir(tmp_path)
    (code,) = PYTHON.findall(page)
    exec(code.replace('"shop"', '"draft"'), {})
    assert (
        "draft.test.yaml:3 an identity card is masked 身份证 expect.findings expect.forwarded.excludes[0]"
        in capsys.readouterr().out
    )


@pytest.mark.parametrize("form", [cases.Case, cases.Request, cases.Reply, cases.Caller, cases.Expect, cases.Texts])
def test_every_key_is_explained(form: type[msgspec.Struct]) -> None:
    """Whatever a case may say stands on the page."""
    page = PAGE.read_text()
    assert [name for name in form.__struct_fields__ if f"`{name}`" not in page] == []


def test_every_option_is_explained() -> None:
    """So does every option of the command."""
    page = PAGE.read_text()
    options = [name for parameter in command.params for name in parameter.opts if name.startswith("--")]
    assert [name for name in options if f"| `{name}" not in page] == []


@pytest.mark.parametrize("limit", [cases.REPEAT_MAX, cases.AT_ONCE_MAX, cases.CHARS_MAX, SPLITS_MAX])
def test_every_limit_is_written_down(limit: int) -> None:
    """The numbers of the page are those of the code."""
    assert f"{limit:,}" in PAGE.read_text()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        unpack(Path(name), PAGE.read_text())
        text = rewritten(PAGE.read_text())
    PAGE.write_text(text)
    print(f"wrote {PAGE} in {os.getcwd()}")
