"""Which replica an exchange goes to.

Sources: Mitzenmacher, "The Power of Two Choices in Randomized Load Balancing" (2001); Finagle's `PeakEwma` for what is
compared; Envoy's panic mode for what happens where none is left; weighted rendezvous hashing after Schindelhauer and
Schomaker, "Weighted Distributed Hash Tables" (2005), with the bounded loads of Mirrokni, Thorup and Zadimoghaddam,
"Consistent Hashing with Bounded Loads" (2018).
"""

from __future__ import annotations

import hashlib
import math
import random
from collections.abc import Collection, Sequence

from yumen.pool.member import Member

# Differences below this are noise on a machine that does other things too.
NOISE_S = 0.02
# Of two replicas with nothing to do, one that takes longer than so many times the other's time does not get its share.
ALIKE = 2.0
# How much more than its share a replica may have in flight before callers who belong there go elsewhere.
BOUND = 1.25


def usable(members: Sequence[Member], now: float, tried: Collection[Member] = ()) -> list[Member]:
    """The replicas that may be asked now, those left out that were tried.

    Where only ejected ones are left these may be asked: a slow answer is better than none. An exchange that has failed
    already is not the one by which to find out whether a circuit can close again, unless no other replica is left.
    """
    able = [one for one in members if one not in tried and one.able(now) and not one.full()]
    able = [one for one in able if not one.ejected(now)] or able
    proven = [one for one in able if one.circuit.open_until is None] if tried else []
    return proven or able


def least_loaded(able: Sequence[Member], now: float, streamed: bool, rng: random.Random) -> Member:
    """Of two that are drawn by weight the one that is expected to answer sooner; whoever is to be tried again goes first."""
    due = next((one for one in able if one.circuit.open_until is not None), None)
    if due is not None or len(able) == 1:
        return due or able[0]
    shares = [one.share(now) for one in able]
    first = rng.choices(able, shares)[0]
    others = [one for one in able if one is not first]
    second = others[0]
    if len(others) > 1:
        second = rng.choices(others, [one.share(now) for one in others])[0]
    expected, other = _expected(first, second, now, streamed)
    if not first.in_flight and not second.in_flight and expected <= ALIKE * other:
        return first  # by the draw alone: by the rule below the one with more weight would get everything
    load = (first.in_flight + 1) * expected / first.share(now)
    return first if load <= (second.in_flight + 1) * other / second.share(now) else second


def sticky(able: Sequence[Member], members: Sequence[Member], key: str, now: float) -> Member:
    """The replica that a key belongs to, or the next one in its order where that has more than its share in flight.

    A replica that goes takes only its own keys with it, and gets them back when it returns.
    """
    total = sum(one.in_flight for one in members) + 1
    shares = sum(one.share(now) for one in able)
    order = sorted(able, key=lambda one: _score(one, key), reverse=True)
    for one in order:
        if one.in_flight < math.ceil(BOUND * total * one.share(now) / shares):
            return one
    return min(order, key=lambda one: one.in_flight / one.share(now))


def _expected(first: Member, second: Member, now: float, streamed: bool) -> tuple[float, float]:
    """Seconds that each is expected to take; the same where of one nothing is known."""
    one, other = first.latencies[streamed].peak_s(now), second.latencies[streamed].peak_s(now)
    return (max(one, NOISE_S), max(other, NOISE_S)) if one and other else (NOISE_S, NOISE_S)


def _score(member: Member, key: str) -> float:
    """`-weight / ln(hash)`, the hash between 0 and 1: the highest has the key with a probability like its weight."""
    digest = hashlib.blake2b(f"{member.name}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    # 52 bits and a half: a float holds that exactly, so that it is never 0 nor 1.
    return -member.weight / math.log(((int.from_bytes(digest) >> 12) + 0.5) / 2**52)
