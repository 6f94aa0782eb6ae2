"""Shows a score: tables for eyes, Markdown for a page, plain data for programs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from yumen_plugins.anonymize.labelled.labels import GROUPS
from yumen_plugins.anonymize.labelled.score import AIMS, Case, Counts, Score

COLUMNS = ("gold", "found", "missed", "right kind", "spurious", "precision", "recall", "F2")


def tables(score: Score, show_text: bool) -> Iterator[Table | Text]:
    """The tables of a set, one after another. `show_text` lets its texts be seen; without it there are places only."""
    yield Text(headline(score))
    by_label = Table("label", *COLUMNS)
    for cells in _rows(score):
        by_label.add_row(*map(_cell, cells))
    yield by_label
    by_group = Table("group", *COLUMNS, "aim")
    for cells in _groups(score):
        by_group.add_row(*map(_cell, cells))
    yield by_group
    if score.strange:
        yield _pairs(("not looked for", "spans"), sorted(score.strange.items()))
    if score.misread:
        yield _pairs(("label", "read as", "spans"), [(*pair, count) for pair, count in score.misread.most_common(20)])
    for title, cases in (("missed", score.misses), ("spurious", score.extras)):
        if cases:
            yield _cases(title, cases, show_text)


def markdown(scores: Sequence[Score]) -> str:
    """The same figures as tables of Markdown, without any text of the sets."""
    parts = []
    for score in scores:
        parts += [f"### {_clean(score.name)}", "", headline(score), ""]
        parts += [
            *_table(("label", *COLUMNS), _rows(score)),
            "",
            *_table(("group", *COLUMNS, "aim"), _groups(score)),
            "",
        ]
    return "\n".join(parts)


def data(score: Score, show_text: bool) -> dict[str, Any]:
    """The same as plain data."""
    return {
        "name": _clean(score.name),
        "texts": score.texts,
        "characters": score.chars,
        "masked_outside_per_1000": round(score.outside_per_1000, 3),
        "labels": {row: {"group": score.groups[row], **_figures(counts)} for row, counts in sorted(score.rows.items())},
        "groups": {
            group: {**_figures(score.total(group)), "aim": dict(zip(("recall", "precision"), AIMS[group], strict=True))}
            for group in GROUPS
        },
        "total": _figures(score.total()),
        "not_looked_for": dict(sorted(score.strange.items())),
        "read_as_another_kind": [
            {"label": label, "id": rule, "spans": count} for (label, rule), count in score.misread.most_common()
        ],
        "spans_that_hold_something_else": score.odd,
        "missed": [_case(case, show_text) for case in score.misses],
        "spurious": [_case(case, show_text) for case in score.extras],
        "aims_missed": score.failed(),
    }


def headline(score: Score) -> str:
    """What was read, and what was masked outside all labels."""
    outside = f"{score.outside_per_1000:.2f} of 1,000 characters masked outside all labels"
    return f"{_clean(score.name)}: {score.texts} texts, {score.chars} characters; {outside}"


def _rows(score: Score) -> Iterator[tuple[str, ...]]:
    for group in GROUPS:
        for row, counts in sorted(score.rows.items()):
            if score.groups[row] == group:
                yield row, *_numbers(counts)


def _groups(score: Score) -> Iterator[tuple[str, ...]]:
    for group in GROUPS:
        recall, precision = AIMS[group]
        yield group, *_numbers(score.total(group)), f"recall {recall}, precision {precision}"
    yield "all", *_numbers(score.total()), ""


def _numbers(counts: Counts) -> tuple[str, ...]:
    ratios = (counts.precision, counts.recall, counts.f2)
    whole = (counts.gold, counts.found, counts.missed, counts.right, counts.spurious)
    return (*map(str, whole), *("" if one is None else f"{one:.3f}" for one in ratios))


def _figures(counts: Counts) -> dict[str, Any]:
    ratios = {"precision": counts.precision, "recall": counts.recall, "f2": counts.f2}
    return {
        "gold": counts.gold,
        "found": counts.found,
        "missed": counts.missed,
        "right_kind": counts.right,
        "spurious": counts.spurious,
        **{name: None if value is None else round(value, 4) for name, value in ratios.items()},
    }


def _case(case: Case, show_text: bool) -> dict[str, Any]:
    shown = {"place": _clean(case.place), "name": case.name, "start": case.start, "end": case.end, "note": case.note}
    return {**shown, "text": _clean(case.text)} if show_text else shown


def _cases(title: str, cases: Sequence[Case], show_text: bool) -> Table:
    table = Table(title, "label" if title == "missed" else "id", "from", "to", *(("text",) if show_text else ()))
    for case in cases:
        cells = (case.place, f"{case.name} ({case.note})" if case.note else case.name, case.start, case.end)
        table.add_row(*map(_cell, (*cells, case.text) if show_text else cells))
    return table


def _pairs(titles: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> Table:
    table = Table(*titles)
    for cells in rows:
        table.add_row(*map(_cell, cells))
    return table


def _table(titles: Sequence[str], rows: Iterator[tuple[str, ...]]) -> list[str]:
    escaped = [[cell.replace("|", "\\|") for cell in cells] for cells in rows]
    return [_line(titles), _line(["---"] * len(titles)), *map(_line, escaped)]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _clean(text: str) -> str:
    """Without lone surrogates, which UTF-8 has no bytes for."""
    return text.encode("utf-8", "replace").decode()


def _cell(value: Any) -> Text:
    """A value without anything that a terminal would act on, and as text, so that nothing in it is taken for markup."""
    return Text("".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value)))
