"""What an `audit` policy file may say."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from yumen_plugins.audit.sinks.config import SinkConfig, WitnessConfig

Ack = Literal["durable", "batch", "async"]
KEPT = "Days that records are kept; 0 is for ever."
WAITED = "What a reply waits for: its record on disk; in the operating system; or nowhere but in memory."
Days = Annotated[int, msgspec.Meta(ge=0, le=36_525)]


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is different for one route."""

    ack: Annotated[Ack | None, msgspec.Meta(description=WAITED)] = None
    keep_days: Annotated[Days | None, msgspec.Meta(description=KEPT)] = None


class AuditConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is recorded, and how the ledger is written."""

    texts: Annotated[
        Literal["masked", "digest", "none"],
        msgspec.Meta(description="Texts in records: the masked form, keyed digests of it, or their lengths only."),
    ] = "masked"
    trace: Annotated[
        Literal["notable", "full"], msgspec.Meta(description="Record every hook call, or those that decided or edited.")
    ] = "notable"
    text_chars_max: Annotated[
        int, msgspec.Meta(ge=0, le=1 << 24, description="Characters of all texts of a record; the rest is digested.")
    ] = 65_536
    ack: Annotated[Ack, msgspec.Meta(description=WAITED)] = "durable"
    keep_days: Annotated[Days, msgspec.Meta(description=KEPT)] = 0
    routes: Annotated[
        dict[str, RouteConfig], msgspec.Meta(max_length=256, description="What is different for a route, by its id.")
    ] = {}
    when_unavailable: Annotated[
        Literal["refuse", "wait"],
        msgspec.Meta(description="Exchanges while the ledger cannot be written: refused at once, or after `wait_ms`."),
    ] = "refuse"
    wait_ms: Annotated[
        int, msgspec.Meta(ge=1, le=60_000, description="How long an exchange waits for the ledger at most.")
    ] = 2_000
    journal_bytes: Annotated[
        int, msgspec.Meta(ge=4096, le=1 << 30, description="Size at which a new journal file is begun.")
    ] = 2 << 20
    queue_records: Annotated[
        int, msgspec.Meta(ge=1, le=1_000_000, description="Records that may wait for the disk.")
    ] = 16_384
    gather_ms: Annotated[
        float,
        msgspec.Meta(ge=0, le=10, description="While exchanges overlap, least time between two syncs of the disk."),
    ] = 2.0
    subjects_max: Annotated[
        int, msgspec.Meta(ge=1, le=100_000_000, description="Subjects that a tenant may have keys for.")
    ] = 1_000_000
    index_url_env: Annotated[
        str, msgspec.Meta(description="The variable that holds the URL of a Postgres for the index; empty for SQLite.")
    ] = ""
    sinks: Annotated[
        list[SinkConfig], msgspec.Meta(max_length=16, description="Where records are carried as well.")
    ] = []
    witness: Annotated[
        list[WitnessConfig], msgspec.Meta(max_length=4, description="Where signed checkpoints are pushed as well.")
    ] = []

    def ack_of(self, route: str) -> Ack:
        """What replies of a route wait for."""
        own = self.routes.get(route)
        return self.ack if own is None or own.ack is None else own.ack

    def days_of(self, route: str) -> int:
        """How many days records of a route are kept."""
        own = self.routes.get(route)
        return self.keep_days if own is None or own.keep_days is None else own.keep_days
