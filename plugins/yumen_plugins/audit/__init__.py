"""Records every exchange, and what is done to the gateway, in a ledger that shows changes; see docs/ledger.md."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any, ClassVar

from yumen import (
    AdminCall,
    Block,
    CannotStart,
    Decision,
    Download,
    Exchange,
    Hmac,
    Host,
    Manifest,
    Operation,
    Plugin,
)
from yumen_plugins.audit.companions import Companions
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.folder import keep_of
from yumen_plugins.audit.operating import Operating
from yumen_plugins.audit.record import Digester, intent_record, operation_record, record_of
from yumen_plugins.audit.subjects import Erased, Keyring, KeyringUnavailable, SubjectKey, SubjectsFull
from yumen_plugins.audit.threads import Threads
from yumen_plugins.audit.writer import LedgerUnavailable, Writer

FOLDER = "ledger"
HEADER = "x-audit-receipt"
# What stands there where the record could not be written.
NO_RECEIPT = "none"
# Exchanges wait for these, so nothing else may: they make keys, and hear of erasures.
KEYS_THREADS = 4


class Audit(Plugin[AuditConfig]):
    """Stands outermost: what it records is what the whole chain made of the exchange, in the masked form."""

    manifest: ClassVar[Manifest] = Manifest(
        name="audit", version="2.0.0", sees="masked", stores="masked", admin="audit"
    )

    async def start(self, host: Host) -> None:
        self._mac = Hmac(host.secret("ledger"))
        self._digest = Digester(host.secret("ledger", "digest"))
        config, ledger = self.config, host.data_dir / FOLDER
        self._host = host
        self._threads = Threads(KEYS_THREADS, "ledger-keys")
        # A gateway that loads another policy serves meanwhile, and others may be writing to the same file.
        self._keys = await self._threads.run(
            Keyring.open,
            host.data_dir,
            host.secret("ledger", "subjects"),
            subjects_max=config.subjects_max,
            now=host.now,
        )
        try:
            self._writer = await Writer.open(
                host.data_dir,
                ledger,
                host,
                version("yumen"),
                journal_bytes=config.journal_bytes,
                queue_records=config.queue_records,
                gather_s=config.gather_ms / 1000,
            )
        except OSError as error:
            raise CannotStart(f"cannot write {ledger}: {error.strerror}; make it writable, or set YUMEN_DATA") from None
        # In tests of a policy and in replays nobody is told anything, and nobody looks anything up.
        self._companions = None
        if host.live:
            self._companions = await Companions.open(
                config, host, ledger, self._keys, self._threads, self._writer, self.note
            )

    def receipt(self, exchange_id: str) -> str:
        """What the caller can show later: the writer, and a code that only this gateway can make of the exchange's id."""
        return f"{self._writer.name}.{self._mac(exchange_id.encode())[:16].hex()}"

    async def on_request(self, exchange: Exchange) -> Decision | None:
        if self._writer.failure and not await self._again():
            return Block(reason="audit.ledger_unavailable", code="ledger_unavailable")
        receipt = exchange.state["receipt"] = self.receipt(exchange.id)
        tenant, subject = exchange.principal.tenant, exchange.subject
        # Making a key takes as long as a sync does; it is there before anything can be sealed under it.
        try:
            exchange.state["key"] = self._keys.cached(tenant, subject) or await self._new_key(tenant, subject)
        except (SubjectsFull, KeyringUnavailable) as error:
            self._host.log.error("no_subject_key", error=type(error).__name__, tenant=tenant)
            return Block(reason="audit.no_subject_key", code="ledger_unavailable")
        exchange.set_header(HEADER, receipt)
        return None

    async def _again(self) -> bool:
        """Whether the ledger can be written again within the time that policy gives it."""
        if self.config.when_unavailable == "refuse":
            return False
        try:
            async with asyncio.timeout(self.config.wait_ms / 1000):
                await self._writer.working.wait()
        except TimeoutError:
            return False
        return True

    async def _new_key(self, tenant: str, subject: str) -> SubjectKey:
        return await self._threads.run(self._keys.get_or_create, tenant, subject)

    async def on_send(self, exchange: Exchange) -> Decision | None:
        if exchange.egress == "remote":
            # On disk before a byte leaves, whatever the route's replies wait for: no crash hides that it left.
            receipt = exchange.state.get("receipt") or self.receipt(exchange.id)
            await self._writer.append(intent_record(exchange, receipt), self._keep(exchange))
        return None

    async def on_complete(self, exchange: Exchange) -> None:
        receipt = exchange.state.get("receipt") or self.receipt(exchange.id)
        tenant, subject = exchange.principal.tenant, exchange.subject
        try:
            key = exchange.state.get("key") or await self._new_key(tenant, subject)
            try:
                body = record_of(exchange, receipt, self.config, self._digest, key)
            except Erased:
                # Whoever was forgotten while this exchange was under way begins anew.
                key = await self._new_key(tenant, subject)
                body = record_of(exchange, receipt, self.config, self._digest, key)
            if self._writer.failure:
                await self._again()
            await self._writer.append(body, self._keep(exchange), self.config.ack_of(exchange.route))
        except (SubjectsFull, KeyringUnavailable) as error:
            exchange.set_header(HEADER, NO_RECEIPT)
            raise LedgerUnavailable(f"there is no key to seal with: {type(error).__name__}") from None
        except BaseException:
            exchange.set_header(HEADER, NO_RECEIPT)
            raise

    def _keep(self, exchange: Exchange) -> str:
        return keep_of(self.config.days_of(exchange.route))

    async def on_operation(self, operation: Operation) -> None:
        """Record it, durably. Error: `LedgerUnavailable`."""
        await self.note(operation)

    async def note(self, operation: Operation) -> str:
        """Record something that was done, durably; its receipt. Error: `LedgerUnavailable`."""
        operation_id = secrets.token_hex(16)
        receipt = self.receipt(operation_id)
        await self._writer.append(operation_record(operation, operation_id, receipt))
        return receipt

    async def inspect(self, query: Mapping[str, str]) -> Mapping[str, Any] | Download:
        return await self._operating().inspect(query)

    async def operate(self, call: AdminCall) -> Mapping[str, Any]:
        return await self._operating().operate(call)

    def _operating(self) -> Operating:
        if self._companions is None:
            raise ValueError("this ledger is that of a test")
        return Operating(self._host, self._keys, self._companions, self.note)

    async def ready(self) -> str:
        return self._writer.failure

    async def stop(self) -> None:
        companions: Companions | None = getattr(self, "_companions", None)
        if companions is not None:
            await companions.stop()
        writer: Writer | None = getattr(self, "_writer", None)
        if writer is not None:
            await writer.stop()
        keys: Keyring | None = getattr(self, "_keys", None)
        if keys is not None:
            keys.close()
        threads: Threads | None = getattr(self, "_threads", None)
        if threads is not None:
            threads.close()


__all__ = ["Audit", "LedgerUnavailable"]
