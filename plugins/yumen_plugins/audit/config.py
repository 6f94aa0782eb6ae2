"""What an `audit` policy file may say."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


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
    segment_bytes: Annotated[
        int, msgspec.Meta(ge=4096, le=1 << 34, description="Size at which a new segment file is begun.")
    ] = 64 << 20
    queue_records: Annotated[
        int, msgspec.Meta(ge=1, le=1_000_000, description="Records that may wait for the disk.")
    ] = 16_384
    gather_ms: Annotated[
        float,
        msgspec.Meta(ge=0, le=10, description="While exchanges overlap, least time between two syncs of the disk."),
    ] = 2.0
