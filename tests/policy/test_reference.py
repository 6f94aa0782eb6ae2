"""The reference page in docs/ says what the Structs say."""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest
from tests.policy.acme import install

from yumen import registry
from yumen.policy.cases import Case, TestFile
from yumen.policy.files import EngineFile, GatewayFile, PluginFile, RuleFile
from yumen.policy.reference import COMMAND, page

PAGE = Path(__file__).parents[2] / "docs" / "policy-reference.md"


def test_the_page_is_up_to_date() -> None:
    """docs/policy-reference.md is what the source says today; the failure prints what repairs it."""
    assert PAGE.read_text(encoding="utf-8") == page(), f"run: {COMMAND}"


def test_every_key_has_a_line() -> None:
    """No key of any file, built-in plugin or built-in engine is missing."""
    own = [registry.load_plugin(name).config_type for name in registry.names("plugin")]
    own += [registry.load_engine(name).config_type for name in registry.names("engine")]
    text = page()
    structs: list[type[msgspec.Struct]] = [GatewayFile, EngineFile, PluginFile, TestFile, Case, *own]
    for struct in structs:
        for key in msgspec.structs.fields(struct):
            assert f"\n| `{key.encode_name}` | " in text, f"{struct.__name__}.{key.name}"
    for key in msgspec.structs.fields(RuleFile):
        assert f"\n| `rules.*.{key.encode_name}` | " in text


def test_every_line_is_whole() -> None:
    """Every line has its five cells, a type and a description, whatever characters are in them."""
    rows = re.findall(r"^\| `.*", page(), re.MULTILINE)
    assert len(rows) > 80
    for row in rows:
        cells = re.split(r" (?<!\\)\| ", row.removeprefix("| ").removesuffix(" |"))
        assert len(cells) == 5, row
        assert all(cells[number].strip() for number in (0, 1, 4)), row


def test_the_page_holds_built_in_names_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What else is installed where the page is made does not get into it."""
    before = page()
    install(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert "picky" in registry.names("plugin")
    assert page() == before
