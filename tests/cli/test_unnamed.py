"""What is installed and no bundle names never runs, not even its import, whatever command is given."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator
from tests.core.registry.site import Site, on_path, plugin

from yumen import Secret, Settings, registry
from yumen.cli import main
from yumen.ledger import open_ledger
from yumen.parts import Parts
from yumen.policy.trusted import load_trusted
from yumen.runtime import Runtime

POINTS = """
[yumen.plugins]
idle = acme_idle.plugin:It
[yumen.engines]
idle = acme_idle.engine:It
[yumen.evaluators]
idle = acme_idle.evaluator:state
[yumen.ledgers]
aaa = acme_idle.ledger:open_ledger
[yumen.commands]
idle = acme_idle.command:main
[yumen.bundles]
idle = acme_idle.bundle
"""
GATEWAY = """version: 1
engines:
  llm: {adapter: faq, egress: local}
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: llm, chain: [limits]}
"""
LIMITS = """version: 1
plugin: limits
config: {requests_per_minute: 9}
tests:
  - {name: 你好, request: {text: 你好}, expect: {decision: allow}}
"""
ENGINE = """
import msgspec
from yumen import Engine, EngineManifest
class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    size: int = 1
class It(Engine[Config]):
    manifest = EngineManifest(name="idle", version="1")
    async def generate(self, request): ...
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A distribution that offers one of everything, and leaves a file for each of its modules that is imported."""
    with on_path(tmp_path / "site") as made:
        trace = f"import pathlib\npathlib.Path({str(made.folder)!r} + '.' + __name__).touch()\n"
        files = {f"acme_idle/{name}.py": trace for name in ("__init__", "evaluator", "ledger", "command")}
        files |= {"acme_idle/plugin.py": trace + plugin("idle"), "acme_idle/engine.py": trace + ENGINE}
        files |= {"acme_idle/bundle/__init__.py": trace, "acme_idle/bundle/gateway.yaml": GATEWAY}
        files |= {"acme_idle/bundle/limits.yaml": LIMITS}
        made.add("acme-idle", files, POINTS)
        yield made


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """A bundle that names nothing of it."""
    folder = tmp_path / "策略"
    folder.mkdir()
    (folder / "gateway.yaml").write_text(GATEWAY)
    (folder / "limits.yaml").write_text(LIMITS)
    return folder


def imported(site: Site) -> set[str]:
    return {path.name.removeprefix(f"{site.folder.name}.") for path in site.folder.parent.glob(f"{site.folder.name}.*")}


def run(bundle: Path, *arguments: str) -> Result:
    data = str(bundle.parent / "data")
    return CliRunner().invoke(main, arguments, env={"YUMEN_POLICIES": str(bundle), "YUMEN_DATA": data})


@pytest.mark.parametrize(
    "command",
    [
        "policy check BUNDLE", "policy test BUNDLE", "policy explain BUNDLE --request ASKED", "policy diff BUNDLE idle",
        "policy fmt BUNDLE", "policy schema gateway", "policy schema limits", "init NEW --from idle", "plugins list --json",
        "plugins list --policies idle", "engines list --json", "engines list --loaded", "engines check", "--help",
    ],
)  # fmt: skip
def test_no_command_imports_it(site: Site, bundle: Path, command: str) -> None:
    """Neither where everything installed is listed or described, nor where its own bundle is, which does not name it."""
    said = {"BUNDLE": str(bundle), "NEW": str(bundle.parent / "new"), "ASKED": str(bundle.parent / "asked.json")}
    Path(said["ASKED"]).write_text('{"model": "m", "messages": [{"role": "user", "content": "你好"}]}')
    result = run(bundle, *(said.get(word, word) for word in command.split()))
    assert result.exit_code == 0, result.output
    assert imported(site) == set()


def test_no_ledger_of_ours_is_shown_to_it(site: Site, tmp_path: Path) -> None:
    """Whoever else can read ledgers is asked about those only that the gateway has not written, in whatever order."""
    assert registry.names("ledger")[0] == "aaa"
    data = tmp_path / "data"
    (data / "ledger" / "writer").mkdir(parents=True)
    (data / "ledger" / "writer" / "head").touch()
    (data / "secret").write_bytes(bytes(32))
    open_ledger(data / "ledger", Settings(data_dir=data))
    assert imported(site) == set()


async def test_serving(site: Site, bundle: Path, tmp_path: Path) -> None:
    """What a gateway serves is made of what its bundle names, and so is what it says of its readiness."""
    settings = Settings(policies=str(bundle), data_dir=tmp_path / "data")
    runtime = Runtime(load_trusted(settings.policies).bundle, Parts(settings, Secret(bytes(32))))
    await runtime.start()
    assert await runtime.ready() == {}
    assert set(runtime.placements()) == {"llm"}
    await runtime.stop()
    assert imported(site) == set()


def test_what_is_left_out_is_said(site: Site, bundle: Path) -> None:
    """Schemas say what they leave out; an adapter that no bundle names may be written, and by name a plugin is described."""
    result = run(bundle, "policy", "schema")
    schemas = json.loads(result.stdout)
    assert "idle" not in schemas
    for kind in ("plugin", "engine"):
        assert f"left out: {kind} `idle` of acme-idle: no bundle that was looked at names it" in result.stderr
    gateway: Any = {
        "version": 1,
        "engines": {"llm": {"adapter": "idle", "egress": "local", "size": "很大"}},
        "routes": [{"id": "a", "match": {"paths": ["/x"]}, "engine": "llm"}],
    }
    assert Draft202012Validator(schemas["gateway"]).is_valid(gateway)
    named = json.loads(run(bundle, "policy", "schema", "idle").stdout)
    assert named["properties"]["plugin"]["anyOf"][0] == {"const": "idle"}
    assert imported(site) == {"acme_idle", "acme_idle.plugin"}


def test_what_a_bundle_names_is_described(site: Site, bundle: Path) -> None:
    """As soon as one does, `schema` has its keys, also where it is looked at for that alone."""
    (bundle / "idle.yaml").write_text("version: 1\nplugin: idle\n")
    (bundle / "gateway.yaml").write_text(GATEWAY.replace("adapter: faq", "adapter: idle"))
    other = bundle.parent / "other"
    other.mkdir()
    (other / "gateway.yaml").write_text(GATEWAY)
    (other / "limits.yaml").write_text(LIMITS)
    schemas = json.loads(run(other, "policy", "schema", "--policies", str(bundle)).stdout)
    assert schemas["idle"]["title"] == "A file of the plugin `idle`"
    gateway: Any = {
        "version": 1,
        "engines": {"llm": {"adapter": "idle", "egress": "local", "size": "很大"}},
        "routes": [{"id": "a", "match": {"paths": ["/x"]}, "engine": "llm"}],
    }
    assert not Draft202012Validator(schemas["gateway"]).is_valid(gateway)
    (bundle / "idle.yaml").write_text('version: 1\nplugin: idle\npin: {version: "2.0"}\n')
    pinned = run(other, "policy", "schema", "--policies", str(bundle))
    assert "left out: plugin `idle` of acme-idle: a bundle pins another release" in pinned.stderr
