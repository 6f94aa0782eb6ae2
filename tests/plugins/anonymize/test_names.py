"""Names without a model, in Chinese and in English."""

from __future__ import annotations

import pytest

from yumen_plugins.anonymize.detectors.names import NAMES
from yumen_plugins.anonymize.scan import Scanner

SCANNER = Scanner(NAMES)


def found(text: str) -> list[str]:
    return [text[hit.start : hit.end] for hit in SCANNER.scan([text])[0]]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("感谢客户王小明先生和李老师", ["王小明", "李"]),
        ("甲方：张三，乙方：李四", ["张三", "李四"]),
        ("姓名张伟性别男年龄30", ["张伟"]),
        ("由李建国负责，由于天气", ["李建国"]),
        ("张三丰（13812345678）", ["张三丰"]),
        ("参会人员：张伟、李娜、王芳", ["张伟", "李娜", "王芳"]),
        ("古丽努尔·阿卜杜热合曼", ["古丽努尔·阿卜杜热合曼"]),
        ("此致\n敬礼\n张建国", ["张建国"]),
        ("请把郭晓燕、徐敏和毛平的合同准备好", ["郭晓燕", "徐敏", "毛平"]),
        ("石国庆说下周一交付", ["石国庆"]),
        ("王国强负责，孙子涵复核", ["王国强", "孙子涵"]),
        ("出租方（甲方）：秦平", ["秦平"]),
        ('{"receiver": "康芳"}', ["康芳"]),
        ("6518150734,秦平,1961.04.27", ["秦平"]),
        ("麻烦王总找李工看一下", ["王", "李"]),
        ("Patient name: Wilson, Linda\n", ["Wilson, Linda"]),
        ("Candidate Noah Patel (l.rossi@example.com)", ["Noah Patel"]),
        ("VALUES ('Lisa Moore', 3)", ["Lisa Moore"]),
        ("Please ask Michael to call about Anna's order", ["Michael", "Anna"]),
        ("Oluwaseun Adeyemi <olu@example.com>", ["Oluwaseun Adeyemi"]),
        ("between Mary Major and Richard Roe (hereinafter", ["Mary Major", "Richard Roe"]),
        ("customer Linda Brown called, my wife Susan too", ["Linda Brown", "Susan"]),
        ("From: Jane Doe <jane@example.com>", ["Jane Doe"]),
        ("Approved by: L. Chen", ["L. Chen"]),
        ("Li Na and Xiaoming Wang met", ["Li Na", "Xiaoming Wang"]),
        ("参会：何雨桐 罗翔 金鑫", ["何雨桐", "罗翔", "金鑫"]),
        ("新员工唐丽将于周一入职，客户徐静来电", ["唐丽", "徐静"]),
        ("跟李雷和韩梅确认，由林涛代为签收", ["李雷", "韩梅", "林涛"]),
        ("经黄蓉批准，据彭勇介绍，欧阳修远查房", ["黄蓉", "彭勇", "欧阳修远"]),
        ("班主任方明老师，感谢林涛的帮助", ["方明", "林涛"]),
        ("張偉明先生和林美玲小姐", ["張偉明", "林美玲"]),
        ("please welcome Wei Zhang to the team", ["Wei Zhang"]),
        ("Plaintiff Dmitri Volkov alleges", ["Dmitri Volkov"]),
    ],
)
def test_names_are_taken_whole(text: str, values: list[str]) -> None:
    """A name is taken from its first to its last character, and neither title nor label with it."""
    assert found(text) == values


@pytest.mark.parametrize(
    "text",
    [
        "金牌律师、常务董事、文学博士、石油部长、平安经理、基金经理",
        "历史老师和语文老师都很高兴，谢谢老师",
        "客户关系管理，客户满意度，用户：高级会员",
        "同学们，联系方式和联系客服，通知书",
        "I'm Sorry. I am German. This is Python.",
        "Level: Warning\nMessage: Connection Refused",
        "Dear Customer,\nthank you.\nBest regards,\nThe Support Team",
        "Hong Kong and New York in Monday March",
        "name = Foo Bar",
        "React Router, Active Directory, Vec::new, Visual Studio Code",
        "Owner: Platform Team",
        "George Washington Bridge and Hello Kitty, and Jack Daniel's",
        "康师傅红烧牛肉面，由于国家通过，对于家长来说，公司公关经理",
        "思路敏捷，历史渊源，一曲壮丽，荡气回肠，汗牛充栋，白云山，孔夫子",
        "向英国出口，于德国生产，把文章译成英文，健康长寿",
        "Paid by Bank Transfer, signed by hand, contributed by Acme Corp",
        "王者荣耀 高兴 张江 李宁 马上 金融 安全 方便 江南",
    ],
)
def test_ordinary_words_are_no_names(text: str) -> None:
    """Words that begin like a family name, roles, greetings and labels of logs are left alone."""
    assert found(text) == []


@pytest.mark.parametrize(
    "unit", ["王", "张伟先生", "姓名：", "阿·", "Mr. ", "Mr. Aa ", "Aa ", "John ", "Name: ", "张伟 "]
)
def test_hostile_text_is_only_long(unit: str) -> None:
    """A hundred thousand repeats of what begins a name end, and nothing is found outside the text."""
    text = unit * (100_000 // len(unit))
    assert all(0 <= hit.start < hit.end <= len(text) for hit in SCANNER.scan([text])[0])
