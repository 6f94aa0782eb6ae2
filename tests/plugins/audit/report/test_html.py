"""No name in a ledger can become markup, a script, or a change of what stands beside it."""

from __future__ import annotations

import re
from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st
from tests.plugins.audit.report.evidence import BROKEN, NOW, Record, call, exchange, finding, operation

from yumen_plugins.audit.report import FRAMEWORKS, Verification, build, gather
from yumen_plugins.audit.report.html import VOID, bar, page, shown, table, tag
from yumen_plugins.audit.report.style import with_running_head

HOSTILE = "</style></td><script>alert('甲')</script><img src=x onerror=\"y\">&amp;\u202e}\x00\ud800"
ELEMENTS = set(
    re.findall(
        r"\w+",
        "html head meta title style body main section h1 h2 h3 p ul li dl dt dd div strong span code "
        "table caption thead tbody tr th td svg rect",
    )
)
ATTRIBUTES = set(
    re.findall(
        r"[\w-]+",
        "lang charset http-equiv content name class role scope colspan aria-label viewbox width height x y",
    )
)


class Reader(HTMLParser):
    """Reads a page as a browser does, notes elements and attributes, and checks that all are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.seen, self.attributes, self.open = set[str](), set[str](), list[str]()
        self.text = list[str]()
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.add(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def hostile() -> str:
    """A report of a ledger in which every name is hostile."""
    record: Record = exchange(
        1,
        1,
        tenant=HOSTILE,
        route=HOSTILE,
        outcome=HOSTILE,
        policy=HOSTILE,
        plugins={HOSTILE: HOSTILE},
        accept_raw=HOSTILE,
        egress=HOSTILE,
        sent_form=HOSTILE,
        findings=[finding(HOSTILE, HOSTILE)],
        trace=[call("block", HOSTILE), call("fault", "x", plugin=HOSTILE)],
    )
    intent = {"kind": "intent", "time": record["time"], "id": HOSTILE}
    told = [(HOSTILE, record), (HOSTILE, operation(1, HOSTILE, HOSTILE, **{HOSTILE: HOSTILE})), (HOSTILE, intent)]
    wrong = Verification(
        ok=False, integrity=[HOSTILE], continuity=[HOSTILE], completeness=[HOSTILE], keys=[HOSTILE], logs=[HOSTILE]
    )
    figures = gather(told)
    return build(
        "pipl",
        figures,
        wrong,
        title=HOSTILE,
        command=HOSTILE,
        period=HOSTILE,
        cites={HOSTILE: ["PIPL Art. 6"]},
        now=NOW,
    )


def test_hostile_names_stay_text() -> None:
    """A tenant, a rule or an operator's word that is markup is shown as it is written, and makes no element."""
    text = hostile()
    reader = Reader(text)
    assert reader.seen <= ELEMENTS
    assert reader.attributes <= ATTRIBUTES
    assert "<script" not in text
    assert not set(text) & {"\u202e", "\x00", "\ud800"}
    text.encode()
    assert sum("<script>alert('甲')</script>" in part for part in reader.text) >= 10


@given(st.text(max_size=60))
def test_text_comes_back_from_a_page_as_it_was(text: str) -> None:
    """What a browser reads in an element or an attribute is the text, with a mark for what cannot be shown."""
    expected = "".join(one if one.isprintable() else "\ufffd" for one in text)
    reader = Reader("".join(tag("p", text, aria_label=text).parts()))
    assert "".join(reader.text) == expected
    assert re.fullmatch(r"[^<>\"']*", shown(text))


def test_a_page_forbids_scripts_and_loads_nothing() -> None:
    """Its own policy names the one style sheet by its hash; nothing in it points to another place."""
    for name in FRAMEWORKS:
        text = build(name, gather([]), BROKEN, now=NOW)
        assert "default-src 'none'; style-src 'sha256-".replace("'", "&#x27;") in text
        assert not re.search(
            r"(?i)<(script|link|iframe|img|object|base)|\b(src|href|style|on[a-z]+)=|url\(|@import|https?:", text
        )


def test_a_line_in_a_style_sheet_cannot_end_it() -> None:
    """What stands at the top of printed pages is plain, whatever it was made of."""
    style = with_running_head(HOSTILE + '"; } body { display: none } /*\\')
    last = style.splitlines()[-1]
    assert re.fullmatch(r'@page \{ @top-left \{ content: "[A-Za-z0-9 .:?-]*"; font-size: 8pt; \} \}', last)


def test_a_table_is_one_for_those_who_cannot_see_it() -> None:
    """Heads of columns and rows say what they are heads of, numbers are numbers, and what is left out is said."""
    markup = "".join(table("规则", ("rule", "number"), [("a<b", 1234)], left_out=5).parts())
    assert markup == (
        "<table><caption>规则</caption>"
        '<thead><tr><th scope="col">rule</th><th scope="col" class="number">number</th></tr></thead>'
        '<tbody><tr><th scope="row">a&lt;b</th><td class="number">1,234</td></tr>'
        '<tr><td colspan="2" class="none">and 5 more</td></tr></tbody></table>'
    )
    assert "none" in "".join(table("t", ("a",), []).parts())
    assert 'width="100.0"' in "".join(bar(7.0, "x").parts())
    assert 'aria-label="50 percent"' in "".join(bar(0.5, "50 percent").parts())


def test_a_page_says_its_language() -> None:
    """Readers aloud need the language of the page, and of names in another one."""
    assert '<html lang="en">' in page("t", "", [])
    text = build("pipl", gather([]), BROKEN, now=NOW)
    assert '<p class="official" lang="zh-Hans">中华人民共和国个人信息保护法</p>' in text
