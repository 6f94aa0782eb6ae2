"""Draws numbers of accounts, cards, companies and wallets."""

from __future__ import annotations

from collections.abc import Callable

from tests.labelled import checks, national
from tests.labelled.draw import Draw

CARDS = (
    ("4", 16),
    ("51", 16),
    ("53", 16),
    ("55", 16),
    ("2221", 16),
    ("37", 15),
    ("34", 15),
    ("6011", 16),
    ("3530", 16),
    ("622202", 19),
    ("622848", 19),
    ("621700", 19),
    ("625965", 16),
    ("622588", 16),
)
BANKS = ["DEUT", "COBA", "BNPA", "BARC", "NWBK", "INGB", "UBSW", "CHAS", "CITI", "BKCH", "ICBK", "HSBC", "ABNA", "BCIT"]


def uscc(draw: Draw) -> str:
    body = (
        draw.pick(["91", "91", "91", "92", "12", "52"])
        + draw.word("regions")
        + "MA"
        + "".join(draw.pick(checks.USCC) for _ in range(7))
    )
    return body + checks.uscc(body)


def cn_bank_account(draw: Draw) -> str:
    while True:
        body = draw.pick(["1", "2", "3", "7", "8", "0", "44", "11", "95", "12"]) + draw.digits(draw.between(10, 18))
        if checks.luhn(body[:-1]) != body[-1] and not body.startswith(("19", "13", "15", "18", "17")):
            return body


def bank_card(draw: Draw) -> str:
    prefix, length = draw.pick(CARDS)
    body = prefix + draw.digits(length - 1 - len(prefix), first="0123456789")
    return _card_spelt(draw, body + checks.luhn(body))


def bank_card_mistyped(draw: Draw) -> str:
    prefix, length = draw.pick(CARDS)
    body = prefix + draw.digits(length - 1 - len(prefix), first="0123456789")
    return _card_spelt(draw, body + str((int(checks.luhn(body)) + draw.between(1, 9)) % 10))


def _card_spelt(draw: Draw, number: str) -> str:
    grouped: tuple[str, ...]
    if len(number) == 15:
        grouped = (number[:4], number[4:10], number[10:])
    else:
        grouped = tuple(number[place : place + 4] for place in range(0, len(number), 4))
    return draw.weighted({number: 5, " ".join(grouped): 4, "-".join(grouped): 2})


def iban(draw: Draw) -> str:
    country = draw.pick(["DE", "GB", "FR", "NL", "ES", "BE", "CH", "AT"])
    bank = draw.pick(BANKS)
    account = {
        "DE": draw.digits(18),
        "GB": bank + draw.digits(14),
        "FR": draw.digits(23),
        "NL": bank + draw.digits(10),
        "ES": draw.digits(20),
        "BE": draw.digits(12),
        "CH": draw.digits(17),
        "AT": draw.digits(16),
    }[country]
    whole = checks.iban(country, account)
    return draw.pick([whole, " ".join(whole[place : place + 4] for place in range(0, len(whole), 4))])


def swift(draw: Draw) -> str:
    return (
        draw.pick(BANKS)
        + draw.pick(["DE", "GB", "FR", "NL", "CH", "US", "CN", "HK"])
        + draw.pick(["FF", "2L", "22", "BJ", "HH", "PP", "2A", "33"])
        + draw.pick(["", "", "XXX", "300", "110"])
    )


def crypto(draw: Draw) -> str:
    payload = draw.bytes(20)
    return draw.pick(
        [
            checks.base58check(0, payload),
            checks.base58check(5, payload),
            checks.bech32("bc", payload),
            "0x" + payload.hex(),
            checks.base58check(0x41, payload),
        ]
    )


def routing(draw: Draw) -> str:
    body = draw.pick(["01", "02", "03", "06", "07", "11", "12", "26", "31"]) + draw.digits(6)
    return body + checks.routing(body)


def card_expiry(draw: Draw) -> str:
    month, year = draw.between(1, 12), draw.between(26, 33)
    return draw.weighted(
        {f"{month:02d}/{year}": 4, f"{month:02d}/20{year}": 1, f"{month}/{year}": 1, f"{month:02d}-{year}": 1}
    )


ACCOUNTS: dict[str, Callable[[Draw], str]] = {
    "cn.uscc": uscc,
    "cn.bank_account": cn_bank_account,
    "bank_card": bank_card,
    "bank_card!": bank_card_mistyped,
    "finance.iban": iban,
    "finance.swift": swift,
    "finance.crypto": crypto,
    "finance.card_expiry": card_expiry,
    "us.ein": lambda draw: f"{draw.pick([12, 20, 27, 45, 47, 82, 84])}-{draw.digits(7)}",
    "finance.cvv": lambda draw: draw.digits(draw.pick([3, 3, 3, 4])),
    "us.routing": routing,
    "us.bank_account": lambda draw: draw.digits(draw.between(8, 13)),
    "eu.vat": lambda draw: national.vat(draw.rng),
}
