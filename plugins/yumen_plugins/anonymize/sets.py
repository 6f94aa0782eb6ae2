"""Sets of characters as expressions: over text for `re`, and over UTF-8 bytes for `re` and for hyperscan alike."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable


def members(codes: Iterable[int]) -> str:
    """What stands between `[` and `]` to match any of these code points, for `re` over text.

    Ranges, since `re` looks at what lies beyond U+FFFF one by one.
    """
    return "".join(
        f"\\U{first:08x}" if first == last else f"\\U{first:08x}-\\U{last:08x}" for first, last in _ranges(codes)
    )


def over_bytes(codes: Iterable[int]) -> str:
    """An expression that matches the UTF-8 form of any of these code points.

    Bytes and no flag, so that text with lone surrogates, which are no UTF-8, can be read as well.
    """
    tails: defaultdict[bytes, set[int]] = defaultdict(set)
    for code in codes:
        form = chr(code).encode()
        tails[form[:-1]].add(form[-1])
    # Forms that differ in the byte before the last alone are one alternative.
    middles: defaultdict[tuple[bytes, str], set[int]] = defaultdict(set)
    parts: list[str] = []
    for head, last in tails.items():
        end = _bytes(last)
        if head:
            middles[head[:-1], end].add(head[-1])
        else:
            parts.append(end)
    for (head, end), middle in middles.items():
        parts.append("".join(f"\\x{byte:02x}" for byte in head) + _bytes(middle) + end)
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


def _bytes(values: set[int]) -> str:
    if len(values) == 1:
        return "".join(f"\\x{value:02x}" for value in values)
    return f"[{''.join(_range(first, last) for first, last in _ranges(values))}]"


def _range(first: int, last: int) -> str:
    return f"\\x{first:02x}" if first == last else f"\\x{first:02x}-\\x{last:02x}"


def _ranges(codes: Iterable[int]) -> list[tuple[int, int]]:
    """The first and the last of every row of numbers."""
    found: list[tuple[int, int]] = []
    for code in sorted(set(codes)):
        if found and found[-1][1] == code - 1:
            found[-1] = (found[-1][0], code)
        else:
            found.append((code, code))
    return found
