"""`yumen policy schema`, and what `yumen init` gives editors."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from yumen import registry
from yumen.cli import main
from yumen.policy.reader import read


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, list(arguments))


def test_one_and_all() -> None:
    """A name prints that schema, none prints all as one object, and both are the same."""
    every = json.loads(run("policy", "schema").stdout)
    assert set(every) == {"gateway", "tests", *registry.names("plugin")}
    for name, schema in every.items():
        printed = run("policy", "schema", name)
        assert printed.exit_code == 0
        assert json.loads(printed.stdout) == schema
    unknown = run("policy", "schema", "没有")
    assert unknown.exit_code == 1
    assert "there is no schema `没有`; there are: gateway, tests, anomaly, anonymize" in unknown.stderr


def test_files(tmp_path: Path) -> None:
    """`--out` writes one file for each, or the one that is named, into a folder that it makes."""
    result = run("policy", "schema", "--out", str(tmp_path / "a" / "b"))
    assert result.exit_code == 0
    written = {path.name: json.loads(path.read_text()) for path in (tmp_path / "a" / "b").iterdir()}
    assert {f"{name}.schema.json": one for name, one in json.loads(run("policy", "schema").stdout).items()} == written
    assert run("policy", "schema", "limits", "--out", str(tmp_path / "one")).stdout == (
        f"wrote {tmp_path}/one/limits.schema.json\n"
    )
    (tmp_path / "file").write_text("")
    refused = run("policy", "schema", "--out", str(tmp_path / "file" / "below"))
    assert refused.exit_code == 1
    assert "Traceback" not in refused.output


def test_what_cannot_be_imported_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A broken plugin that a bundle names is named on standard error, what is printed is whole; by name it is a sentence."""
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[yumen.plugins]\nbroken = not_there:Plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "gateway.yaml").write_text("version: 1\nextends: starter\n")
    (bundle / "broken.yaml").write_text("version: 1\nplugin: broken\n")
    result = run("policy", "schema", "--policies", str(bundle))
    assert result.exit_code == 0
    assert "limits" in json.loads(result.stdout)
    assert "left out: plugin `broken` of broken cannot be imported" in result.stderr
    named = run("policy", "schema", "broken")
    assert (named.exit_code, named.stdout) == (1, "")
    assert "cannot be imported" in named.stderr
    assert run("policy", "schema", "limits").stderr == ""
    none = run("policy", "schema", "--policies", str(tmp_path / "none"))
    assert none.exit_code == 1
    assert "bundle.not-found" in none.stderr


@pytest.mark.parametrize("bundle", registry.names("bundle"))
def test_init_tells_editors_where_the_schemas_are(tmp_path: Path, bundle: str) -> None:
    """Every file that init writes begins with a line that leads editors to a schema which it fits, and is in the form."""
    folder = tmp_path / "新的"
    assert run("init", str(folder), "--from", bundle).exit_code == 0
    files = sorted(folder.glob("*.yaml"))
    assert files
    for path in files:
        head = path.read_text().splitlines()[0]
        assert head.startswith("# yaml-language-server: $schema=.schema/")
        schema = json.loads((folder / head.partition("=")[2]).read_text())
        Draft202012Validator(schema).validate(read(str(path), path.read_bytes()).data)
    assert run("policy", "check", str(folder)).exit_code == 0
    assert run("policy", "fmt", "--check", str(folder)).output == ""


def test_init_keeps_a_line_for_editors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle that says itself where its schemas are is copied as it is; one of files that only change others is not."""
    package = tmp_path / "acme_bundle"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "gateway.yaml").write_text("# yaml-language-server: $schema=other.json\nversion: 1\nextends: starter\n")
    (package / "limits.yaml").write_text("mode: off\n")
    (package / "more.test.yaml").write_text("version: 1\ntests: []\n")
    (package / "unknown.yaml").write_text("plugin: nobody_has_this\n")
    info = tmp_path / "acme_bundle-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-bundle\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[yumen.bundles]\nacme = acme_bundle\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run("init", str(tmp_path / "new"), "--from", "acme").exit_code == 0
    assert {path.name: path.read_text() for path in (tmp_path / "new").glob("*.yaml")} == {
        "gateway.yaml": "# yaml-language-server: $schema=other.json\nversion: 1\nextends: starter\n",
        "limits.yaml": "# yaml-language-server: $schema=.schema/limits.schema.json\nmode: off\n",
        "more.test.yaml": "# yaml-language-server: $schema=.schema/tests.schema.json\nversion: 1\ntests: []\n",
        "unknown.yaml": "plugin: nobody_has_this\n",
    }
