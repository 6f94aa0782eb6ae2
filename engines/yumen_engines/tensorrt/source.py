"""A model in ONNX format, read once: what is hashed is what is built."""

from __future__ import annotations

from pathlib import Path

import msgspec

from yumen import CannotStart
from yumen_engines.onnx.inspection import inspect


class Source(msgspec.Struct, frozen=True):
    """`content` is the model's file; `digest` is over it and the files of weights beside it, hexadecimal."""

    path: Path
    content: bytes
    digest: str


def read(path: Path, bytes_max: int) -> Source:
    """Read a model, after it was looked into as for ONNX Runtime, which it is compared with.

    Error: `CannotStart` for one that cannot be read, is too large, names files elsewhere, or is not what it seems to be.
    """
    found = inspect(path, bytes_max)
    return Source(path, found.content, found.digest)


def changed(source: Source, bytes_max: int) -> bool:
    """Whether the model, or a file of its weights, is another one now than when it was read."""
    try:
        return inspect(source.path, bytes_max).digest != source.digest
    except CannotStart:
        return True
