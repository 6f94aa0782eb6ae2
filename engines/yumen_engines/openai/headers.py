"""Reads headers of a reply, which an upstream may fill with anything."""

from __future__ import annotations

import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime

from pyreqwest.response import Response

DAY_S = 86_400
SECONDS = re.compile(r"[0-9]{1,5}")
DATE_CHARS_MAX = 40


def retry_after_s(value: str, now: float) -> int | None:
    """Seconds to wait, from 0 to a day; None where `value` does not say. `now` is in seconds since the epoch.

    Format: RFC 9110, section 10.2.3: seconds, or a date of section 5.6.7. What is neither, or more than a day away, is not
    passed on: nobody is to stay away because of a mistake or an attack.
    """
    value = value.strip(" \t")
    if SECONDS.fullmatch(value):
        seconds = int(value)
    elif 0 < len(value) <= DATE_CHARS_MAX and value.isascii():
        try:
            date = parsedate_to_datetime(value)
            # Without a zone it is in UTC, as all dates of HTTP are.
            seconds = max(0, math.ceil((date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - now))
        except (ValueError, TypeError, OverflowError, IndexError):
            return None
    else:
        return None
    return seconds if seconds <= DAY_S else None


def asked_for(response: Response) -> int | None:
    """The seconds that a reply asks to wait for; None where it does not say."""
    return retry_after_s(header(response, "retry-after"), time.time())


def passed_on(response: Response) -> dict[str, str]:
    """The header `retry-after` as a client gets it, in seconds; none where the reply does not say."""
    seconds = asked_for(response)
    return {} if seconds is None else {"retry-after": str(seconds)}


def header(response: Response, name: str) -> str:
    """The value of a header; empty where there is none, or one that is not ASCII, which the HTTP library raises for."""
    try:
        return response.get_header(name) or ""
    except ValueError:
        return ""


def headers_of(response: Response, name: str) -> list[str]:
    """All values of a header; one that is empty where any is not ASCII."""
    try:
        return response.get_header_all(name)
    except ValueError:
        return [""]
