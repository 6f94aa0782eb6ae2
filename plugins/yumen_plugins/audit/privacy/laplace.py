"""Noise for numbers that are shared: the discrete Laplace distribution, drawn exactly.

Algorithms 1 and 2 of Canonne, Kamath and Steinke, "The Discrete Gaussian for Differential Privacy" (2020),
https://arxiv.org/abs/2004.00010. Everything is an integer or a `Fraction`: noise that is made of floating-point numbers has
gaps, and the gaps give the true value away (Mironov, "On Significance of the Least Significant Bits", 2012).

How long a draw takes depends on what is drawn. Draw where nobody who gets the number can watch the clock: the number is
shared as a file, long after.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from decimal import ROUND_CEILING, Context, Decimal
from fractions import Fraction

# A whole number of [0, n), every one equally often.
Below = Callable[[int], int]

# Digits that the logarithm in `within` is computed to at first, and the most.
DIGITS, DIGITS_MAX = 40, 10_000


def discrete_laplace(scale: Fraction, below: Below = secrets.randbelow) -> int:
    """A whole number z with probability (1 - q)/(1 + q) · q^|z|, where q = exp(-1/scale).

    `scale` is sensitivity divided by ε, positive. `below` is where randomness comes from: the operating system, except in
    tests. Error: `ValueError` where the scale is not positive.
    """
    if scale <= 0:
        raise ValueError("the scale of noise must be positive")
    # The names of algorithm 2, whose scale is t/s.
    t, s = scale.numerator, scale.denominator
    while True:
        u = below(t)
        if not bernoulli_exp(Fraction(u, t), below):
            continue
        v = 0
        while bernoulli_exp(Fraction(1), below):
            v += 1
        size = (u + t * v) // s
        negative = below(2) == 1
        if size or not negative:  # else zero would come twice as often
            return -size if negative else size


def bernoulli_exp(gamma: Fraction, below: Below = secrets.randbelow) -> bool:
    """True with probability exp(-gamma), by algorithm 1. Error: `ValueError` where gamma is negative."""
    if gamma < 0:
        raise ValueError("exp(-gamma) is no probability where gamma is negative")
    while gamma > 1:
        if not _bernoulli_exp_small(Fraction(1), below):
            return False
        gamma -= 1
    return _bernoulli_exp_small(gamma, below)


def within(scale: Fraction, outside: Fraction = Fraction(1, 20)) -> int:
    """The smallest k such that noise of this scale lies outside [-k, k] with a probability of at most `outside`.

    The probability is 2·q^(k+1)/(1 + q) with q = exp(-1/scale), so k is the ceiling of scale·ln(2/(outside·(1 + q))) - 1.
    It is computed to so many digits that rounding cannot change it. Errors: `ValueError` for what is no scale or no
    probability, and where more than 10,000 digits would be needed.
    """
    if scale <= 0 or not 0 < outside < 1:
        raise ValueError("the scale must be positive, and the probability between 0 and 1")
    digits = DIGITS
    while digits <= DIGITS_MAX:
        exact = Context(prec=digits)
        b = exact.divide(Decimal(scale.numerator), Decimal(scale.denominator))
        one_and_q = exact.add(1, exact.exp(exact.divide(-1, b)))
        part = exact.divide(Decimal(outside.numerator), Decimal(outside.denominator))
        bound = exact.multiply(b, exact.ln(exact.divide(2, exact.multiply(part, one_and_q))))
        # Six roundings, each in the last digit: far less than half of the digits are wrong.
        error = exact.scaleb(exact.add(1, abs(bound)), -(digits // 2))
        low, high = (_ceiling(exact.add(bound, side)) for side in (-error, error))
        if low == high:
            return max(low - 1, 0)
        digits *= 2
    raise ValueError("this scale is too large to say how far noise reaches")


def _bernoulli_exp_small(gamma: Fraction, below: Below) -> bool:
    """For gamma of [0, 1]: how long a row of coins with chances gamma/1, gamma/2, gamma/3 … falls well is even."""
    count = 1
    while below(gamma.denominator * count) < gamma.numerator:
        count += 1
    return count % 2 == 1


def _ceiling(value: Decimal) -> int:
    return int(value.to_integral_value(rounding=ROUND_CEILING))
