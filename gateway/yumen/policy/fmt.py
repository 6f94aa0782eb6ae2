"""Brings policy files into their one form (`yumen.policy.layout`) without changing what they say.

Nothing is taken on trust: a file is written only if it reads as exactly the same data afterwards, holds the same comments,
and would not be changed by a second run.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import yaml

from yumen.errors import Diagnostic
from yumen.policy.folder import is_inside
from yumen.policy.layout import lay_out
from yumen.policy.page import Page
from yumen.policy.reader import BYTES_MAX, read


def formatted(file: str, content: bytes) -> tuple[bytes, list[Diagnostic]]:
    """A file's content in the one form, or as it is with what is wrong with it."""
    source = read(file, content)
    if source.diagnostics:
        return content, source.diagnostics
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    try:
        laid_out = lay_out(text)
        if agree(text, laid_out):
            return laid_out.encode(), []
    except (yaml.YAMLError, RecursionError, ValueError):
        pass  # said below
    what, fix = "this cannot be written in the one form without changing what it says", "write it in plainer YAML"
    return content, [Diagnostic(file, 1, 1, "yaml.not-formatted", what, fix)]


def agree(before: str, after: str) -> bool:
    """Whether two documents say the same, comments included, and the second is in the one form."""
    old, new = (read("", text.encode()) for text in (before, after))
    # `==` takes 1, 1.0 and true for the same; the text of a value does not, and shows the order of keys.
    if new.diagnostics or repr(old.data) != repr(new.data):
        return False
    kept, found = (sorted(comment.text for comment in Page(text).comments) for text in (before, after))
    return kept == found and lay_out(after) == after


def files(path: Path) -> Iterator[tuple[Path, Diagnostic | None]]:
    """The policy files that a folder or a file's path stands for; with a diagnostic those that must not be touched."""
    folder = path if path.is_dir() else path.parent
    for file in sorted(path.glob("*.yaml")) if path.is_dir() else [path]:
        if file.is_symlink() and not is_inside(file, folder):
            what, fix = "this is a link out of the bundle", "put the file itself here"
            yield file, Diagnostic(str(file), 1, 1, "bundle.symlink", what, fix)
        elif file.exists() and not file.is_file():
            yield (
                file,
                Diagnostic(str(file), 1, 1, "bundle.unreadable", "this is not a file", "make it a readable file"),
            )
        else:
            yield file, None


class Formatted:
    """One file and what formatting makes of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("rb") as file:
            self.before = file.read(BYTES_MAX + 1)
        self.after, self.diagnostics = formatted(str(path), self.before)

    @property
    def changed(self) -> bool:
        """Whether the file is not in the one form yet."""
        return self.after != self.before

    def write(self) -> None:
        """Put the one form in the file's place, at once and with its owner and mode. Error: `OSError`."""
        path = self.path.resolve()  # of a link within the bundle, what it leads to
        had = path.stat()
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(self.after)
                file.flush()
                with contextlib.suppress(PermissionError):  # only root may give a file away
                    os.fchown(file.fileno(), had.st_uid, had.st_gid)
                os.fchmod(file.fileno(), stat.S_IMODE(had.st_mode))
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def format_files(paths: Iterable[Path]) -> tuple[list[Formatted], list[Diagnostic]]:
    """What formatting makes of folders and files; nothing is written. All that is wrong comes beside."""
    found, wrong = [], []
    for path in paths:
        for file, refused in files(path):
            if refused is not None:
                wrong.append(refused)
                continue
            try:
                one = Formatted(file)
            except OSError as error:
                what, fix = f"this cannot be read: {error.strerror}", "make it a readable file"
                wrong.append(Diagnostic(str(file), 1, 1, "bundle.unreadable", what, fix))
                continue
            wrong += one.diagnostics
            found.append(one)
    return found, sorted(wrong)
