"""Time of day and week where a tenant is."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from zoneinfo import ZoneInfo

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class Zones:
    """`zone` holds for every tenant that is not in `zones`. Error: ValueError for a zone that nobody knows."""

    def __init__(self, zone: str, zones: Mapping[str, str]) -> None:
        self._zone = known(zone)
        self._zones = {tenant: known(name) for tenant, name in zones.items()}

    def at(self, moment: float, tenant: str) -> datetime:
        """A moment, in seconds since the epoch, where the tenant is."""
        return datetime.fromtimestamp(moment, self._zones.get(tenant, self._zone))


def known(name: str) -> ZoneInfo:
    """A zone of the IANA's database. Error: ValueError."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, KeyError):  # what is no name of a file, too
        raise ValueError(f"there is no time zone `{name[:60]}`") from None
