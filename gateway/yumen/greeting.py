"""What `yumen serve` says once it serves: where, the keys that it has made, and a line to try it with.

The server's own process cannot know when that is: engines are loaded and plugins started in the workers. So it leaves a
ticket, and the first worker that is ready to serve takes it, makes the first keys and says so. A start that fails has made
no key that nobody was shown.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from yumen.identity import Keys
from yumen.settings import Settings

# The ticket, a file: of several workers one gets to remove it.
TICKET = "YUMEN_GREETING"


@contextmanager
def awaited() -> Iterator[None]:
    """Have the first worker that is ready greet; workers begin, and end, within this."""
    number, name = tempfile.mkstemp(prefix="yumen-greeting-")
    os.close(number)
    os.environ[TICKET] = name
    try:
        yield
    finally:
        del os.environ[TICKET]
        Path(name).unlink(missing_ok=True)


def greet(settings: Settings, keys: Keys, policy_hash: str) -> None:
    """Make and print the first keys, this once, if this is the worker to do it. Error: `CannotStart`.

    Other workers look into the file of keys once a second, and so know the new ones soon after.
    """
    if not _taken():
        return
    new = keys.ensure_first(settings)
    try:
        sys.stdout.write(words(settings, new, policy_hash))
        sys.stdout.flush()
    except OSError:
        pass  # nobody reads it, and the gateway serves all the same


def words(settings: Settings, new: dict[str, str], policy_hash: str) -> str:
    """What is said; the line at the end works when it is pasted. `new` are keys by role."""
    shown = f"[{settings.host}]" if ":" in settings.host else settings.host
    shown = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}.get(shown, shown)  # noqa: S104  # shown, not bound
    url = f"http://{shown}:{settings.port}"
    key = new.get("app") or settings.app_key or "$YUMEN_APP_KEY"
    lines = [
        f"Yumen serves bundle {settings.policies} ({policy_hash[:12]}) on {url}, data in {settings.data_dir}",
        *(f"  new {role} key (shown only now): {one}" for role, one in new.items()),
        "Try:",
        f"  curl -s {url}/v1/chat/completions -H 'authorization: Bearer {key}' -H 'content-type: application/json'"
        ' -d \'{"model": "assistant", "messages": [{"role": "user", "content":'
        ' "Where is my order? My phone is 13812345678, mail li.na@example.com"}]}\'',
    ]
    return "".join(f"{line}\n" for line in lines)


def _taken() -> bool:
    """Whether the ticket is this worker's now."""
    try:
        os.unlink(os.environ[TICKET])
    except (KeyError, OSError):
        return False
    return True
