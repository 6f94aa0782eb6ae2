"""What plugins say of their configuration, and do while it is read: nonsense is an error of the policy that names them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.core.registry.site import HOOK, Site, on_path
from tests.policy.test_load import GATEWAY, bundle

from yumen.policy import members
from yumen.policy.load import check_bundle

MODULE = """
import msgspec
from yumen import EngineRef, Lint, Manifest, Plugin, Rule
class Config(msgspec.Struct):
    word: str = ""
    {config}
class It(Plugin[Config]):
    manifest = Manifest(name="odd", version="1")
    {body}
"""
WHO = "plugin `odd` of acme-odd"


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with on_path(tmp_path / "site") as made:
        yield made


def wrong(
    site: Site, tmp_path: Path, body: str = "", *, config: str = "pass", file: str = "config: {word: 猎鹰}\n"
) -> str:
    """The one thing that is wrong with a bundle that names the plugin, without the folder."""
    site.add_plugin("odd", MODULE.format(body=body, config=config) + HOOK)
    folder = bundle(tmp_path / "b", gateway=GATEWAY % "odd", odd=f"version: 1\nplugin: odd\n{file}")
    made, (one,) = check_bundle(str(folder), {"WORD": "secret 猎鹰"})
    assert made is None
    assert "\n" not in str(one)
    return str(one).replace(f"{folder}/", "")


NONSENSE = [
    ("def rules(self): return ['phone']", "`rules` are: one of them is of the type str, not Rule"),
    ("def rules(self): return [{'id': 'phone'}]", "`rules` are: one of them is of the type dict, not Rule"),
    ("def rules(self): return 'phone'", "`rules` are: it returns one str"),
    ("def rules(self): return None", "`rules` are: 'NoneType' object is not iterable"),
    ("def rules(self): return [Rule(5)]", "`rules` are: Expected `str`, got `int` - at `$[0].id`"),
    ("def rules(self): return [Rule('a', mode='loud')]", "`rules` are: Invalid enum value 'loud' - at `$[0].mode`"),
    ("def rules(self): return [Rule(object())]", "`rules` are: Encoding objects of type object is unsupported"),
    (r"def rules(self): return [Rule('\ud800')]", "`rules` are: 'utf-8' codec can't encode character"),
    ("def rules(self): raise SystemExit(3)", "`rules` are: SystemExit: 3"),
    ("def lint(self): return [1]", "`lint` are: one of them is of the type int, not Lint"),
    ("def lint(self): yield Lint((), 'bad', None)", "`lint` are: Expected `str`, got `null` - at `$[0].fix`"),
    ("def lint(self): raise KeyboardInterrupt", "`lint` are: KeyboardInterrupt"),
    ("def engines(self): return ['near']", "`engines` are: one of them is of the type str, not EngineRef"),
    ("def engines(self): return [EngineRef('near', calls='all')]", "`engines` are: Invalid enum value 'all' - at"),
    ("def headers(self): return 'x-a'", "`headers` are: it returns one str"),
    ("def headers(self): raise GeneratorExit", "`headers` are: GeneratorExit"),
    (r"def rules(self): return [Rule('\n')]", "`rules` are: the id of a rule is 1 to 200 printable characters"),
]


def test_members_that_are_not_what_they_have_to_be(site: Site, tmp_path: Path) -> None:
    """Whatever a plugin says of itself, a line names it, its distribution and the method; here all in one bundle."""
    names = [f"odd{number:02}" for number in range(len(NONSENSE))]
    for name, (body, _) in zip(names, NONSENSE, strict=True):
        site.add_plugin(name, MODULE.replace('"odd"', repr(name)).format(body=body, config="pass") + HOOK)
    files = {name: f"version: 1\nplugin: {name}\nconfig: {{word: 猎鹰}}\n" for name in names}
    folder = bundle(tmp_path / "b", gateway=GATEWAY % ", ".join(names), **files)
    made, lines = check_bundle(str(folder), {})
    assert made is None
    for name, one, (_, says) in zip(names, lines, NONSENSE, strict=True):
        who = f"{folder}/{name}.yaml:3:9: policy.config: plugin `{name}` of acme-{name} does not say what its"
        assert str(one).startswith(f"{who} {says}")


def test_headers_that_are_no_names(site: Site, tmp_path: Path) -> None:
    """A header that is no text is as wrong as one that nobody may read."""
    assert f"policy.header: {WHO} does not name headers as a coll" in wrong(
        site, tmp_path, "def headers(self): return [[1]]"
    )


def test_members_without_end(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A generator that never stops is not read to its end."""
    monkeypatch.setattr(members, "MEMBERS_MAX", 10)
    line = wrong(site, tmp_path, "def rules(self):\n        while True: yield Rule('a')")
    assert "does not say what its `rules` are: they are more than 10" in line


@pytest.mark.parametrize("error", ["SystemExit(3)", "KeyboardInterrupt(3)", "RuntimeError(3)"])
def test_a_configuration_that_ends_the_process(site: Site, tmp_path: Path, error: str) -> None:
    """A Struct's own check may raise anything, and so may the plugin that is made of it."""
    line = wrong(site, tmp_path, config=f"def __post_init__(self): raise {error}")
    kind = "" if error.startswith("Runtime") else f"{error[:-3]}: "
    assert line.startswith(f"odd.yaml:3:9: policy.value: {WHO} cannot read this: {kind}3; correct it, or use another")


def test_an_error_without_words(site: Site, tmp_path: Path) -> None:
    """An error that cannot be printed is named by its type."""
    body = (
        "def __init__(self, config):\n        class Odd(Exception):\n            def __str__(self): raise SystemExit\n"
    )
    line = wrong(site, tmp_path, f"{body}        raise Odd")
    assert line.startswith(f"odd.yaml:3:9: policy.config: {WHO} refuses this: Odd; correct it")


def test_nothing_of_a_secret_is_said(site: Site, tmp_path: Path) -> None:
    """Where a value comes from the environment, an error's words are not shown, whatever it is."""
    file = 'config: {word: "${env:WORD}"}\n'
    line = wrong(site, tmp_path, "def rules(self): return [Rule(self.config.word, mode=self.config.word)]", file=file)
    assert "`rules` are: ValidationError, about values of which some come from elsewhere" in line
    assert "猎鹰" not in line
