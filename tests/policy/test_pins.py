"""Pins: a bundle takes the release of a plugin or engine that it names, and nothing of any other is imported."""

from __future__ import annotations

import json
import marshal
import py_compile
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.core.registry.site import Site, on_path, plugin

from yumen import registry
from yumen.cli import main
from yumen.policy.load import check_bundle

GATEWAY = """version: 1
engines:
  llm: {adapter: faq, egress: local}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: llm
    chain: [gate]
"""
WRONG = "0" * 64
ENGINE = """
from yumen import Engine, EngineManifest, NoConfig
class It(Engine[NoConfig]):
    manifest = EngineManifest(name="model", version="1")
"""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A site with the plugin `gate`, version 1.0, and its neighbour `next` of the same distribution."""
    with on_path(tmp_path / "site") as made:
        points = "[yumen.plugins]\ngate = acme_gate:It\nnext = acme_next:It\n[yumen.engines]\nown = acme_own:It\n"
        files = {name: plugin(name[5:-3]) for name in ("acme_gate.py", "acme_next.py", "acme_own.py")}
        made.add("acme-gate", files, points)
        yield made


def policy(folder: Path, pin: str, **files: str) -> str:
    """A bundle whose `gate` is pinned so."""
    folder.mkdir(exist_ok=True)
    written = {"gateway": GATEWAY, "gate": f"version: 1\nplugin: gate\npin: {pin}\n", **files}
    for name, text in written.items():
        (folder / f"{name}.yaml").write_text(text)
    return str(folder)


def said(folder: str, **env: str) -> list[str]:
    """What is wrong with a bundle, without the folder."""
    return [str(one).replace(f"{folder}/", "") for one in check_bundle(folder, env)[1]]


def hash_of(name: str = "gate") -> str:
    return registry.provenance("plugin", name).sha256()


def imported() -> set[str]:
    return {"acme_gate", "acme_next", "acme_own"} & set(sys.modules)


def test_the_pinned_release_is_taken(site: Site, tmp_path: Path) -> None:
    """Version, hash, or both; and a pin is part of what the bundle is."""
    hashes = set()
    for pin in ('{version: "1.0"}', f"{{sha256: {hash_of()}}}", f'{{version: "1.0", sha256: {hash_of()}}}'):
        bundle, wrong = check_bundle(policy(tmp_path / "b", pin), {})
        assert wrong == []
        assert bundle is not None
        hashes.add(bundle.hash)
    assert len(hashes) == 3


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        (
            '{version: "2.0"}',
            "gate.yaml:3:16: policy.pin: plugin `gate` of acme-gate is installed in version 1.0, not 2.0; "
            "install the pinned version, or look at this one and pin it",
        ),
        (
            f'{{version: "1.0", sha256: "{WRONG}"}}',
            "gate.yaml:3:31: policy.pin: plugin `gate` of acme-gate 1.0 has the hash HASH, not the pinned one; "
            "find out what has changed, then install what was pinned, or look at this one and pin it",
        ),
        ("{}", "gate.yaml:3:6: policy.value: a pin says a `version`, a `sha256`, or both; correct it"),
        ("# all of it", "gate.yaml:3:5: policy.value: a pin says a `version`, a `sha256`, or both; correct it"),
        ('{sha256: "x"}', "gate.yaml:3:15: policy.bounds: "),
        ("{version: 1.0}", "gate.yaml:3:16: policy.type: `1.0` stands where text belongs; write text"),
        ("{commit: abc}", "gate.yaml:3:7: policy.unknown-key: "),
        ("all", "gate.yaml:3:6: policy.type: "),
    ],
)
def test_any_other_is_refused_unimported(site: Site, tmp_path: Path, pin: str, says: str) -> None:
    """A pin that does not hold, or cannot be read, refuses the bundle at its place before any code of the plugin runs."""
    (line,) = said(policy(tmp_path / "b", pin))
    assert line.startswith(says.replace("HASH", hash_of()))
    assert imported() == set()


def test_a_wrong_pin_of_a_built_in_is_all_that_is_said(tmp_path: Path) -> None:
    """Engines of the same distribution are not imported either, and nobody is told to set a variable that there is not."""
    gateway = GATEWAY.replace("[gate]", "[limits]")
    folder = policy(
        tmp_path / "b",
        "{version: 1.0}",
        gateway=gateway,
        limits=f"version: 1\nplugin: limits\npin: {{sha256: {WRONG}}}\n",
    )
    (Path(folder) / "gate.yaml").unlink()
    (told,) = said(folder)
    assert "limits.yaml" in told
    assert "policy.pin" in told


def test_one_byte_is_enough(site: Site, tmp_path: Path) -> None:
    """A release of the same version with other bytes is not the pinned one."""
    folder = policy(tmp_path / "b", f"{{sha256: {hash_of()}}}")
    path = site.folder / "acme_next.py"
    path.write_text(path.read_text() + "# patched\n")
    assert [line.split(": ")[1] for line in said(folder)] == ["policy.pin"]
    assert imported() == set()


def test_compiled_code_of_another_source(site: Site, tmp_path: Path) -> None:
    """Files that have the pinned hash, beside a compiled form of one that would run in its place, are refused unimported."""
    folder = policy(tmp_path / "b", f"{{sha256: {hash_of()}}}")
    path = site.folder / "acme_next.py"
    kept = Path(py_compile.compile(str(path), doraise=True) or "")
    assert said(folder) == []
    sys.modules.pop("acme_gate")
    kept.write_bytes(kept.read_bytes()[:16] + marshal.dumps(compile("猎鹰 = 1\n", str(path), "exec")))
    (line,) = said(folder)
    assert line == (
        "gate.yaml:3:15: policy.pin: what Python keeps compiled of plugin `gate` of acme-gate is not of its file "
        "acme_next.py; remove its `__pycache__`, and find out who wrote it"
    )
    assert imported() == set()


def test_nothing_of_its_distribution_is_imported(site: Site, tmp_path: Path) -> None:
    """Neither by a file without a pin that comes first, nor by its neighbours, plugins and engines."""
    more = {
        "another": "version: 1\nplugin: gate\nconfig: {}\n",
        "beside": "version: 1\nplugin: next\n",
        "gateway": GATEWAY.replace("adapter: faq", "adapter: own"),
    }
    lines = said(policy(tmp_path / "b", '{version: "2.0"}', **more))
    assert any(line.startswith("gate.yaml:3:16: policy.pin: ") for line in lines)
    assert imported() == set()


OWN = """version: 1
engines:
  llm:
    adapter: own
    egress: local
    pin: PIN
routes:
  - {id: chat, match: {paths: [/v1/chat/completions]}, engine: llm, chain: [gate]}
"""


def engine(folder: Path, pin: str, text: str = OWN) -> str:
    """A bundle whose engine is pinned so, and whose plugin, of the same distribution, is not."""
    return policy(folder, "{}", gateway=text.replace("PIN", pin), gate="version: 1\nplugin: gate\n")


@pytest.mark.parametrize(
    ("pin", "says"),
    [
        ('{version: "2.0"}', "policy.pin: engine `own` of acme-gate is installed in version 1.0, not 2.0; install"),
        (f'{{version: "1.0", sha256: "{WRONG}"}}', "policy.pin: engine `own` of acme-gate 1.0 has the hash "),
        ('{version: "${env:OWN}"}', "policy.env: the variable OWN is not set"),
        ("{}", "policy.value: a pin says a `version`, a `sha256`, or both; correct it"),
        ("# all of it", "policy.value: a pin says a `version`, a `sha256`, or both; correct it"),
        ("{commit: abc}", "policy.unknown-key: "),
        ("all", "policy.type: "),
    ],
)
def test_engines_are_pinned_likewise(site: Site, tmp_path: Path, pin: str, says: str) -> None:
    """An adapter of another release is refused at the pin, with nothing of its distribution imported, plugins neither."""
    lines = said(engine(tmp_path / "b", pin))
    assert any(line.startswith("gateway.yaml:6:") and says in line for line in lines), lines
    assert imported() == set()


def test_the_pinned_adapter_is_taken(site: Site, tmp_path: Path) -> None:
    """Version and hash of an engine, from the environment too, for an engine that is there; else nothing is asked of it."""
    site.add("acme-model", {"acme_model.py": ENGINE}, "[yumen.engines]\nmodel = acme_model:It\n", version="3.1")
    listed = json.loads(CliRunner().invoke(main, ["engines", "list", "--json"]).stdout)
    (row,) = [one for one in listed if one["name"] == "model"]
    both = f"{{version: {row['version']!r}, sha256: {row['sha256']}}}"
    text = OWN.replace("adapter: own", "adapter: model")
    hashes = set()
    for pin, env in ((both, {}), ('{version: "${env:OWN}"}', {"OWN": "3.1"})):
        bundle, wrong = check_bundle(engine(tmp_path / "b", pin, text), env)
        assert wrong == []
        assert bundle is not None
        hashes.add(bundle.hash)
    assert len(hashes) == 2
    absent = OWN.replace("pin: PIN", 'pin: {version: "${env:OWN}"}\n    when_env: ABSENT')
    absent = absent.replace("engine: llm", "engine: [llm, other]")
    absent = absent.replace("routes:", "  other: {adapter: faq, egress: local}\nroutes:")
    assert said(engine(tmp_path / "b", "", absent)) == []


def test_a_list_says_what_a_pin_refuses(site: Site, tmp_path: Path) -> None:
    """`yumen engines list` names an engine of another release than the served bundle pins, and imports nothing."""
    folder = engine(tmp_path / "b", '{version: "2.0"}')
    result = CliRunner().invoke(main, ["engines", "list", "--json"], env={"YUMEN_POLICIES": folder})
    assert result.exit_code == 0
    assert "a bundle pins engine `own` or another of acme-gate to another release; see `policy check`" in result.stderr
    assert imported() == set()


def test_what_proves_nothing_holds_nothing(site: Site, tmp_path: Path) -> None:
    """Where there is no hash a pinned one does not hold; nor does a pin of what is not installed, or installed twice."""
    right = hash_of()
    (site.folder / "acme_gate.py").write_text(plugin("gate"))
    (next(site.folder.glob("*.dist-info")) / "RECORD").unlink()
    (line,) = said(policy(tmp_path / "b", f"{{sha256: {right}}}"))
    assert "policy.pin: plugin `gate` of acme-gate has no hash: there is no record of what its distribution" in line
    lines = said(policy(tmp_path / "b", '{version: "1.0"}', gate='version: 1\nplugin: none\npin: {version: "1.0"}\n'))
    assert "gate.yaml:3:6: policy.pin: no plugin `none` is installed, so nothing proves what it is" in lines[0]
    site.add("acme-again", {}, "[yumen.plugins]\ngate = acme_gate:It\n")
    (line,) = said(policy(tmp_path / "b", '{version: "1.0"}'))
    assert "policy.pin: several distributions offer the plugin `gate`: acme-again, acme-gate" in line
    assert imported() == set()


def test_a_pin_may_come_from_the_environment(site: Site, tmp_path: Path) -> None:
    """One bundle may be rolled out with the pin of each place."""
    folder = policy(tmp_path / "b", '{version: "${env:GATE}"}')
    assert said(folder, GATE="1.0") == []
    (line,) = said(folder, GATE="1.1")
    assert "installed in version 1.0, not 1.1" in line


def test_a_bundle_that_extends_another_inherits_its_pins(site: Site, tmp_path: Path) -> None:
    """What the base pins holds in every bundle above it, and is said at its place."""
    policy(tmp_path / "base", '{version: "2.0"}')
    above = tmp_path / "above"
    above.mkdir()
    (above / "gateway.yaml").write_text("version: 1\nextends: ../base\n")
    (line,) = said(str(above))
    assert "base/gate.yaml:3:16: policy.pin: " in line
    assert imported() == set()


def test_a_release_that_came_after_the_import_needs_a_restart(site: Site, tmp_path: Path) -> None:
    """A process that has the old release in memory does not take a pin of the new one, and says why."""
    assert said(policy(tmp_path / "b", '{version: "1.0"}')) == []
    assert imported() == {"acme_gate"}
    path = site.folder / "acme_gate.py"
    path.write_text(path.read_text() + "# new\n")
    (line,) = said(policy(tmp_path / "b", f'{{sha256: "{WRONG}"}}'))
    assert "has no hash: its files have changed since this process looked at them first, restart it" in line


def test_the_listed_hash_is_the_one_to_pin(site: Site, tmp_path: Path) -> None:
    """What `yumen plugins list --json` prints is what a pin takes, and starting refuses as checking does."""
    listed = json.loads(CliRunner().invoke(main, ["plugins", "list", "--json"]).stdout)
    (one,) = [row for row in listed if row["name"] == "gate"]
    assert (one["version"], one["sha256"]) == ("1.0", hash_of())
    good = policy(tmp_path / "b", f"{{version: {one['version']!r}, sha256: {one['sha256']}}}")
    assert said(good) == []
    bad = policy(tmp_path / "b", f"{{sha256: {WRONG}}}")
    result = CliRunner().invoke(main, ["serve", "--policies", bad], env={"YUMEN_DATA": str(tmp_path / "data")})
    assert result.exit_code == 2
    assert f"{bad}/gate.yaml:3:15: policy.pin: plugin `gate` of acme-gate 1.0 has the hash " in result.stderr
    assert "Traceback" not in result.output


def test_a_release_of_a_passing_api_version_is_warned_of(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a gateway of the next API version, plugins and engines of this one are taken, each with a warning at its place."""
    monkeypatch.setattr("yumen.versions.API_VERSION", 2)
    bundle, warned = check_bundle(policy(tmp_path / "b", '{version: "1.0"}'), {})
    assert bundle is not None
    lines = [str(one).replace(f"{tmp_path}/b/", "") for one in warned]
    what = "is written for API version 1, which the next API version of Yumen will refuse"
    fix = "install a release of it for version 2"
    assert f"gate.yaml:2:9: warning.api-version: plugin `gate` {what}; {fix}" in lines
    assert f"gateway.yaml:3:18: warning.api-version: engine `faq` {what}; {fix}" in lines
    monkeypatch.setattr("yumen.versions.API_VERSION", 3)
    registry.load_plugin.cache_clear()
    with pytest.raises(
        registry.RegistryError, match="API version 1, and this gateway has versions 2 and 3: install a newer"
    ):
        registry.load_plugin("gate")
