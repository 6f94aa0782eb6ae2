"""Records every exchange, and what is done to the gateway, in a ledger that shows changes; see docs/ledger.md."""

from __future__ import annotations

from importlib.metadata import version
from typing import ClassVar

from yumen import Block, CannotStart, Decision, Exchange, Hmac, Host, Manifest, Operation, Plugin
from yumen_plugins.audit.config import AuditConfig
from yumen_plugins.audit.record import Digester, operation_record, record_of
from yumen_plugins.audit.segment import Folder
from yumen_plugins.audit.writer import LedgerUnavailable, Writer

FOLDER = "ledger"
HEADER = "x-audit-receipt"
# What stands there where the record could not be written.
NO_RECEIPT = "none"


class Audit(Plugin[AuditConfig]):
    """Stands outermost: what it records is what the whole chain made of the exchange, in the masked form."""

    manifest: ClassVar[Manifest] = Manifest(name="audit", version="1.0.0", sees="masked", stores="masked")

    async def start(self, host: Host) -> None:
        self._mac = Hmac(host.secret("ledger"))
        self._digest = Digester(host.secret("ledger", "digest"))
        ledger = host.data_dir / FOLDER
        try:
            folder = Folder.take(ledger, self._mac, host.now, version("yumen"))
            self._writer = Writer(
                folder,
                host,
                segment_bytes=self.config.segment_bytes,
                queue_records=self.config.queue_records,
                gather_s=self.config.gather_ms / 1000,
            )
        except OSError as error:
            raise CannotStart(f"cannot write {ledger}: {error.strerror}; make it writable, or set YUMEN_DATA") from None
        self._prefix = f"{folder.writer}."

    def receipt(self, exchange_id: str) -> str:
        """What the caller can show later: the writer, and a code that only this ledger's key makes of the exchange's id."""
        return self._prefix + self._mac(exchange_id.encode())[:16].hex()

    async def on_request(self, exchange: Exchange) -> Decision | None:
        if self._writer.failure:
            return Block(reason="audit.ledger_unavailable", code="ledger_unavailable")
        receipt = exchange.state["receipt"] = self.receipt(exchange.id)
        exchange.set_header(HEADER, receipt)
        return None

    async def on_complete(self, exchange: Exchange) -> None:
        receipt = exchange.state.get("receipt") or self.receipt(exchange.id)
        try:
            await self._writer.append(record_of(exchange, receipt, self.config, self._digest))
        except LedgerUnavailable:
            exchange.set_header(HEADER, NO_RECEIPT)
            raise

    async def on_operation(self, operation: Operation) -> None:
        """Record it, durably. Error: `LedgerUnavailable`."""
        await self._writer.append(operation_record(operation))

    async def ready(self) -> str:
        return self._writer.failure

    async def stop(self) -> None:
        writer: Writer | None = getattr(self, "_writer", None)
        if writer is not None:
            await writer.stop()


__all__ = ["Audit", "LedgerUnavailable"]
