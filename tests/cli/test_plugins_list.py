"""`yumen plugins list`: where plugins come from and who names them; what nobody names is not imported to say so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.core.registry.site import Site, on_path, plugin
from tests.serving import PROGRAM

from yumen import registry
from yumen.cli import main

GATEWAY = """version: 1
engines:
  llm: {adapter: faq, egress: local}
routes:
  - {id: chat, match: {paths: [/x]}, engine: llm}
"""
FACTS = ("api", "sees", "stores", "mutates", "masks")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with two plugins that leave a trace when they are imported: `used`, and `idle`."""
    with on_path(tmp_path / "site") as made:
        for name in ("used", "idle"):
            made.add_plugin(name, trace(made) + plugin(name, manifest="sees='masked', stores='masked', mutates=True"))
        yield made


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle that names `used`, and no built-in plugin."""
    folder = tmp_path / "策略"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(GATEWAY)
    (folder / "used.yaml").write_text("version: 1\nplugin: used\n")
    return folder


def run(*arguments: str, **env: str) -> Result:
    return CliRunner().invoke(main, ["plugins", "list", *arguments], env=env)


def rows(result: Result) -> dict[str, Any]:
    assert result.exit_code == 0, result.output
    return {one["name"]: one for one in json.loads(result.stdout)}


def trace(site: Site) -> str:
    """Source that leaves a file beside the site when it is imported."""
    return f"import pathlib\npathlib.Path({str(site.folder)!r} + '.' + __name__).touch()\n"


def imported(site: Site) -> set[str]:
    return {path.suffix[1:] for path in site.folder.parent.glob(f"{site.folder.name}.*")}


def test_what_no_bundle_names_is_not_imported(site: Site, bundle: Path) -> None:
    """Of a plugin that a bundle names the manifest is read; of every other there is what metadata and files tell."""
    found = rows(run("--json", YUMEN_POLICIES=str(bundle)))
    assert imported(site) == {"acme_used"}
    used, idle = found["used"], found["idle"]
    assert [used[fact] for fact in FACTS] == [1, "masked", "masked", True, False]
    assert [idle[fact] for fact in FACTS] == [None] * 5
    assert (used["bundles"], used["served"]) == ([str(bundle)], True)
    assert (idle["bundles"], idle["served"]) == ([], False)
    for one in (used, idle):
        assert one["file"] == str(site.folder / f"acme_{one['name']}" / "__init__.py")
        assert one["sha256"] == registry.provenance("plugin", one["name"]).sha256()
        assert (one["distribution"], one["version"]) == (f"acme-{one['name']}", "1.0")


def test_built_in_plugins_are_no_exception(site: Site, bundle: Path) -> None:
    """With a bundle that names one built-in plugin and nothing else, no other is imported, in a process of its own."""
    (bundle / "used.yaml").write_text("version: 1\nplugin: cache\n")
    code = (
        "import sys, yumen.registry as r\n"
        "r.names = lambda kind, names=r.names: [] if kind == 'bundle' else names(kind)\n"
        "from yumen.cli import main\n"
        "main(['plugins', 'list'], standalone_mode=False)\n"
        "names = sorted(name for name in sys.modules if name.count('.') == 1)\n"
        "print(*(name for name in names if name.startswith('yumen_plugins.')), file=sys.stderr)\n"
    )
    env = {**os.environ, "YUMEN_POLICIES": str(bundle)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "yumen_plugins.cache"
    assert not imported(site)


def test_a_table_for_eyes(site: Site, bundle: Path) -> None:
    """Dashes for what was not read, the served bundle first, and a short hash."""
    lines = run("--policies", str(bundle)).stdout.splitlines()
    used = next(line for line in lines if "acme-used" in line)
    idle = next(line for line in lines if "acme-idle" in line)
    cells = [cell.strip() for cell in used.split("│")[1:-1]]
    assert cells[:8] == ["used", "acme-used", "1.0", "1", "masked", "masked", "edit", str(bundle)]
    assert cells[8] == registry.provenance("plugin", "used").sha256()[:12]
    assert [cell.strip() for cell in idle.split("│")[4:9]] == ["-", "-", "-", "-", ""]
    # The cell may be folded, where folders have long names.
    assert "served" in "".join(lines)


def test_the_table_says_why_there_is_no_hash(site: Site, bundle: Path) -> None:
    """Whoever looks for what to pin reads why there is nothing, and of what; in JSON it stands beside each."""
    (site.folder / "acme_idle" / "more.py").write_text("")
    result = run("--policies", str(bundle))
    idle = next(line for line in result.stdout.splitlines() if "acme-idle" in line)
    assert idle.split("│")[9].strip() == "none, see below"
    why = next(line for line in result.stdout.splitlines() if line.startswith("no hash of ") and "idle" in line)
    assert "its distribution has not installed acme_idle/more.py" in why
    assert rows(run("--json"))["idle"]["no_hash"] in why


def test_what_a_pin_refuses_is_not_imported(site: Site, bundle: Path) -> None:
    """A plugin of another release than a bundle pins is listed, and not imported for that."""
    (bundle / "used.yaml").write_text('version: 1\nplugin: used\npin: {version: "2.0"}\n')
    result = run("--json", YUMEN_POLICIES=str(bundle))
    used = rows(result)["used"]
    assert imported(site) == set()
    assert (used["api"], used["sees"], used["bundles"]) == (None, None, [str(bundle)])
    assert "a bundle pins plugin `used` or another of acme-used to another release" in result.stderr


def test_what_cannot_be_imported_spoils_nothing(site: Site, bundle: Path) -> None:
    """A broken plugin that a bundle names is listed with the reason on standard error; the others are whole."""
    site.add_plugin("bad", "raise SystemExit('\\x1b[2Jno')\n")
    (bundle / "bad.yaml").write_text("version: 1\nplugin: bad\n")
    result = run("--json", YUMEN_POLICIES=str(bundle))
    found = rows(result)
    assert found["used"]["api"] == 1
    assert found["bad"]["api"] is None
    assert "plugin `bad` of acme-bad cannot be imported: SystemExit" in found["bad"]["wrong"]
    assert "\x1b" not in result.stderr
    assert "yumen: plugin `bad` of acme-bad cannot be imported: SystemExit: ?[2Jno" in result.stderr


def test_bundles_that_are_not_there(site: Site, tmp_path: Path) -> None:
    """The served bundle may be missing, which is said; one that was asked for may not."""
    result = run("--json", YUMEN_POLICIES=str(tmp_path / "none"))
    assert "starter" in rows(result)["audit"]["bundles"]
    assert "bundle.not-found" in result.stderr
    asked = run("--policies", str(tmp_path / "none"))
    assert asked.exit_code == 1
    assert "bundle.not-found" in asked.stderr


def test_names_that_several_offer(site: Site) -> None:
    """Both are listed, with no file and no hash: which of them it would be is not known."""
    site.add("acme-more", {"acme_more.py": trace(site)}, "[yumen.plugins]\nused = acme_more:It\n")
    result = run("--json")
    both = [one for one in json.loads(result.stdout) if one["name"] == "used"]
    assert [one["distribution"] for one in both] == ["acme-more", "acme-used"]
    assert {one["sha256"] + one["file"] for one in both} == {""}
    assert all("several distributions offer the plugin `used`" in one["no_hash"] for one in both)
    assert imported(site) == set()


def test_engines_are_listed_likewise(site: Site, bundle: Path) -> None:
    """`yumen engines list` shows where engines come from and which bundles name them, and imports none."""
    site.add("acme-engine", {"acme_engine.py": trace(site)}, "[yumen.engines]\nown = acme_engine:It\n")
    result = CliRunner().invoke(main, ["engines", "list", "--json"], env={"YUMEN_POLICIES": str(bundle)})
    found = {one["name"]: one for one in json.loads(result.stdout) if one["kind"] == "engine"}
    assert str(bundle) in found["faq"]["bundles"]
    assert found["faq"]["served"]
    assert found["own"]["file"] == str(site.folder / "acme_engine.py")
    assert found["own"]["sha256"] == registry.provenance("engine", "own").sha256()
    assert imported(site) == set()


@pytest.mark.server
def test_serving_what_cannot_be_imported(site: Site, bundle: Path, tmp_path: Path) -> None:
    """A gateway whose plugin ends the process when it is imported does not start: one line, exit 2, no traceback."""
    site.add_plugin("bad", "raise SystemExit(0)\n")
    (bundle / "bad.yaml").write_text("version: 1\nplugin: bad\n")
    env = {name: value for name, value in os.environ.items() if not name.startswith("YUMEN_")}
    result = subprocess.run(
        [PROGRAM, "serve", "--policies", str(bundle)],
        env={**env, "YUMEN_DATA": str(tmp_path / "data")},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert result.returncode == 2
    assert (
        f"{bundle}/bad.yaml:2:9: policy.plugin: plugin `bad` of acme-bad cannot be imported: SystemExit: 0"
        in result.stderr
    )
    assert "Traceback" not in result.stdout + result.stderr
