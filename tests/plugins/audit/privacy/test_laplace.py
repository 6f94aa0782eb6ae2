"""Noise has exactly the distribution that the guarantee is computed from."""

from __future__ import annotations

import ast
import math
from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from yumen_plugins.audit.privacy import laplace
from yumen_plugins.audit.privacy.laplace import bernoulli_exp, discrete_laplace, within

DRAWS = 40_000
SCALES = [Fraction(10), Fraction(5, 2), Fraction(1, 2), Fraction(7, 3)]
# The chi-square statistic is nearly normal; six standard deviations are one false alarm in 10^9 seeds.
DEVIATIONS = 6


def mass(z: int, scale: Fraction) -> float:
    """How probable z is, from the closed formula and not from the sampler."""
    q = math.exp(-1 / scale)
    return (1 - q) / (1 + q) * q ** abs(z)


def surprise(drawn: Counter[int], scale: Fraction) -> float:
    """Standard deviations by which the chi-square statistic of a histogram is larger than that of the distribution."""
    total = sum(drawn.values())
    reach = max(1, within(scale, Fraction(50, total)))
    expected = {z: mass(z, scale) * total for z in range(-reach, reach + 1)}
    seen = {z: drawn[z] for z in expected}
    rest = total - sum(expected.values())
    statistic = sum((seen[z] - expected[z]) ** 2 / expected[z] for z in expected)
    statistic += (total - sum(seen.values()) - rest) ** 2 / rest
    freedom = len(expected)
    return (statistic - freedom) / math.sqrt(2 * freedom)


@pytest.mark.parametrize("scale", SCALES, ids=str)
def test_draws_have_the_distribution_of_the_formula(scale: Fraction) -> None:
    """Over 40,000 draws each number comes as often as the closed formula says, both signs and zero included."""
    below = Random(20261128).randrange
    assert surprise(Counter(discrete_laplace(scale, below) for _ in range(DRAWS)), scale) < DEVIATIONS


def test_the_comparison_notices_a_small_mistake() -> None:
    """The test above could fail: a scale that is 5 % off, or a zero that comes twice, is found."""
    below = Random(1).randrange
    wrong = Counter(discrete_laplace(Fraction(21, 2), below) for _ in range(DRAWS))
    assert surprise(wrong, Fraction(10)) > DEVIATIONS
    twice = Counter(discrete_laplace(Fraction(10), below) for _ in range(DRAWS))
    twice[0] *= 2
    assert surprise(twice, Fraction(10)) > DEVIATIONS


@pytest.mark.parametrize("scale", [Fraction(10), Fraction(5, 2)], ids=str)
def test_draws_agree_with_those_of_opendp(scale: Fraction) -> None:
    """An independent implementation gives the same distribution; it is large (265 MB), so it is not always installed."""
    opendp = pytest.importorskip("opendp.prelude", reason="pip install --group oracle (opendp, 265 MB)")
    opendp.enable_features("contrib")
    space = opendp.vector_domain(opendp.atom_domain(T="i64")), opendp.l1_distance(T="i64")
    theirs = opendp.m.make_laplace(*space, scale=float(scale))([0] * DRAWS)
    below = Random(4).randrange
    ours = Counter(discrete_laplace(scale, below) for _ in range(DRAWS))
    assert surprise(Counter(theirs), scale) < DEVIATIONS
    assert surprise(ours, scale) < DEVIATIONS
    # Two histograms of one distribution differ by no more than chance.
    both = [(ours[z], theirs.count(z)) for z in ours if mass(z, scale) * DRAWS > 50]
    statistic = sum((one - other) ** 2 / (one + other) for one, other in both)
    assert (statistic - len(both)) / math.sqrt(2 * len(both)) < DEVIATIONS


@pytest.mark.parametrize("gamma", [Fraction(0), Fraction(1, 3), Fraction(1), Fraction(5, 2)], ids=str)
def test_a_coin_falls_with_the_chance_of_the_exponential(gamma: Fraction) -> None:
    """Algorithm 1 is right below, at and above 1."""
    below = Random(7).randrange
    chance = math.exp(-gamma)
    heads = sum(bernoulli_exp(gamma, below) for _ in range(DRAWS))
    assert abs(heads - DRAWS * chance) <= DEVIATIONS * math.sqrt(DRAWS * chance * (1 - chance))


def test_what_is_no_scale_is_refused() -> None:
    """A scale of zero would share the true count, and a negative one means nothing."""
    for scale in (Fraction(0), Fraction(-1, 2)):
        with pytest.raises(ValueError, match="positive"):
            discrete_laplace(scale)
        with pytest.raises(ValueError, match="positive"):
            within(scale)
    with pytest.raises(ValueError, match="negative"):
        bernoulli_exp(Fraction(-1))


def exponential(x: Fraction, terms: int) -> tuple[Fraction, Fraction]:
    """A lower and an upper bound of exp(-x) for x of [0, 1], from its alternating series, in fractions."""
    total, part = Fraction(1), Fraction(1)
    before = total
    for number in range(1, 2 * terms):
        part *= -x / number
        before, total = total, total + part
    return min(before, total), max(before, total)


@given(st.fractions(min_value=1, max_value=40, max_denominator=12), st.integers(2, 200))
def test_how_far_noise_reaches_is_exact(scale: Fraction, part: int) -> None:
    """k is the smallest number outside of which noise falls seldom enough: true of k and not of k - 1, in fractions."""
    outside = Fraction(1, part)
    k = within(scale, outside)
    low, high = exponential(1 / scale, 24)
    assert 2 * high ** (k + 1) <= outside * (1 + low)
    if k:
        assert 2 * low**k > outside * (1 + high)


def test_known_reaches() -> None:
    """With the defaults, ε = 1/10 for one exchange in one cell, 95 of 100 numbers are within 30."""
    assert within(Fraction(10)) == 30
    assert within(Fraction(1, 100)) == 0
    assert within(Fraction(10**30)) // 10**27 == 2995


def test_no_floating_point_number_is_in_the_sampler() -> None:
    """Nothing in the module is or makes a float: no literal, no name, no division outside of fractions and decimals."""
    tree = ast.parse(Path(laplace.__file__).read_text())
    for node in ast.walk(tree):
        assert not (isinstance(node, ast.Constant) and isinstance(node.value, float))
        assert not (isinstance(node, ast.Name) and node.id in ("float", "math", "random", "numpy"))
        assert not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div))


def test_randomness_is_that_of_the_operating_system() -> None:
    """Seeding Python's own generator changes nothing: noise that can be foretold hides nothing."""
    import random

    def drawn() -> list[int]:
        random.seed(1)
        return [discrete_laplace(Fraction(1000)) for _ in range(20)]

    assert drawn() != drawn()
