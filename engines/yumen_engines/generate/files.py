"""The files of a model: which version they are, and whether they are still the same."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

REVISION_DIGITS = 12
# What the answers depend on; a model's weights may be in files of their own beside it.
REVISED = ("*.onnx", "*.data", "*.onnx_data", "*.bin", "*.json", "*.jinja", "*.model")

# Name, file, bytes and time of change of each.
Marks = tuple[tuple[str, int, int, int], ...]


def revision(folder: Path) -> str:
    """The first digits of a SHA-256 over the names and digests of a model's files."""
    digest = hashlib.sha256()
    for path in _files(folder):
        with path.open("rb") as file:
            digest.update(f"{path.name} {hashlib.file_digest(file, 'sha256').hexdigest()}\n".encode())
    return digest.hexdigest()[:REVISION_DIGITS]


def odd_file(folder: Path) -> str:
    """The name of what is neither a file nor a folder, or empty: the library would wait for ever for what a pipe holds."""
    return next((path.name for path in sorted(folder.iterdir()) if not path.is_file() and not path.is_dir()), "")


def marks(folder: Path) -> Marks:
    """What is quick to look at, and differs where a file was written again. A file that is gone has no mark."""
    found = []
    for path in _files(folder):
        try:
            status = path.stat()
        except OSError:
            continue
        found.append((path.name, status.st_ino, status.st_size, status.st_mtime_ns))
    return tuple(found)


def _files(folder: Path) -> Iterator[Path]:
    yield from sorted({path for pattern in REVISED for path in folder.glob(pattern) if path.is_file()})
