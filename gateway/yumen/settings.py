"""What the environment says, and the gateway's own secret.

Settings are what differs between two machines that run the same policy bundle; everything else is policy.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

import msgspec

from yumen.errors import CannotStart
from yumen.plainfile import plain_file

SECRET_BYTES = 32


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """`policies` is a directory, or the name of an installed bundle; `data_dir` holds keys, secret and ledger.

    `app_key` and `admin_key` fix the first keys instead of generating them. `watch`: policies that change are loaded anew.
    `require_signed`: public keys, of which one must have signed the bundle; none, and any bundle is taken.
    `trace`: `plugins` has every hook call logged and kept for a while. `development`: replies say what took how long.
    """

    policies: str = "starter"
    data_dir: Path = Path("data")
    host: str = "127.0.0.1"
    port: int = 8080
    workers: int = 1
    app_key: str = ""
    admin_key: str = ""
    log_level: str = "info"
    watch: bool = True
    require_signed: tuple[Path, ...] = ()
    trace: str = ""
    development: bool = False

    @classmethod
    def from_env(cls, env: Mapping[str, str] | None = None) -> Settings:
        """Read the `YUMEN_*` variables. Error: `CannotStart` for a value that is not of its kind."""
        env = os.environ if env is None else env
        return cls(
            policies=env.get("YUMEN_POLICIES") or "starter",
            data_dir=Path(env.get("YUMEN_DATA") or "data").absolute(),
            host=env.get("YUMEN_HOST") or "127.0.0.1",
            port=_number(env, "YUMEN_PORT", 8080, 1, 65535),
            workers=_number(env, "YUMEN_WORKERS", 1, 1, 256),
            app_key=env.get("YUMEN_APP_KEY", ""),
            admin_key=env.get("YUMEN_ADMIN_KEY", ""),
            log_level=env.get("YUMEN_LOG_LEVEL") or "info",
            watch=_number(env, "YUMEN_WATCH", 1, 0, 1) == 1,
            require_signed=_paths(env, "YUMEN_REQUIRE_SIGNED"),
            trace=_word(env, "YUMEN_TRACE", "plugins"),
            development=_number(env, "YUMEN_DEVELOPMENT", 0, 0, 1) == 1,
        )


def _number(env: Mapping[str, str], name: str, default: int, lowest: int, highest: int) -> int:
    text = env.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and lowest <= int(text[:9]) <= highest):
        raise CannotStart(f"{name} must be a whole number from {lowest} to {highest}; set it so or unset it")
    return int(text)


def _word(env: Mapping[str, str], name: str, known: str) -> str:
    text = env.get(name, "")
    if text not in ("", known):
        raise CannotStart(f"{name} must be `{known}`; set it so or unset it")
    return text


def _paths(env: Mapping[str, str], name: str) -> tuple[Path, ...]:
    text = env.get(name, "")
    paths = tuple(Path(one).absolute() for one in text.split(os.pathsep) if one)
    if text and not paths:
        raise CannotStart(f"{name} names no file; name public keys, or unset it")
    return paths


class Secret:
    """The gateway's own secret: 32 random bytes in `DATA/secret`, made on first use, readable by its owner alone.

    Every keyed digest, pseudonym and ledger code is made with a key derived from it, so whoever holds the data
    directory can recompute them, and nobody else can. All workers of one gateway share it.
    """

    def __init__(self, root: bytes) -> None:
        self._root = root

    @classmethod
    def open(cls, data_dir: Path) -> Secret:
        """Read or create the secret. Error: `CannotStart` where the file is unreadable or of the wrong size."""
        path = data_dir / "secret"
        try:
            if not path.exists():
                data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
                create_once(path, secrets.token_bytes(SECRET_BYTES))
            with plain_file(path) as file:
                root = file.read(SECRET_BYTES + 1)
        except OSError as error:
            raise CannotStart(
                f"cannot use {path}: {error.strerror}; make {data_dir} writable, or set YUMEN_DATA"
            ) from None
        if len(root) != SECRET_BYTES:
            raise CannotStart(
                f"{path} is not {SECRET_BYTES} bytes long; restore it from a backup, records depend on it"
            )
        return cls(root)

    def derive(self, purpose: str, *context: str) -> bytes:
        """32 bytes for one purpose and context: HMAC-SHA256 over the length-prefixed parts."""
        parts = (part.encode("utf-8", "surrogatepass") for part in (purpose, *context))
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._root, message, hashlib.sha256)


def create_once(path: Path, content: bytes) -> None:
    """Create a private file with this content unless it exists; of several racing processes exactly one wins."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    try:
        os.link(temporary, path)
    except FileExistsError:
        pass
    finally:
        temporary.unlink()
