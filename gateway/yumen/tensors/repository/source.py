"""Models on disk: what is there, without opening any of it.

A repository is `<root>/<model>/<version>/<file>`; versions are whole numbers from 1 on. Everything that is looked at has a
limit, links lead nowhere outside the root, and only plain files count.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol

import msgspec

from yumen.tensors.repository.config import (
    CONFIG,
    NAME,
    VERSIONS_MAX,
    Labels,
    ModelConfig,
    RepositoryConfig,
    read_config,
)
from yumen.tensors.repository.inside import LEADS_OUT, Outside, real_inside

MODELS_MAX = 1_000
# Of one folder; of one version with all folders in it; and how deep these may lie in each other.
ENTRIES_MAX, FILES_MAX, DEPTH_MAX = 10_000, 1_000, 4
SHOWN_CHARS_MAX = 80
MODEL, VERSION = re.compile(NAME), re.compile(r"[1-9][0-9]{0,17}")

# The files of a folder: where each lies, its bytes, and when it was last written (ns); of a link its inode, and when it was
# made or moved (ns), under a name with `@` behind it.
Mark = tuple[tuple[str, int, int], ...]


class VersionFiles(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a model, to be opened. `path` is the model's file, or a folder where the adapter wants one.

    `folder` is what it may read, and all that it may.
    """

    model: str
    version: str
    path: Path
    folder: Path
    config: ModelConfig = ModelConfig()


class Found(msgspec.Struct, frozen=True):
    """What there is of a model: the marks of its own files and of each version; `wrong` is why a version cannot be opened,
    and `reason` why none can.
    """

    name: str
    own: Mark = ()
    versions: Mapping[int, Mark] = {}
    wrong: Mapping[int, str] = {}
    reason: str = ""


class Wrong(Exception):
    """Something on disk is not as it must be. The message is for the operator."""


class Source(Protocol):
    """Where an engine's models are. Everything but the attributes blocks, so it is called in a thread.

    `load` are the models that have to be there, all that are found if it is empty; `poll_s` as in `RepositoryConfig`.
    """

    load: tuple[str, ...]
    poll_s: float

    def scan(self) -> Mapping[str, Found]:
        """Every model. Error: `Wrong`."""
        ...

    def look(self, name: str) -> Found | None:
        """One model, or None where it is not there. Error: `Wrong`."""
        ...

    def config(self, name: str) -> tuple[ModelConfig, Labels]:
        """Errors: `ConfigWrong`, `Wrong`."""
        ...

    def files(self, name: str, version: int, config: ModelConfig) -> VersionFiles: ...


class Folder:
    """A repository. `file` is the name of a model's file in the folder of a version. See `Source`."""

    def __init__(self, config: RepositoryConfig, file: str = "model.onnx") -> None:
        self.load = config.load
        self.poll_s = config.poll_s
        self._root = Path(config.path)
        self._file = file

    def scan(self) -> Mapping[str, Found]:
        """See `Source`."""
        root = self._real()
        found: dict[str, Found] = {}
        for entry in _entries(root, self._root.name):
            if MODEL.fullmatch(entry.name) and (one := self._found(root, entry.name)) is not None:
                found[entry.name] = one
            if len(found) > MODELS_MAX:
                raise Wrong(f"there are more than {MODELS_MAX} models; make several repositories of them")
        return found

    def look(self, name: str) -> Found | None:
        """See `Source`."""
        return self._found(self._real(), name) if MODEL.fullmatch(name) else None

    def config(self, name: str) -> tuple[ModelConfig, Labels]:
        """See `Source`."""
        return read_config(self._root / name, self._real())

    def files(self, name: str, version: int, config: ModelConfig) -> VersionFiles:
        """See `Source`."""
        folder = self._root / name / str(version)
        return VersionFiles(model=name, version=str(version), path=folder / self._file, folder=folder, config=config)

    def _real(self) -> str:
        try:
            return str(self._root.resolve(strict=True))
        except (OSError, RuntimeError) as error:
            raise Wrong(f"the repository {self._root} is not there ({_said(error)}); correct its path") from None

    def _found(self, root: str, name: str) -> Found | None:
        """What there is of a model; None for what is no folder, or has gone meanwhile."""
        folder = f"{root}/{name}"
        try:
            if not stat.S_ISDIR(os.stat(folder).st_mode):
                return None
        except FileNotFoundError:
            return None
        except OSError as error:
            # What cannot be looked at has not gone: what serves goes on.
            return Found(name, reason=f"{name} cannot be read ({_said(error)}); make it readable")
        try:
            _check_inside(folder, root, name)
            own, numbers = _own(folder, root, name)
        except Wrong as error:
            return Found(name, reason=str(error))
        versions: dict[int, Mark] = {}
        wrong: dict[int, str] = {}
        for number in sorted(numbers)[-VERSIONS_MAX:]:
            try:
                versions[number] = self._version(root, name, number)
            except Wrong as error:
                versions[number], wrong[number] = (), str(error)
        reason = "" if versions else f"{name} has no version; put its file into {name}/1"
        return Found(name, own, versions, wrong, reason)

    def _version(self, root: str, name: str, number: int) -> Mark:
        where = f"{name}/{number}"
        _check_inside(f"{root}/{where}", root, where)
        link = [_link(f"{root}/{where}", "")] if os.path.islink(f"{root}/{where}") else []
        mark = tuple(sorted([*link, *_files(f"{root}/{where}", root, where)]))
        if not any(file == self._file for file, _, _ in mark):
            raise Wrong(f"{where} has no file {self._file}; put it there")
        return mark


class Single:
    """One model that has no repository, under a name; its version is 1. `path` is its file, or a folder. See `Source`."""

    def __init__(self, name: str, path: Path, config: ModelConfig | None = None) -> None:
        self.load: tuple[str, ...] = (name,)
        self.poll_s = 0.0
        self._path = path
        self._config = config or ModelConfig()

    def scan(self) -> Mapping[str, Found]:
        """See `Source`."""
        found = self.look(self.load[0])
        return {} if found is None else {found.name: found}

    def look(self, name: str) -> Found | None:
        """See `Source`. Links may lead anywhere: whoever has named a model has looked, and caches are full of them."""
        if name != self.load[0]:
            return None
        try:
            path = str(self._path.resolve(strict=True))
            mark = tuple(_files(path, None, self._path.name)) if os.path.isdir(path) else (_mark(path, ""),)
        except Wrong as error:
            return Found(name, versions={1: ()}, wrong={1: str(error)})
        except (OSError, RuntimeError) as error:
            what = f"there is no model at {self._path} ({_said(error)}); correct its path"
            return Found(name, versions={1: ()}, wrong={1: what})
        return Found(name, versions={1: tuple(sorted(mark))})

    def config(self, name: str) -> tuple[ModelConfig, Labels]:
        """See `Source`."""
        return self._config, {}

    def files(self, name: str, version: int, config: ModelConfig) -> VersionFiles:
        """See `Source`."""
        folder = self._path if self._path.is_dir() else self._path.parent
        return VersionFiles(model=name, version=str(version), path=self._path, folder=folder, config=config)


def _entries(folder: str, where: str) -> list[os.DirEntry[str]]:
    """What is in a folder. Error: `Wrong`."""
    entries: list[os.DirEntry[str]] = []
    try:
        with os.scandir(folder) as listed:
            for entry in listed:
                entries.append(entry)
                if len(entries) > ENTRIES_MAX:
                    raise Wrong(
                        f"{_shown(where)} has more than {ENTRIES_MAX} entries; remove what does not belong there"
                    )
    except OSError as error:
        raise Wrong(f"{_shown(where)} cannot be read ({_said(error)}); make it readable") from None
    return entries


def _own(folder: str, root: str, name: str) -> tuple[Mark, list[int]]:
    """The files of a model's own folder, and the numbers of its versions. Error: `Wrong`."""
    own: list[tuple[str, int, int]] = []
    numbers: list[int] = []
    for entry in _entries(folder, name):
        if VERSION.fullmatch(entry.name):
            numbers.append(int(entry.name))
        elif entry.name == CONFIG or entry.is_file():
            if entry.is_symlink():
                _check_inside(entry.path, root, f"{name}/{entry.name}")
            own.append(_mark(entry.path, entry.name))
    return tuple(sorted(own)), numbers


def _files(path: str, root: str | None, where: str) -> Iterator[tuple[str, int, int]]:
    """The marks of all files below a folder, none of which may be a link out of `root`. Error: `Wrong`."""
    pending = [(path, "", 0)]
    count = 0
    while pending:
        folder, below, depth = pending.pop()
        for entry in _entries(folder, f"{where}/{below}".rstrip("/")):
            name = f"{below}{entry.name}"
            count += 1
            if count > FILES_MAX:
                raise Wrong(f"{where} has more than {FILES_MAX} files; remove what does not belong there")
            if root is not None and entry.is_symlink():
                _check_inside(entry.path, root, f"{where}/{name}")
                yield _link(entry.path, name)
            if not entry.is_dir():
                yield _mark(entry.path, name)
            elif depth == DEPTH_MAX:
                raise Wrong(f"{where} has folders in each other, more than {DEPTH_MAX}; put files further up")
            else:
                pending.append((entry.path, f"{name}/", depth + 1))


def _mark(path: str, name: str) -> tuple[str, int, int]:
    try:
        status = os.stat(path)
    except OSError as error:
        raise Wrong(f"{_shown(name or path)} cannot be read ({_said(error)}); write it again, or remove it") from None
    if not stat.S_ISREG(status.st_mode):
        raise Wrong(f"{_shown(name or path)} is neither a file nor a folder; remove it")
    return name, status.st_size, status.st_mtime_ns


def _link(path: str, name: str) -> tuple[str, int, int]:
    """The mark of a link itself: where it leads to may be another file of the same size and time. Error: `Wrong`."""
    try:
        status = os.lstat(path)
    except OSError as error:
        raise Wrong(f"{_shown(name or path)} cannot be read ({_said(error)}); write it again, or remove it") from None
    return f"{name}@", status.st_ino, status.st_ctime_ns


def _check_inside(path: str, root: str, where: str) -> None:
    """Error: `Wrong` for what leads out of the root."""
    try:
        real_inside(path, root)
    except OSError as error:
        raise Wrong(f"{_shown(where)} cannot be read ({_said(error)}); write it again, or remove it") from None
    except Outside:
        raise Wrong(f"{_shown(where)} {LEADS_OUT}") from None


def _shown(name: str) -> str:
    """A name as a message may show it."""
    return "".join(one if one.isprintable() else "?" for one in name[:SHOWN_CHARS_MAX])


def _said(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
