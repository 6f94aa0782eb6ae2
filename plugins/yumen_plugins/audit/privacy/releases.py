"""Counts that may be shared outside: with noise, within a budget, and with a sentence that says how good they are.

**What is protected.** One unit: an exchange, or a subject (a person) with all exchanges that were counted. Whoever sees a
release can hardly tell whether a given unit was in the data: the odds of anything that he concludes change by a factor of at
most exp(ε) (Dwork and others 2006). The price counts once for all cells together, because `sensitivity` bounds
what one unit changes in all of them: where an exchange counts in one cell of a histogram, it is 1.

**What is not protected.** That something is in the ledger at all, the names of the cells, and what follows from all units
together. The names must therefore be known beforehand, as a list of outcomes or the rules of a policy is. Cells named after
what was found would tell that it was found.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Literal

import msgspec

from yumen_plugins.audit.privacy.budget import Budget, Question, months_of
from yumen_plugins.audit.privacy.laplace import Below, discrete_laplace, within

Unit = Literal["exchange", "subject"]

CELLS_MAX = 1_000
SUBJECTS_MAX = 1_000_000
DENOMINATOR_MAX = 1_000_000
NAME_CHARS_MAX = 200


class Release(msgspec.Struct, frozen=True):
    """Noisy numbers by cell; they can be negative, because cutting them off at zero would make sums too large.

    `within` is how far 95 of 100 numbers are from the true count at most. `details` are those of the operation that goes
    into the ledger before anybody sees a number. `again` is whether it had been drawn before.
    """

    values: dict[str, int]
    epsilon: Fraction
    scale: Fraction
    within: int
    sentence: str
    details: dict[str, str]
    again: bool


def release(
    budget: Budget,
    counts: Mapping[str, int],
    *,
    dataset: str,
    query: str,
    months: tuple[str, str],
    cells: Sequence[str],
    epsilon: Fraction = Fraction(1, 10),
    sensitivity: int = 1,
    unit: Unit = "exchange",
    now: float | None = None,
    below: Below = secrets.randbelow,
) -> Release:
    """Add noise of scale sensitivity/epsilon to each cell, once, and charge epsilon to the budget before anybody sees it.

    `cells` are the names of all cells, known without looking at the data; one that has no count has none yet, 0. `dataset`
    is a tenant or `*`; `query` names what is counted, with its version (`outcomes/1`); `months` the first and last month of
    the data, as `2026-11`. All must be over at `now` (seconds since the epoch), or the same question would have another
    answer every day. `sensitivity` is how much one unit can change all cells together; for subjects use `bounded`, which
    makes that true. `below` is where randomness comes from, in tests.

    Errors: `BudgetSpent`, `CannotStart`; `ValueError` for a question that cannot be asked.
    """
    _check(counts, cells, epsilon, sensitivity, (dataset, query))
    _over(months[1], time.time() if now is None else now)
    scale = Fraction(sensitivity) / epsilon
    question = Question(
        dataset=dataset,
        query=query,
        months=months,
        cells=tuple(cells),
        epsilon=epsilon,
        sensitivity=sensitivity,
        unit=unit,
    )
    reach = within(scale)
    kept = budget.once(question, lambda: {cell: counts.get(cell, 0) + discrete_laplace(scale, below) for cell in cells})
    details = {
        "dataset": dataset,
        "query": query,
        "months": "..".join(months),
        "unit": unit,
        "sensitivity": str(sensitivity),
        "epsilon": str(epsilon),
        "scale": str(scale),
        "spent": str(kept.spent),
        "left": str(kept.left),
        "key": question.key[:32],
        "again": "yes" if kept.again else "no",
    }
    return Release(kept.numbers, epsilon, scale, reach, sentence(scale, reach, unit), details, kept.again)


def sentence(scale: Fraction, reach: int, unit: Unit) -> str:
    """What somebody who gets the numbers has to know, in plain words. `reach` is `within(scale)`."""
    protected = "exchange" if unit == "exchange" else "person"
    return (
        f"Random noise (discrete Laplace, scale {scale}) was added to each number, so that none tells whether any one "
        f"{protected} was counted. 95 times out of 100 a number is within ±{reach:,} of the true count. A number of "
        f"{reach:,} or less may be noise alone, and can be negative; below about {10 * max(reach, 1):,} the noise is more "
        "than a tenth of the number, which makes it useless for comparing."
    )


def bounded(pairs: Iterable[tuple[str, str]], *, cells: Sequence[str], each_max: int) -> dict[str, int]:
    """Count pairs of a subject and a cell, at most `each_max` of one subject: the sensitivity of a release of subjects.

    The first pairs of a subject count, in the order given. A pair without a subject counts for nobody and is left out: what
    it adds cannot be bounded. So is one whose cell is not among `cells`. Give all pairs of a release at once: counts of
    parts that are added up have no such bound. Error: `ValueError` for more than 1,000,000 subjects.
    """
    counts, seen = dict.fromkeys(cells, 0), dict[str, int]()
    for subject, cell in pairs:
        if not subject or cell not in counts:
            continue
        had = seen.get(subject, 0)
        if had == 0 and len(seen) == SUBJECTS_MAX:
            raise ValueError(f"there are more than {SUBJECTS_MAX:,} subjects; ask about one tenant, or fewer months")
        if had < each_max:
            seen[subject] = had + 1
            counts[cell] += 1
    return counts


def _check(
    counts: Mapping[str, int], cells: Sequence[str], epsilon: Fraction, sensitivity: int, names: tuple[str, ...]
) -> None:
    if not isinstance(epsilon, Fraction) or epsilon <= 0 or epsilon.denominator > DENOMINATOR_MAX:
        raise ValueError(f"ε must be a positive fraction, such as 1/10, of at most {DENOMINATOR_MAX:,} parts")
    if not 1 <= sensitivity <= DENOMINATOR_MAX:
        raise ValueError(f"the sensitivity must be a whole number of 1 to {DENOMINATOR_MAX:,}")
    if not 0 < len(cells) <= CELLS_MAX or len(set(cells)) < len(cells):
        raise ValueError(f"a release has 1 to {CELLS_MAX:,} cells, each with a name of its own")
    if not all(0 < len(name) <= NAME_CHARS_MAX for name in (*names, *cells)):
        raise ValueError(f"names of datasets, queries and cells have 1 to {NAME_CHARS_MAX} characters")
    if not counts.keys() <= set(cells):
        raise ValueError(
            "a cell is counted that is not among the cells known beforehand; its name alone would tell much"
        )
    if any(isinstance(count, bool) or not isinstance(count, int) or count < 0 for count in counts.values()):
        raise ValueError("counts are whole numbers that are not negative")


def _over(last: str, now: float) -> None:
    """Error: `ValueError` where a month is not over yet."""
    list(months_of(last, last))
    if time.strftime("%Y-%m", time.gmtime(now)) <= last:
        raise ValueError(f"{last} is not over; a release is about whole months, so that it is drawn only once")
