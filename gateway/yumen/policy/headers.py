"""The headers of requests that a plugin reads: which it may name."""

from __future__ import annotations

from collections.abc import Collection

from yumen.policy.reader import Source
from yumen.said import HEADER_NAME

HEADERS_MAX = 32
# What these hold lets its bearer in somewhere; no plugin needs to see it.
CREDENTIALS = frozenset(
    {
        "api-key", "authorization", "cookie", "proxy-authorization", "x-amz-security-token", "x-api-key", "x-auth-token",
        "x-csrf-token", "x-goog-api-key",
    }
)  # fmt: skip


def check_headers(source: Source, who: str, named: Collection[object]) -> tuple[str, ...]:
    """The names, each once, in order. What is wrong with them goes to the source; `who` names the plugin."""
    names = sorted({name for name in named if isinstance(name, str)})
    for name in names:
        if name in CREDENTIALS:
            what, fix = f"{who} wants to read the header {name}, which holds a credential", "have it read another"
        elif not HEADER_NAME.fullmatch(name):
            what, fix = f"{who} names a header that is no lower-case name", "correct it"
        else:
            continue
        source.wrong(("config",), "policy.header", what, fix)
    if any(not isinstance(name, str) for name in named) or len(names) > HEADERS_MAX:
        what = f"{who} does not name headers as a collection of at most {HEADERS_MAX} names"
        source.wrong(("config",), "policy.header", what, "correct it, or use another plugin")
        return ()
    return tuple(names)
