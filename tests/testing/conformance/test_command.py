"""`yumen plugins check`, and the page that describes what it checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.testing.conformance.bad_base import Bad

from yumen.cli import main
from yumen.registry import RegistryError, given
from yumen.testing.conformance import CHECKS, Example
from yumen.testing.conformance.examples import examples_of
from yumen.testing.conformance.finding import find

HERE = Path(__file__)
PAGE = HERE.parents[3] / "docs" / "plugins" / "conformance.md"
GOOD = "from tests.testing.conformance.bad_plugins import Bad, Editing as Wrong\n"


def run(*words: str) -> Result:
    return CliRunner().invoke(main, ["plugins", "check", *words])


def told(result: Result) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(result.stdout)
    return found


def test_it_says_what_holds() -> None:
    """A plugin of an installed package is found by its name, and as JSON by machines."""
    result = run("limits", "--only", "rules.form", "--only", "rules.named", "--json")
    assert result.exit_code == 0, result.output
    (report,) = told(result)["plugins"]
    assert (told(result)["ok"], report["plugin"]) == (True, "limits")
    assert [(one["id"], one["verdict"]) for one in report["verdicts"]] == [
        ("rules.form", "holds"),
        ("rules.named", "holds"),
    ]
    assert "on_request" in {one["hook"] for one in report["costs"]}


def test_it_says_what_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A class that is not installed is found from the current folder; what fails ends with 2 and what to do."""
    (tmp_path / "yumen_conformance_mine.py").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    result = run("yumen_conformance_mine:Wrong", "--only", "manifest.mutates")
    assert result.exit_code == 2
    assert "manifest.mutates fails" in result.output
    assert CHECKS["manifest.mutates"].mend in result.output
    assert run("yumen_conformance_mine:Bad", "--only", "manifest.mutates").exit_code == 0


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["no-such-thing"], 1, "no plugin and no package with plugins is called"),
        (["no_such_module:Plugin"], 1, "cannot be imported"),
        (["yumen:Plugin"], 1, "has no manifest"),
        (["limits", "--only", "no.check"], 2, "there is no check"),
        ([], 2, "name a plugin"),
    ],
)
def test_what_cannot_be_checked_is_said(words: list[str], code: int, sentence: str) -> None:
    """Whoever misspells something reads a sentence and no traceback."""
    result = run(*words)
    assert (result.exit_code, sentence in result.output) == (code, True), result.output


BLOCKING = """
import sys, time
from yumen import Manifest, NoConfig, Plugin
from yumen.cli.plugins import check

class Blocking(Plugin[NoConfig]):
    manifest = Manifest(name="blocking", version="1", sees="raw")

    async def on_request(self, exchange):
        while True:
            time.sleep(1)

check.HANG_S = 5
sys.modules["blocking"] = sys.modules["__main__"]
check.check(["blocking:Blocking", "--only", "hooks.sound"])
"""


def test_who_blocks_the_loop_for_good_is_shown(tmp_path: Path) -> None:
    """Nothing in the process can end it but the process, which says at which line."""
    script = tmp_path / "blocking.py"
    script.write_text(BLOCKING)
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120)
    assert ended.returncode == 1
    assert f'"{script}", line 11 in on_request' in ended.stderr


def test_a_package_is_all_of_its_plugins() -> None:
    """The name of a distribution stands for everything it offers, however it is spelt."""
    assert {one.manifest.name for one in find("Yumen")} >= {"limits", "anonymize"}
    with pytest.raises(RegistryError, match="pandas"):
        find("pandas")


def test_a_bundle_says_with_what(tmp_path: Path) -> None:
    """With a bundle the plugin is checked as that configures it, and a bundle that does not name it is refused."""
    routes = "routes: [{id: all, match: {paths: [/v1/*]}, engine: llm, chain: [limits]}]\n"
    engine = "engines: {llm: {adapter: openai, base_url: 'http://127.0.0.1:9', egress: local}}\n"
    (tmp_path / "gateway.yaml").write_text(f"version: 1\n{engine}{routes}")
    (tmp_path / "limits.yaml").write_text("version: 1\nplugin: limits\nconfig: {body_bytes: 10}\n")
    result = run("limits", "--policies", str(tmp_path), "--only", "rules.named", "--json")
    assert result.exit_code == 0, result.output
    assert told(result)["plugins"][0]["verdicts"][0]["verdict"] == "holds"
    assert "does not name the plugin" in run("audit", "--policies", str(tmp_path)).output


def test_examples_come_from_the_package() -> None:
    """Mappings and Structs are the same; a package without any has none."""
    from yumen_plugins.limits import Limits

    assert all(isinstance(one, Example) and one.texts for one in examples_of(Limits))
    with given(Bad):
        assert examples_of(Bad) == ()


def test_every_check_is_described() -> None:
    """Whoever fails a check finds it on the page, with its rule and what to do, as the command says them."""
    page = PAGE.read_text()
    for one in CHECKS.values():
        assert f"| `{one.id}` | {one.rule} |" in page
        assert one.mend in page
    assert sorted(CHECKS) == sorted(
        line.split("`")[1] for line in page.splitlines() if line.startswith("| `") and ". | " in line
    )


def test_it_lists_its_checks() -> None:
    """They can be read without running anything."""
    result = run("--list")
    assert result.exit_code == 0
    assert all(one in result.output for one in CHECKS)
