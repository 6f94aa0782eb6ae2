"""What detectors share that know a value by the words beside it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module

from yumen_plugins.anonymize.detector import Detector, digits

# Tags of HTML.
TAGS = r"(?:</?[a-z][a-z0-9]{0,9}(?:[ /][^<>\n]{0,60})?>\s{0,8}){0,4}"
# What may stand between a word and the value that it names: quotes, brackets, `number`, a colon, `is`, `是`, an arrow.
# People mistype `number` as often as they write it.
LINK = (
    r"(?i:(?:[(（][^()（）0-9\n]{1,20}[)）])?[\"'”’*_.)）\]】」\s]{0,4}"
    r"(?:[(（【]?(?:号[码马]|號碼|编[号码]|編[號碼]|[号码號]|n[umber]{3,6}|no|nr|num|id|code)[.\"'”’*_)）\]】」\s]{0,3})?"
    rf"{TAGS}"
    r"(?:(?:[:=：#|>→➡▶👉【「]|[-–—](?![0-9])|(?:应该?|就)?是|如下|[改换]?[为為成]了?|(?:is|was|are)(?: now)?)"
    r"[\"'“‘*(（\[【「<\s:：>→➡▶👉]{0,5}){0,2}"
    rf"{TAGS})"
)
# For the one pass: what is so long holds a token, a key or a hash; one expression for all that are looked for in it.
RUN, CODE_RUN, NUMBER_RUN = "[0-9A-Za-z]{25}", "[0-9A-Z]{16}", "[0-9]{12}"
# A Latin word of so many letters may as well be a part of another.
SHORT = 4
# Where one of these stands right before a number that only its context names, it is no document of a person.
ORDERS = ("order", "订单", "单号", "流水", "invoice", "tracking", "ticket", "发票", "运单", "ref:")


@cache
def _checker(module: str) -> Callable[[str], bool]:
    check: Callable[[str], bool] = import_module(f"stdnum.{module}").is_valid
    return check


def stdnum(*modules: str) -> Callable[[str], bool]:
    """Whether a number holds by any of these modules of python-stdnum, which are imported when first needed."""
    return lambda value: any(_checker(module)(value) for module in modules)


def either(words: Iterable[str]) -> str:
    """An expression for any of the words."""
    return "|".join(re.escape(word) for word in words)


def near(words: Iterable[str], *also: str) -> str:
    """A prefilter for values that are taken with one of these words only, and for whatever `also` says.

    The words alone, since they are rarer than numbers and cheap to look for. A short Latin one is asked for as a word of its
    own: `ein` is in `protein` and `aba` in `database`.
    """
    # Case beyond ASCII is not known to bytes.
    spelt = [one for word in words for one in ([word] if word.isascii() else sorted({word, word.upper()}))]
    short = [word for word in spelt if len(word) <= SHORT and word.isascii() and word.isalpha()]
    sides = [either(word for word in spelt if word not in short)] if len(short) < len(spelt) else []
    if short:
        sides.append(f"(?:^|[^a-z])(?:{either(short)})(?:[^a-z]|$)")
    return "(?i)" + "|".join([*sides, *also])


def named(words: str, value: str, link: str = LINK) -> str:
    """A pattern for a value that stands right behind one of the words, which may not be the tail of a Latin word."""
    return rf"(?i:(?<![a-z])(?:{words})){link}(?P<value>{value})"


def document(
    id: str,
    description: str,
    form: str,
    *,
    words: tuple[str, ...],
    examples: tuple[str, ...],
    counterexamples: tuple[str, ...],
    check: Callable[[str], bool] | None = None,
    sure: str = "",
    canonical: Callable[[str], str] = digits,
) -> Detector:
    """A number of a document in one form.

    `words` name it. Where `sure` is given, a number that passes `check` needs none of them, and `sure` is the prefilter.
    """
    return Detector(
        id=id,
        description=description,
        patterns=((rf"(?<![0-9A-Za-z.])(?:{form})(?![0-9A-Za-z]|\.[0-9])" if sure or _letters(form) else
                             rf"(?<![0-9.])(?:{form})(?![0-9]|\.[0-9])"),),
        prefilter=sure or near(words),
        score=0.9 if sure else 0.7,
        validate=check or (lambda value: True),
        canonical=canonical,
        context=words,
        unless=ORDERS,
        weak=not sure,
        span_max=24,
        tight=" " not in form,
        examples=examples,
        counterexamples=counterexamples,
    )  # fmt: skip


def _letters(form: str) -> bool:
    return re.search(r"[A-Z]", form) is not None


def typed(words: str) -> str:
    """An expression for any of the words (`a|b`), also with two letters in each other's place: people type so."""
    forms = words.split("|")
    swapped = [word[:at] + word[at + 1] + word[at] + word[at + 2 :] for word in forms for at in range(len(word) - 1)]
    return "|".join(dict.fromkeys([*forms, *swapped]))


def compact(value: str) -> str:
    """The letters and digits of a value, letters capital."""
    if value.isalnum():
        return value.upper()
    return "".join(char for char in value if char.isalnum()).upper()
