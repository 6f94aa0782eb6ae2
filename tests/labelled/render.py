"""Fills templates, and writes some values as people and programs spoil them.

A template is one line; `\\n`, `\\t` and `\\u200b` are what they are in Python. `[[cn.mobile]]` is a value with a label,
`[[cn.name#1]]` the same value wherever it stands in the text, `[[~order]]` something that is no personal data, and
`[[a|b|c]]` one of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.labelled.accounts import ACCOUNTS
from tests.labelled.draw import Draw
from tests.labelled.fillers import FILLERS
from tests.labelled.numbers import NUMBERS
from tests.labelled.people import PEOPLE
from tests.labelled.tokens import PROVIDERS, SECRETS

VALUES: dict[str, Callable[[Draw], str]] = {**NUMBERS, **ACCOUNTS, **PEOPLE, **SECRETS}
SLOT = re.compile(r"\[\[(~?)([^\[\]|#]+)(?:#([0-9]))?\]\]|\[\[([^\[\]]*\|[^\[\]]*)\]\]")
ESCAPE = re.compile(r"\\(n|t|u[0-9a-f]{4})")
# Forms of one label that are drawn in different ways.
FORMS = re.compile(r"(!|\.last|\.reversed|\.first|\.short|\.line|\.weak|\.key|\.hex|(?<=national_id)\.[a-z]{2})$")
HAN_DIGITS, CIRCLED = "〇一二三四五六七八九", "⓪①②③④⑤⑥⑦⑧⑨"
FULL_WIDTH = {code: code + 0xFEE0 for code in range(0x21, 0x7F)}
WIDENED = (
    "cn.mobile",
    "cn.id_card",
    "bank_card",
    "email",
    "cn.landline",
    "cn.plate",
    "cn.uscc",
    "cn.qq",
    "us.ssn",
    "finance.iban",
)
SPOKEN = ("cn.mobile", "cn.qq", "cn.id_card")
SPLIT = (
    "cn.mobile",
    "cn.id_card",
    "bank_card",
    "email",
    "us.ssn",
    "finance.iban",
    "cn.wechat",
    "secret.github",
    "secret.aws",
)
NOISY = 0.25
TYPOS = {
    "号码": "号马",
    "身份证": "身份正",
    "电话": "电活",
    "手机": "手几",
    "地址": "地纸",
    "邮箱": "油箱",
    "密码": "蜜码",
    "联系": "连系",
}
WORD = re.compile(r"(?<![A-Za-z])[A-Za-z]{5,12}(?![A-Za-z])")


def label_of(slot: str) -> str:
    """The label of a slot: that of its value, whatever the form."""
    return FORMS.sub("", slot)


def render(template: str, draw: Draw, *, noise: bool = True) -> dict[str, Any]:
    """The text with its spans, and the noise that was put in."""
    parts: list[str] = []
    spans: list[dict[str, Any]] = []
    done: set[str] = set()
    known: dict[tuple[str, str], str] = {}
    length = position = 0
    noisy = noise and draw.chance(NOISY)
    untidy = noise and not noisy and draw.chance(NOISY)
    for match in SLOT.finditer(template):
        before = _plain(template[position : match.start()])
        before = _untidy(before, draw, done) if untidy else before
        filler, slot, again, choices = match.groups()
        label = ""
        if choices is not None:
            value = _plain(draw.pick(choices.split("|")))
        elif filler:
            value = FILLERS[slot](draw)
        else:
            slot = draw.pick(sorted(PROVIDERS)) if slot == "secret.any" else slot
            label = label_of(slot)
            value = known[slot, again] if again and (slot, again) in known else VALUES[slot](draw)
            if again:
                known[slot, again] = value
            if noisy:
                value = _spoilt(value, label, draw, done)
        parts += [before, value]
        start = length + len(before)
        length = start + len(value)
        if label:
            spans.append({"start": start, "end": length, "label": label, "value": value})
        position = match.end()
    parts.append(_plain(template[position:]))
    return {"text": "".join(parts), "spans": spans, "noise": sorted(done)}


def _plain(text: str) -> str:
    return ESCAPE.sub(lambda match: {"n": "\n", "t": "\t"}.get(match[1]) or chr(int(match[1][1:], 16)), text)


def _spoilt(value: str, label: str, draw: Draw, done: set[str]) -> str:
    """A value in another spelling, where its kind is written so."""
    kinds = [
        name
        for name, labels in (("full-width", WIDENED), ("zero-width", SPLIT), ("spoken", SPOKEN), ("circled", SPOKEN))
        if label in labels
    ]
    kinds = [kind for kind in kinds if kind not in ("spoken", "circled") or (draw.zh and value.isdigit())]
    if not kinds:
        return value
    kind = draw.pick(kinds)
    done.add(kind)
    if kind == "full-width":
        return value.translate(FULL_WIDTH)
    if kind == "zero-width":
        place = draw.between(1, len(value) - 1)
        return value[:place] + draw.pick("\u200b\u200d\ufeff\u2060") + value[place:]
    digits = HAN_DIGITS if kind == "spoken" else CIRCLED
    return value.translate({ord(str(number)): char for number, char in enumerate(digits)})


def _untidy(text: str, draw: Draw, done: set[str]) -> str:
    """The words around a value, as somebody in haste types them."""
    kind = draw.pick(["typo", "line-break", "emoji"])
    wrong = text
    if kind == "typo" and draw.zh:
        for word, typo in TYPOS.items():
            wrong = wrong.replace(word, typo)
    elif kind == "typo":
        for word in [word for word in WORD.findall(text) if word.islower()][:1]:
            place = draw.between(1, len(word) - 3)
            wrong = text.replace(word, word[:place] + word[place + 1] + word[place] + word[place + 2 :], 1)
    elif kind == "line-break":
        wrong = text.replace("，", "\n").replace(", ", ",\n")
    elif text.endswith("："):
        wrong = text + "👉"
    elif text.endswith(("，", "。", "!", "？")):
        wrong = text + draw.pick("😊🙏😂")
    if wrong != text:
        done.add(kind)
    return wrong


def forms(fields: Mapping[str, Sequence[str]], styles: Sequence[str], draw: Draw) -> str:
    """A template that is a form of three to six fields. A style is `row`, `between rows`, `before`, `behind`, by tabs."""
    chosen = draw.rng.sample(sorted(fields), draw.between(3, min(6, len(fields))))
    row, between, before, behind = draw.pick(styles).split("\t")
    named = [(draw.pick(fields[slot]), slot) for slot in chosen]
    rows = between.join(row.replace("WORD", word).replace("VALUE", f"[[{slot}]]") for word, slot in named)
    titles = [text.replace("WORDS", ",".join(word for word, _ in named)) for text in (before, behind)]
    return titles[0] + rows + titles[1]
