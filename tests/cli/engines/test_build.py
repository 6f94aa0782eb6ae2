"""`yumen engines build` and the capability report, with an adapter that has something to build."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner

from yumen import CannotStart, registry
from yumen.cli import main
from yumen.engine import Engine, EngineManifest
from yumen.plugin import NoConfig


class Builder(Engine[NoConfig]):
    """Builds one thing, and lacks one where `LACKS` is set."""

    manifest = EngineManifest(name="builder", version="1")
    lacks: tuple[Any, ...] = ()

    async def capability(self) -> Any:
        return SimpleNamespace(missing=self.lacks)

    async def prepare(self, host: Any, report: Any) -> list[Any]:
        if self.lacks:
            raise CannotStart("there is no GPU; use a machine that has one")
        report("编译\x1b[2J 50 %")
        return [SimpleNamespace(model="文本", version="3", built=True, rows_max=8)]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    load = registry.load_engine
    monkeypatch.setattr(registry, "load_engine", lambda name: Builder if name == "builder" else load(name))
    (tmp_path / "gateway.yaml").write_text(
        "version: 1\nengines: {plan: {adapter: builder, egress: local}}\n"
        'routes: [{id: all, match: {paths: ["/v1/*"]}, engine: plan, chain: [audit]}]\n'
    )
    (tmp_path / "audit.yaml").write_text("version: 1\nplugin: audit\n")
    return tmp_path


def run(folder: Path, *arguments: str) -> Any:
    environment = {"YUMEN_POLICIES": str(folder), "YUMEN_DATA": str(folder / "data")}
    return CliRunner().invoke(main, ["engines", *arguments], env=environment)


def test_what_is_built_is_told(folder: Path) -> None:
    """Progress goes to standard error, with nothing that a terminal acts on; the result and its place to standard output."""
    result = run(folder, "build", "plan")
    assert result.exit_code == 0, result.output
    assert result.stderr == "plan: 编译?[2J 50 %\n"
    assert result.stdout.startswith("plan: 文本 3: built, for up to 8 rows\nplan: what was built lies in ")


def test_what_is_missing_is_told_before_anything_is_loaded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each missing part is a line with what to do; a build that cannot run is exit 1."""
    monkeypatch.setattr(
        Builder, "lacks", (SimpleNamespace(part="GPU", why="there is none", fix="use another machine"),)
    )
    result = run(folder, "check")
    assert result.exit_code == 2
    assert result.stdout.startswith("plan: capability: GPU: there is none; use another machine\n")
    result = run(folder, "build", "plan")
    assert result.exit_code == 1
    assert "plan: there is no GPU; use a machine that has one" in result.stderr
