"""Reads the folder of a bundle, and those of the bundles that it extends, once and into memory.

Everything that is done with a bundle afterwards (checking, compiling, testing, verifying its signature) is done with these
bytes, so that what was verified is what runs.

How a file changes the inherited one of its name stands in `yumen.policy.inherit`.
"""

from __future__ import annotations

import os
from pathlib import Path

from yumen import registry
from yumen.errors import Diagnostic, PolicyError
from yumen.policy.inherit import GATEWAY, TEST, over, stands_alone
from yumen.policy.reader import BYTES_MAX, Source, read
from yumen.policy.shape import nearest

SIGNATURE = "bundle.sig"
LINES = ".txt"
FILES_MAX = 256
LINES_BYTES_MAX = 16 << 20
TEST_FILES_MAX = 1024
EXTENDS_MAX = 8
SIGNATURE_BYTES_MAX = 1 << 20


class Folder:
    """One bundle as it lies on disk.

    `files` holds its policy and test files and its lists of lines (`*.txt`) by name, `sources` the policy and test files
    read; `bases` is what it extends, the nearest first.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files: dict[str, bytes] = {}
        self.signature: bytes | None = None
        self.sources: dict[str, Source] = {}
        self.bases: list[Folder] = []

    def composed(self) -> dict[str, Source]:
        """The files by name, as this bundle and those that it extends make them together."""
        out: dict[str, Source] = {}
        for folder in reversed([self, *self.bases]):
            for name, source in folder.sources.items():
                base = out.get(name)
                out[name] = source if base is None or stands_alone(name, source) else over(name, base, source)
        return out


def find(path_or_name: str) -> Path:
    """The folder of a bundle. Error: `PolicyError` where there is none."""
    folder = Path(path_or_name)
    if not folder.is_dir():
        installed = registry.bundle_folder(path_or_name)
        if installed is None:
            fix = f"name a folder, or one of: {', '.join(registry.names('bundle'))}"
            raise PolicyError([Diagnostic(path_or_name, 1, 1, "bundle.not-found", "there is no such bundle", fix)])
        folder = installed
    return folder


def read_folder(path_or_name: str | Path) -> Folder:
    """Read a bundle and what it extends. What is wrong stands in the sources. Error: `PolicyError` where there is none."""
    folder = _read_one(find(str(path_or_name)))
    seen = {folder.path.resolve()}
    current = folder
    while (base := _base(current, seen, len(folder.bases))) is not None:
        seen.add(base.path.resolve())
        folder.bases.append(base)
        current = base
    return folder


def _read_one(path: Path) -> Folder:
    folder = Folder(path)
    try:
        every = sorted(entry.name for entry in path.iterdir() if entry.suffix in (".yaml", LINES))
    except OSError as error:
        what = f"this cannot be read: {error.strerror}"
        fix = "make it a readable folder"
        raise PolicyError([Diagnostic(str(path), 1, 1, "bundle.unreadable", what, fix)]) from None
    names = [name for name in every if not name.endswith(LINES)]
    lists = [name for name in every if name.endswith(LINES)]
    policies = [name for name in names if not name.endswith(TEST)]
    tests = [name for name in names if name.endswith(TEST)]
    gateway = Source(str(path / GATEWAY))
    if max(len(policies), len(lists)) > FILES_MAX or len(tests) > TEST_FILES_MAX:
        what = f"there are more than {FILES_MAX} files, or {TEST_FILES_MAX} files of tests"
        gateway.wrong((), "bundle.too-many-files", what, "split the bundle")
    for name in (*policies[:FILES_MAX], *tests[:TEST_FILES_MAX]):
        folder.sources[name] = _read_file(folder, name)
    for name in lists[:FILES_MAX]:
        # What is wrong with it is said of the bundle: it has no places of its own.
        source = Source(str(path / name))
        if (content := _content(folder, name, source, LINES_BYTES_MAX)) is not None and len(content) > LINES_BYTES_MAX:
            source.wrong((), "yaml.too-large", f"the file is larger than {LINES_BYTES_MAX} bytes", "split it")
        gateway.diagnostics += source.diagnostics
    if GATEWAY not in folder.sources:
        gateway.wrong((), "bundle.no-gateway", f"there is no {GATEWAY}", "add one; `yumen init` writes a beginning")
        folder.sources[GATEWAY] = gateway
    folder.sources[GATEWAY].diagnostics += [
        one for one in gateway.diagnostics if one not in folder.sources[GATEWAY].diagnostics
    ]
    signature = path / SIGNATURE
    try:
        if signature.is_file() and not signature.is_symlink():
            with signature.open("rb") as file:
                folder.signature = file.read(SIGNATURE_BYTES_MAX + 1)
    except OSError as error:
        what = f"{SIGNATURE} cannot be read: {error.strerror}"
        folder.sources[GATEWAY].wrong((), "bundle.unreadable", what, "check its owner and rights")
    return folder


def _read_file(folder: Folder, name: str) -> Source:
    source = Source(str(folder.path / name))
    content = _content(folder, name, source, BYTES_MAX)
    return source if content is None else read(source.file, content)


def _content(folder: Folder, name: str, source: Source, bytes_max: int) -> bytes | None:
    """The bytes of a file, or a few too many, which stay in the folder; None where it cannot be read, with the reason."""
    path = folder.path / name
    if path.is_symlink() and not is_inside(path, folder.path):
        source.wrong((), "bundle.symlink", "this is a link out of the bundle", "put the file itself here")
        return None
    try:
        if path.exists() and not path.is_file():
            source.wrong((), "bundle.unreadable", "this is not a file", "make it a readable file")
            return None
        with path.open("rb") as file:
            content = file.read(bytes_max + 1)
    except OSError as error:
        source.wrong((), "bundle.unreadable", f"this cannot be read: {error.strerror}", "make it a readable file")
        return None
    folder.files[name] = content
    return content


def is_inside(path: Path, folder: Path) -> bool:
    """Whether a file lies in a folder or below it, under whatever name. Of links that lead in a circle none leads out."""
    # `Path.resolve` says RuntimeError of a circle.
    return Path(os.path.realpath(folder)) in Path(os.path.realpath(path)).parents


def _base(folder: Folder, seen: set[Path], depth: int) -> Folder | None:
    """The bundle that a folder extends, or None; what is wrong with it is noted in the folder's own gateway file."""
    gateway = folder.sources[GATEWAY]
    name = gateway.data.get("extends") if isinstance(gateway.data, dict) else None
    if not isinstance(name, str) or not name:
        return None
    try:
        if name.startswith((".", "/")):
            path = Path(os.path.normpath(folder.path.resolve() / name))
            if not path.is_dir():
                raise registry.RegistryError(f"there is no folder {path}")
        else:
            # Never a folder that happens to lie where the gateway was started.
            installed = registry.bundle_folder(name)
            if installed is None:
                raise registry.RegistryError(f"no bundle {name} is installed")
            path = installed
    except (PolicyError, registry.RegistryError, OSError, ValueError):
        known = registry.names("bundle")
        fix = nearest(name, known, f"name one of: {', '.join(known)}; or a folder, beginning with a dot")
        gateway.wrong(("extends",), "bundle.extends", f"there is no bundle `{name[:60]}`", fix)
        return None
    if path.resolve() in seen:
        what = f"`{name[:60]}` extends, over others or not, the bundle that extends it"
        gateway.wrong(("extends",), "bundle.extends-cycle", what, "let one of them stand alone")
        return None
    if depth >= EXTENDS_MAX:
        what = f"more than {EXTENDS_MAX} bundles extend one another"
        gateway.wrong(("extends",), "bundle.extends-depth", what, "bring some of them together")
        return None
    return _read_one(path)
