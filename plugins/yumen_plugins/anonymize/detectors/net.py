"""Detectors of e-mail and IP addresses."""

from __future__ import annotations

import re
from ipaddress import IPv6Address

from yumen_plugins.anonymize.detector import Detector

OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"


def ip(value: str) -> bool:
    """An IPv4 address as the pattern found it, or an IPv6 address that is one and is more than colons."""
    if ":" not in value:
        return True
    try:
        IPv6Address(value)
    except ValueError:
        return False
    return len(value) > 3


NET = (
    Detector(
        id="email",
        description="e-mail address",
        patterns=(
            re.compile(
                r"(?<![A-Za-z0-9._%+\-])[A-Za-z0-9._%+\-]{1,64}+@"
                r"(?:[A-Za-z0-9](?:[A-Za-z0-9\-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9])"
            ),
        ),
        prefilter=r"[A-Za-z0-9._%+\-]@[A-Za-z0-9]",
        needs="@",
        score=1.0,
        context=("邮箱", "邮件", "mail"),
        examples=(
            "我的邮箱a@b.com谢谢",
            "write to li.na+shop@mail.example.co.uk.",
            "li.na＠example.com",
            "<zhang.wei@example.com>",
        ),
        counterexamples=("a@b", "@example.com", "user@", "a@b.c1", "x @ example.com"),
    ),
    Detector(
        id="ip",
        description="IP address",
        patterns=(
            re.compile(rf"(?<![0-9.vV])(?:{OCTET}\.){{3}}{OCTET}(?![0-9]|\.[0-9])"),
            re.compile(
                r"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{1,4}:){1,7}(?::?[0-9A-Fa-f]{1,4}){0,7}(?:::)?(?![0-9A-Za-z:]|\.[0-9])"
            ),
            re.compile(r"(?<![0-9A-Za-z:.])::(?:[0-9A-Fa-f]{1,4}:){0,6}[0-9A-Fa-f]{1,4}(?![0-9A-Za-z:]|\.[0-9])"),
            # An IPv6 address that ends in an IPv4 one.
            re.compile(rf"(?<![0-9A-Za-z:.])(?:[0-9A-Fa-f]{{0,4}}:){{2,7}}(?:{OCTET}\.){{3}}{OCTET}(?![0-9]|\.[0-9])"),
        ),
        prefilter=r"[0-9]\.[0-9]{1,3}\.[0-9]{1,3}\.[0-9]|[0-9A-Fa-f]:[0-9A-Fa-f]{0,4}:|::[0-9A-Fa-f]",
        needs="0-9:",
        score=0.8,
        validate=ip,
        context=(),
        examples=(
            "地址192.168.1.1，",
            "from 10.0.0.255:8080",
            "2001:db8::ff00:42:8329",
            "fe80::1 is up",
            "IP192.168.10.24",
            "db:192.168.1.5",
            "12:30:10.0.0.1",
            "::ffff:192.168.1.1",
            "64:ff9b::192.0.2.33",
        ),
        counterexamples=("version 1.2.3.4.5", "v1.2.3.4", "256.1.1.1", "12:30:45", "std::vector", "a :: b", "1.2.3"),
    ),
)
