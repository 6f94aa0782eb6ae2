"""Where a plugin or engine comes from: read from metadata and from the bytes on disk, before any of its code is imported.

The hash of a plugin is the SHA-256 of these lines, as UTF-8, each with its newline: its entry point, `name = value`; then,
sorted by path, for every file `<SHA-256 of the file>  <path>`, as `sha256sum` prints it, with the path below the folder that
the distribution is installed in. The files are those that its distribution's RECORD lists (PyPA, "Recording installed
projects"), but for the distribution's own `.dist-info`, for what stands outside of that folder, such as scripts, and for
`__pycache__`. Of Yumen's own distribution, which is the gateway itself, they are those of the plugin's package.

There is no hash where it would prove nothing: where a module of the distribution would be imported from a file that it has
not installed (an editable installation, or another folder before it on the path), or has been; where files, or links to
folders, lie in its packages that it has not installed; and where files have changed since this process imported them.
"""

from __future__ import annotations

import csv
import hashlib
import importlib.machinery
import os
import re
import sys
from collections.abc import Iterator, Mapping
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint
from pathlib import Path, PurePosixPath

from yumen import bytecode

OWN = "yumen"
CACHE = "__pycache__"
PACKAGE = "__init__.py"
# A distribution of more files than that is not hashed.
FILES_MAX = 50_000
SUFFIXES = tuple(importlib.machinery.all_suffixes())
# What changes when a file does: its times, its size and which one it is; empty where there is none.
Stamp = tuple[int, ...]


class NoHash(Exception):
    """There is no hash that would prove anything; the message says why."""


class Provenance:
    """Where something comes from that is installed; `file` is empty where its module is not to be found.

    What lies on disk is noted when this is made, so that a change after that is known for one. `before` says what was noted
    of files of the same distribution before this process imported something of it, by path.
    """

    def __init__(self, point: EntryPoint, before: Mapping[Path, Stamp] | None = None) -> None:
        self.name = point.name
        self.target = point.value
        self.distribution, self.version = identity(point.dist)
        self.file = module_file(point.module)
        self._package = point.module.replace(".", "/")
        self._files = _recorded(point, self._package)
        self.stamps = {path: _stamp(path) for path in self._files.values()} | dict(before or {})

    def sha256(self) -> str:
        """64 hexadecimal digits; the head of this module says of what. Error: `NoHash`."""
        if not self._files:
            raise NoHash("there is no record of what its distribution has installed")
        if len(self._files) > FILES_MAX:
            raise NoHash(f"its distribution has more than {FILES_MAX} files")
        installed = {path.resolve() for path in self._files.values()}
        if not self.file or Path(self.file).resolve() not in installed:
            raise NoHash("its module is none of the files that its distribution has installed")
        if module := self._imported_elsewhere(installed):
            raise NoHash(f"this process has imported {module} from a file that is none of its distribution; restart it")
        if more := self._unrecorded():
            raise NoHash(f"its distribution has not installed {more}, which lies among its files")
        lines = [f"{self.name} = {self.target}\n"]
        for name, path in sorted(self._files.items()):
            try:
                with path.open("rb") as file:
                    lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {name}\n")
            except OSError as error:
                raise NoHash(f"{name} cannot be read: {error.strerror}") from None
            if _stamp(path) != self.stamps[path]:
                raise NoHash("its files have changed since this process looked at them first; restart it")
        if module := self._found_elsewhere(installed):
            raise NoHash(f"{module} would be imported from a file that its distribution has not installed")
        return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()

    def unlike(self) -> str:
        """One of its files of which Python keeps a compiled form that is not of it, and would run; or empty."""
        return next((name for name, path in sorted(self._files.items()) if bytecode.unlike(path)), "")

    def _imported_elsewhere(self, installed: set[Path]) -> str:
        """A module of its own that this process has imported, and from none of its files; or empty."""
        for _, module in self._modules():
            if module in sys.modules:
                file = getattr(sys.modules[module], "__file__", None)
                if not isinstance(file, str) or Path(file).resolve() not in installed:
                    return module
        return ""

    def _found_elsewhere(self, installed: set[Path]) -> str:
        """A module of its own that stands in no package of its own, where others may be found before it; or empty."""
        for parent, module in self._modules():
            if f"{parent}/{PACKAGE}" not in self._files and Path(module_file(module)).resolve() not in installed:
                return module
        return ""

    def _modules(self) -> Iterator[tuple[str, str]]:
        """What its files can be imported as, each with the folder that it stands in."""
        for name in sorted(self._files):
            path = PurePosixPath(name)
            suffix = next((one for one in SUFFIXES if path.name.endswith(one)), "")
            path = path.parent if path.name == PACKAGE else path.with_name(path.name.removesuffix(suffix) or "-")
            if suffix and all(part.isidentifier() for part in path.parts):
                yield path.parent.as_posix(), ".".join(path.parts)

    def _unrecorded(self) -> str:
        """A file in one of its packages that is none of its own, or empty. Others may share what has no `__init__.py`."""
        packages = {parent for name in self._files for parent in _parents(name) if f"{parent}/{PACKAGE}" in self._files}
        for package in sorted(one for one in packages if not packages & _parents(one)):
            root = self._files[f"{package}/{PACKAGE}"].parent
            for folder, folders, files in os.walk(root):
                folders[:] = sorted(name for name in folders if name != CACHE)
                # A link to a folder is walked into by no one but an import.
                links = [name for name in folders if os.path.islink(os.path.join(folder, name))]
                for file in sorted((*files, *links)):
                    name = "/".join((package, *Path(folder, file).relative_to(root).parts))
                    if name not in self._files:
                        return name
        return ""


def module_file(module: str) -> str:
    """The file that importing a module would run, found without importing its parents; empty where there is none."""
    parts, path = module.split("."), None
    spec: importlib.machinery.ModuleSpec | None = None
    try:
        for number in range(1, len(parts) + 1):
            spec = _spec(".".join(parts[:number]), path)
            if spec is None:
                return ""
            path = list(spec.submodule_search_locations or ())
    except Exception:  # finders are somebody else's code
        return ""
    return spec.origin or "" if spec is not None and spec.has_location else ""


def _spec(name: str, path: list[str] | None) -> importlib.machinery.ModuleSpec | None:
    """As `importlib.util.find_spec` finds one, which would import the parents."""
    for finder in sys.meta_path:
        try:
            found = finder.find_spec(name, path)
        except KeyError:  # the path finder looks for the imported parent of a package without `__init__.py`
            found = finder.find_spec(name.rpartition(".")[2], path)
        if found is not None:
            return found
    return None


def _recorded(point: EntryPoint, package: str) -> dict[str, Path]:
    """The files of which a hash is made, by their path as RECORD has it."""
    if point.dist is None:
        return {}
    try:
        rows = csv.reader((point.dist.read_text("RECORD") or "").splitlines())
        names = {PurePosixPath(row[0]).as_posix() for row in rows if row}
    except (csv.Error, ValueError):  # its bytes need be no text, and its lines no rows
        return {}
    own = normalized(identity(point.dist)[0]) == OWN
    return {
        name: Path(str(point.dist.locate_file(name)))
        for name in names
        if not name.startswith("/")
        and "\0" not in name
        and not name.split("/")[0].endswith(".dist-info")
        and not {CACHE, ".."} & set(name.split("/"))
        and (not own or name.startswith(f"{package}/"))
    }


@lru_cache(256)
def identity(distribution: Distribution | None) -> tuple[str, str]:
    """Name and version, of which metadata need say neither. Each would be looked for in all of it, for two milliseconds."""
    if distribution is None:
        return "", ""
    return distribution.name or "", distribution.version or ""


def normalized(distribution: str) -> str:
    """A distribution's name as it is compared (PyPA, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", distribution).lower()


def _parents(name: str) -> set[str]:
    return {parent.as_posix() for parent in PurePosixPath(name).parents} - {"."}


def _stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError:
        return ()
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
