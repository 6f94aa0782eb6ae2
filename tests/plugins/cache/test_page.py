"""docs/plugins/cache.md says everything that the code knows: settings with their defaults, metrics, reasons and rules."""

from __future__ import annotations

import re
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from yumen_plugins.cache.answering import RULES
from yumen_plugins.cache.config import CacheConfig

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "plugins" / "cache.md").read_text()
FOLDER = ROOT / "plugins" / "yumen_plugins" / "cache"


def settings(struct: type[msgspec.Struct], before: str = "") -> Iterator[tuple[str, Any]]:
    """Every setting by its path, and its default."""
    for field in msgspec.structs.fields(struct):
        name = f"{before}{field.name}"
        inner = [one for one in _types(field.type) if isinstance(one, type) and issubclass(one, msgspec.Struct)]
        yield name, None if inner else field.default
        for one in inner:
            yield from settings(one, f"{name}.")


def _types(hint: Any) -> Iterator[Any]:
    yield hint
    for one in typing.get_args(hint):
        yield from _types(one)


@pytest.mark.parametrize(("name", "default"), [pytest.param(*one, id=one[0]) for one in settings(CacheConfig)])
def test_every_setting_is_described(name: str, default: Any) -> None:
    """A row of the first table has its name, and a number its default."""
    row = re.search(rf"^\|[^|]*`{re.escape(name)}`[^|]*\|([^|]*)\|", PAGE, re.MULTILINE)
    assert row is not None, f"docs/plugins/cache.md lacks `{name}`"
    if isinstance(default, bool):
        assert str(default).lower() in row[1]
    elif isinstance(default, int | float):
        mebibytes = f"{default / (1 << 20):g} MiB"
        assert row[1].strip() in (f"{default:,g}", f"{default:,}", f"{default:,.1f}", mebibytes)


def test_every_metric_is_described() -> None:
    """Whoever looks at /metrics finds what a figure means."""
    code = "\n".join(path.read_text() for path in FOLDER.rglob("*.py"))
    names = set(re.findall(r'\.count\(\s*"([a-z_]+)"', code))
    assert len(names) > 4
    missing = [name for name in sorted(names) if f"`yumen_cache_{name}_total`" not in PAGE]
    assert missing == []


def test_every_reason_is_described() -> None:
    """Why nothing was looked for, found or kept."""
    asked, answering = ((FOLDER / name).read_text() for name in ("asked.py", "answering.py"))
    reasons = set(re.findall(r'"(no-store|dialect|unsafe-[a-z]+)"', asked))
    reasons |= set(re.findall(r'return (?:None, )?"([a-z]+-?[a-z]+)"', answering)) | {
        "absent",
        "max-age",
        "no-cache",
        "shadow",
    }
    assert len(reasons) > 12
    assert [reason for reason in sorted(reasons) if f"`{reason}`" not in PAGE] == []


def test_every_rule_is_described() -> None:
    """Each can be put in shadow or switched off by its name."""
    assert [rule for rule in RULES if f"`{rule}`" not in PAGE] == []
