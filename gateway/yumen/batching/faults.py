"""What a failed run says, and of whom."""

from __future__ import annotations

from yumen.batching.waiting import Part
from yumen.engine import EngineError, RequestRefused
from yumen.telemetry import place

# How long a tenant whose rows made a batch fail runs apart, and of how many tenants that is remembered.
SUSPECT_S = 10.0
SUSPECTS_MAX = 1_000


class Suspects:
    """Tenants whose rows have made a batch fail lately, so that those of others are not at stake again."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def holds(self, tenant: str, now: float) -> bool:
        """Whether a tenant is one of them."""
        if not self._until:
            return False
        until = self._until.get(tenant)
        if until is None:
            return False
        if now < until:
            return True
        del self._until[tenant]
        return False

    def add(self, tenant: str, now: float) -> None:
        """A tenant is one from now on."""
        if not tenant:
            return
        self._until.pop(tenant, None)
        if len(self._until) >= SUSPECTS_MAX:
            del self._until[next(iter(self._until))]
        self._until[tenant] = now + SUSPECT_S


def fault_of(raised: Exception) -> EngineError:
    """What callers get for what a run raised. The words of a runtime's own error may hold what it was given."""
    if isinstance(raised, EngineError):
        return raised
    return EngineError(f"the model failed: {type(raised).__name__} at {place(raised)}")


def says_nothing_of_rows(error: EngineError) -> bool:
    """Whether it is about time, or the engine's state, so that other rows would have failed as well."""
    return error.timeout or error.again or error.retry_after_s is not None


def failed(part: Part, error: EngineError) -> None:
    """Tell a caller, unless it knows already what became of its rows or has left."""
    result = part.result
    if result.done():
        return
    result.set_exception(_copy(error))
    result.exception()  # a caller that leaves at this moment never looks at it, which is nothing to warn of


def _copy(error: EngineError) -> EngineError:
    """An error of its own for each caller: what is raised in several tasks would collect all their traces."""
    if type(error) is RequestRefused:
        return RequestRefused(str(error), param=error.param, code=error.code)
    if type(error) is EngineError:
        return EngineError(
            str(error), timeout=error.timeout, again=error.again, retry_after_s=error.retry_after_s, well=error.well
        )
    return error
