"""Draws names, addresses and e-mail addresses from a half's words."""

from __future__ import annotations

from tests.labelled.draw import Draw


def cn_name(draw: Draw) -> str:
    given = draw.word("zh_given")
    return (draw.word("zh_surnames_two") if draw.chance(0.06) else draw.word("zh_surnames")) + given


def en_name(draw: Draw) -> str:
    first, last = draw.word("en_first"), draw.word("en_last")
    spelling = draw.weighted({"plain": 12, "middle": 2, "hyphen": 1, "pinyin": 2})
    if spelling == "middle":
        return f"{first} {draw.pick('ABCDEFGHJKLMNPRSTW')}. {last}"
    if spelling == "hyphen":
        return f"{first} {last}-{draw.word('en_last')}"
    return draw.word("pinyin") if spelling == "pinyin" else f"{first} {last}"


def cn_address(draw: Draw) -> str:
    place, road, number = draw.word("zh_places"), draw.word("zh_roads"), draw.between(1, 399)
    house = draw.pick(
        [
            f"{draw.between(1, 30)}号楼{draw.between(1, 6)}单元{draw.between(101, 2802)}室",
            f"{draw.word('zh_estates')}{draw.between(1, 40)}栋{draw.between(101, 3204)}",
            f"{draw.word('zh_estates')}{draw.between(1, 20)}幢{draw.between(1, 4)}单元{draw.between(101, 1802)}",
            f"{draw.word('zh_buildings')}{draw.pick('AB')}座{draw.between(3, 38)}层",
            f"{draw.word('zh_buildings')}{draw.between(301, 2910)}室",
            "",
            f"{draw.between(2, 20)}号楼{draw.between(101, 2802)}",
        ]
    )
    if draw.chance(0.15):
        return f"{draw.word('zh_villages')}{draw.between(1, 12)}组{draw.between(1, 120)}号"
    return f"{place}{road}{number}{draw.pick(['号', '号', '号', '弄'])}{house}"


def cn_address_short(draw: Draw) -> str:
    """Without province and city, as people write it to those who know."""
    house = f"{draw.between(1, 20)}号楼{draw.between(101, 2802)}"
    return f"{draw.word('zh_districts')}{draw.word('zh_roads')}{draw.between(1, 399)}号{draw.word('zh_estates')}{house}"


def en_address(draw: Draw) -> str:
    street = f"{draw.between(1, 9800)} {draw.pick(['', '', '', 'N. ', 'West '])}{draw.word('en_streets')}"
    unit = draw.pick(
        [
            "",
            "",
            "",
            f", Apt {draw.between(1, 40)}{draw.pick('ABC')}",
            f", Suite {draw.between(100, 900)}",
            f" #{draw.between(1, 60)}",
            f", Unit {draw.between(1, 30)}",
        ]
    )
    town, state, code = draw.word("en_towns").rsplit(" ", 2)
    united_states = f"{street}{unit}, {town}, {state} {code}"
    british = f"{draw.between(1, 180)} {draw.word('uk_streets')}, {draw.word('uk_towns')}"
    return draw.weighted(
        {
            united_states: 6,
            british: 3,
            f"{street}{unit}": 1,
            f"{street}{unit}\n{town}, {state} {code}": 1,
            f"PO Box {draw.between(10, 9900)}, {town}, {state} {code}": 1,
        }
    )


def en_address_line(draw: Draw) -> str:
    """On one line."""
    return en_address(draw).replace("\n", ", ")


def email(draw: Draw) -> str:
    first, last = draw.word("handles"), draw.word("en_last").lower().replace("'", "")
    box = draw.pick(
        [
            f"{first}.{last}",
            f"{first}{draw.between(1, 999)}",
            f"{first[0]}.{last}",
            f"{last}_{first}",
            draw.digits(8),
            f"{first}+{draw.pick(['news', 'shop', 'dev'])}",
            f"{first}-{last}",
        ]
    )
    whole = f"{box}@{draw.word('domains')}"
    return draw.weighted({whole: 9, whole.title().replace("@", "@"): 1})


PEOPLE = {
    "cn.name": cn_name,
    "en.name": en_name,
    "en.name.last": lambda draw: draw.word("en_last"),
    "en.name.reversed": lambda draw: f"{draw.word('en_last')}, {draw.word('en_first')}",
    "en.name.first": lambda draw: draw.word("en_first"),
    "cn.address": cn_address,
    "cn.address.short": cn_address_short,
    "en.address": en_address,
    "en.address.line": en_address_line,
    "email": email,
}
