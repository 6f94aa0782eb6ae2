"""A policy file as it stands on the page: its tree, and what lies between its scalars: comments, marks and blank lines.

Indices count code points, rows and columns from 0. The text has been read by `yumen.policy.reader` without complaint.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator

import msgspec
import yaml

from yumen.policy.reader import LOADER

# What ends a line, and with it a comment, in YAML 1.1; carriage returns are gone by now.
BREAK = re.compile("[\n\x85\u2028\u2029]")
COMMENT = re.compile("#[^\n\x85\u2028\u2029]*")


class Comment(msgspec.Struct, frozen=True):
    """A comment from its `#` on, without blanks at its end."""

    start: int
    row: int
    column: int
    text: str


class Page:
    """One document."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.root: yaml.Node | None = yaml.compose(text, Loader=LOADER)
        self._breaks = [found.start() for found in BREAK.finditer(text)]
        spans = list(self._scalars(self.root)) if self.root is not None else []
        self._starts = [start for start, _ in spans]
        self.comments = list(self._comments(spans))
        self._comment_starts = [comment.start for comment in self.comments]
        taken = {row for start, end in spans for row in range(self.row(start), self.row(end) + 1)}
        lines = enumerate(BREAK.split(text))
        self._blank_rows = [row for row, line in lines if not line.strip() and row not in taken]
        marks = list(text)
        for start, end in [*spans, *((one.start, one.start + len(one.text)) for one in self.comments)]:
            marks[start:end] = " " * (end - start)
        self._marks = [index for index, one in enumerate(marks) if not one.isspace()]

    def source(self, node: yaml.Node) -> str:
        """The text of a node as it is written."""
        return self.text[node.start_mark.index : node.end_mark.index]

    def row(self, index: int) -> int:
        """The row of an index."""
        return bisect_left(self._breaks, index)

    def blank_between(self, row: int, later: int) -> bool:
        """Whether a blank line lies between two rows."""
        first = bisect_right(self._blank_rows, row)
        return first < len(self._blank_rows) and self._blank_rows[first] < later

    def scalar_between(self, start: int, end: int) -> bool:
        """Whether a scalar begins between two indices."""
        return bisect_left(self._starts, start) < bisect_left(self._starts, end)

    def mark_between(self, start: int, end: int) -> bool:
        """Whether a mark such as `-`, `:` or `]` stands between two indices."""
        return bisect_left(self._marks, start) < bisect_left(self._marks, end)

    def comment_at(self, index: int) -> int:
        """The number of the first comment at or behind an index."""
        return bisect_left(self._comment_starts, index)

    def _scalars(self, node: yaml.Node) -> Iterator[tuple[int, int]]:
        """From where to where text stands that is no comment, whatever it looks like."""
        start, end = node.start_mark.index, node.end_mark.index
        if isinstance(node, yaml.MappingNode):
            for pair in node.value:
                for one in pair:
                    yield from self._scalars(one)
        elif isinstance(node, yaml.SequenceNode):
            for one in node.value:
                yield from self._scalars(one)
        elif is_text(node):
            header, content = halves(self.source(node))
            yield start, start + len(header)
            yield end - len(content), start + text_length(self.source(node))
        elif start < end:
            yield start, end

    def _comments(self, spans: list[tuple[int, int]]) -> Iterator[Comment]:
        position = 0
        for start, end in [*spans, (len(self.text), len(self.text))]:
            for found in COMMENT.finditer(self.text, position, start):
                row = self.row(found.start())
                line = self._breaks[row - 1] + 1 if row else 0
                yield Comment(found.start(), row, found.start() - line, found[0].rstrip())
            position = end


def is_text(node: yaml.Node) -> bool:
    """Whether a node is a text of the form `|` or `>`."""
    return isinstance(node, yaml.ScalarNode) and node.style in ("|", ">")


def halves(source: str) -> tuple[str, str]:
    """Of a text of the form `|` or `>`: the header without its comment, and the lines below it."""
    header, _, content = source.partition("\n")
    return header.partition("#")[0].rstrip(), content


def text_length(source: str) -> int:
    """The length of a text of the form `|` or `>`; blank lines behind it belong to it only if it keeps them (`+`)."""
    return len(source.removesuffix("\n") if "+" in halves(source)[0] else source.rstrip(" \n"))
