"""What a `limits` plugin can be told."""

from __future__ import annotations

from typing import Annotated

import msgspec


def _count(description: str) -> msgspec.Meta:
    return msgspec.Meta(ge=0, le=1_000_000_000, description=f"{description}; 0 for no limit.")


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one key or tenant may ask for."""

    requests_per_minute: Annotated[int, _count("Requests of one key in a sliding minute")] = 300
    requests_per_minute_tenant: Annotated[int, _count("Requests of all keys of a tenant in a sliding minute")] = 0
    concurrent: Annotated[int, _count("Exchanges of one key under way at a time")] = 0
    body_bytes: Annotated[int, _count("Bytes of one request's body")] = 0
    input_tokens: Annotated[int, _count("Tokens of one request's texts, estimated")] = 0
    exempt_trusted: Annotated[
        bool,
        msgspec.Meta(description="Whether trusted keys skip the rules that count; those that measure hold for all."),
    ] = True
