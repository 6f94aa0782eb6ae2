"""What surrogates are made of: a stream of numbers that a key decides, names, places and numbers that are nobody's."""

from __future__ import annotations

import re

from yumen import Hmac

# The characters are common ones of given names that are borne by women and men alike.
SURNAMES = "林何郭高罗郑梁谢宋唐许韩冯邓曹彭曾萧田董袁潘蒋蔡余杜叶程苏魏吕丁任沈姚卢姜崔钟谭陆汪范金石廖贾夏"
COMPOUND_SURNAMES = ("欧阳", "上官", "司徒", "诸葛", "司马", "东方", "端木", "慕容")
GIVEN = "安宁晨晓文思远清和平明乐嘉言知行一新海天云林子然若水星辰雨田青山诗书礼信元亦凡景初南北舟川禾谷"
ENGLISH_GIVEN = (
    "Alex", "Sam", "Jordan", "Taylor", "Casey", "Riley", "Morgan", "Jamie", "Avery", "Quinn", "Rowan", "Robin", "Kim", "Lee",
    "Drew", "Blake", "Cameron", "Devon", "Ellis", "Emery", "Finley", "Hayden", "Jules", "Kendall", "Lane", "Logan", "Marley",
    "Noel", "Parker", "Peyton", "Reese", "Sage", "Shay", "Skyler", "Spencer", "Sydney", "Tracy", "Wren",
)  # fmt: skip
ENGLISH_SURNAMES = (
    "Abbott", "Barlow", "Calder", "Dalton", "Easton", "Fenwick", "Garner", "Hadley", "Ingram", "Jarvis", "Keller", "Langley",
    "Marlow", "Norwood", "Oakley", "Penrose", "Quincy", "Radford", "Sutton", "Thorne", "Upton", "Vaughn", "Weston",
    "Ashby", "Bramwell", "Colby", "Denholm", "Elmore", "Farley", "Grayson", "Holloway", "Kirby", "Lockwood", "Merrick",
)  # fmt: skip
# Places that are on no map.
CHINESE_CITIES = ("云岫市", "临霁市", "青禾市", "白鹭市", "松烟市", "明砚市", "望川市", "枕溪市")
CHINESE_ROADS = ("槐荫路", "听雨路", "望月路", "枫林大道", "锦帆路", "书院街", "晴川路", "落霞街")
ENGLISH_CITIES = (
    "Fernbrook",
    "Alderton",
    "Millhaven",
    "Oakmere",
    "Wexcombe",
    "Larkfield",
    "Stonebridge Falls",
    "Easthollow",
)
ENGLISH_ROADS = (
    "Maple Hollow Lane",
    "Larkspur Street",
    "Old Mill Road",
    "Cedar Bend Drive",
    "Foxglove Avenue",
    "Quarry Road",
)
STATES = ("CA", "TX", "NY", "FL", "IL", "OH", "WA", "CO")
# Districts of GB/T 2260 that identity cards can begin with.
DISTRICTS = (
    "110101", "120101", "130102", "140105", "210102", "220102", "230102", "310101", "320102", "330102", "340102", "350102",
    "360102", "370102", "410102", "420102", "430102", "440103", "450102", "510104", "520102", "530102", "610102", "620102",
)  # fmt: skip
AREA_CODES = ("212", "213", "305", "312", "404", "415", "503", "512", "602", "617", "702", "713", "720", "804", "919")
HAN = re.compile("[㐀-䶿一-鿿]")
HEX = re.compile("[0-9A-Fa-f]+")
HEX_PART = re.compile("(?<![0-9A-Za-z])[0-9A-Fa-f]{4,}(?![0-9A-Za-z])")
DIGITS = "0123456789"
LOWER, UPPER = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


# A value has an alphabet of its own from so many characters of a class on.
ALPHABET_MIN = 6


class Draws:
    """Numbers that look drawn and are always the same for one key and one seed: HMAC in counter mode (NIST SP 800-108r1)."""

    __slots__ = ("_bytes", "_counter", "_mac", "_seed")

    def __init__(self, mac: Hmac, seed: bytes) -> None:
        self._mac = mac
        self._seed = seed
        self._counter = 0
        self._bytes = b""

    def below(self, limit: int) -> int:
        """A number from 0 to `limit` - 1, which is small beside 2^32."""
        if len(self._bytes) < 4:
            self._bytes = self._mac(self._counter.to_bytes(4, "big") + self._seed)
            self._counter += 1
        drawn, self._bytes = self._bytes[:4], self._bytes[4:]
        return int.from_bytes(drawn, "big") % limit

    def of(self, many: tuple[str, ...] | str) -> str:
        """One of several."""
        return many[self.below(len(many))]

    def between(self, first: int, last: int) -> int:
        """A number from `first` to `last`."""
        return first + self.below(last - first + 1)

    def digits(self, count: int) -> str:
        """As many digits."""
        return "".join(self.of(DIGITS) for _ in range(count))


def reshaped(value: str, draws: Draws, keep: int = 0, like: bool = False) -> str:
    """Other characters of the same classes: digits, small and capital letters, Han; the first `keep` and all signs stay.

    Hexadecimal digits stay such, and a value that does not begin with a zero does not begin with one. `like` draws
    from the value's own characters, where it has many: keys are written in alphabets of all kinds.
    """
    alphabets = _alphabets(value, keep) if like else {}
    digits, small, capital = (
        alphabets.get(name, full) for name, full in (("digit", DIGITS), ("small", LOWER), ("capital", UPPER))
    )
    hexadecimal = _hexadecimal(value)
    out: list[str] = []
    for place, char in enumerate(value):
        if place < keep or not char.isalnum():
            out.append(char)
        elif char.isdecimal():
            out.append(draws.of(DIGITS[1:] if not place and char != "0" else digits))
        elif HAN.match(char):
            out.append(draws.of(GIVEN))
        else:
            # Letters of scripts that this knows nothing of become Latin ones: none of them may stay.
            letters = capital if char.isupper() else small
            out.append(draws.of((UPPER if char.isupper() else LOWER)[:6] if place in hexadecimal else letters))
    return "".join(out)


def _hexadecimal(value: str) -> set[int]:
    """The places of hexadecimal digits: of all of a value, or of its long parts."""
    compact = "".join(filter(str.isalnum, value))
    if HEX.fullmatch(compact) and not compact.isdecimal():
        return set(range(len(value)))
    return {place for part in HEX_PART.finditer(value) for place in range(*part.span()) if not part[0].isdecimal()}


def _alphabets(value: str, keep: int) -> dict[str, str]:
    """The characters of each class that a value holds, where they are enough to draw from."""
    held = sorted({char for char in value[keep:] if char.isascii()})
    classes = {"digit": str.isdecimal, "small": str.islower, "capital": str.isupper}
    found = {name: "".join(filter(test, held)) for name, test in classes.items()}
    return {name: chars for name, chars in found.items() if len(chars) >= ALPHABET_MIN}


def placed(value: str, digits: str) -> str:
    """A number with its last digits replaced by these, its signs and what stands before them kept."""
    rest = list(digits)
    out = [rest.pop() if rest and (char.isdecimal() or char in "xX") else char for char in reversed(value)]
    return "".join(reversed(out))
