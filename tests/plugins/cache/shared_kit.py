"""What tests of the shared tier have in common: entries, and a tier on a real server."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import Callable

import pytest

from yumen import Kept, Store
from yumen.store import redis
from yumen.testing import CapturedMetrics
from yumen_plugins.cache import shared as shared_module
from yumen_plugins.cache.entry import Entry
from yumen_plugins.cache.sealing import Seal
from yumen_plugins.cache.shared import Shared, writer

SECRET = b"not a real secret"
# Long enough that only a store that hangs takes longer, on a machine that is busy with other tests.
PATIENT_MS = 10_000


def be_patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let operations of the store take long, in tests that are about something else and share a busy machine."""
    for limit in ("CONNECT_S", "ANSWER_S", "OPERATION_S"):
        monkeypatch.setattr(redis, limit, PATIENT_MS / 1000)
    monkeypatch.setattr(writer, "WRITE_S", PATIENT_MS / 1000)
    monkeypatch.setattr(shared_module, "READ_S", PATIENT_MS / 1000)


def digest(word: str, secret: bytes = SECRET) -> bytes:
    return hmac.digest(secret, word.encode(), hashlib.sha256)


def tier(
    store: Store,
    *,
    now: Callable[[], float] = time.time,
    timeout_ms: int = PATIENT_MS,
    compress_above: int = 2048,
    secret: bytes = SECRET,
) -> Shared:
    """A shared tier of a gateway with this secret."""
    return Shared(
        store,
        lambda space: Seal(digest(f"seal {space}", secret)),
        lambda word: digest(f"name {word}", secret)[:16].hex(),
        timeout_ms=timeout_ms,
        compress_above=compress_above,
        metrics=CapturedMetrics().of("cache"),
        now=now,
    )


def entry(
    body: bytes = '{"answer": "答案"}'.encode(),
    *,
    tenant: str = "acme",
    subject: str = "",
    stored_at: float | None = None,
    ttl_s: float = 600.0,
) -> Entry:
    """An entry that was stored now."""
    return Entry(Kept(body), tenant, subject, "policy", time.time() if stored_at is None else stored_at, ttl_s)


def key(number: int | str) -> bytes:
    """A key as the plugin makes them: 24 bytes of a digest."""
    return digest(f"key {number}")[:24]


def failures(shared: Shared) -> dict[str, int]:
    """Failures so far, by reason."""
    return dict(shared._failures)
