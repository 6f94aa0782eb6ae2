"""What a policy may say about how rows of many callers become batches: `batch:` of an engine."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Glob = Annotated[str, Meta(max_length=200)]


class Share(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What some tenants get of an engine, where others wait too."""

    weight: Annotated[float, Meta(ge=0.01, le=100, description="Rows in proportion to those of others.")] = 1.0
    priority: Annotated[int, Meta(ge=0, le=9, description="0 goes first; callers may ask for less, not for more.")] = 0


class BatchConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How rows wait, and how many run together."""

    rows_max: Annotated[
        int, Meta(ge=1, le=1024, description="Rows of one run, if the model takes as many; 1 for no batches.")
    ] = 32
    runs_max: Annotated[int, Meta(ge=1, le=64, description="Runs of one model at the same time.")] = 1
    queue_rows_max: Annotated[int, Meta(ge=1, le=1_000_000, description="Rows that wait, for one model.")] = 4_096
    queue_bytes_max: Annotated[int, Meta(ge=1, le=1 << 36, description="Bytes of rows that wait, for one model.")] = (
        256 << 20
    )
    tenant_rows_max: Annotated[int, Meta(ge=1, le=1_000_000, description="The same, of one tenant.")] = 1_024
    tenant_bytes_max: Annotated[int, Meta(ge=1, le=1 << 36, description="The same, of one tenant.")] = 128 << 20
    age_ms: Annotated[
        int, Meta(ge=1, le=600_000, description="After so long a row that waits counts one priority more.")
    ] = 100
    tenant_isolation: Annotated[bool, Meta(description="Whether rows of two tenants never run together.")] = False
    pad_to_bucket: Annotated[
        bool,
        Meta(description="Whether batches are filled up to 1, 2, 4, 8, 16, 32 rows, and what is filled thrown away."),
    ] = False
    tenants: Annotated[
        dict[Glob, Share], Meta(max_length=1000, description="Tenants by glob, the first that fits, and their share.")
    ] = {}
