"""The names of the members that hold texts: what stands before a value says what it is.

A text's path shows an undeclared member as its position, `{0}`, since its name is the caller's own words; the name itself is
a text of kind `key`. Here the two are brought together again.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from yumen import Text

# One step of a path: a declared member, an undeclared one, an item, or the document inside a string.
STEP = re.compile(r"\{[0-9]+\}|\[[0-9]+\]|#|\.?[^.\[\]{}#]+")
# Of the members around a value so many say what it is, the nearest last.
NAMES_MAX, NAME_CHARS_MAX = 2, 64


class Members:
    """The names in one payload."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self._keys = {text.path: text.value for text in texts if text.kind == "key"}

    def __bool__(self) -> bool:
        return bool(self._keys)

    def before(self, texts: Sequence[Text]) -> list[str]:
        """For each text the names of the members that it is the value of, empty where it has none."""
        keys = self._keys
        return ["" if text.kind == "key" or "{" not in text.path else self._before(text.path, keys) for text in texts]

    def _before(self, path: str, keys: dict[str, str]) -> str:
        names: list[str] = []
        while path and len(names) < NAMES_MAX:
            name = keys.get(path)
            if name is not None:
                names.append(name[:NAME_CHARS_MAX])
            # Items of an array belong to the member that holds it; beyond a declared member its own name says enough.
            cut = path.rfind("{" if path.endswith("}") else "[")
            if cut < 0 or path[-1] not in "}]":
                break
            path = path[:cut]
        return " ".join(reversed(names))

    def path(self, text: Text) -> list[str]:
        """The steps to a text with the names of members: `customer`, `[0]`, `phone`."""
        steps: list[str] = []
        for step in STEP.finditer(text.path):
            written = step[0]
            if written == "#":
                continue
            if written[0] == "{":
                written = self._keys.get(text.path[: step.end()], "")
            elif written[0] != "[":
                written = written.removeprefix(".")
            steps.append(written)
        return steps
