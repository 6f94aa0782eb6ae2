"""National numbers of Europe with their check digits, each written from its rule."""

from __future__ import annotations

from random import Random

from tests.labelled.checks import luhn

DNI = "TRWAGMYFPDXBNJZSQVHLCKE"
ODD = dict(
    zip(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ",
        (
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            1,
            0,
            5,
            7,
            9,
            13,
            15,
            17,
            19,
            21,
            2,
            4,
            18,
            20,
            11,
            3,
            6,
            8,
            12,
            14,
            16,
            10,
            22,
            25,
            24,
            23,
        ),
        strict=True,
    )
)


def digits(rng: Random, count: int) -> str:
    """Digits, the first of which is not zero."""
    return str(rng.randint(1, 9)) + "".join(str(rng.randint(0, 9)) for _ in range(count - 1))


def iso7064_11_10(body: str) -> str:
    """The last digit of a German tax number or VAT number (ISO 7064 MOD 11,10)."""
    check = 10
    for char in body:
        total = (int(char) + check) % 10 or 10
        check = total * 2 % 11
    return str((11 - check) % 10)


def germany(rng: Random) -> str:
    """Steuer-Identifikationsnummer: of its first ten digits one stands twice, and one not at all."""
    some = list("0123456789")
    rng.shuffle(some)
    some[-1] = some[rng.randint(0, 7)]
    body = "".join(some)
    if body[0] == "0":
        body = body[1:] + "0"
    if body[0] == "0":
        return germany(rng)
    whole = body + iso7064_11_10(body)
    return rng.choice([whole, f"{whole[:2]} {whole[2:5]} {whole[5:8]} {whole[8:]}"])


def spain(rng: Random) -> str:
    """DNI and NIE: the letter is a remainder of 23."""
    if rng.random() < 0.4:
        first, body = rng.choice("XYZ"), digits(rng, 7)
        return first + body + DNI[int(str("XYZ".index(first)) + body) % 23]
    body = digits(rng, 8)
    return body + rng.choice(["", "-"]) + DNI[int(body) % 23]


def france(rng: Random) -> str:
    """NIR: sex, year, month, department, commune, order and 97 less the remainder."""
    sex_and_day = f"{rng.randint(1, 2)}{rng.randint(50, 99)}{rng.randint(1, 12):02d}"
    body = sex_and_day + f"{rng.randint(1, 95):02d}{rng.randint(1, 400):03d}{rng.randint(1, 999):03d}"
    check = f"{97 - int(body) % 97:02d}"
    parts = (body[0], body[1:3], body[3:5], body[5:7], body[7:10], body[10:], check)
    return rng.choice(["", " "]).join(parts)


def italy(rng: Random) -> str:
    """Codice fiscale: letters of the name, birth date, commune, and a letter for all of them."""
    letters = "".join(rng.choice("BCDFGLMNPRSTVZ") for _ in range(6))
    day = f"{rng.randint(50, 99)}{rng.choice('ABCDEHLMPRST')}{rng.choice([0, 40]) + rng.randint(1, 28):02d}"
    body = f"{letters}{day}{rng.choice('ABCDEFGHL')}{rng.randint(101, 999)}"
    total = sum(
        ODD[char] if place % 2 == 0 else int(char, 36) - (10 if char.isalpha() else 0)
        for place, char in enumerate(body)
    )
    return body + chr(65 + total % 26)


def netherlands(rng: Random) -> str:
    """BSN: weights 9 to 2 and -1 give a multiple of 11."""
    while True:
        body = digits(rng, 8)
        check = sum(int(char) * (9 - place) for place, char in enumerate(body)) % 11
        if check < 10:
            return f"{body}{check}"


def poland(rng: Random) -> str:
    """PESEL: birth date, order, and a digit for all of them."""
    body = f"{rng.randint(50, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{rng.randint(0, 9999):04d}"
    return body + str(-sum(int(char) * weight for char, weight in zip(body, (1, 3, 7, 9) * 3, strict=False)) % 10)


def belgium(rng: Random) -> str:
    """Rijksregisternummer: birth date, order and 97 less the remainder."""
    body = f"{rng.randint(50, 99)}{rng.randint(1, 12):02d}{rng.randint(1, 28):02d}{rng.randint(1, 997):03d}"
    check = f"{97 - int(body) % 97:02d}"
    return rng.choice([body + check, f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{check}"])


def vat(rng: Random) -> str:
    """A VAT number of Germany, Belgium, the Netherlands, France, Italy or Poland."""
    country = rng.choice(["DE", "BE", "NL", "FR", "IT", "PL"])
    if country == "DE":
        body = digits(rng, 8)
        return f"DE{body}{iso7064_11_10(body)}"
    if country == "BE":
        body = "0" + digits(rng, 7)
        return f"BE{body}{97 - int(body) % 97:02d}"
    if country == "NL":
        return f"NL{netherlands(rng)}B{rng.randint(1, 99):02d}"
    if country == "FR":
        siren = digits(rng, 8)
        siren += luhn(siren)
        return f"FR{(12 + 3 * (int(siren) % 97)) % 97:02d}{siren}"
    if country == "IT":
        body = f"{rng.randint(1, 9999999):07d}{rng.randint(1, 100):03d}"
        return f"IT{body}{luhn(body)}"
    while True:
        body = digits(rng, 9)
        check = sum(int(char) * weight for char, weight in zip(body, (6, 5, 7, 2, 3, 4, 5, 6, 7), strict=True)) % 11
        if check < 10:
            return f"PL{body}{check}"


NATIONAL = {"de": germany, "es": spain, "fr": france, "it": italy, "nl": netherlands, "pl": poland, "be": belgium}
