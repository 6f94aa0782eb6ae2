"""A check, and what can come of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Literal

import msgspec

if TYPE_CHECKING:
    from yumen.testing.conformance.subject import Subject

# `not reached`: nothing that was tried made the plugin do what the check is about; examples would.
Came = Literal["holds", "fails", "does not apply", "not reached"]


class Fails(AssertionError):
    """The plugin breaks the rule; the message says how."""


class DoesNotApply(Exception):
    """The rule is about something that this plugin does not do; the message says what."""


class NotReached(Exception):
    """Nothing that was tried made the plugin do what the rule is about; the message says what is missing."""


Run = Callable[["Subject"], Awaitable[None]]


class Check(msgspec.Struct, frozen=True):
    """One rule: its stable id, the rule in a sentence, and what to do about a plugin that breaks it."""

    id: str
    rule: str
    mend: str
    run: Run


class Verdict(msgspec.Struct, frozen=True):
    """What came of a check. `what` says it more exactly, and is empty where the rule simply holds."""

    id: str
    rule: str
    verdict: Came
    what: str = ""
    mend: str = ""


def check(id_: str, rule: str, mend: str) -> Callable[[Run], Check]:
    """Makes a check of a function that returns where the rule holds, and raises one of the above where not."""
    return lambda run: Check(id_, rule, mend, run)


def demand(holds: bool, otherwise: str) -> None:
    """Error: `Fails` with this sentence where it does not hold."""
    if not holds:
        raise Fails(otherwise)


def none_of(found: Sequence[str], otherwise: str) -> None:
    """Error: `Fails` with this sentence and the first of what was found, where anything was."""
    if found:
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise Fails(f"{otherwise}: {found[0]}{more}")
