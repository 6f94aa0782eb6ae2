"""What a `limits` plugin can be told."""

from __future__ import annotations

from typing import Annotated

import msgspec

Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class LimitsConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much one key or tenant may ask for; 0 switches a rule off.

    `requests_per_minute` and `concurrent` count per key, `requests_per_minute_tenant` over all keys of a tenant.
    `body_bytes` and `input_tokens` bound one request. With `exempt_trusted` a trusted key skips the rules that count
    (requests and concurrency), never those that measure one request.
    """

    requests_per_minute: Count = 300
    requests_per_minute_tenant: Count = 0
    concurrent: Count = 0
    body_bytes: Count = 0
    input_tokens: Count = 0
    exempt_trusted: bool = True

    @property
    def counts(self) -> bool:
        """Whether any rule needs to remember anything between two exchanges."""
        return bool(self.requests_per_minute or self.requests_per_minute_tenant or self.concurrent)
