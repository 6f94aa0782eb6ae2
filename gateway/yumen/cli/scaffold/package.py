"""Writing a package from the templates."""

from __future__ import annotations

import importlib.metadata
import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Literal

import msgspec

from yumen.cli.plain import plain
from yumen.cli.scaffold.words import Kind, Words
from yumen.errors import CannotStart
from yumen.versions import API_VERSION

BLANK = re.compile(r"\{\{(\w+)\}\}")
COMMON = {
    "pyproject.toml": "common/pyproject.toml",
    "CHANGELOG.md": "common/CHANGELOG.md",
    ".gitignore": "common/gitignore",
    ".github/workflows/ci.yml": "common/ci.yml",
    "policies/example/anonymize.yaml": "common/anonymize.yaml",
}
# Where a file goes, and of which template it is made.
FILES: Mapping[Kind, Mapping[str, str]] = {
    "plugin": {
        **COMMON,
        "README.md": "plugin/README.md",
        "src/{{module}}/__init__.py": "plugin/package.py",
        "src/{{module}}/conformance.py": "plugin/conformance.py",
        "src/{{module}}/py.typed": "",
        "tests/test_{{name}}.py": "plugin/test_package.py",
        "policies/example/gateway.yaml": "plugin/gateway.yaml",
        "policies/example/{{name}}.yaml": "plugin/policy.yaml",
    },
    "engine": {
        **COMMON,
        "README.md": "engine/README.md",
        "src/{{module}}/__init__.py": "engine/package.py",
        "src/{{module}}/py.typed": "",
        "tests/test_{{name}}.py": "engine/test_package.py",
        "policies/example/gateway.yaml": "engine/gateway.yaml",
        "policies/example/chat.test.yaml": "engine/chat.test.yaml",
    },
}
DESCRIPTIONS: Mapping[Kind, str] = {
    "plugin": "A plugin of Yumen that keeps words inside a house.",
    "engine": "An engine of Yumen that answers from a list of phrases.",
}


class Written(msgspec.Struct, frozen=True):
    """What has been written, and where; files are paths below the folder."""

    kind: Kind
    folder: str
    name: str
    distribution: str
    module: str
    class_name: str
    files: list[str]


def write(
    kind: Kind, names: Words, folder: Path, *, sees: Literal["raw", "masked"] = "raw", over: bool = False
) -> Written:
    """Write a package. `over`: files that are there are written over, and all others stay as they are.

    Error: `CannotStart` for a folder that is not empty, or cannot be written to.
    """
    blanks = _blanks(kind, names, sees)
    files = {
        filled(path, blanks): filled(_template(template), blanks) if template else ""
        for path, template in FILES[kind].items()
    }
    # `words` has refused names by which one would take another's place.
    assert len(files) == len(FILES[kind])
    shown = plain(str(folder))
    try:
        if not over and folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise CannotStart(f"{shown} is there and not empty; name another folder with --into, or --force")
        for path in files:
            _refuse_links(folder, path)
        for path, text in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        at = plain(str(error.filename or folder))
        raise CannotStart(f"cannot write {at}: {error.strerror or error}; name another folder with --into") from None
    return Written(kind, str(folder), names.name, names.distribution, names.module, names.class_name, sorted(files))


def filled(text: str, blanks: Mapping[str, str]) -> str:
    """A template with its blanks filled in. Error: KeyError for one that nobody has a word for."""
    return BLANK.sub(lambda found: blanks[found[1]], text)


def _template(path: str) -> str:
    file = resources.files("yumen.cli.scaffold") / "templates" / f"{path}.tmpl"
    return file.read_text(encoding="utf-8")


def _blanks(kind: Kind, names: Words, sees: Literal["raw", "masked"]) -> dict[str, str]:
    # A plugin that sees masked text stands behind the plugin that masks it.
    chain = (names.name, "anonymize") if sees == "raw" else ("anonymize", names.name)
    check = (
        f"yumen plugins check {names.name}" if kind == "plugin" else "yumen engines check --policies policies/example"
    )
    return {
        "kind": kind,
        "name": names.name,
        "distribution": names.distribution,
        "module": names.module,
        "class": names.class_name,
        "sees": sees,
        "api": str(API_VERSION),
        "yumen_version": importlib.metadata.version("yumen"),
        "description": DESCRIPTIONS[kind],
        "chain": ", ".join(chain),
        "check": check,
    }


def _refuse_links(folder: Path, path: str) -> None:
    """Error: `CannotStart` where writing a file would follow a link out of the folder."""
    target = folder / path
    for place in (target, *target.parents):
        if place == folder:
            return
        if place.is_symlink():
            raise CannotStart(f"{plain(str(place))} is a link, which is not written through; remove it")
