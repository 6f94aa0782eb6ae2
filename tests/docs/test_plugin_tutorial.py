"""docs/plugins/tutorial.md is followed as a plugin developer would: every command prints what stands below it.

`python -m tests.docs.test_plugin_tutorial` writes the output anew; look at what changed before you commit it.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from tests.docs.pages import followed, plain, rewritten

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "plugins" / "tutorial.md"
LINES_MAX = 170
# What the page calls by its name; an installation over the network would be no test of the page.
PIP = f"""#!{sys.executable}
import pathlib
from tests.cli.scaffold.test_packages import install_for_editing
install_for_editing(pathlib.Path.cwd(), pathlib.Path({{site!r}}))
"""


def prepare(folder: Path) -> dict[str, str]:
    """A folder to work in, and the environment in which `pip install --editable .` makes the package found from there."""
    tools, site = folder / "tools", folder / "site"
    tools.mkdir()
    site.mkdir()
    pip = tools / "pip"
    pip.write_text(PIP.format(site=str(site)))
    pip.chmod(0o755)
    # The shell reads it first; the environment of the tests has a `pip`, too.
    first = tools / "first.sh"
    first.write_text(f"export PATH={tools}:$PATH\n")
    path = [str(site), os.environ.get("PYTHONPATH", ""), str(ROOT)]
    cache = str(ROOT / ".mypy_cache" / "scaffold")
    return {"PYTHONPATH": os.pathsep.join(filter(None, path)), "MYPY_CACHE_DIR": cache, "BASH_ENV": str(first)}


@pytest.mark.slow
@pytest.mark.server
def test_the_tutorial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever follows the tutorial has a plugin that is tested, typed, conforms, and serves."""
    for name, value in prepare(tmp_path).items():
        monkeypatch.setenv(name, value)
    page = PAGE.read_text()
    commands = 0
    for step, output in followed(page, tmp_path):
        start, end = step.span
        command = "run `python -m tests.docs.test_plugin_tutorial`"
        assert plain(output) == plain(page[start:end]), f"$ {step.text}\n{command}"
        commands += 1
    assert commands >= 7


def test_the_tutorial_stays_short() -> None:
    """A quarter of an hour is enough."""
    assert len(PAGE.read_text().splitlines()) <= LINES_MAX


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        os.environ |= prepare(Path(name))
        PAGE.write_text(rewritten(PAGE.read_text(), Path(name)))
        print(f"wrote {PAGE}")
