"""Which string leaves of a payload are declared structure, and which are texts.

A dialect describes its payloads as a tree of `Shape`s. The rule of the house: a leaf is structure only where it is
declared *and* its value is one of the declared words; every other string leaf is a text, a leaf that nobody declared is a
text of kind `extra`, the name of an undeclared member is a text of kind `key`, and a long undeclared number one of kind
`number`. So a new field is inspected, not skipped.

Paths hold declared names only. A member that is not declared shows as its position, `{2}`, because its name belongs to
the caller and may be personal data.
"""

from __future__ import annotations

import re
from itertools import chain
from typing import Any

from yumen.dialects.document import Document
from yumen.errors import Problem
from yumen.forms import TextState
from yumen.text import Kind

# A shorter number cannot hold a phone, card or identity number.
NUMBER_DIGITS_MIN = 7
# Where its member's name says what it is, it can: `{"cvv": 123}`.
MEMBER_DIGITS_MIN = 3
# The types of numbers, and of what holds more of them; and between which whole numbers all are shorter.
NUMBERS, ARRAYS = frozenset({int, float}), frozenset({list})
LOW, HIGH = -(10 ** (NUMBER_DIGITS_MIN - 2)), 10 ** (NUMBER_DIGITS_MIN - 1)
DATA_URL = re.compile(r"data:[^,]{0,256};base64,", re.IGNORECASE)


class Shape:
    """What may stand at one place of a payload.

    `kind`: of a string found here (None: structure, if it is one of `words`). `fields`: declared members. `items`: shape of
    an array's items (left out: the same shape). `plain_numbers`: numbers here are declared. `tokens`: numbers here are
    text that was tokenised by the caller, which nobody can read. `nested`: a string here is itself JSON. `extra`: the
    shape of undeclared members (left out: `EXTRA`). `cases`: the shapes that an object has in the place of this one, by the
    word of its member `case`.
    """

    __slots__ = ("case", "cases", "extra", "fields", "items", "kind", "nested", "plain_numbers", "tokens", "words")

    def __init__(
        self,
        kind: Kind | None = "extra",
        *,
        words: frozenset[str] = frozenset(),
        fields: dict[str, Shape] | None = None,
        items: Shape | None = None,
        plain_numbers: bool = False,
        tokens: bool = False,
        nested: bool = False,
        extra: Shape | None = None,
        case: str = "",
        cases: dict[str, Shape] | None = None,
    ) -> None:
        self.kind: Kind = kind or "extra"
        self.words = words
        self.fields = fields or {}
        self.items = items or self
        self.plain_numbers = plain_numbers
        self.tokens = tokens
        self.nested = nested
        self.extra = extra
        self.case = case
        self.cases = cases or {}


EXTRA = Shape()
NUMBER = Shape(plain_numbers=True)


def words(*allowed: str) -> Shape:
    """A place where one of a few words stands."""
    return Shape(None, words=frozenset(allowed))


class Walk:
    """Walks one document beside its shape, in source order, and collects its texts."""

    __slots__ = ("_depth_max", "_document", "_group", "_next", "_numbers", "_role", "_texts_max", "texts")

    def __init__(self, document: Document, shape: Shape, *, depth_max: int, texts_max: int) -> None:
        self.texts: list[TextState] = []
        self._document = document
        self._depth_max = depth_max
        self._texts_max = texts_max
        # The ordinal of the next literal, and how many of those so far were numbers.
        self._next = self._numbers = 0
        self._role = ""
        self._group = -1
        self._visit(document.tree, shape, "", 0)
        if self._next - self._numbers != document.count_strings():
            # The decoder keeps the last of two members with one name; an engine may keep the first.
            raise Problem("bad_request", "The body names a member of an object twice.")

    def _visit(self, value: Any, shape: Shape, path: str, depth: int, looked: int = 0) -> None:
        """`looked`: so deep everything is known to be arrays, so that `_pass_numbers` need not look through them again."""
        if type(value) is str:
            ordinal = self._next
            self._next = ordinal + 1
            if value not in shape.words:
                self._add_string(value, shape, path, ordinal, depth)
        elif type(value) is dict:
            self._visit_object(value, shape, path, depth + 1)
        elif type(value) is list:
            if depth >= self._depth_max:
                raise Problem("bad_request", f"The body is nested deeper than {self._depth_max}.")
            if depth + 1 >= looked and not shape.items.fields:
                looked = self._pass_numbers(value, shape.items, depth + 1)
                if not looked:
                    return
            top = path == "messages"
            for index, item in enumerate(value):
                if top:
                    self._group = index
                self._visit(item, shape.items, f"{path}[{index}]", depth + 1, looked)
            if top:
                self._group, self._role = -1, ""
        elif value is not None and value is not True and value is not False:
            self._add_number(shape, path)

    def _visit_object(self, value: dict[str, Any], shape: Shape, path: str, depth: int) -> None:
        if depth > self._depth_max:
            raise Problem("bad_request", f"The body is nested deeper than {self._depth_max}.")
        if shape.cases:
            word = value.get(shape.case)
            shape = shape.cases.get(word, shape) if type(word) is str else shape
        fields = shape.fields
        if self._group >= 0 and "role" in fields and "role" in value:
            role = value["role"]
            self._role = role if type(role) is str and role in fields["role"].words else ""
        prefix = f"{path}." if path else ""
        for index, (name, item) in enumerate(value.items()):
            field = fields.get(name)
            if field is None:
                below = f"{path}{{{index}}}"
                self._add(TextState(below, self._role, "key", name, self._group, self._document, self._next))
                self._next += 1
                self._visit(item, shape.extra or EXTRA, below, depth)
                continue
            # This loop runs for every member of every payload: the two most frequent cases are decided here.
            self._next += 1
            kind = type(item)
            if kind is str and item in field.words:
                self._next += 1
            elif kind is int and field.plain_numbers:
                self._next += 1
                self._numbers += 1
            else:
                self._visit(item, field, prefix + name, depth)

    def _add_string(self, value: str, shape: Shape, path: str, ordinal: int, depth: int) -> None:
        kind = shape.kind
        if shape.nested and self._add_nested(value, path, ordinal, depth):
            return
        if kind != "message" and DATA_URL.match(value):
            kind = "media"
        elif kind == "message" and self._role in ("tool", "function"):
            kind = "tool_result"
        self._add(TextState(path, self._role, kind, value, self._group, self._document, ordinal))

    def _add_nested(self, value: str, path: str, ordinal: int, depth: int) -> bool:
        """Take a string that is itself JSON apart; False where it is not JSON and so is an ordinary text."""
        try:
            inner = Document.parse(value.encode())
            walk = Walk(inner, NESTED, depth_max=self._depth_max - depth, texts_max=self._texts_max - len(self.texts))
        except Problem as problem:
            if problem.code == "payload_too_large" or depth + 1 >= self._depth_max:
                raise
            return False
        if type(inner.tree) not in (dict, list):
            return False
        inner_path = f"{path}#"
        for text in walk.texts:
            text.path = inner_path + text.path
            text.role = self._role
            text.group = self._group
            text.outer = (self._document, ordinal)
            self._add(text)
        return True

    def _add_number(self, shape: Shape, path: str) -> None:
        ordinal = self._next
        self._next = ordinal + 1
        self._numbers += 1
        if shape.tokens:
            self._add(TextState(path, self._role, "media", "", self._group, self._document, ordinal))
        elif not shape.plain_numbers:
            start, end = self._document.spans[ordinal]
            if end - start >= (MEMBER_DIGITS_MIN if path.endswith("}") else NUMBER_DIGITS_MIN):
                literal = self._document.literal(ordinal)
                self._add(TextState(path, self._role, "number", literal, self._group, self._document, ordinal))

    def _pass_numbers(self, values: list[Any], shape: Shape, depth: int) -> int:
        """Pass over an array of numbers that are no texts, or of such arrays: 0; else the depth at which something else is.

        A tensor has very many, and a look at each of them would hold everybody up.
        """
        kinds = set(map(type, values))
        while kinds == ARRAYS and shape.items is shape and depth < self._depth_max:
            values, depth = list(chain.from_iterable(values)), depth + 1
            kinds = set(map(type, values))
        if shape.tokens or not kinds <= NUMBERS:
            return depth
        if not shape.plain_numbers and values and (float in kinds or min(values) <= LOW or max(values) >= HIGH):
            return depth
        self._next += len(values)
        self._numbers += len(values)
        return 0

    def _add(self, text: TextState) -> None:
        if len(self.texts) >= self._texts_max:
            raise Problem("payload_too_large", f"The body holds more than {self._texts_max} texts.")
        self.texts.append(text)


NESTED = Shape("tool_arguments")
NESTED.extra = NESTED
