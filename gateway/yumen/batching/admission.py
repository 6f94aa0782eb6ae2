"""Whether a request may wait for a model: there are bounds on what waits, and no use in waiting for what comes too late."""

from __future__ import annotations

from yumen.batching.config import BatchConfig
from yumen.batching.forecast import Forecast, retry_s
from yumen.batching.tenants import Tenant
from yumen.batching.waiting import Waiting
from yumen.engine import EngineError, RequestRefused


class Refusal(EngineError):
    """The model has too much to do; `reason` is which bound it is, for metrics."""

    def __init__(self, message: str, reason: str, retry_after_s: float) -> None:
        self.reason = reason
        super().__init__(message, again=True, retry_after_s=retry_s(retry_after_s))


def admit(
    config: BatchConfig, waiting: Waiting, forecast: Forecast, tenant: Tenant, *, rows: int, size: int, priority: int,
    new_kind: bool, now: float, deadline: float,
) -> None:  # fmt: skip
    """Let a request of so many rows and bytes wait, or not.

    Errors: `Refusal`, with how long it takes until there is room; `RequestRefused` where there never is.
    """
    if rows > forecast.rows_max and (
        rows > min(config.queue_rows_max, config.tenant_rows_max)
        or size > min(config.queue_bytes_max, config.tenant_bytes_max)
    ):
        # What fits into one run can go as soon as the model is idle; this would have to wait, and can never.
        raise RequestRefused("more rows or bytes than may wait for this model at a time", param="inputs")
    kinds = waiting.kinds + new_kind
    for reason, used, more, most in (
        ("queue_rows", waiting.rows, rows, config.queue_rows_max),
        ("queue_bytes", waiting.bytes, size, config.queue_bytes_max),
        ("tenant_rows", tenant.rows, rows, config.tenant_rows_max),
        ("tenant_bytes", tenant.bytes, size, config.tenant_bytes_max),
    ):
        if used + more > most:
            # What waits goes at an even pace; as much of it must go as there is too much.
            whole_s = forecast.answered_s(waiting.rows, 1, kinds, now)
            raise Refusal(
                "too much waits for this model", reason, whole_s * min((used + more - most) / max(used, 1), 1.0)
            )
    if not forecast.known:
        return
    left_s = deadline - now
    if forecast.answered_s(waiting.rows, rows, kinds, now) <= left_s:
        return
    # With all that waits before it, it would be late; so ask what really is.
    needed_s = forecast.answered_s(waiting.ahead(tenant, priority, rows), rows, kinds, now)
    if needed_s > left_s:
        raise Refusal("what waits for this model leaves too little time to answer", "deadline", needed_s - left_s)
