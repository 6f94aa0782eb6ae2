"""Makes detectors of tokens out of tables: from a token's parts come its pattern, its prefilter and its examples.

A token is a row of parts: a literal, several literals of which one stands there, or a `Run` of characters. Examples are
made here instead of written out, so that no scanner of this repository takes them for keys.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.detectors.secrets.checks import credible, mixed

# Inside brackets of a regular expression.
ALNUM, HEX, UPPER, LOWER, DIGIT = "A-Za-z0-9", "0-9a-f", "A-Z0-9", "a-z0-9", "0-9"
URL, BASE64 = r"A-Za-z0-9_\-", "A-Za-z0-9+/"
# No letter or digit stands before a token, unless it is the end of an escape: JSON source has `\n` for a line break.
BEFORE = r"(?:(?<![A-Za-z0-9])|(?<=\\[nrt]))"
# After a provider's name: what is named there is a key. Then comes, at most, what joins a name and its value.
KEY = (
    "(?:key|token|secret|passw(?:or)?d|pwd|credential|auth|webhook|[^A-Za-z][as]k|"
    "密钥|秘钥|密鑰|令牌|密码|口令|凭证|凭据)"
)
JOIN = r"[^\nA-Za-z0-9]{0,10}(?:(?i:is|id|value|key|pat)[^\nA-Za-z0-9]{1,6})?"
GAP_CHARS = 24
SCHEME, SCHEME_MAX = r"(?:https?://(?:[A-Za-z0-9-]{1,48}\.){0,2}|(?:[A-Za-z0-9-]{1,48}\.){1,2})?", 106
EDGE = re.compile(r"\(\?<?[!=][^()]*\)")
# In the prefilter, as much of a run as makes it rare: behind a literal, and where no literal stands before it.
SEEN, SEEN_ALONE = 12, 16


class Run(NamedTuple):
    """So many characters of a set; `chars` as a regex class has it. Lengths in characters."""

    chars: str
    low: int
    high: int

    @property
    def regex(self) -> str:
        return f"[{self.chars}]{{{self.low},{self.high}}}" if self.high > self.low else f"[{self.chars}]{{{self.low}}}"


Part = str | tuple[str, ...] | Run
Parts = tuple[Part, ...]


def run(chars: str, low: int, high: int = 0) -> Run:
    """A run. Without `high` it may grow to twice its length: providers lengthen their tokens."""
    return Run(chars, low, high or low * 2)


def fixed(chars: str, length: int) -> Run:
    """A run of one length."""
    return Run(chars, length, length)


UUID: Parts = (fixed(HEX, 8), "-", fixed(HEX, 4), "-", fixed(HEX, 4), "-", fixed(HEX, 4), "-", fixed(HEX, 12))


def regex(parts: Parts) -> str:
    """The pattern of a row of parts, without edges."""
    return "".join(_regex(part) for part in parts)


def _regex(part: Part) -> str:
    if isinstance(part, Run):
        return part.regex
    if isinstance(part, str):
        return re.escape(part)
    return f"(?:{'|'.join(map(re.escape, part))})"


def behind(parts: Parts) -> str:
    """The edge behind a row of parts: none of the characters that could go on."""
    last = parts[-1]
    chars = last.chars if isinstance(last, Run) else ALNUM
    return rf"(?![{chars}]|[A-Za-z0-9])"


def prefilter(parts: Parts) -> str:
    """What is cheap to look for: the first literal with as much of the runs beside it as makes it rare."""
    out, known, seen = "", False, 0
    for index, part in enumerate(parts):
        if not isinstance(part, Run):
            out, known = out + _regex(part), True
        elif known:
            out += f"[{part.chars}]{{{min(part.low, SEEN)}}}"
            seen += part.low
            if seen >= SEEN or part.high > part.low:
                return out
        else:
            after = parts[index + 1]
            out = f"[{part.chars}]" + ("" if len(str(after)) > 1 else f"{{{min(part.low, SEEN)}}}")
    return out


def longest(parts: Parts) -> int:
    """The length of the longest token, in characters."""
    lengths = (
        part.high if isinstance(part, Run) else len(max((part,) if isinstance(part, str) else part, key=len))
        for part in parts
    )
    return sum(lengths)


def sample(parts: Parts, seed: str) -> str:
    """A token of the right form, the same for the same seed."""
    out = ""
    for index, part in enumerate(parts):
        if isinstance(part, Run):
            out += characters(part.chars, part.low, f"{seed}{index}")
        else:
            out += part if isinstance(part, str) else part[0]
    return out


def characters(chars: str, length: int, seed: str) -> str:
    """So many characters of a set, the same for the same seed, with a digit in them if the set has any."""
    alphabet = _alphabet(chars)
    stream = hashlib.shake_128(seed.encode()).digest(length)
    text = "".join(alphabet[byte % len(alphabet)] for byte in stream)
    return text if length < 3 or "0" not in alphabet else text[:-2] + "7" + text[-1]


@cache
def _alphabet(chars: str) -> list[str]:
    """The printable characters of a set, but for those that part words."""
    return [char for char in re.findall(f"[{chars}]", "".join(map(chr, range(33, 127)))) if char not in "-_"]


def token(
    name: str,
    description: str,
    *forms: Parts,
    validate: Callable[[str], bool] = credible,
    context: tuple[str, ...] = (),
    score: float = 0.95,
    made: tuple[str, ...] = (),
    seen: str = "",
    others: tuple[str, ...] = (),
    url: bool = False,
) -> Detector:
    """The detector of tokens that their own form gives away.

    `forms` are rows of parts. `made` are tokens for the examples, where those made of the parts would fail `validate`.
    `seen` is the prefilter where one made of the parts would find too much. `others` are counterexamples besides those
    that are made: a token that is cut off, and one that is no token but a place for it. Of a `url` all is taken, with
    its scheme and the names before its host.
    """
    tokens = made or tuple(sample(parts, f"{name}{index}") for index, parts in enumerate(forms))
    examples = tuple(f"it is {one}, keep it safe" for one in tokens)
    return Detector(
        id=f"secret.{name}",
        description=description,
        patterns=tuple(BEFORE + (SCHEME if url else "") + regex(parts) + behind(parts) for parts in forms),
        prefilter=seen or "|".join(prefilter(parts) for parts in forms),
        score=score,
        validate=validate,
        canonical=str,
        context=context,
        span_max=max(map(longest, forms)) + (SCHEME_MAX if url else 0),
        tight=True,
        opener="" if url else _opener([one for parts in forms for one in _beginnings(parts)]),
        examples=(*examples, f"生产环境用的是{tokens[0]}，谢谢", f'["{tokens[0]}"]'),
        counterexamples=(
            *(_cut(parts, f"{name}{index}") for index, parts in enumerate(forms)),
            *map(_place, forms),
            *others,
        ),
    )


def _beginnings(parts: Parts) -> tuple[str, ...]:
    """The literals that a row of parts begins with."""
    first = parts[0]
    return ("",) if isinstance(first, Run) else (first,) if isinstance(first, str) else first


def _opener(beginnings: list[str]) -> str:
    """What all of them begin with."""
    first, last = min(beginnings), max(beginnings)
    return next((first[:at] for at, char in enumerate(first) if not last.startswith(char, at)), first)


def _cut(parts: Parts, seed: str) -> str:
    """A token whose last run is too short."""
    last = parts[-1]
    short = sample(parts, seed)[: -last.low // 2 - 1] if isinstance(last, Run) else sample(parts[:-1], seed)[:-1]
    return f"it is {short} or so"


def _place(parts: Parts) -> str:
    """What documentation writes where a token would stand."""
    return "it is " + "".join(
        "x" * part.low if isinstance(part, Run) else part if isinstance(part, str) else part[0] for part in parts
    )


def named(
    name: str,
    description: str,
    words: str,
    *forms: Parts,
    alone: str = "",
    near: int = 0,
    validate: Callable[[str], bool] = mixed,
    score: float = 0.85,
    example: str = "",
    others: tuple[str, ...] = (),
) -> Detector:
    """The detector of tokens that say nothing by themselves: the provider's name and what the value is stand before them.

    `words` is a regular expression of the provider's names, in which case does not matter; a word like "key" follows them.
    `alone` are names that say both. With `near`, the value may follow the name within so many characters, whatever stands
    between. Only the value is taken. `example` is what to write before it in the examples.
    """
    lead = rf"(?i:(?:{words})[^\n]{{0,{near}}}?)" if near else _lead(words, alone)
    word = example or words.split("|", 1)[0] + " key"
    first = sample(forms[0], name)
    seen = "|".join(dict.fromkeys(_seen(parts) for parts in forms))
    # Hyperscan knows no lookaround, and builds "any number of these" far faster than a number of them.
    heads = EDGE.sub("", "|".join(filter(None, (words, alone))))
    return Detector(
        id=f"secret.{name}",
        description=description,
        patterns=tuple(rf"{lead}(?<![A-Za-z0-9])(?P<value>{regex(parts)}){behind(parts)}" for parts in forms),
        prefilter=rf"(?i)(?:{heads})[^\n]*(?:{seen})",
        score=score,
        validate=validate,
        canonical=str,
        span_max=80 + max(GAP_CHARS, near) + max(map(longest, forms)),
        examples=(
            f"{word}: {first}",
            *(f'"{word.replace(" ", "_")}":"{sample(parts, name)}"' for parts in forms),
            f"{word}是{first}，别外传",
        ),
        counterexamples=(f"{word}: YOUR_KEY_HERE", f"{word} is {'x' * len(first)}", f"it is {first}", *others),
    )


def _lead(words: str, alone: str) -> str:
    before = [rf"(?:{words})[^\n]{{0,{GAP_CHARS}}}?{KEY}"] if words else []
    return f"(?i:{'|'.join([*before, *filter(None, (alone,))])}){JOIN}"


def _seen(parts: Parts) -> str:
    """For the prefilter: the beginning of a value, long enough that ordinary words do not have it."""
    out = ""
    for part in parts:
        if isinstance(part, Run):
            return out + f"[{part.chars}]{{{min(part.low, SEEN if out else SEEN_ALONE)}}}"
        out += _regex(part)
    return out
