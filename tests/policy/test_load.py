"""Loading a bundle: what a text file of cases cannot show, the hash, and values from the environment."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.policy.acme import install

from yumen import registry
from yumen.errors import PolicyError
from yumen.policy.load import FILES_MAX, check_bundle, find, load_bundle
from yumen.policy.reader import BYTES_MAX, read

GATEWAY = """version: 1
engines:
  near: {adapter: faq, egress: local}
  far: {adapter: openai, egress: remote, base_url: "http://127.0.0.1:9/v1"}
routes:
  - id: chat
    match: {paths: [/v1/chat/completions]}
    engine: near
    chain: [%s]
"""
MASKING = "version: 1\nplugin: anonymize\n"


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """The plugins of `acme.py`, found by their entry points."""
    site = tmp_path_factory.mktemp("site")
    install(site)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(site))
        yield
    registry.load_plugin.cache_clear()


def bundle(folder: Path, **files: str) -> Path:
    """A bundle of these files, named without their ending."""
    folder.mkdir(exist_ok=True)
    for name, content in files.items():
        (folder / f"{name}.yaml").write_text(content)
    return folder


def codes(folder: Path, **env: str) -> list[str]:
    """What is wrong, warnings left out."""
    return [one.code for one in check_bundle(str(folder), env)[1] if not one.code.startswith("warning.")]


def hash_of(folder: Path, **env: str) -> str:
    return load_bundle(str(folder), env).hash


def test_what_is_not_there() -> None:
    """A name that is no folder and no installed bundle is refused with the names of those that are."""
    with pytest.raises(PolicyError, match=r"bundle\.not-found: .*name a folder, or one of: starter"):
        find("没有这个")


def test_links_out_of_the_bundle(tmp_path: Path) -> None:
    """A bundle is what lies in its folder: a link out of it is refused, one within it is not."""
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "")
    outside = tmp_path / "limits.yaml"
    outside.write_text("version: 1\nplugin: limits\n")
    (folder / "limits.yaml").symlink_to(outside)
    assert codes(folder) == ["bundle.symlink"]
    (folder / "limits.yaml").unlink()
    (folder / "real.yaml").write_text("version: 1\nplugin: limits\nmode: off\n")
    (folder / "gateway.yaml").rename(folder / "kept")
    (folder / "gateway.yaml").symlink_to(folder / "kept")
    assert "bundle.symlink" not in codes(folder)


def test_too_many_files(tmp_path: Path) -> None:
    """The number of files is bounded; tests beside the policy do not count."""
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "", **{f"t{n}.test": "" for n in range(FILES_MAX)})
    assert codes(folder) == []
    bundle(folder, **{f"p{n:03}": f"version: 1\nplugin: limits\nname: p{n}\n" for n in range(FILES_MAX)})
    assert "bundle.too-many-files" in codes(folder)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    """A file that cannot be read, is too large or is no UTF-8 is named, and nothing else is said about it."""
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "limits, audit, anonymize")
    (folder / "limits.yaml").mkdir()
    (folder / "audit.yaml").write_bytes(b"# " + b"x" * BYTES_MAX)
    (folder / "anonymize.yaml").write_bytes("version: 1\nplugin: 匿名\n".encode("gb18030"))
    found = check_bundle(str(folder), {})[1]
    assert {(Path(one.file).name, one.line, one.code) for one in found} == {
        ("anonymize.yaml", 2, "yaml.encoding"),
        ("audit.yaml", 1, "yaml.too-large"),
        ("limits.yaml", 1, "bundle.unreadable"),
    }


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize(
    ("chain", "code"),
    [
        ("masks_masked", "flow.masks-sees-masked"),
        ("edits_masked, anonymize", "flow.masked-edit-before-masking"),
        ("anonymize, edits_raw", "flow.raw-edit-after-masking"),
        ("stores_raw", "flow.raw-store"),
        ("anonymize, stores_seen", "flow.store-sees-raw"),
        ("edits_raw, anonymize, edits_masked", ""),
    ],
)
def test_the_flow_of_plugins_from_outside(tmp_path: Path, chain: str, code: str) -> None:
    """What a plugin declares decides where it may stand; a reason to accept raw text covers stores, and only those."""
    files = {name: f"version: 1\nplugin: {name}\n" for name in chain.split(", ")}
    folder = bundle(tmp_path / "b", gateway=GATEWAY % chain, **files)
    assert codes(folder) == ([code] if code else [])
    bundle(folder, gateway=GATEWAY % chain + '    accept_raw: "contract 17"\n')
    assert codes(folder) == ([code] if code and "store" not in code else [])


@pytest.mark.usefixtures("acme")
def test_what_a_plugin_refuses(tmp_path: Path) -> None:
    """A configuration that the plugin's own checks refuse is an error of the policy, at its line, in the plugin's words."""
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "picky")
    bundle(folder, picky="version: 1\nplugin: picky\nconfig:\n  word: never\n")
    (wrong,) = check_bundle(str(folder), {})[1]
    assert (wrong.line, wrong.code) == (4, "policy.value")
    assert "the word `never` is not taken, not even here; correct it" in str(wrong)
    bundle(folder, picky="version: 1\nplugin: picky\nconfig: {word: later, other: 别的}\n")
    (wrong,) = check_bundle(str(folder), {})[1]
    assert wrong.code == "policy.config"
    assert "picky refuses this: later and 别的 do not go together" in str(wrong)


@pytest.mark.usefixtures("acme")
@pytest.mark.parametrize("word", ["never", "later"])
def test_a_refusal_shows_nothing_from_the_environment(tmp_path: Path, word: str) -> None:
    """The plugin's own words may quote a secret, so they are left out where a value came from the environment."""
    config = f'config: {{word: {word}, other: "${{env:SECRET}}"}}\n'
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "picky", picky="version: 1\nplugin: picky\n" + config)
    found = check_bundle(str(folder), {"SECRET": "hush-hush"})[1]
    assert len(found) == 1
    assert "hush-hush" not in str(found[0])


def test_the_hash_is_of_what_the_policy_does(tmp_path: Path) -> None:
    """Comments, order, tests and secrets do not change it; values, modes, engines and their egress do."""
    far = GATEWAY.replace("engine: near", "engine: far").replace('9/v1"', '9/v1", api_key: "${env:KEY}"')
    folder = bundle(tmp_path / "b", gateway=far % "anonymize", anonymize=MASKING)
    first = hash_of(folder, KEY="one")
    assert hash_of(folder, KEY="two") == first
    reordered = "# 注释\nplugin: anonymize\nversion: 1\nmode: 'enforce'\ntests: [{name: x}]\n"
    bundle(folder, anonymize=reordered)
    with_mode = hash_of(folder, KEY="one")
    bundle(folder, anonymize="mode: enforce\nversion: 1\nplugin: anonymize\n")
    assert hash_of(folder, KEY="one") == with_mode
    seen = {first, with_mode}
    for change in (
        "config: {mask_keep_last: 3}\n",
        "config: {action: {email: redact}}\n",
        "timeout_ms: 999\n",
        "match: {tenants: ['*', 'a']}\n",
    ):
        bundle(folder, anonymize=MASKING + change)
        seen.add(hash_of(folder, KEY="one"))
    bundle(folder, anonymize=MASKING, gateway=GATEWAY % "anonymize")
    seen.add(hash_of(folder))
    bundle(folder, gateway=(GATEWAY % "anonymize").replace("faq, egress: local", "faq, egress: remote"))
    seen.add(hash_of(folder))
    assert len(seen) == 8


def test_the_hash_depends_on_which_engine_is_there(tmp_path: Path) -> None:
    """The same files with another engine available are another policy."""
    files = GATEWAY.replace("engine: near", "engine: [far, near]").replace("far: {", "far: {when_env: FAR, ")
    folder = bundle(tmp_path / "b", gateway=files % "anonymize", anonymize=MASKING)
    assert load_bundle(str(folder), {}).routes[0].engine == "near"
    assert load_bundle(str(folder), {"FAR": "1"}).routes[0].engine == "far"
    assert hash_of(folder) != hash_of(folder, FAR="1")


def test_the_environment(tmp_path: Path) -> None:
    """References stand anywhere in a value, have defaults, and must be set; an unused engine's need not be."""
    text = GATEWAY.replace("engine: near", "engine: far").replace("http://127.0.0.1:9/v1", "${env:URL:-http://a}/v1")
    folder = bundle(tmp_path / "b", gateway=text % "anonymize", anonymize=MASKING)
    urls = []
    for env in ({}, {"URL": "http://b"}, {"URL": ""}):
        config = load_bundle(str(folder), env).engines["far"].config
        urls.append(config.base_url)  # type: ignore[attr-defined]  # the config of the openai engine
    assert urls == ["http://a/v1", "http://b/v1", "http://a/v1"]
    bundle(folder, gateway=text.replace(":-http://a", "") % "anonymize")
    assert codes(folder) == ["policy.env"]
    skipped = text.replace(":-http://a", "").replace("far: {", "far: {when_env: FAR, ")
    bundle(folder, gateway=skipped.replace("engine: far", "engine: [far, near]") % "anonymize")
    assert codes(folder) == []


def test_secrets_are_not_in_the_bundle_s_own_words(tmp_path: Path) -> None:
    """The compiled bundle may be printed by mistake; an upstream's key is not in its text."""
    text = GATEWAY.replace("engine: near", "engine: far").replace('9/v1"', '9/v1", api_key: "${env:KEY}"')
    folder = bundle(tmp_path / "b", gateway=text % "anonymize", anonymize=MASKING)
    assert "hush-hush" not in repr(load_bundle(str(folder), {"KEY": "hush-hush"}))


@given(st.binary(max_size=300) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    """Whatever a file holds, reading it gives data or diagnostics with a place, never an exception."""
    source = read("x.yaml", content)
    assert all(one.line >= 1 and one.column >= 1 and one.code.startswith("yaml.") for one in source.diagnostics)


words = st.sampled_from(["version", "engines", "routes", "id", "match", "paths", "engine", "chain", "limits", "config"])
values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-3, 300)
    | st.sampled_from(["a", "near", "*", "${env:X}", "匿名", "[", "1"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(words, values, max_size=6), st.dictionaries(words | st.just("plugin"), values, max_size=4))
def test_any_form_is_compiled_or_refused(
    tmp_path_factory: pytest.TempPathFactory, gateway: dict[str, object], plugin: dict[str, object]
) -> None:
    """Whatever two well-formed files say, checking gives a bundle or diagnostics, never an exception."""
    folder = tmp_path_factory.mktemp("any", numbered=True)
    encoded = {name: msgspec.json.encode(one).decode() for name, one in (("gateway", gateway), ("p", plugin))}
    compiled, found = check_bundle(str(bundle(folder, **encoded)), {})
    assert (compiled is None) == bool([one for one in found if not one.code.startswith("warning.")])
    for name in os.listdir(folder):
        (folder / name).unlink()
