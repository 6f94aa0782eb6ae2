"""The action `surrogate`: a value of the same form that is nobody's, always the same one for one value of one tenant.

Length, signs, case and the classes of characters stay, and where the value was right (its checksum, its form), so is the
surrogate: it is drawn until the detector that found the value would find it too. Some forms are never anybody's, and they
are taken where they exist: `example.com`, the networks of RFC 5737 and RFC 3849, 555-01xx in North America, the numbers that
Ofcom keeps for drama, cities that are on no map. E-mail and IP addresses, English names and addresses have lengths of their
own.

There is no way back, and two values may share a surrogate. Elsewhere a surrogate may by chance be somebody's: a mobile phone
in China, say. Where a form leaves no choice, its first characters stay: the network of a card, the country of an IBAN, the
prefix of a token; of numbers with a date in them, up to three quarters.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from yumen import Hmac
from yumen_plugins.anonymize import fakes
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.fakes import Draws, placed, reshaped
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.kinds import kind_of
from yumen_plugins.anonymize.surrogate_dates import other_date

# How often it is drawn, a quarter of these with as little kept as may be, and the last with most.
ATTEMPTS, SECRET_ATTEMPTS, LONG_ATTEMPTS = 200, 20, 2
# A value longer than this is not looked at again.
CHECKED_CHARS_MAX = 256
# What a token begins with says whose it is, and is no secret.
TOKEN_PREFIX = re.compile(r"(?:[A-Za-z]{2,12}[-_.]){1,4}|AKIA|ASIA|AIza|LTAI|AKID|eyJ")
ARMOUR = re.compile("(-----[A-Z ]{5,64}-----)")
# Numbers that phones never have, as they end: North America's and those that Ofcom keeps for drama.
FICTIONAL = re.compile("(?:55501[0-9]{2}|7700900[0-9]{3}|2079460[0-9]{3}|1632960[0-9]{3})$")
NATIONAL_DIGITS = 10
LETTERS_FIRST = re.compile("[A-Za-z]{1,4}(?=[ -]?[0-9])")
# A Chinese place of more characters than this has a street.
PLACE_CHARS_MAX = 6
PARTICLES = frozenset({"van", "der", "den", "de", "von", "zu", "da", "di", "del", "la", "le", "bin", "al", "y"})
TITLES = frozenset({"mr", "mrs", "ms", "miss", "dr", "prof", "sir", "madam", "mx"})


def surrogate(hit: Hit, mac: Hmac) -> str:
    """The surrogate of a value under a tenant's key; its kind, where nothing of its form could be another value."""
    detector, value = hit.detector, hit.value
    kind = kind_of(detector)
    make = MAKERS.get(kind, _other)
    same = detector.canonical(value)
    seed = f"surrogate\x00{detector.id}\x00{same}".encode("utf-8", "surrogatepass")
    checked = len(value) <= CHECKED_CHARS_MAX and (hit.valid or _right(detector, value))
    formed = checked and _formed(detector, value)
    attempts = LONG_ATTEMPTS if len(value) > CHECKED_CHARS_MAX else SECRET_ATTEMPTS if kind == "secret" else ATTEMPTS
    spare: str | None = None
    for attempt in range(attempts):
        fake = make(value, Draws(mac, attempt.to_bytes(2, "big") + seed), attempt)
        if detector.canonical(fake) == same:
            continue
        if (
            not checked
            or (kind == "phone" and FICTIONAL.search(_digits(fake)))
            or ((not formed or _formed(detector, fake)) and _right(detector, fake))
        ):
            return fake
        spare = fake if spare is None else spare
    return f"[{detector.label}]" if spare is None else spare


def _right(detector: Detector, fake: str) -> bool:
    try:
        return detector.validate(fake)
    except (ValueError, LookupError):
        return False  # it expects what its patterns find, and this is none of it


def _formed(detector: Detector, value: str) -> bool:
    """Whether a value alone, without words beside it, is found in its whole length."""
    return any(
        match.span() == (0, len(value)) for pattern in detector.compiled if (match := pattern.search(value)) is not None
    )


def _digits(value: str) -> str:
    return "".join(filter(str.isdecimal, value))


def _other(value: str, draws: Draws, attempt: int) -> str:
    """Letters at its beginning are a country or a series; then more of it stays, the longer no other is right."""
    letters = LETTERS_FIRST.match(value)
    first = letters.end() if letters else 0
    if letters and len(letters[0]) == 2 and value[2:4].isdecimal() and len(value) >= 15:
        return _iban(value, draws, attempt)
    return reshaped(value, draws, max(first, attempt * 4 // ATTEMPTS * len(value) // 4))


def _iban(value: str, draws: Draws, attempt: int) -> str:
    """With the check digits of ISO 13616-1; whatever else has such a form is none the worse for them."""
    fake = reshaped(value, draws, 4 + attempt * 4 // ATTEMPTS * (len(value) - 4) // 4)
    compact = "".join(filter(str.isalnum, fake)).upper()
    number = "".join(str(int(char, 36)) for char in compact[4:] + compact[:2] + "00" if char.isascii())
    return f"{fake[:2]}{98 - int(number) % 97:02d}{fake[4:]}"


def _bank_card(value: str, draws: Draws, attempt: int) -> str:
    """The first digits say the network: one for Visa, up to six for others."""
    return reshaped(value, draws, (1, 2, 4, 6)[attempt * 4 // ATTEMPTS])


def _id_card(value: str, draws: Draws, attempt: int) -> str:
    """GB 11643: a district, a date of birth that is one, three digits, and in the last of 18 places any check digit."""
    born = f"{draws.between(1950, 2005)}{draws.between(1, 12):02d}{draws.between(1, 28):02d}"
    if sum(char.isdecimal() or char in "xX" for char in value) == 15:
        return placed(value, draws.of(fakes.DISTRICTS) + f"{draws.between(50, 99)}{born[4:]}" + draws.digits(3))
    return placed(value, draws.of(fakes.DISTRICTS) + born + draws.digits(3) + draws.of("0123456789X"))


def _phone(value: str, draws: Draws, attempt: int) -> str:
    number = _digits(value)
    national = number.removeprefix("00")
    if (value.startswith("+1") and len(number) == 11) or (len(number) == 10 and number[0] not in "01"):
        return placed(value, f"{draws.of(fakes.AREA_CODES)}55501{draws.digits(2)}")
    if national.startswith("44") or (len(number) == 11 and number.startswith(("01", "02", "07"))):
        return _british(value, national.removeprefix("44").lstrip("0"), draws)
    if len(number) >= 11 and number[-11] == "1" and national[:-11] in ("", "86"):
        return placed(value, f"1{draws.between(3, 9)}{draws.digits(9)}")
    # The country and the area stay.
    group = re.match(r"\(?\+?[0-9]{1,4}(?=[^0-9])", value)
    return reshaped(value, draws, group.end() if group else min(4, len(value) // 3))


def _british(value: str, national: str, draws: Draws) -> str:
    """The ranges that Ofcom keeps for drama: mobile, London, and of no area."""
    if len(national) != NATIONAL_DIGITS:
        return reshaped(value, draws, 4)
    start = "7700900" if national[0] == "7" else "2079460" if national.startswith("20") else "1632960"
    return placed(value, start + draws.digits(3))


def _email(value: str, draws: Draws, attempt: int) -> str:
    given, surname = draws.of(fakes.ENGLISH_GIVEN), draws.of(fakes.ENGLISH_SURNAMES)
    return f"{given}.{surname}{draws.below(10_000)}@example.{draws.of(('com', 'net', 'org'))}".lower()


def _ip(value: str, draws: Draws, attempt: int) -> str:
    """RFC 5737 and RFC 3849."""
    if ":" in value:
        return f"2001:db8:{draws.between(1, 0xFFFF):x}::{draws.between(1, 0xFFFF):x}"
    return f"{draws.of(('192.0.2', '198.51.100', '203.0.113'))}.{draws.between(1, 254)}"


def _mac(value: str, draws: Draws, attempt: int) -> str:
    """Locally administered (IEEE 802, section 8): no manufacturer gives these out."""
    return "02" + reshaped(value, draws, 2)[2:]


def _name(value: str, draws: Draws, attempt: int) -> str:
    if fakes.HAN.search(value):
        return "·".join(_chinese_name(len(part), draws) for part in value.split("·"))
    words = value.split(" ")
    last = len(words) - 1
    return " ".join(_english_word(word, index == last and last > 0, draws) for index, word in enumerate(words))


def _chinese_name(length: int, draws: Draws) -> str:
    surname = draws.of(fakes.COMPOUND_SURNAMES) if length > 3 else draws.of(fakes.SURNAMES)
    return (surname + "".join(draws.of(fakes.GIVEN) for _ in range(length - len(surname))))[:length]


def _english_word(word: str, last: bool, draws: Draws) -> str:
    bare = word.rstrip(".,")
    if bare.lower() in TITLES or bare in PARTICLES or not bare:
        return word
    if len(bare) == 1:
        return draws.of(fakes.UPPER) + word[1:]
    drawn = draws.of(fakes.ENGLISH_SURNAMES if last else fakes.ENGLISH_GIVEN)
    drawn = drawn.upper() if bare.isupper() else drawn.lower() if bare.islower() else drawn
    return drawn + word[len(bare) :]


def _address(value: str, draws: Draws, attempt: int) -> str:
    number = draws.between(1, 999)
    if fakes.HAN.search(value):
        city = draws.of(fakes.CHINESE_CITIES)
        return (
            f"{city}{draws.of(fakes.CHINESE_ROADS)}{number}号"
            if len(value) > PLACE_CHARS_MAX or re.search("[0-9路街巷号]", value)
            else city
        )
    city = draws.of(fakes.ENGLISH_CITIES)
    if not re.search("[0-9]", value):
        return city
    # No ZIP code begins with three zeros.
    return f"{number} {draws.of(fakes.ENGLISH_ROADS)}, {city}, {draws.of(fakes.STATES)} 000{draws.digits(2)}"


def _date(value: str, draws: Draws, attempt: int) -> str:
    return other_date(value, draws) or reshaped(value, draws)


def _plate(value: str, draws: Draws, attempt: int) -> str:
    """The province and the office stay."""
    return reshaped(value, draws, 2)


def _secret(value: str, draws: Draws, attempt: int) -> str:
    if "-----BEGIN" in value:
        return "".join(
            part if ARMOUR.fullmatch(part) else reshaped(part, draws, like=True) for part in ARMOUR.split(value)
        )
    prefix = TOKEN_PREFIX.match(value)
    # More of its beginning stays where the form asks for it, but never more than a third.
    keep = max(prefix.end() if prefix else 0, attempt // 5 * 4)
    return reshaped(value, draws, min(keep, len(value) // 3), like=True)


MAKERS: dict[str, Callable[[str, Draws, int], str]] = {
    "address": _address, "bank_card": _bank_card, "date": _date, "email": _email, "id_card": _id_card, "ip": _ip,
    "mac": _mac, "name": _name, "phone": _phone, "plate": _plate, "secret": _secret,
}  # fmt: skip
