"""What pseudonyms stand for, kept beyond the exchange: encrypted, for a time, and for nobody but their session or tenant.

Where an exchange is about a subject, both are narrower: the session or tenant as far as it is about that subject.

Every exchange appends what is new as one batch, so that two at once lose nothing. A batch is

    version (1 byte, 2) | nonce (12 random bytes) | AES-256-GCM of msgpack [moment, [[code, label, value, tag], …]]

with the version, the tenant and the scope as associated data, under a key of this tenant, this scope and its seeds (see
`seeds`); `moment` is in seconds since the epoch, and the value UTF-8. So a batch that was put under another key of the store
opens nowhere else. The store's key is a digest of tenant, scope and seeds under the same secret. Nobody needs more than
2^32 batches under one key.

Formats: https://github.com/msgpack/msgpack/blob/master/spec.md; NIST SP 800-38D.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from yumen import Hmac, Store
from yumen_plugins.anonymize.config import Vault as VaultConfig
from yumen_plugins.anonymize.pseudonym import Entry
from yumen_plugins.anonymize.seeds import Seeds, items_of

VERSION = b"\x02"
NONCE_BYTES, KEY_DIGEST_BYTES = 12, 16
# A longer value is not kept: it comes back within its own exchange only.
VALUE_CHARS_MAX = 16_384
BATCH_ENTRIES_MAX, BATCH_BYTES_MAX = 256, 65_536
# What a scope may take in the store: so many bytes for each value that it may hold, and some more. Beyond, its oldest half
# goes, but for so many batches as other exchanges may have written meanwhile.
VALUE_BYTES, SCOPE_BYTES = 1024, 1 << 20
BATCHES_SPARE = 64
SCOPES_MAX = 4096

Row = tuple[str, str, bytes, bytes]
Batch = tuple[int, list[Row]]
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Batch).decode


class Known(dict[str, Entry]):
    """What is kept, by code. `seed` is what it was kept under, or None where nothing can have been."""

    seed: bytes | None = None


class Scope:
    """The keys of one tenant and session, or of one whole tenant, under its seeds."""

    __slots__ = ("bound", "key", "seal")

    def __init__(self, key: bytes, tenant: str, scope_id: str, seed: bytes) -> None:
        parts = [part.encode("utf-8", "surrogatepass") for part in (tenant, scope_id)]
        named = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        mac = Hmac(key)
        self.bound = VERSION + named
        self.key = "vault:" + mac(b"name" + named + seed)[:KEY_DIGEST_BYTES].hex()
        self.seal = AESGCM(mac(b"seal" + named + seed))


class Vault:
    """The vault of one configuration. `key_of` is a tenant's key, of 32 bytes; `now` is in seconds since the epoch.

    `ignored` is told, by `expired` or `garbled`, of every batch that is passed over. Every fault of the store is raised.
    """

    def __init__(
        self,
        store: Store,
        key_of: Callable[[str], bytes],
        config: VaultConfig,
        *,
        now: Callable[[], float] = time.time,
        ignored: Callable[[str], None] = lambda why: None,
    ) -> None:
        self._store = store
        self._seeds = Seeds(store, key_of, config.ttl_s, now)
        self._key_of = key_of
        self._config = config
        self._now = now
        self._ignored = ignored
        self._bytes_max = SCOPE_BYTES + VALUE_BYTES * config.entries_max
        # How many batches may stay of a scope that was found too large.
        self._stay: OrderedDict[str, int] = OrderedDict()

    def _scope_id(self, session: str, subject: str) -> str:
        """Empty where nothing outlives the exchange."""
        config = self._config
        if config.scope == "exchange" or (config.scope == "session" and not session):
            return ""
        scope_id = "tenant" if config.scope == "tenant" else f"session {session}"
        return f"{scope_id} subject {subject}" if subject else scope_id

    async def known(self, tenant: str, session: str, subject: str = "") -> Known:
        """What is kept for a session, or its tenant, by code: the `entries_max` newest values.

        `session` and `subject` are the exchange's digests, or empty. A code under which two values are kept is left out.
        """
        scope_id = self._scope_id(session, subject)
        seed = await self._seeds.find(tenant, subject) if scope_id else None
        found = Known()
        found.seed = seed
        if seed is None:
            return found
        scope = Scope(self._key_of(tenant), tenant, scope_id, seed)
        config, now = self._config, self._now()
        blobs = await items_of(self._store, scope.key)
        self._measure(scope.key, blobs)
        twice: set[str] = set()
        for blob in reversed(blobs):
            if len(found) >= config.entries_max:
                break
            moment, rows = self._opened(scope, blob)
            age = now - moment
            if not rows or age >= config.ttl_s:
                self._ignored("expired" if rows else "garbled")
                continue
            for code, label, value, tag in rows:
                other = found.get(code)
                if other is not None:
                    if other.tag != tag:
                        twice.add(code)
                elif len(found) < config.entries_max:
                    written = value.decode("utf-8", "surrogatepass")
                    found[code] = Entry(label, written, tag, age * 2 >= config.ttl_s)
        for code in twice:
            del found[code]
        return found

    async def keep(
        self,
        tenant: str,
        session: str,
        entries: Mapping[str, Entry],
        subject: str = "",
        under: bytes | None = None,
    ) -> None:
        """Keep more; the oldest go where there are too many.

        `under` is the seed of what was known before. Where that has been forgotten since, nobody finds these entries: some
        of them may have been known before, too.
        """
        scope_id = self._scope_id(session, subject)
        if not scope_id:
            return
        seed = await self._seeds.make(tenant, subject)
        scope = Scope(self._key_of(tenant), tenant, scope_id, seed if under is None else under)
        now = int(self._now())
        for rows in _batches(entries):
            nonce = secrets.token_bytes(NONCE_BYTES)
            blob = VERSION + nonce + scope.seal.encrypt(nonce, _encode((now, rows)), scope.bound)
            # None is empty, so that as many batches as values are enough.
            stay = self._stay.pop(scope.key, self._config.entries_max)
            await self._store.append(scope.key, blob, self._config.ttl_s, stay)

    async def forget(self, tenant: str, subject: str = "") -> int:
        """Make what is kept of a subject unreadable for good, or of the whole tenant where it is empty.

        Returns 1 where something can have been kept, else 0. It does not matter what is kept under which configuration.
        """
        return int(await self._seeds.forget(tenant, subject))

    def _measure(self, key: str, blobs: list[bytes]) -> None:
        if sum(map(len, blobs)) <= self._bytes_max:
            return
        room, stay = self._bytes_max // 2, 0
        for blob in reversed(blobs):
            room -= len(blob)
            if room < 0:
                break
            stay += 1
        self._stay[key] = min(stay + BATCHES_SPARE, self._config.entries_max)
        if len(self._stay) > SCOPES_MAX:
            self._stay.popitem(last=False)

    def _opened(self, scope: Scope, blob: bytes) -> Batch:
        """A batch, without entries where it is none of this scope."""
        body = len(VERSION) + NONCE_BYTES
        if blob[: len(VERSION)] != VERSION or len(blob) <= body:
            return 0, []
        try:
            batch: Batch = _decode(scope.seal.decrypt(blob[len(VERSION) : body], blob[body:], scope.bound))
        except (InvalidTag, msgspec.DecodeError, ValueError):
            return 0, []
        return batch


def _batches(entries: Mapping[str, Entry]) -> Iterator[list[Row]]:
    """The entries that are not too long, in batches that are not too large."""
    rows: list[Row] = []
    size = 0
    for code, entry in entries.items():
        if len(entry.written) > VALUE_CHARS_MAX:
            continue
        value = entry.written.encode("utf-8", "surrogatepass")
        if rows and (len(rows) == BATCH_ENTRIES_MAX or size + len(value) > BATCH_BYTES_MAX):
            yield rows
            rows, size = [], 0
        rows.append((code, entry.label, value, entry.tag))
        size += len(value)
    if rows:
        yield rows
