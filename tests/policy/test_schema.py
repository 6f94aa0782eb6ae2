"""The schemas that editors get: valid themselves, and of one mind with what `yumen policy check` says about form."""

from __future__ import annotations

import copy
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from tests.policy.acme import install
from tests.policy.test_golden import CASES, ENV, sections

from yumen import Manifest, Plugin, registry
from yumen.errors import Diagnostic
from yumen.policy.described import Schema, reachable
from yumen.policy.load import check_bundle
from yumen.policy.reader import read
from yumen.policy.schema import GATEWAY, TESTS, Named, installed_schema, installed_schemas, kind_of, plugin_schema

# What a schema can know about a file: the rest is about other files, the environment, or in words of a plugin.
FORM = {"policy.unknown-key", "policy.missing-key", "policy.type", "policy.choice", "policy.bounds"}
SCHEMAS, LEFT_OUT = installed_schemas(Named())


def fits(kind: str, data: Any) -> bool:
    """Whether the schema of one kind of file takes this."""
    return bool(Draft202012Validator(SCHEMAS[kind]).is_valid(data))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Plugins from outside: those of `acme.py`, and some that spoil what they can."""
    install(tmp_path)
    points = tmp_path / "acme-1.0.dist-info" / "entry_points.txt"
    more = ["broken = not_there:Broken", "gateway = acme_plugins:Picky", "../up = acme_plugins:Picky"]
    points.write_text(points.read_text() + "\n".join(more) + "\n[yumen.engines]\nlost = not_there:Lost\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield
    registry.load_plugin.cache_clear()


def test_there_is_one_for_every_kind_of_file() -> None:
    """Everything that is installed has a schema, beside those of gateway.yaml and test files, and is valid 2020-12."""
    assert set(SCHEMAS) == {GATEWAY, TESTS, *registry.names("plugin")}
    assert LEFT_OUT == []
    for schema in SCHEMAS.values():
        Draft202012Validator.check_schema(schema)
        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        assert reachable(schema, schema["$defs"]) == set(schema["$defs"])
        assert set(re.findall(r"#/\$defs/([^']+)'", repr(schema))) <= set(schema["$defs"])


def keys(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Every key that a schema describes, with what it says of it."""
    for one in [schema, *schema["$defs"].values()]:
        yield from one.get("properties", {}).items()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_every_key_is_described(kind: str) -> None:
    """An author who rests on a key reads what it is for, and what it is if left out."""
    schema = SCHEMAS[kind]
    for key, one in keys(schema):
        below = schema["$defs"].get(str(one.get("$ref", "")).removeprefix("#/$defs/"), {})
        assert one.get("description") or below.get("description"), key
    assert SCHEMAS["anonymize"]["$defs"]["AnonymizeConfig"]["properties"]["detect"]["default"] == ["*"]
    assert SCHEMAS["limits"]["properties"]["on_error"]["default"] == "closed"


def shipped() -> list[Path]:
    folders = [registry.bundle_folder(name) for name in registry.names("bundle")]
    return [path for folder in folders if folder is not None for path in sorted(folder.glob("*.yaml"))]


@pytest.mark.parametrize("path", shipped(), ids=lambda path: f"{path.parent.name}/{path.name}")
def test_shipped_bundles_fit(path: Path) -> None:
    """What we ship is not underlined in anybody's editor."""
    data = read(str(path), path.read_bytes()).data
    errors = Draft202012Validator(SCHEMAS[kind_of(path.name, data)]).iter_errors(data)
    assert [f"{error.json_path}: {error.message}" for error in errors] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_golden_cases_agree(case: Path) -> None:
    """A file of a golden case fits exactly if `check` has nothing to say about its form."""
    expected = sections(case)["expected"]
    wrong = re.findall(r"^(\S+?):\d+:\d+: (policy\.[a-z-]+): ", expected, re.MULTILINE)
    for name, text in sections(case).items():
        source = read(name, text.encode())
        kind = kind_of(Path(name).name, source.data)
        if name == "expected" or source.diagnostics or kind not in SCHEMAS:
            continue
        codes = {code for file, code in wrong if file == name}
        # The names of adapters are part of the schema; what an engine can do for a plugin is not.
        form = {*FORM, "policy.engine"} if kind == "gateway" else FORM
        assert fits(kind, source.data) == (not codes & {*form}), name


BASES: dict[str, Any] = {
    "gateway.yaml": {
        "version": 1,
        "engines": {
            "near": {"adapter": "faq", "egress": "local", "threads": 2, "confidence_min": 0.5},
            "far": {"adapter": "openai", "egress": "local", "base_url": "${env:SET_URL}", "retries": 0, "proxy": ""},
        },
        "routes": [
            {
                "id": "chat",
                "match": {"paths": ["/v1/*"], "models": ["*"]},
                "engine": ["near", "far"],
                "chain": ["limits", "anonymize"],
                "accept_raw": "因为 17",
                "timeout_ms": 5,
            }
        ],
        "limits": {"json_depth": 5, "headers": 9},
        "disable": [],
    },
    "anonymize.yaml": {
        "version": 1,
        "plugin": "anonymize",
        "mode": "enforce",
        "on_unsupported": "warn",
        "match": {"tenants": ["*"], "directions": ["request"]},
        "cites": ["PIPL 51"],
        "rules": {"email": {"mode": "shadow", "sample": 0.5, "cites": ["x"], "accept_raw": "试"}},
        "config": {
            "detect": ["email"],
            "action": {"default": "redact"},
            "mask_keep_last": 2,
            "patterns": [{"id": "acme.staff", "pattern": "[0-9]{7}", "context": ["工号"], "score": 0.5}],
        },
        "tests": [
            {
                "name": "电话",
                "request": {"text": "hi", "model": "m"},
                "expect": {"decision": "allow", "findings": ["email"], "forwarded": {"excludes": ["a"]}, "headers": {}},
                "reply": {"deltas": ["a", "b"]},
                "caller": {"trusted": True},
                "every": "5ms",
                "repeat": 2,
            }
        ],
    },
    "limits.yaml": {
        "version": 1,
        "plugin": "limits",
        "name": "limits",
        "timeout_ms": 50,
        "config": {"requests_per_minute": 5, "exempt_trusted": False},
    },
    "more.test.yaml": {
        "version": 1,
        "tests": [{"name": "a", "request": {"text": "b"}, "expect": {"code": "not_found"}}],
    },
}
# Numbers with a fraction of zero are whole numbers in JSON and none in policy files, so none is drawn; nor is a
# reference to the environment: its value decides, which no schema sees.
VALUES = st.sampled_from(
    [
        None,
        True,
        False,
        0,
        1,
        2,
        -1,
        10**9,
        1.5,
        0.25,
        "",
        "a",
        "enforce",
        "5ms",
        "*",
        [],
        ["a"],
        [1],
        {},
        {"a": 1},
    ]
)
WORDS = st.sampled_from(["colour", "mode", "a", "键", "version", "text"])


def places(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of every value."""
    yield path
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, one in items:
        yield from places(one, (*path, key))


@st.composite
def changed(draw: st.DrawFn) -> tuple[str, Any]:
    """One of the files above with one or two things in it changed, added or taken away."""
    name = draw(st.sampled_from(sorted(BASES)))
    data = copy.deepcopy(BASES[name])
    for _ in range(draw(st.integers(1, 2))):
        # Which plugin or adapter it is decides which schema applies; another name is another question.
        paths = [path for path in places(data) if path and path[-1] not in ("plugin", "adapter", "extends")]
        *above, last = draw(st.sampled_from(paths))
        holder = data
        for key in above:
            holder = holder[key]
        what = draw(st.sampled_from(["put", "put", "take", "add"]))
        if what == "put":
            holder[last] = copy.deepcopy(draw(VALUES))
        elif what == "take":
            del holder[last]
        elif isinstance(holder[last], dict):
            holder[last][draw(WORDS)] = copy.deepcopy(draw(VALUES))
    return name, data


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(changed())
def test_changed_files_agree(case: tuple[str, Any]) -> None:
    """Whatever is changed in a good file: the schema refuses it exactly if `check` finds something wrong with its form."""
    name, data = case
    found = form_errors({**BASES, name: data}, name)
    assert fits(kind_of(name, data), data) == (not found), found


def form_errors(files: dict[str, Any], name: str) -> list[Diagnostic]:
    """What `check` says about the form of one file of a bundle."""
    with tempfile.TemporaryDirectory() as folder:
        for file, data in files.items():
            (Path(folder) / file).write_bytes(msgspec.json.encode(data))
        _, diagnostics = check_bundle(folder, ENV)
    return [one for one in diagnostics if Path(one.file).name == name and one.code in FORM]


@pytest.mark.parametrize(
    ("name", "change", "fitting"),
    [
        ("anonymize.yaml", {"mode": "${env:MODE}"}, True),
        ("anonymize.yaml", {"name": "${env:NAME:-x}-a"}, True),
        ("anonymize.yaml", {"config": {"action": {"default": "${env:A}"}}}, True),
        ("anonymize.yaml", {"config": {"mask_keep_last": "${env:N}"}}, False),
        ("anonymize.yaml", {"timeout_ms": "${env:N}"}, False),
        ("anonymize.yaml", {"tests": [{**BASES["anonymize.yaml"]["tests"][0], "every": "${env:T}"}]}, False),
        ("gateway.yaml", {"engines": {"near": {"adapter": "faq", "egress": "${env:E}"}}}, False),
        ("gateway.yaml", {"engines": {"near": {"adapter": "faq", "egress": "local", "threads": "${env:N}"}}}, False),
        ("gateway.yaml", {"engines": {"near": {"adapter": "faqq", "egress": "local"}}}, False),
        ("gateway.yaml", {"engines": {"near": {"adapter": "faq", "egress": "local", "base_url": "x"}}}, False),
    ],
)
def test_what_may_come_from_the_environment(name: str, change: dict[str, Any], fitting: bool) -> None:
    """A reference is taken where the reader resolves it and a text belongs, and nowhere else."""
    data = BASES[name] | change
    assert fits(kind_of(name, data), data) is fitting


def test_a_bundle_that_extends_another_says_only_what_differs() -> None:
    """Inherited keys need not stand there again; unknown ones are refused all the same."""
    assert fits(GATEWAY, {"extends": "starter"})
    assert not fits(GATEWAY, {"disable": []})
    assert not fits(GATEWAY, {"extends": "starter", "rutes": []})
    assert fits("anonymize", {"mode": "off"})
    assert not fits("anonymize", {"plugin": "anonymize"})
    assert not fits("anonymize", {"mode": "off", "config": {"detekt": []}})


class Inner(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Within."""

    word: Annotated[str, msgspec.Meta(description="A word.")]
    number: Annotated[int, msgspec.Meta(ge=1, description="A number.")] = 1


class NeedyConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A configuration with keys that must be written."""

    inner: Annotated[Inner, msgspec.Meta(description="One.")]
    several: Annotated[list[Inner], msgspec.Meta(description="More.")] = []


class Needy(Plugin[NeedyConfig]):
    """A plugin that does not run without being configured."""

    manifest = Manifest(name="needy", version="1")


@pytest.mark.parametrize(
    ("data", "fitting"),
    [
        ({"version": 1, "plugin": "needy", "config": {"inner": {"word": "词"}}}, True),
        ({"version": 1, "plugin": "needy"}, False),
        ({"version": 1, "plugin": "needy", "config": None}, False),
        ({"version": 1, "plugin": "needy", "config": {}}, False),
        ({"version": 1, "plugin": "needy", "config": {"inner": {}}}, False),
        ({"config": None}, True),
        ({"config": {"inner": {"number": 2}}}, True),
        ({"config": {"inner": {"number": 0}}}, False),
        ({"config": {"several": [{"word": "词"}]}}, True),
        ({"config": {"several": [{}]}}, False),  # lists are replaced whole
    ],
)
def test_keys_that_a_plugin_needs(data: dict[str, Any], fitting: bool) -> None:
    """A file that stands alone has all of them; one that changes an inherited file has them only in lists."""
    assert Draft202012Validator(plugin_schema("needy", Needy)).is_valid(data) is fitting


@pytest.mark.usefixtures("acme")
def test_plugins_from_outside() -> None:
    """They have schemas like the built-in ones; one that cannot be imported or named is left out alone, and said so."""
    named = Named([(kind, name) for kind in ("plugin", "engine") for name in registry.names(kind)])
    schemas, left_out = installed_schemas(named)
    ours = {
        "picky",
        "masks_masked",
        "edits_raw",
        "edits_masked",
        "stores_raw",
        "stores_seen",
        "asks_raw",
        "asks_masked",
    }
    assert set(schemas) == {*SCHEMAS, *ours}
    validator = Draft202012Validator(schemas["picky"])
    assert validator.is_valid({"version": 1, "plugin": "picky", "config": {"word": "a"}})
    assert not validator.is_valid({"version": 1, "plugin": "picky", "config": {"wort": "a"}})
    for reason in ("`broken` of acme cannot be imported", "`lost` of acme cannot be imported", "`gateway`", "`../up`"):
        assert any(reason in one for one in left_out), reason
    assert len(left_out) == 4
    with pytest.raises(registry.RegistryError, match="cannot be imported"):
        installed_schema("broken", Named())
