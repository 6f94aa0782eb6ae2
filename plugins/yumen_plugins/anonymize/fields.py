"""Places in payloads that always hold one kind of thing, named by JSONPath (RFC 9535).

Of JSONPath there are `$`, members (`.name`, `['name']`), items (`[0]`), any of either (`.*`, `[*]`) and any depth (`..`):
what names places. Filters and slices choose by values, and are refused.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from yumen import Text
from yumen_plugins.anonymize.config import Field
from yumen_plugins.anonymize.detector import Detector
from yumen_plugins.anonymize.hits import Hit
from yumen_plugins.anonymize.members import Members

DEEP, ANY, CHOICES = "..", "*", "choices"
TOKEN = re.compile(
    r"""(?P<deep>\.\.)(?=[^.\[])|(?P<deepset>\.\.)(?=\[)|\.(?P<name>[^.\[\]'"*\s]+)|(?P<any>\.\*|\[\*\])
    |\[(?P<item>[0-9]{1,6})\]|\['(?P<single>[^'\\]+)'\]|\["(?P<double>[^"\\]+)"\]|(?P<bare>[^.\[\]'"*\s]+|\*)""",
    re.VERBOSE,
)


class PathError(ValueError):
    """What is wrong with a path, and what to do, as two sentences."""


def steps_of(path: str) -> tuple[str, ...]:
    """The steps of a JSONPath: names, `[0]`, `*` and `..`. Error: `PathError`."""
    if not path.startswith("$"):
        raise PathError("a path begins with `$`")
    steps: list[str] = []
    position = 1
    while position < len(path):
        token = TOKEN.match(path, position)
        if token is None or (token["bare"] and steps[-1:] != [DEEP]):
            raise PathError(f"it cannot be read from character {position + 1} on")
        if token["deep"] or token["deepset"]:
            steps.append(DEEP)
        elif token["any"] or token["bare"] == "*":
            steps.append(ANY)
        elif token["item"]:
            steps.append(f"[{token['item']}]")
        else:
            steps.append(token["name"] or token["single"] or token["double"] or token["bare"])
        position = token.end()
    if not steps or steps[-1] == DEEP:
        raise PathError("it names no place")
    return tuple(steps)


def fits(pattern: Sequence[str], steps: Sequence[str]) -> bool:
    """Whether a path names the place at these steps."""
    # Which steps of the pattern the places so far may have reached: linear in both, whatever stands in them.
    reached = {0}
    for step in steps:
        further: set[int] = set()
        for index in _skipped(pattern, reached):
            if index < len(pattern) and pattern[index] == DEEP:
                further.add(index)
            elif index < len(pattern) and pattern[index] in (step, ANY):
                further.add(index + 1)
        reached = further
    return len(pattern) in _skipped(pattern, reached)


def _skipped(pattern: Sequence[str], reached: set[int]) -> set[int]:
    """The same, and what stands behind a `..` that takes no step."""
    out = set(reached)
    for index in reached:
        while index < len(pattern) and pattern[index] == DEEP:
            index += 1
            out.add(index)
    return out


class Fields:
    """The places of one configuration. All of a text that stands in one is taken, whatever it is."""

    def __init__(self, fields: Sequence[Field]) -> None:
        self.detectors = tuple(
            Detector(
                id=one.id,
                patterns=(),
                prefilter="",
                score=1.0,
                canonical=str,
                description=one.description,
                span_max=0,
                own=True,
            )
            for one in fields
        )
        self._patterns = [steps_of(one.path) for one in fields]
        # Whether a place may be one in a streamed reply: those begin with its choices.
        self.in_streams = any(steps[0] in (DEEP, ANY, CHOICES) for steps in self._patterns)

    def find(self, texts: Sequence[Text], members: Members) -> list[list[Hit]]:
        """What stands in such places, by text."""
        found: list[list[Hit]] = []
        for text in texts:
            hits: list[Hit] = []
            if text.value and text.kind not in ("key", "media"):
                steps = members.path(text)
                hits = [
                    Hit(detector, 0, len(text.value), "", True)
                    for detector, pattern in zip(self.detectors, self._patterns, strict=True)
                    if fits(pattern, steps)
                ]
            found.append(hits)
        return found
