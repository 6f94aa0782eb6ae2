"""Builds HTML. Whatever is text is escaped where it is written out, so that no caller can forget it.

Only this module makes markup. Names of elements and attributes come from our code, never from a record.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator, Sequence
from html import escape

import msgspec

VOID = frozenset(("meta", "br", "rect"))
# What stands where a character cannot be shown, or would change how those beside it are shown.
UNSHOWN = "\ufffd"


class Element(msgspec.Struct, frozen=True):
    """An element with its attributes and what is in it: elements, or text that is not escaped yet."""

    name: str
    attributes: dict[str, str]
    children: tuple[Element | str, ...]

    def parts(self) -> Iterator[str]:
        """Its markup, piece by piece."""
        yield f"<{self.name}"
        for name, value in self.attributes.items():
            yield f' {name}="{shown(value)}"'
        yield ">"
        if self.name in VOID:
            return
        for child in self.children:
            if isinstance(child, Element):
                yield from child.parts()
            else:
                yield shown(child)
        yield f"</{self.name}>"


def tag(name: str, *children: Element | str, **attributes: str) -> Element:
    """An element. In names of attributes `_` stands for `-`, and one at the end is dropped: `class_`, `aria_label`.
    One that is empty is left out."""
    named = {key.rstrip("_").replace("_", "-"): value for key, value in attributes.items() if value}
    return Element(name, named, children)


def shown(text: str) -> str:
    """Text as it may stand in an element or a quoted attribute: escaped, and without characters that are not printed.

    Among these are controls, surrogates, and marks that turn the direction of writing round.
    """
    return escape("".join(one if one.isprintable() else UNSHOWN for one in text), quote=True)


def table(
    caption: str, heads: Sequence[str], rows: Sequence[Sequence[Element | str | int]], left_out: int = 0
) -> Element:
    """A table with heads of columns; the first cell of each row is its head. Numbers stand on the right."""
    first = rows[0] if rows else ()
    right = [place < len(first) and isinstance(first[place], int) for place in range(len(heads))]
    names = (tag("th", name, scope="col", class_="number" if right[place] else "") for place, name in enumerate(heads))
    head = tag("thead", tag("tr", *names))
    body = [tag("tr", *(_cell(value, place == 0) for place, value in enumerate(row))) for row in rows]
    if not rows:
        body = [tag("tr", tag("td", "none", colspan=str(len(heads)), class_="none"))]
    if left_out:
        body.append(tag("tr", tag("td", f"and {left_out:,} more", colspan=str(len(heads)), class_="none")))
    return tag("table", tag("caption", caption), head, tag("tbody", *body))


def bar(share: float, label: str) -> Element:
    """A bar that is so long as a share of [0, 1] is large, with its label for those who cannot see it."""
    width = f"{100 * min(max(share, 0.0), 1.0):.1f}"
    rect = tag("rect", x="0", y="0", width=width, height="8", class_="bar")
    return tag("svg", rect, role="img", aria_label=label, viewBox="0 0 100 8", width="100", height="8")


def page(title: str, style: str, body: Sequence[Element], lang: str = "en") -> str:
    """A whole document. It holds no script and loads nothing, and its own policy forbids both."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    head = "".join(
        part
        for element in (
            tag("meta", charset="utf-8"),
            tag("meta", http_equiv="Content-Security-Policy", content=policy),
            tag("meta", name_="viewport", content="width=device-width, initial-scale=1"),
            tag("title", title),
        )
        for part in element.parts()
    )
    text = "\n".join("".join(element.parts()) for element in body)
    start = f'<!DOCTYPE html>\n<html lang="{shown(lang)}"><head>{head}<style>{style}</style></head>\n<body>\n'
    return f"{start}{text}\n</body></html>\n"


def _cell(value: Element | str | int, head: bool) -> Element:
    if isinstance(value, int):
        return tag("td", f"{value:,}", class_="number")
    return tag("th", value, scope="row") if head else tag("td", value)
