"""Phone numbers of all countries: our short way agrees with the library, and no digits behind a number are taken."""

from __future__ import annotations

import random

import phonenumbers
import pytest

from yumen_plugins.anonymize.detectors.phones import _known as known
from yumen_plugins.anonymize.detectors.phones import valid_part


def _examples() -> list[str]:
    """A number of every kind of every country, with its country code, in digits."""
    found: list[str] = []
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in range(11):
            number = phonenumbers.example_number_for_type(region, kind)
            if number is not None:
                found.append(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)[1:])
    return found


def test_the_short_way_says_nothing_that_the_library_does_not() -> None:
    """One expression for all numbers of a country must never find a number that the library calls none."""
    draw = random.Random(5)
    examples = _examples()
    found = 0
    for _ in range(4000):
        number = list(draw.choice(examples))
        for _ in range(draw.randrange(4)):
            number[draw.randrange(len(number))] = str(draw.randrange(10))
        plain = "".join(number)
        if known(plain):
            found += 1
            assert phonenumbers.is_valid_number(phonenumbers.parse(f"+{plain}"))
    assert found > 2000


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("+1 415 555 0132 5", "+1 415 555 0132"),
        ("+86 138 1234 5678 12", "+86 138 1234 5678"),
        ("0044 20 7946 0958 7", "0044 20 7946 0958"),
        ("+1 415 555 0132", "+1 415 555 0132"),
        ("+99 99 99 99 99", ""),
    ],
)
def test_digits_behind_a_number_are_none_of_it(text: str, value: str) -> None:
    """Where a pattern takes more digits than a number has, the longest that is one counts."""
    assert text[: valid_part(text)] == value
