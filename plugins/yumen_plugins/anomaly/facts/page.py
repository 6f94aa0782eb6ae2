"""Prints docs/facts.md: `python -m yumen_plugins.anomaly.facts.page > docs/facts.md`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from yumen_plugins.anomaly.facts.fact import DISTINCT, DISTINCT_MAX, FACTS, MEASURES, OPEN, SCOPES, USUAL, Fact
from yumen_plugins.anomaly.facts.windows import SLOTS, WINDOWS

HEAD = """\
# Facts

What rules of the plugin [anomaly](plugins/anomaly.md) can read. This page is made by
`python -m yumen_plugins.anomaly.facts.page > docs/facts.md`; a test compares the two.

A fact that is not known (a request names no user), or is not what it should be (no finite number, a text of more than 256
characters), is absent. A comparison with an absent fact is not true, whichever way round it is: neither `model == "m"` nor
`model != "m"` holds where there is no model. Rules that read a fact *of replies* are asked when the reply is there; those
that read `findings.*` both times.

Nothing is counted that no rule reads.

## Counted

`<what>.per_<whom>.<window>`, such as `requests.per_key.1m`. Windows are """
WINDOWED = """\
.
They slide, in seven slices of a sixth each: what lies in the oldest is taken to have come evenly ([store](store.md)).

"""
BASE = """\
## Compared with what is usual

`<what>.per_<whom>.<slot>.times_usual` and `.deviations`, such as `requests.per_key.1m.times_usual > 8`: this slot of the
clock beside the exponentially weighted mean of the complete ones before it (weight 0.1 for the latest).
For {what}, per {scopes}, in slots of {slots}.
`deviations` is by how many standard deviations, weighted alike, it lies above that mean. A mean or deviation below 1
counts as 1. Both are absent until ten slots have gone by.

"""


def page() -> str:
    """The whole page."""
    return "".join(_lines())


def _lines() -> Iterator[str]:
    yield HEAD + ", ".join(f"`{window}`" for window in WINDOWS) + WINDOWED
    yield _table(("what", "type", "unit", "meaning"), [
        (f"`{name}`", "number", unit, what) for name, (unit, what) in MEASURES.items()
    ])  # fmt: skip
    yield "\n" + _table(("whom", "meaning"), [(f"`per_{name}`", what) for name, what in SCOPES.items()])
    yield f"""
`distinct.<what>.per_<whom>.<window>` is how many different ones came, up to {DISTINCT_MAX}, which stands for more too:

"""
    yield _table(("what", "per"), [(f"`{what}`", ", ".join(scopes)) for what, scopes in DISTINCT.items()])
    yield "\nAnd of the last prompt of a request:\n\n"
    yield _table(("name", "type", "unit", "meaning"), [
        ("`repeats.per_<key or tenant>.<window>`", "number", "", "how often it came, but for case and blanks"),
        ("`similarity.per_<key, tenant or user>`", "number", "share",
         "how like it is to the one most like it of the 16 before it, 0 to 1"),
    ])  # fmt: skip
    what, scopes, slots = (", ".join(f"`{one}`" for one in names) for names in (USUAL, SCOPES, SLOTS))
    yield "\n" + BASE.format(what=what, scopes=scopes, slots=slots)
    for title, phase in (("Of requests", "request"), ("Of replies", "reply")):
        single = [fact for fact in FACTS.values() if fact.phase == phase and ".per_" not in fact.name]
        yield f"## {title}\n\n" + _table(("name", "type", "unit", "meaning"), [_row(fact) for fact in single])
        yield "\n"
    yield "## By category\n\nCategories are those of word lists and of findings.\n\n"
    yield _table(("name", "type", "known with", "meaning"), [
        (f"`{_name(form.pattern)}`", "number", f"the {phase}", what) for form, phase, what in OPEN
    ])  # fmt: skip


def _row(fact: Fact) -> tuple[str, ...]:
    values = "" if fact.values is None else ": " + ", ".join(f"`{value}`" for value in sorted(fact.values))
    return f"`{fact.name}`", fact.type, fact.unit, fact.what + values


def _name(pattern: str) -> str:
    return re.sub(r"\(.*\)", "<category>", pattern).replace("\\", "")


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


if __name__ == "__main__":
    print(page(), end="")
