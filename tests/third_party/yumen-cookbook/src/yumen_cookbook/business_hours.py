"""Lets requests pass in business hours only, and says when the next ones begin."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time, timedelta
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct

from yumen import Decision, Exchange, Host, Manifest, Plugin, Rule

Clock = Annotated[str, Meta(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Day = Annotated[int, Meta(ge=1, le=7)]


class BusinessHoursConfig(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the policy file's `config:` may say."""

    zone: Annotated[str, Meta(description="The time zone, as IANA names it: `Asia/Shanghai`, `Europe/London`.")]
    opens: Annotated[Clock, Meta(description="When business begins, `09:00`.")]
    closes: Annotated[Clock, Meta(description="When it ends, later on the same day.")]
    days: Annotated[tuple[Day, ...], Meta(min_length=1, description="Days of the week; 1 is Monday.")] = (1, 2, 3, 4, 5)


class BusinessHours(Plugin[BusinessHoursConfig]):
    """See the module's docstring."""

    manifest: ClassVar[Manifest] = Manifest(name="business_hours", version="1.0.0")

    def __init__(self, config: BusinessHoursConfig) -> None:
        super().__init__(config)
        self._opens, self._closes = time.fromisoformat(config.opens), time.fromisoformat(config.closes)
        if self._opens >= self._closes:
            raise ValueError("`opens` has to be before `closes`")
        try:
            self._zone = ZoneInfo(config.zone)
        except (OSError, ValueError, KeyError):
            raise ValueError("`zone` is not the name of a time zone that this machine knows") from None

    def rules(self) -> Sequence[Rule]:
        return [Rule("business_hours.closed", "refuses requests outside of business hours")]

    async def start(self, host: Host) -> None:
        self._now = host.now

    async def on_request(self, exchange: Exchange) -> Decision | None:
        now = self._now()
        today = datetime.fromtimestamp(now, self._zone)
        if today.isoweekday() in self.config.days and self._opens <= today.time() < self._closes:
            return None
        days = (today.date() + timedelta(ahead) for ahead in range(8))
        begins = (
            datetime.combine(day, self._opens, self._zone) for day in days if day.isoweekday() in self.config.days
        )
        # Differences of local times would be wrong on the day on which clocks change.
        wait_s = min(moment.timestamp() - now for moment in begins if moment.timestamp() > now)
        return exchange.block("business_hours.closed", "forbidden", retry_after_s=wait_s)
