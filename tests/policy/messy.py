"""YAML documents as people write them, each in another way: for tests of what lays them out anew.

What comes out is mostly, not always, plain YAML that the reader takes.
"""

from __future__ import annotations

from hypothesis import strategies as st

SCALARS = [
    "yes", "on", "1:30", "2026-01-01", "0x1F", "010", "1_000", "1e3", ".5", "~", "null", "True", "-5", "中文 值", "😀",
    "a#b", "http://x/y", "'it''s # no'", '"a: \\" # b"', '"${env:X:-}"', "a-b", "-x", "[]", "{}", "?x", ":x",
]  # fmt: skip
# What may stand in brackets too, and over two lines.
IN_BRACKETS = [
    "yes",
    "1:30",
    "~",
    "True",
    "-5",
    "中文",
    "'# no'",
    '"a, ]}"',
    '"a\\\n      b"',
    "a\n      b",
    "'x\n\n      y'",
]
COMMENTS = ["", "", "", "", "  # 尾 tail", "\t# t", " #x"]
LINES = ["a", "# no", "  more", "", "中文: x", "- y", "\tt", "   "]


@st.composite
def brackets(draw: st.DrawFn, depth: int = 0) -> str:
    """A value in brackets, or a scalar, with comments and line ends anywhere."""

    def gap() -> str:
        return draw(st.sampled_from(["", " ", "\n      ", " # in 里\n      ", "\n\n      # own\n      "]))

    kind = draw(st.sampled_from("slm")) if depth < 3 else "s"
    if kind == "s":
        return draw(st.sampled_from(IN_BRACKETS))
    count = draw(st.integers(0, 3 if depth else 8))
    if kind == "l":
        items = [gap() + draw(brackets(depth + 1)) + gap() for _ in range(count)]
        comma = draw(st.sampled_from(["", ","])) if count else ""
        return f"[{','.join(items)}{comma}{gap()}]"
    items = [f"{gap()}k{n}: {draw(brackets(depth + 1))}{gap()}" for n in range(count)]
    if count and draw(st.booleans()):
        items.append(" last ")
    return f"{{{','.join(items)}{gap()}}}"


@st.composite
def between(draw: st.DrawFn, indent: int) -> str:
    """Blank lines and comments on lines of their own."""
    choices = ["\n", " \n", "\n\n\n", "# col0\n", f"{' ' * indent}# own 注\n", f"{' ' * (indent + 3)}# deep\n"]
    return "".join(draw(st.lists(st.sampled_from(choices), max_size=2)))


@st.composite
def text(draw: st.DrawFn, indent: int) -> str:
    """A text of the form `|` or `>` below a collection at `indent`."""
    style, chomp = draw(st.sampled_from("|>")), draw(st.sampled_from(["", "-", "+"]))
    step = draw(st.integers(1, 4))
    lines = draw(st.lists(st.sampled_from(LINES), min_size=1, max_size=4))
    first = next((line for line in lines if line.strip(" ")), "")
    needed = first.startswith(" ") or any(line and not line.strip(" ") for line in lines)
    digit = str(step) if needed or draw(st.booleans()) else ""
    below = "".join((" " * (indent + step) + line if line else "") + "\n" for line in lines)
    return f"{style}{digit}{chomp}{draw(st.sampled_from(COMMENTS))}\n{below}"


@st.composite
def value(draw: st.DrawFn, indent: int, depth: int) -> str:
    """What stands behind a `:` or `-` of a collection at `indent`."""
    tail = draw(st.sampled_from(COMMENTS)) + "\n"
    kinds = ["scalar", "scalar", "brackets", "text", "lines", "nothing", "below", "block"]
    kind = draw(st.sampled_from(kinds if depth < 4 else kinds[:-1]))
    if kind == "scalar":
        return f" {draw(st.sampled_from(SCALARS))}{tail}"
    if kind == "brackets":
        return f" {draw(brackets())}{tail}"
    if kind == "text":
        return f" {draw(text(indent))}"
    if kind == "lines":
        pad = " " * (indent + draw(st.integers(1, 5)))
        parts = [f"a\n{pad}b", f"a\n\n{pad}- b", f'"a\n{pad}# b"', f"'a  \n{pad}b'", f'"a\\\n{pad}\\ b"']
        return f" {draw(st.sampled_from(parts))}{tail}"
    if kind == "below":
        return f"{tail}{draw(between(indent + 1))}{' ' * (indent + 1)}{draw(st.sampled_from(SCALARS))}\n"
    return tail if kind == "nothing" else tail + draw(block(indent + draw(st.integers(1, 4)), depth + 1))


@st.composite
def block(draw: st.DrawFn, indent: int, depth: int, begun: bool = False) -> str:
    """A list or mapping at `indent`; `begun` where its first line has begun already."""
    out, listed = "", draw(st.booleans())
    for number in range(draw(st.integers(1, 4))):
        out += "" if begun and number == 0 else draw(between(indent)) + " " * indent
        if listed:
            blanks = draw(st.integers(1, 3))
            if depth < 4 and draw(st.integers(0, 3)) == 0:
                out += f"-{' ' * blanks}{draw(block(indent + 1 + blanks, depth + 1, True))}"
            else:
                out += f"-{draw(value(indent, depth))}"
            continue
        key = draw(st.sampled_from(["k%d", "键%d", '"q: %d"', "'s%d'", "x y%d"])) % number
        if draw(st.integers(0, 9)) == 0:
            out += f"? {key}{draw(st.sampled_from(COMMENTS))}\n{' ' * indent}:{draw(value(indent, depth))}"
        else:
            out += f"{key}{draw(st.sampled_from([':', ':', ' :']))}{draw(value(indent, depth))}"
    return out


@st.composite
def documents(draw: st.DrawFn) -> str:
    """A whole file."""
    out = draw(st.sampled_from(["", "---\n", "# head\n\n", "\n\n"])) + draw(block(draw(st.integers(0, 2)), 0))
    out += draw(between(0))
    if draw(st.integers(0, 5)) == 0:
        out = out.rstrip("\n")
    return out.replace("\n", "\r\n") if draw(st.integers(0, 5)) == 0 else out
