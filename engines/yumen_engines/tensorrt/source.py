"""A model in ONNX format, read once: what is hashed is what is built."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import msgspec

from yumen import CannotStart
from yumen_engines.tensorrt.files import plain
from yumen_engines.tensorrt.weights import locations

WEIGHT_FILES_MAX = 1_000


class Source(msgspec.Struct, frozen=True):
    """`content` is the model's file, `weights` the files of weights beside it; `digest` is over all of them, hexadecimal."""

    path: Path
    content: bytes
    weights: tuple[Path, ...]
    digest: str


def read(path: Path, bytes_max: int) -> Source:
    """Read a model. Error: `CannotStart` for one that cannot be read, is too large or names files elsewhere."""
    try:
        content = _content(path, bytes_max)
        names = sorted(locations(content))
        if len(names) > WEIGHT_FILES_MAX:
            raise ValueError(f"names more than {WEIGHT_FILES_MAX} files of weights")
        weights = tuple(_beside(path, name) for name in names)
        source = Source(path, content, weights, "")
        digest = digest_of(source, bytes_max)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise CannotStart(f"cannot read the model {path}: {why}; export it again") from None
    return msgspec.structs.replace(source, digest=digest)


def digest_of(source: Source, bytes_max: int) -> str:
    """SHA-256 over the model and the files of its weights, as they are now. Errors: OSError, ValueError."""
    whole = hashlib.sha256(hashlib.sha256(source.content).digest())
    left = bytes_max - len(source.content)
    for file in source.weights:
        with plain(file, links=False) as opened:
            left -= os.fstat(opened.fileno()).st_size
            if left < 0:
                raise ValueError(f"larger than {bytes_max} bytes, its weights included")
            whole.update(file.name.encode() + b"\0" + hashlib.file_digest(opened, "sha256").digest())
    return whole.hexdigest()


def _content(path: Path, bytes_max: int) -> bytes:
    with plain(path, links=True) as file:
        if os.fstat(file.fileno()).st_size > bytes_max:
            raise ValueError(f"larger than {bytes_max} bytes")
        return file.read(bytes_max)


def _beside(path: Path, name: str) -> Path:
    """A file of weights: a plain name in the model's folder, and no way out of it. Error: ValueError."""
    file = path.parent / name
    if not name or Path(name).name != name or "\0" in name or file.is_symlink() or not file.is_file():
        raise ValueError("it takes weights from a file that does not lie beside it")
    return file
