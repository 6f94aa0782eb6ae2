"""The one form of a policy file: how `yumen policy fmt` lays YAML out.

Scalars stay as they are written, so that no reader can take them for something else; what is laid out is the rest.
Blocks are indented by two columns, lists too. A collection in brackets stays in them where it fits on one line and holds no
comment, and is a block otherwise. Every comment is kept: one behind a value stands two columns behind it, aligned with
those directly above and below; one on a line of its own is indented like what it stands above, or, where it ends a block,
like that block. At most one blank line separates two things.

This is no general YAML printer: it takes what `yumen.policy.reader` takes. The round trip of ruamel.yaml, tried first, drops
comments in brackets and moves others at every run.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby

import yaml

from yumen.policy.page import Page, halves, is_text, text_length

WIDTH = 120
# Comments behind longer lines than this are not aligned with their neighbours: one such line would push all away.
ALIGNED_MAX = 80


def lay_out(text: str) -> str:
    """The same document in the one form."""
    return "".join(f"{line}\n" for line in _aligned(_Layout(Page(text)).run()))


class _Block:
    """A collection that is laid out as a block: its column in the source and in the form.

    `end` is the index behind the closing bracket of one that had brackets, whose columns say nothing.
    """

    def __init__(self, node: yaml.CollectionNode, column: int) -> None:
        self.source_column = node.start_mark.column
        self.end = node.end_mark.index if node.flow_style else 0
        self.column = column


class _Line:
    def __init__(self, text: str, comment: str = "") -> None:
        self.text = text
        self.comment = comment
        self.width = sum(2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text)


class _Layout:
    def __init__(self, page: Page) -> None:
        self.page = page
        self.lines: list[_Line] = []
        # The first comment that is not written yet, and those further down that stand behind a value already.
        self.next = 0
        self.taken: set[int] = set()
        # The blocks around what is being written, the outermost first.
        self.open: list[_Block] = []
        # Of the last line: the blocks around it, where its source ends, and whether no blank line may follow it.
        self.last: list[_Block] = []
        self.position = 0
        self.row = -1
        self.tight = False

    def run(self) -> list[_Line]:
        """Every line of the form."""
        if self.page.root is not None:
            self._value(self.page.root, self.page.root, 0, "", "")
        end = len(self.page.text) + 1
        self._comments_above(end, end, 0)
        return self.lines

    def _value(self, node: yaml.Node, begin: yaml.Node, column: int, lead: str, key: str) -> None:
        """A value that begins with the node `begin`, its key or itself.

        `column` is where it stands, `lead` what precedes it on its line: `- ` for each list that begins here.
        """
        start, end = begin.start_mark.index, node.end_mark.index
        before = " " * (column - len(lead)) + lead + key
        inline = self._inline(node)
        if isinstance(node, yaml.ScalarNode):
            self._scalar(node, start, before)
        elif inline is not None and (len(before) + 1 + len(inline) <= WIDTH or not node.value):
            self._line(f"{before} {inline}" if key else before + inline, start, end)
        elif key:
            opened = end if isinstance(node, yaml.CollectionNode) and node.flow_style else 0
            self._line(before, start, begin.end_mark.index, opened=opened)
            self.tight = True
            self._block(node, column + 2, "")
        else:
            self._block(node, column, lead)

    def _block(self, node: yaml.Node, column: int, lead: str) -> None:
        assert isinstance(node, yaml.CollectionNode)
        self.open.append(_Block(node, column))
        for item in node.value:
            if isinstance(node, yaml.MappingNode):
                key, value = item
                self._value(value, key, column, lead, f"{self._key(key)}:")
            else:
                self._value(item, item, column + 2, f"{lead}- ", "")
            lead = ""
        self.open.pop()

    def _scalar(self, node: yaml.ScalarNode, start: int, before: str) -> None:
        if before.endswith(":"):
            before += " "
        source = self.page.source(node)
        below = " " * ((self.open[-1].column if self.open else 0) + 2)
        if is_text(node):
            header, content = self._text(node)
            header_end = node.start_mark.index + len(halves(source)[0])
            self._line(before + header, start, header_end)
            self.lines += [_Line(below + line if line else "") for line in content]
            self.position = node.end_mark.index
            self.row = self.page.row(node.start_mark.index + text_length(source))
            self.tight = "+" in header  # a blank line would become part of it
        else:
            first, *rest = [line.strip(" \t") for line in source.split("\n")]
            lines = [_Line(below + line if line else "") for line in rest]
            self._line((before + first).rstrip(" "), start, node.end_mark.index, lines)

    def _text(self, node: yaml.ScalarNode) -> tuple[str, list[str]]:
        """The header of a text of the form `|` or `>`, and its lines without their indentation."""
        header, content = halves(self.page.source(node))
        digit = next((one for one in header if one.isdigit()), "")
        lines = content.split("\n")
        if digit:
            indent = (self.open[-1].source_column if self.open else 0) + int(digit)
        else:
            indent = next((len(line) - len(line.lstrip(" ")) for line in lines if line.strip(" ")), len(content))
        lines = [line[indent:] for line in lines]
        while lines and not lines[-1]:
            lines.pop()
        line_ends = len(node.value) - len(node.value.rstrip("\n"))
        # A text at the end of a file without a line end has none; the form has one there.
        chomp = "-" if lines and not line_ends else header.strip("|>0123456789")
        if chomp == "+":
            lines += [""] * (line_ends - bool(lines))
        return f"{node.style}{'2' if digit else ''}{chomp}", lines

    def _inline(self, node: yaml.Node) -> str | None:
        """A value on one line, or None where it is a block already or cannot be on one line."""
        if isinstance(node, yaml.ScalarNode):
            source = self.page.source(node)
            return None if "\n" in source else source or "null"
        assert isinstance(node, yaml.CollectionNode)
        start, end = (self.page.comment_at(mark.index) for mark in (node.start_mark, node.end_mark))
        if not node.flow_style or (node.value and start < end):
            return None
        mapping = isinstance(node, yaml.MappingNode)
        items = []
        for item in node.value:
            text = self._inline(item[1] if mapping else item)
            if text is None:
                return None
            items.append(f"{self._key(item[0])}: {text}" if mapping else text)
        return f"{{{', '.join(items)}}}" if mapping else f"[{', '.join(items)}]"

    def _key(self, node: yaml.Node) -> str:
        source = self.page.source(node)
        return source if source and "\n" not in source else json.dumps(node.value, ensure_ascii=False)

    def _line(self, text: str, start: int, end: int, more: Sequence[_Line] = (), opened: int = 0) -> None:
        """Write a line whose source is from `start` to `end`, with the comments that belong above and behind it.

        `more` are the lines that go on with it; `opened` is where the brackets end that it opens without them.
        """
        self._comments_above(start, end, len(text) - len(text.lstrip(" ")))
        self._blank(self.page.row(start))
        self.lines += [_Line(text), *more]
        self.lines[-1].comment = self._comment_behind(end) or (self._comment_behind(opened) if opened else "")
        self.row, self.position, self.last, self.tight = self.page.row(end), end, [*self.open], False

    def _comment_behind(self, end: int) -> str:
        """Take the comment on the same line behind an index, if no other value stands between; else empty."""
        number = self.page.comment_at(end)
        if number == len(self.page.comments) or number in self.taken:
            return ""
        comment = self.page.comments[number]
        if comment.row != self.page.row(end) or self.page.scalar_between(end, comment.start):
            return ""
        self.taken.add(number)
        return comment.text

    def _comments_above(self, start: int, end: int, indent: int) -> None:
        """Write the comments that stand above a line whose source is from `start` to `end`, or in the midst of it."""
        for number in range(self.next, self.page.comment_at(end)):
            self.next = number + 1
            if number not in self.taken:
                comment = self.page.comments[number]
                column = self._column(comment.start, comment.column, indent) if comment.start < start else indent
                self._blank(comment.row)
                self.lines.append(_Line(" " * column + comment.text))
                self.row, self.tight = comment.row, False

    def _column(self, index: int, column: int, indent: int) -> int:
        """Where a comment above a line begins: in the deepest block that just ended and that it was written in."""
        common = 0
        for one, other in zip(self.last, self.open, strict=False):
            if one is not other:
                break
            common += 1
        outer = self.last[common - 1].source_column if common else -1
        for block in reversed(self.last[common:]):
            if block.end:
                if index < block.end:
                    return block.column
            elif outer < block.source_column <= column and not self.page.mark_between(self.position, index):
                return block.column
        return indent

    def _blank(self, row: int) -> None:
        """Keep one of the blank lines between the last line and this one; none where a file or a block begins."""
        if self.lines and not self.tight and self.page.blank_between(self.row, row):
            self.lines.append(_Line(""))


def _aligned(lines: list[_Line]) -> Iterator[str]:
    """The lines with their comments; those of neighbouring lines make a column."""
    for beside, group in groupby(lines, lambda line: bool(line.comment) and line.width <= ALIGNED_MAX):
        run = list(group)
        column = max(line.width for line in run) + 2
        for line in run:
            gap = column - line.width if beside else 2
            yield f"{line.text}{' ' * gap}{line.comment}" if line.comment else line.text
