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
from yumen.policy.folder import EXTENDS_MAX, FILES_MAX, find, read_folder
from yumen.policy.load import check_bundle, load_bundle
from yumen.policy.reader import BYTES_MAX, DIAGNOSTICS_MAX, read

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
    with pytest.raises(PolicyError, match=r"bundle\.not-found: .*name a folder, or one of: .*starter"):
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
    for path in (folder / "gateway.yaml", folder / "limits.yaml"):
        path.unlink(missing_ok=True)
        path.symlink_to(path.name)
        assert "bundle.unreadable" in codes(folder), "one that leads to itself leads nowhere"


def test_too_many_files(tmp_path: Path) -> None:
    """The number of files is bounded; tests beside the policy do not count."""
    folder = bundle(
        tmp_path / "b", gateway=GATEWAY % "", **{f"t{n}.test": "version: 1\ntests: []\n" for n in range(FILES_MAX)}
    )
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
        ("shadowing, edits_masked", "flow.behind-shadow"),
        ("shadowing", ""),
        ("anonymize, asks_masked", ""),
        ("shadowing, asks_masked", ""),
        ("asks_raw", ""),
        ("asks_masked", "flow.unmasked-ask"),
        ("asks_masked, anonymize", "flow.not-last"),
        ("asks_raw, anonymize, asks_masked", "flow.not-last"),
        ("anonymize, asks_raw, picky", "flow.not-last"),
    ],
)
def test_the_flow_of_plugins_from_outside(tmp_path: Path, chain: str, code: str) -> None:
    """What a plugin declares decides where it may stand; a reason to accept raw text covers stores, and only those."""
    files = {name: f"version: 1\nplugin: {name}\n" for name in chain.split(", ")}
    if "shadowing" in files:
        files["shadowing"] = "version: 1\nplugin: anonymize\nrules: {email: {mode: shadow}}\n"
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
    assert "plugin `picky` of acme refuses this: later and 别的 do not go together" in str(wrong)


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
    reordered = (
        "# 注释\nplugin: anonymize\nversion: 1\nmode: 'enforce'\ntests: [{name: x, request: {text: a}, expect: {}}]\n"
    )
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


def test_a_long_row_of_bundles(tmp_path: Path) -> None:
    """Bundles may extend one another, up to a written number of them."""
    bundle(tmp_path / "b0", gateway=GATEWAY % "anonymize", anonymize=MASKING)
    for number in range(1, EXTENDS_MAX + 2):
        bundle(tmp_path / f"b{number}", gateway=f"version: 1\nextends: ../b{number - 1}\n")
    assert codes(tmp_path / f"b{EXTENDS_MAX}") == []
    last = load_bundle(str(tmp_path / f"b{EXTENDS_MAX}"), {})
    assert Path(last.instances["anonymize"].file).parent == tmp_path / "b0"
    assert codes(tmp_path / f"b{EXTENDS_MAX + 1}") == ["bundle.extends-depth"]


def test_what_is_inherited_keeps_its_place(tmp_path: Path) -> None:
    """A rule is shown where it was written, in this bundle or in the one below; cases of both are run."""
    case = "tests:\n  - {name: %s, request: {text: a}, expect: {}}\n"
    detect = "config:\n  detect:\n    - %s\n"
    bundle(tmp_path / "below", gateway=GATEWAY % "anonymize", anonymize=MASKING + detect % "email" + case % "below")
    folder = bundle(tmp_path / "b", gateway="version: 1\nextends: ../below\n", anonymize="version: 1\n" + case % "mine")
    inherited = load_bundle(str(folder), {})
    rule = inherited.instances["anonymize"].rules["email"]
    assert (Path(rule.file).parent.name, rule.line) == ("below", 5)
    assert [(one.case.name, Path(one.file).parent.name, one.line) for one in inherited.cases] == [
        ("below", "below", 7),
        ("mine", "b", 3),
    ]
    bundle(folder, anonymize="# 本包\nversion: 1\n" + detect % "email")
    rule = load_bundle(str(folder), {}).instances["anonymize"].rules["email"]
    assert (Path(rule.file).parent.name, rule.line) == ("b", 5)


def test_the_hash_follows_what_is_inherited(tmp_path: Path) -> None:
    """Another base is another policy; a bundle that only extends one is the same policy as that one."""
    bundle(tmp_path / "below", gateway=GATEWAY % "anonymize", anonymize=MASKING)
    folder = bundle(tmp_path / "b", gateway="version: 1\nextends: ../below\n")
    first = hash_of(folder)
    assert first == hash_of(tmp_path / "below")
    bundle(tmp_path / "below", anonymize=MASKING + "timeout_ms: 7\n")
    assert hash_of(folder) != first
    bundle(folder, gateway="version: 1\nextends: ../below\ndisable: [email]\n")
    assert hash_of(folder) != hash_of(tmp_path / "below")


def test_many_errors_are_listed_up_to_a_number(tmp_path: Path) -> None:
    """Of thousands of errors in one file the first ones are listed, and that there are more."""
    keys = "".join(f"k{number}: 1\n" for number in range(3000))
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "limits", limits="version: 1\nplugin: limits\n" + keys)
    found = codes(folder)
    assert len(found) == DIAGNOSTICS_MAX + 1
    assert found.count("policy.many-errors") == 1


def test_items_with_ids_are_merged_by_them(tmp_path: Path) -> None:
    """A bundle adds a pattern to those it inherits, or writes one of them anew; each keeps the place it was written at."""
    pattern = "config:\n  detect: [email]\n  patterns:\n    - {id: acme.%s, pattern: '%s'}\n"
    below = MASKING + pattern % ("one", "A[0-9]") + "    - {id: acme.two, pattern: 'B[0-9]'}\n"
    bundle(tmp_path / "below", gateway=GATEWAY % "anonymize", anonymize=below)
    mine = "version: 1\nconfig:\n  patterns:\n    - {id: acme.two, pattern: 'C[0-9]'}\n"
    mine += "    - {id: acme.new, pattern: 'D[0-9]'}\n"
    folder = bundle(tmp_path / "b", gateway="version: 1\nextends: ../below\n", anonymize=mine)
    instance = load_bundle(str(folder), {}).instances["anonymize"]
    places = {rule.id: (Path(rule.file).parent.name, rule.line) for rule in instance.rules.values()}
    assert places == {"email": ("below", 4), "acme.one": ("below", 6), "acme.two": ("b", 4), "acme.new": ("b", 5)}
    assert "C[0-9]" in str(instance.config)
    assert "B[0-9]" not in str(instance.config)
    bundle(folder, anonymize=mine.replace("'D[0-9]'", "'(?=D)'"))
    (wrong,) = check_bundle(str(folder), {})[1]
    assert (wrong.code, Path(wrong.file).parent.name, wrong.line) == ("policy.regex", "b", 5)


def test_a_plugin_of_another_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that is written for another version of the contract is refused where the file names it."""
    site = tmp_path / "site"
    site.mkdir()
    (site / "later_plugin.py").write_text(
        "from yumen import Manifest, NoConfig, Plugin\n"
        "class Later(Plugin[NoConfig]):\n"
        "    manifest = Manifest(name='later', version='1', api=99)\n"
        "    async def on_request(self, exchange): return None\n"
    )
    info = site / "later-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: later\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[yumen.plugins]\nlater = later_plugin:Later\n")
    monkeypatch.syspath_prepend(str(site))
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "later", later="version: 1\n\nplugin: later\n")
    (wrong,) = check_bundle(str(folder), {})[1]
    assert (Path(wrong.file).name, wrong.line, wrong.column, wrong.code) == ("later.yaml", 3, 9, "policy.plugin")
    assert "plugin `later` of later is written for API version 99, and this gateway has version 1" in wrong.what


def test_a_very_large_file(tmp_path: Path) -> None:
    """A file of 10 MB is refused for its size, and no more of it is read than that takes."""
    folder = bundle(
        tmp_path / "b", gateway=GATEWAY % "limits", limits="version: 1\nplugin: limits\n" + "# x\n" * 2_500_000
    )
    assert codes(folder) == ["yaml.too-large"]
    assert len(read_folder(folder).files["limits.yaml"]) == BYTES_MAX + 1


def test_a_base_is_what_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that happens to lie where the gateway was started is not taken for the installed bundle of its name."""
    bundle(tmp_path / "starter", gateway=GATEWAY % "")
    folder = bundle(tmp_path / "b", gateway="version: 1\nextends: starter\n")
    monkeypatch.chdir(tmp_path)
    assert set(load_bundle(str(folder), {}).instances) == {"anomaly", "anonymize", "audit", "cache", "limits"}


def test_nothing_behind_a_key_takes_nothing_away(tmp_path: Path) -> None:
    """An empty `config:` or `patterns: []` leaves what is inherited; a child's glob goes before an inherited one."""
    below = (
        MASKING + 'rules: {"e*": {mode: "off"}}\nconfig: {detect: [email, ip], patterns: [{id: acme.a, pattern: AB}]}\n'
    )
    bundle(tmp_path / "below", gateway=GATEWAY % "anonymize", anonymize=below)
    folder = bundle(tmp_path / "b", gateway="version: 1\nextends: ../below\n")
    for change in ("config:\n", "config: {patterns: []}\n", "config: {detect: }\n"):
        bundle(folder, anonymize="version: 1\n" + change)
        assert set(load_bundle(str(folder), {}).instances["anonymize"].rules) == {"email", "ip", "acme.a"}
    bundle(folder, anonymize='version: 1\nrules: {"em*": {mode: enforce}}\n')
    assert load_bundle(str(folder), {}).instances["anonymize"].rules["email"].mode == "enforce"


def test_the_hash_knows_what_decides(tmp_path: Path) -> None:
    """The order of globs decides, and so do modes that come from the environment: another one is another policy."""
    rules = 'rules: {"e*": {mode: "off"}, "em*": {mode: enforce}}\n'
    swapped = 'rules: {"em*": {mode: enforce}, "e*": {mode: "off"}}\n'
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "anonymize", anonymize=MASKING + rules)
    first = load_bundle(str(folder), {})
    bundle(folder, anonymize=MASKING + swapped)
    second = load_bundle(str(folder), {})
    modes = [one.instances["anonymize"].rules["email"].mode for one in (first, second)]
    assert (modes, first.hash == second.hash) == (["off", "enforce"], False)
    bundle(folder, anonymize=MASKING + 'mode: "${env:M:-enforce}"\n')
    assert hash_of(folder) != hash_of(folder, M="shadow")
