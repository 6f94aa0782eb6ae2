"""Draws what is no personal data and looks as if it were: numbers of orders, versions, hashes, times, prices, parts."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from tests.labelled.draw import Draw

BEGIN = datetime(2023, 1, 1, tzinfo=UTC)


def moment(draw: Draw) -> datetime:
    return BEGIN + timedelta(seconds=draw.between(0, 3 * 365 * 86400))


def day(draw: Draw) -> str:
    when = moment(draw)
    if draw.zh:
        return draw.pick(
            [
                f"{when:%Y-%m-%d}",
                f"{when.year}年{when.month}月{when.day}日",
                f"{when.month}月{when.day}日",
                f"{when:%Y/%m/%d}",
            ]
        )
    return draw.pick(
        [f"{when:%Y-%m-%d}", f"{when:%B} {when.day}, {when.year}", f"{when:%m/%d/%Y}", f"{when.day} {when:%b}"]
    )


def order(draw: Draw) -> str:
    when = moment(draw)
    return draw.pick(
        [
            f"{when:%Y%m%d%H%M%S}{draw.digits(4)}",
            f"{draw.pick(['SO', 'PO', 'DD', 'ORD-', 'INV-', 'WO', '#'])}{draw.digits(draw.between(6, 12))}",
            f"{when:%Y%m%d}{draw.digits(8)}",
            f"{draw.digits(3)}-{draw.digits(7)}-{draw.digits(7)}",
            draw.digits(draw.pick([8, 10, 13, 18, 20]), first="1236789"),
            f"{when:%y%m}-{draw.digits(5)}",
        ]
    )


def tracking(draw: Draw) -> str:
    return draw.pick(
        [
            f"SF{draw.digits(13)}",
            f"YT{draw.digits(13)}",
            f"1Z{draw.chars(8, '0123456789ABCDEFGHJK')}{draw.digits(8)}",
            f"JD{draw.digits(11)}",
            f"R{draw.pick('ABR')}{draw.digits(9)}CN",
            draw.digits(12, first="79"),
            f"9400 1{draw.digits(3)} {draw.digits(4)} {draw.digits(4)} {draw.digits(4)} {draw.digits(2)}",
        ]
    )


def isbn(draw: Draw) -> str:
    body = "978" + draw.pick("0173") + draw.digits(8)
    check = str(-sum(int(char) * (3 if place % 2 else 1) for place, char in enumerate(body)) % 10)
    return draw.pick([body + check, f"{body[:3]}-{body[3]}-{body[4:7]}-{body[7:]}-{check}"])


def version(draw: Draw) -> str:
    three = f"{draw.between(0, 12)}.{draw.between(0, 30)}.{draw.between(0, 20)}"
    return draw.pick(
        [
            three,
            f"v{three}",
            f"{three}-rc.{draw.between(1, 5)}",
            f"{three}+build.{draw.digits(4)}",
            f"{draw.between(1, 9)}.{draw.between(0, 30)}",
        ]
    )


def sku(draw: Draw) -> str:
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    return draw.pick(
        [
            f"{draw.chars(3, letters)}-{draw.digits(4)}-{draw.chars(2, letters)}",
            f"{draw.chars(2, letters)}{draw.digits(6)}",
            f"{draw.digits(3)}-{draw.digits(5)}-{draw.digits(2)}",
            f"P/N {draw.digits(8)}",
            f"{draw.chars(4, letters)}{draw.digits(4)}{draw.pick(letters)}",
        ]
    )


def money(draw: Draw) -> str:
    amount = draw.between(1, 98_000) + draw.between(0, 99) / 100
    return draw.pick(
        [f"¥{amount:,.2f}", f"{amount:.2f}元", f"{int(amount)}元"]
        if draw.zh
        else [f"${amount:,.2f}", f"€{amount:.2f}", f"{amount:,.2f} USD", f"£{int(amount)}"]
    )


FILLERS: dict[str, Callable[[Draw], str]] = {
    "day": day,
    "order": order,
    "tracking": tracking,
    "isbn": isbn,
    "version": version,
    "sku": sku,
    "money": money,
    "datetime": lambda draw: draw.pick(
        [
            f"{moment(draw):%Y-%m-%d %H:%M:%S}",
            f"{moment(draw):%Y-%m-%dT%H:%M:%SZ}",
            f"{moment(draw):%Y-%m-%dT%H:%M:%S}.{draw.digits(3)}+08:00",
        ]
    ),
    "clock": lambda draw: f"{moment(draw):%H:%M}",
    "unix": lambda draw: str(int(moment(draw).timestamp())),
    "unix_ms": lambda draw: f"{int(moment(draw).timestamp())}{draw.digits(3)}",
    "uuid": lambda draw: str(UUID(bytes=draw.bytes(16), version=4)),
    "sha1": lambda draw: draw.hex(40),
    "sha256": lambda draw: draw.hex(64),
    "md5": lambda draw: draw.hex(32),
    "short": lambda draw: draw.hex(7),
    "hex8": lambda draw: "0x" + draw.hex(8),
    "int": lambda draw: str(draw.between(2, 9999)),
    "small": lambda draw: str(draw.between(2, 60)),
    "long": lambda draw: draw.digits(draw.between(9, 20), first="2367"),
    "float": lambda draw: f"{draw.between(0, 999)}.{draw.digits(draw.between(2, 9))}",
    "percent": lambda draw: f"{draw.between(1, 99)}.{draw.between(0, 9)}%",
    "ticket": lambda draw: f"{draw.pick(['OPS', 'CORE', 'WEB', 'JIRA', 'DATA', 'PAY'])}-{draw.between(12, 9800)}",
    "geo": lambda draw: f"{draw.between(-89, 89)}.{draw.digits(6)}, {draw.between(-179, 179)}.{draw.digits(6)}",
    "company": lambda draw: draw.word("zh_companies" if draw.zh else "en_companies"),
    "product": lambda draw: draw.word("zh_products" if draw.zh else "en_products"),
    "city": lambda draw: draw.word("zh_cities" if draw.zh else "en_cities"),
    "department": lambda draw: draw.word("zh_departments" if draw.zh else "en_departments"),
    "path": lambda draw: draw.word("paths"),
    "user": lambda draw: draw.word("handles"),
    "domain": lambda draw: draw.word("domains"),
    "topic": lambda draw: draw.word("zh_topics" if draw.zh else "en_topics"),
    "emoji": lambda draw: draw.pick("😀🙏👍😭🎉🚚💳📦"),
    "imo": lambda draw: f"IMO {draw.digits(7)}",
    "ean": lambda draw: draw.digits(13, first="69"),
    "room": lambda draw: f"{draw.between(1, 30)}{draw.between(0, 3)}{draw.between(1, 9)}",
}
