"""Draws numbers of people, papers, phones and machines, in the spellings that people use."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from tests.labelled import checks, national
from tests.labelled.draw import Draw

MOBILE_RANGES = (
    130, 131, 132, 133, 134, 135, 136, 137, 138, 139, 145, 147, 149, 150, 151, 152, 153, 155, 156, 157, 158, 159,
    166, 170, 171, 173, 175, 176, 177, 178, 180, 181, 182, 183, 185, 186, 187, 188, 189, 191, 193, 195, 198, 199,
)  # fmt: skip
PROVINCES = "京沪粤浙苏川鲁湘鄂闽渝津冀晋辽吉黑皖赣豫桂琼贵云陕甘青宁新蒙藏"


def mobile(draw: Draw) -> str:
    body = str(draw.pick(MOBILE_RANGES)) + draw.digits(8, first="0123456789")
    grouped = (body[:3], body[3:7], body[7:])
    spelling = draw.weighted({"plain": 11, "space": 3, "dash": 3, "+86": 1, "+86 ": 1, "86-": 1, "+86-dash": 1})
    return {
        "plain": body,
        "space": " ".join(grouped),
        "dash": "-".join(grouped),
        "+86": f"+86{body}",
        "+86 ": f"+86 {body}",
        "86-": f"86-{body}",
        "+86-dash": "+86 " + "-".join(grouped),
    }[spelling]


def landline(draw: Draw) -> str:
    code, length = draw.pick(
        [
            ("010", 8),
            ("021", 8),
            ("0755", 8),
            ("020", 8),
            ("0571", 8),
            ("0512", 8),
            ("028", 8),
            ("0531", 8),
            ("0731", 8),
            ("0592", 7),
            ("0898", 8),
            ("0871", 8),
            ("0936", 7),
            ("0851", 8),
            ("0773", 7),
        ]
    )
    body = draw.digits(length, first="2345678")
    extension = draw.pick(
        ["", "", "", "-" + draw.digits(3), "转" + draw.digits(3) if draw.zh else " ext. " + draw.digits(3)]
    )
    international = draw.pick([f"+86 {code[1:]} {body}", f"+86-{code[1:]}-{body}"])
    return (
        draw.pick(
            [
                f"{code}-{body}",
                f"{code}-{body}",
                f"({code}){body}",
                f"{code} {body}",
                f"（{code}）{body}" if draw.zh else f"({code}) {body}",
                international,
            ]
        )
        + extension
    )


def phone(draw: Draw) -> str:
    area = str(draw.between(2, 9)) + draw.digits(2, first="013456789").replace("11", "12")
    office, line = str(draw.between(2, 9)) + draw.digits(2, first="03456789"), draw.digits(4)
    return draw.pick(
        [
            f"({area}) {office}-{line}",
            f"{area}-{office}-{line}",
            f"+1 {area} {office} {line}",
            f"+1-{area}-{office}-{line}",
            f"{area}.{office}.{line}",
            f"+44 7{draw.digits(3)} {draw.digits(6)}",
            f"07{draw.digits(3)} {draw.digits(6)}",
            f"+44 20 7{draw.digits(3)} {draw.digits(4)}",
            f"020 7{draw.digits(3)} {draw.digits(4)}",
            f"+49 30 {draw.digits(8)}",
            f"+49 151 {draw.digits(8)}",
            f"+33 6 {' '.join(draw.digits(2) for _ in range(4))}",
            f"+852 {draw.pick('569')}{draw.digits(3)} {draw.digits(4)}",
            f"+61 4{draw.digits(2)} {draw.digits(3)} {draw.digits(3)}",
            f"+886 9{draw.digits(2)} {draw.digits(3)} {draw.digits(3)}",
            f"+65 9{draw.digits(3)} {draw.digits(4)}",
            f"+81 90-{draw.digits(4)}-{draw.digits(4)}",
            f"+91 98{draw.digits(3)} {draw.digits(5)}",
        ]
    )


def born(draw: Draw, first: int = 1950, last: int = 2006) -> date:
    return date(first, 1, 1) + timedelta(days=draw.between(0, (last - first) * 365))


def _id_body(draw: Draw, region: str, day: date) -> str:
    """The 17 digits before the check character: region, date of birth, serial number (GB 11643-1999)."""
    return region + f"{day:%Y%m%d}" + draw.digits(3, first="0123456789")


def id_card(draw: Draw) -> str:
    day = born(draw)
    body = _id_body(draw, draw.word("regions"), day)
    spelling = draw.weighted({"18": 14, "lower": 1, "15": 2, "spaced": 2})
    whole = body + checks.mod11_2(body)
    if spelling == "15" and day.year < 1999:
        return body[:6] + body[8:]
    if spelling == "spaced":
        return draw.pick([" ", "-"]).join((whole[:6], whole[6:14], whole[14:]))
    return whole.lower() if spelling == "lower" else whole


def id_card_mistyped(draw: Draw) -> str:
    body = _id_body(draw, draw.word("regions"), born(draw))
    wrong = [char for char in "0123456789X" if char != checks.mod11_2(body)]
    return body + draw.pick(wrong)


def residence_permit(draw: Draw) -> str:
    body = _id_body(draw, draw.pick(["810000", "820000", "830000"]), born(draw))
    return body + checks.mod11_2(body)


def cn_passport(draw: Draw) -> str:
    return draw.pick(
        [
            f"E{draw.digits(8)}",
            f"E{draw.pick('ABCDEFGHJKLM')}{draw.digits(7)}",
            f"G{draw.digits(8)}",
            f"E{draw.digits(8)}",
        ]
    )


def hkmo_permit(draw: Draw) -> str:
    return draw.pick(
        [
            f"C{draw.digits(8)}",
            f"C{draw.pick('ABCDEFGHJK')}{draw.digits(7)}",
            f"H{draw.digits(8)}",
            f"M{draw.digits(8)}",
            f"H{draw.digits(8)}00",
        ]
    )


def military_id(draw: Draw) -> str:
    return draw.pick(
        [
            f"军字第{draw.digits(7)}号",
            f"士字第{draw.digits(7)}号",
            f"文字第{draw.digits(7)}号",
            f"武字第{draw.digits(8)}号",
        ]
    )


def plate(draw: Draw) -> str:
    head = draw.pick(PROVINCES) + draw.pick("ABCDEFGHJK")
    letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
    five = "".join(draw.pick("0123456789" if place not in (0, 2) else "0123456789" + letters) for place in range(5))
    green = draw.pick("DF") + draw.digits(5, first="0123456789")
    return draw.pick([head + five, head + five, f"{head}·{five}", f"{head} {five}", head + green, f"{head}·{green}"])


def vin(draw: Draw) -> str:
    allowed = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
    head = draw.pick(["LSV", "LFV", "LVS", "LBV", "WBA", "1HG", "5YJ", "JTD", "WVW", "LGX", "LRW", "2T1"])
    return checks.vin(head + "".join(draw.pick(allowed) for _ in range(8)) + draw.digits(6, first="0123456789"))


def wechat(draw: Draw) -> str:
    if draw.chance(0.25):
        return "wxid_" + "".join(draw.pick("abcdefghijklmnopqrstuvwxyz0123456789") for _ in range(14))
    return (
        draw.word("handles")
        + draw.pick(["", "_", "-"])
        + draw.pick([draw.digits(2), draw.digits(3), draw.digits(4), str(born(draw).year)])
    )


def twid(draw: Draw) -> str:
    letter, body = draw.pick("ABCDEFGHIJKLMNOPQRSTUVWXYZ"), draw.pick("12") + draw.digits(7, first="0123456789")
    return letter + body + checks.twid(letter, body)


def hkid(draw: Draw) -> str:
    letters, body = (
        draw.pick([draw.pick("ABCDEGHKPRVYZ"), draw.pick("ABCDEGHKPRVYZ"), "WX"]),
        draw.digits(6, first="0123456789"),
    )
    check = checks.hkid(letters, body)
    return draw.pick(
        [
            f"{letters}{body}({check})",
            f"{letters}{body}({check})",
            f"{letters}{body}（{check}）",
            f"{letters}{body}{check}",
        ]
    )


def ip(draw: Draw) -> str:
    four = ".".join(
        str(part)
        for part in (
            draw.pick([10, 172, 192, 203, 114, 47, 8, 101]),
            draw.between(1, 254),
            draw.between(0, 254),
            draw.between(1, 254),
        )
    )
    six = (
        draw.pick(["2001:db8:", "2408:8207:", "fe80:", "2a02:"])
        + draw.pick([":", f"{draw.hex(4)}:{draw.hex(3)}:"])
        + f":{draw.hex(4)}:{draw.hex(2)}"
    )
    return draw.weighted({four: 4, six.replace(":::", "::"): 1})


def mac(draw: Draw) -> str:
    parts = [draw.hex(2) for _ in range(6)]
    return draw.pick([":".join(parts), ":".join(parts).upper(), "-".join(parts).upper(), "-".join(parts)])


def birth_date(draw: Draw) -> str:
    day = born(draw)
    if draw.zh:
        return draw.pick(
            [
                f"{day.year}年{day.month}月{day.day}日",
                f"{day:%Y-%m-%d}",
                f"{day:%Y/%m/%d}",
                f"{day:%Y%m%d}",
                f"{day:%Y.%m.%d}",
                f"{day.year} 年 {day.month} 月 {day.day} 日",
            ]
        )
    return draw.pick(
        [
            f"{day:%m/%d/%Y}",
            f"{day:%Y-%m-%d}",
            f"{day:%B} {day.day}, {day.year}",
            f"{day.day} {day:%B} {day.year}",
            f"{day:%d/%m/%Y}",
            f"{day:%d-%b-%Y}",
            f"{day.month}/{day.day}/{day:%y}",
        ]
    )


def ssn(draw: Draw) -> str:
    area = draw.pick([f"{number:03d}" for number in range(101, 660)])
    return f"{area}-{draw.between(10, 99)}-{draw.between(1000, 9999)}"


def itin(draw: Draw) -> str:
    return f"9{draw.digits(2)}-{draw.pick([70, 75, 82, 90, 94, 99, 50, 65])}-{draw.between(1000, 9999)}"


def nhs(draw: Draw) -> str:
    while True:
        body = draw.pick("4679") + draw.digits(8)
        check = checks.nhs(body)
        if check is not None:
            return draw.pick(
                [body + check, f"{body[:3]} {body[3:6]} {body[6:]}{check}", f"{body[:3]}-{body[3:6]}-{body[6:]}{check}"]
            )


def nino(draw: Draw) -> str:
    head, body, last = (
        draw.pick("ABCEGHJKLMNPRSTWXYZ") + draw.pick("ABCEGHJKLMPRSTWXYZ"),
        draw.digits(6),
        draw.pick("ABCD"),
    )
    if head in ("GB", "BG", "NK", "KN", "TN", "NT", "ZZ"):
        head = "AB"
    return draw.pick([head + body + last, f"{head} {body[:2]} {body[2:4]} {body[4:]} {last}"])


def us_licence(draw: Draw) -> str:
    return draw.pick(
        [
            f"{draw.pick('ABCDEFGHIJ')}{draw.digits(7)}",
            draw.digits(8),
            f"{draw.pick('FSM')}{draw.digits(3)}-{draw.digits(4)}-{draw.digits(4)}",
            draw.digits(9),
        ]
    )


def mrn(draw: Draw) -> str:
    return draw.pick(
        [
            draw.digits(7),
            draw.digits(8),
            f"{draw.pick('ABHMPZ')}{draw.digits(7)}",
            f"{draw.pick('MH')}R-{draw.digits(6)}",
        ]
    )


NUMBERS: dict[str, Callable[[Draw], str]] = {
    "cn.mobile": mobile,
    "cn.landline": landline,
    "phone": phone,
    "cn.id_card": id_card,
    "cn.id_card!": id_card_mistyped,
    "cn.residence_permit": residence_permit,
    "cn.passport": cn_passport,
    "cn.hkmo_permit": hkmo_permit,
    "cn.tw_permit": lambda draw: draw.pick([draw.digits(8), f"L{draw.digits(8)}", draw.digits(8)]),
    "cn.military_id": military_id,
    "cn.plate": plate,
    "cn.vin": vin,
    "cn.wechat": wechat,
    "cn.social_security": lambda draw: draw.pick(
        [draw.pick("ABCDEFGHK") + draw.digits(8), draw.digits(9), draw.digits(10)]
    ),
    "cn.driving_licence": lambda draw: draw.digits(12),
    "cn.qq": lambda draw: draw.digits(draw.between(6, 10)),
    "cn.hkid": hkid,
    "cn.twid": twid,
    "ip": ip,
    "net.mac": mac,
    "person.birth_date": birth_date,
    "us.ssn": ssn,
    "us.itin": itin,
    "us.passport": lambda draw: draw.pick([draw.digits(9), draw.pick("ACXY") + draw.digits(8)]),
    "us.driver_licence": us_licence,
    "uk.nhs": nhs,
    "uk.nino": nino,
    "health.mrn": mrn,
}


def _european(country: str) -> Callable[[Draw], str]:
    return lambda draw: national.NATIONAL[country](draw.rng)


NUMBERS.update({f"eu.national_id.{country}": _european(country) for country in national.NATIONAL})
