"""Whether 32 bytes are a public key that somebody can hold alone.

OpenSSL takes any 32 bytes for an Ed25519 key. Under a point of small order, signatures that nobody made hold for every
message, so whoever slips such a "key" among the trusted ones could sign whatever they like. A key that an honest program
made lies in the subgroup of prime order. Points, formulas and constants are those of RFC 8032, 5.1 and 6.
"""

from __future__ import annotations

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)

# X, Y, Z, T with x = X/Z, y = Y/Z and xy = T/Z.
Point = tuple[int, int, int, int]
NEUTRAL: Point = (0, 1, 1, 0)


def is_public_key(raw: bytes) -> bool:
    """Whether these bytes encode, canonically, a point of the subgroup of prime order other than its neutral one."""
    point = _decode(raw)
    return point is not None and not _is_neutral(point) and _is_neutral(_multiply(ORDER, point))


def _decode(raw: bytes) -> Point | None:
    number = int.from_bytes(raw, "little")
    sign, y = number >> 255, number & (2**255 - 1)
    if len(raw) != 32 or y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, -1, P) % P
    x = pow(square, (P + 3) // 8, P)
    if x * x % P != square:
        x = x * ROOT_OF_MINUS_ONE % P
    if x * x % P != square:
        return None
    x = x if x % 2 == sign else P - x
    return x, y, 1, x * y % P


def _add(one: Point, other: Point) -> Point:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return e * f % P, g * h % P, f * g % P, e * h % P


def _multiply(times: int, point: Point) -> Point:
    """Not in constant time: public keys are no secret."""
    total = NEUTRAL
    while times:
        if times & 1:
            total = _add(total, point)
        point = _add(point, point)
        times >>= 1
    return total


def _is_neutral(point: Point) -> bool:
    x, y, z, _ = point
    return x % P == 0 and (y - z) % P == 0
