"""Loads a bundle as a gateway does: only what a trusted key has signed, where keys are named.

Starting, every reload, and the process in which a reload is proved go through here, so that nothing is compiled under other
conditions than it is served.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from yumen.errors import PolicyError
from yumen.policy.bundle import Bundle
from yumen.policy.folder import Folder, read_folder
from yumen.policy.load import compile_folder
from yumen.policy.reader import ENV
from yumen.policy.sigfile import named_bases, require_signed, unread


class Loaded(msgspec.Struct, frozen=True):
    """A bundle, the `digest` of the bytes that it was compiled from, and the `folders` that they were read from."""

    bundle: Bundle
    digest: str
    folders: tuple[str, ...]


def read_trusted(path_or_name: str, keys: Sequence[Path] = ()) -> Folder:
    """Read a bundle. Error: `PolicyError` where there is none, or where none of the keys has signed it."""
    folder = read_folder(path_or_name)
    if keys:
        if wrong := unread(folder):
            raise PolicyError(wrong)
        require_signed(folder.files, named_bases(folder), folder.signature, keys, folder.path)
    return folder


def load_trusted(path_or_name: str, keys: Sequence[Path] = (), env: Mapping[str, str] | None = None) -> Loaded:
    """Read and compile a bundle. Error: `PolicyError` with everything wrong."""
    folder = read_trusted(path_or_name, keys)
    bundle, diagnostics = compile_folder(folder, env)
    if bundle is None:
        raise PolicyError(diagnostics)
    return Loaded(bundle, digest(folder), folders(folder))


def folders(folder: Folder) -> tuple[str, ...]:
    """Where a bundle lies, and everything that it extends."""
    return tuple(str(part.path) for part in (folder, *folder.bases))


def digest(folder: Folder) -> str:
    """64 hexadecimal digits over every byte that was read, tests and signature included."""
    total = hashlib.sha256()
    for part in (folder, *folder.bases):
        total.update(b"folder %d\n" % len(part.files))
        for name, content in sorted(part.files.items()):
            total.update(hashlib.sha256(name.encode("utf-8", "surrogateescape")).digest())
            total.update(hashlib.sha256(content).digest())
        total.update(hashlib.sha256(part.signature or b"").digest())
    return total.hexdigest()


def without_values(sentence: str, folder: Folder, env: Mapping[str, str]) -> str:
    """The sentence, unless it quotes a value that the bundle takes from the environment.

    What a plugin or engine says when it cannot start is its own words, and may hold a secret.
    """
    for part in (folder, *folder.bases):
        for content in part.files.values():
            for name, _ in ENV.findall(content.decode("utf-8", "replace")):
                if (value := env.get(name)) and value in sentence:
                    return f"the reason quotes the value of {name}, which is not shown"
    return sentence
