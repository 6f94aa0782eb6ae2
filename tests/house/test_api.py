"""The public API is frozen: it changes on purpose, and whoever changes it says so."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import ClassVar, NamedTuple

import msgspec
import pytest
from tests.house.api import COMMAND, PAGE, described, page

from yumen import Plugin
from yumen.versions import API_VERSION

HOW = f"""The public API is not what {PAGE.name} says. Plugins that others have written rest on it.

If this was not meant, undo it. If it was:
1. `{COMMAND}` writes the page anew: look at what changed.
2. Only additions (a name, a hook with a default, an argument or field with a default at the end) stay within API version
   {API_VERSION}. For all else docs/versions.md has the rule: keep the old way for one API version, mark it with
   `yumen.versions.deprecated`, and raise `yumen.versions.API_VERSION`.
3. Say in CHANGELOG.md what authors of plugins can do now, or have to.
"""


def difference(before: str, now: str) -> str:
    """What changed, as a unified diff, below what to do about it; empty where nothing did."""
    lines = difflib.unified_diff(
        before.splitlines(), now.splitlines(), "tests/house/api.txt", "the source", lineterm=""
    )
    changed = "\n".join(lines)
    return f"{HOW}\n{changed}" if changed else ""


def test_the_public_api_is_frozen() -> None:
    """Names, signatures, fields and types are those of the page; the failure shows the difference and what to do."""
    if changed := difference(PAGE.read_text(encoding="utf-8"), page()):
        pytest.fail(changed, pytrace=False)


class Before(msgspec.Struct, frozen=True):
    """A Struct as it was."""

    name: str
    size: int = 3


class Pair(NamedTuple):
    """A tuple with names."""

    one: int
    two: str | None = None


class Thing(Plugin[Before]):
    """A class with all kinds of members."""

    kind: ClassVar[str] = "thing"

    def plain(self, a: int, /, b: str = "x", *, c: float | None = None) -> None: ...

    async def later(self, *words: str, **more: int) -> bytes:
        return b""

    @classmethod
    def made(cls) -> Thing:
        raise NotImplementedError

    @property
    def size(self) -> int:
        return 0

    def _private(self) -> None: ...


def test_what_the_page_shows() -> None:
    """Each kind of name with everything that others may rest on, and nothing private."""
    assert [*described("Before", Before)] == ["Before(Struct) [frozen]", "    name: str", "    size: int = 3"]
    assert [*described("Pair", Pair)][1:] == ["    one: int", "    two: str | None = None"]
    assert [*described("Thing", Thing)][1:] == [
        "    kind: ClassVar[str] = 'thing'",
        "    later(self, *words: str, **more: int) -> bytes [async]",
        "    made(cls) -> Thing [classmethod]",
        "    plain(self, a: int, /, b: str = 'x', *, c: float | None = None) -> None",
        "    size -> int [property]",
    ]
    assert [*described("COUNT", 3)] == ["COUNT = 3"]
    assert [*described("difference", difference)] == ["difference(before: str, now: str) -> str"]


def without_default(size: int) -> None: ...
def with_default(size: int = 3) -> None: ...
async def awaited(size: int) -> None: ...
def narrower(size: bool) -> None: ...


@pytest.mark.parametrize("other", [with_default, awaited, narrower])
def test_every_change_shows(other: object) -> None:
    """A default, `async` or a type that comes or goes is a difference, shown with what to do."""
    one, two = (f"{next(described('name', function))}\n" for function in (without_default, other))
    changed = difference(one, two)
    assert "-name(size: int) -> None" in changed
    assert f"+{two.strip()}" in changed
    assert COMMAND in changed
    assert "CHANGELOG.md" in changed
    assert difference(one, one) == ""


def test_what_the_message_names_is_there() -> None:
    """The page of the rule and the changelog that the failure sends people to exist."""
    root = Path(__file__).parents[2]
    assert "yumen.versions.deprecated" in (root / "docs" / "versions.md").read_text()
    assert (root / "CHANGELOG.md").exists()
