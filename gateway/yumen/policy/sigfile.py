"""The file `bundle.sig` in a bundle's folder: replaces it, and refuses bundles that no trusted key has signed."""

from __future__ import annotations

import os
import secrets
from collections.abc import Sequence
from pathlib import Path

from yumen.errors import Diagnostic, PolicyError
from yumen.policy.folder import SIGNATURE, Folder, is_inside
from yumen.policy.signature import Bases, Files, verify
from yumen.policy.signers import PublicKey, UnusableKey, read_public


def require_signed(
    files: Files, bases: Bases, signature: bytes | None, key_paths: Sequence[Path], folder: Path | None = None
) -> None:
    """Refuse a bundle unless one of these keys has signed exactly these files.

    Call it before compiling, which imports the plugins that a bundle names. Arguments: `files` and `bases`, the bytes that
    will be compiled; `signature`, the content of `bundle.sig`; `key_paths`, public keys, read anew by each call, every one
    of which must be usable; `folder`, where the bundle lies. Error: `PolicyError`.
    """
    keys: list[PublicKey] = []
    wrong = []
    for path in key_paths:
        try:
            keys.append(read_public(path))
        except UnusableKey as error:
            wrong.append(Diagnostic(error.file, 1, 1, "bundle.key", error.what, error.fix))
        if folder is not None and is_inside(path, folder):
            what = "this key lies in the bundle's own folder, so whoever can change the bundle can change the key"
            wrong.append(Diagnostic(str(path), 1, 1, "bundle.key", what, "keep it elsewhere"))
    if not wrong:
        file = SIGNATURE if folder is None else str(folder / SIGNATURE)
        wrong = [flaw.diagnostic(file) for flaw in verify(files, bases, signature, keys)]
    if wrong:
        raise PolicyError(wrong)


def named_bases(folder: Folder) -> list[tuple[str, dict[str, bytes]]]:
    """What a bundle extends, nearest first, in the form in which it is signed; the names are for messages."""
    return [(base.path.resolve().name, base.files) for base in folder.bases]


def unread(folder: Folder) -> list[Diagnostic]:
    """What could not be read of a bundle and what it extends: signing or verifying only the rest would mislead."""
    sources = [source for part in (folder, *folder.bases) for source in part.sources.values()]
    return sorted({one for source in sources for one in source.diagnostics})


def write_signature(folder: Path, content: bytes) -> Path:
    """Replace a bundle's `bundle.sig` as a whole; a link of that name is replaced too. Error: `OSError`."""
    path = folder / SIGNATURE
    temporary = folder / f".{SIGNATURE}.{os.getpid()}.{secrets.token_hex(4)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path
